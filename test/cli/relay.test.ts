/** `tom relay` as a process: what it prints, how it ends, and how it refuses. */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTcp } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { EndpointTicket } from '../../src/identity/index.ts'
import { Pki } from '../relay/server/pki.ts'
import { ask } from '../relay/server/raw-http.ts'
import { Identity, WsClient } from '../relay/server/ws-client.ts'
import { events } from './events.ts'
import { folder, run, runEach, Tom, useTom } from './tom.ts'

useTom()

const PKI = new Pki()
const PAIR = PKI.issue()
const BIND = ['--bind', '127.0.0.1:0']

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const paths = (): string => {
  const [cert, key] = [file('relay.crt', PAIR.cert), file('relay.key', PAIR.key)]
  return `manual_cert_path = "${cert}"\nmanual_key_path = "${key}"\n`
}

test('--dev: plain HTTP; SIGTERM ends it in order', async () => {
  const tom = new Tom('relay', '--dev', ...BIND)
  const [, url] = await tom.match(/^relay: (http:\/\/127\.0\.0\.1:\d+\/)\n/m)
  await tom.match(/^listening on 127\.0\.0\.1:\d+ \(http\)$/m)
  const client = await WsClient.connect(url!, new Identity(1))
  await tom.match(/^8a88e3dd74 from 127\.0\.0\.1: .+$/m)
  tom.interrupt('SIGTERM')
  expect((await client.next())[0]).toBe(12)
  expect(await client.ended()).toMatchObject({ code: 1012 })
  const { code, stdout, stderr } = await tom.ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(
    /stopping; 1 clients are told to come back\n[\s\S]*1 connections, 0 datagram frames with 0 bytes/,
  )
})

test('a config file: TLS, address discovery, metrics, a token; events as JSON', async () => {
  const config = file(
    'relay.toml',
    `http_bind_addr = "127.0.0.1:0"
     enable_quic_addr_discovery = true
     metrics_bind_addr = "127.0.0.1:0"
     access.shared_token = ["secret"]
     [tls]
     cert_mode = "Reloading"
     hostname = "localhost"
     quic_bind_addr = "127.0.0.1:0"
     ${paths()}`,
  )
  const tom = new Tom('relay', '-c', config, '--json', ...BIND)
  await tom.match(/"started"/)
  const [started] = events(tom.stdout)
  const address = expect.stringMatching(/^127\.0\.0\.1:\d+$/)
  expect(started).toEqual({
    event: 'started',
    time: expect.any(Number),
    url: expect.stringMatching(/^https:\/\/localhost:\d+\/$/),
    https: address,
    http: address,
    quic: address,
    metrics: address,
  })
  const url = String(started!.url)
  await WsClient.connect(`${url}?token=secret`, new Identity(1), { ca: PKI.rootPem })
  await expect(WsClient.connect(url, new Identity(2), { ca: PKI.rootPem })).rejects.toThrow('denied: not authorized')
  const port = Number(String(started!.metrics).split(':')[1])
  expect(await ask(port, ['GET / HTTP/1.1', 'Host: h', 'Connection: close'])).toContain(
    '\nrelayserver_accepts_total 1\n',
  )
  tom.interrupt()
  const { code, stdout } = await tom.ended
  expect(code).toBe(0)
  const all = events(stdout)
  expect(all.find(({ event }) => event === 'denied')).toMatchObject({ level: 'info', endpoint: new Identity(2).hex })
  expect(all.at(-1)).toEqual({ event: 'stopped', time: expect.any(Number), connections: 1, datagrams: 0, bytes: 0 })
})

test('--log-level error says nothing of clients', async () => {
  const tom = new Tom('relay', '--dev', ...BIND, '--json', '--log-level', 'error')
  await tom.match(/"started"/)
  await WsClient.connect(String(events(tom.stdout)[0]!.url), new Identity(1))
  tom.interrupt()
  expect(events((await tom.ended).stdout).map(({ event }) => event)).toEqual(['started', 'stopping', 'stopped'])
})

describe('what keeps it from starting: exit code 2 and one line', () => {
  test('spec/relay.md §4.5: files, keys, ports, certificates', async () => {
    const busy = createTcp()
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void busy.close())
    const { port } = busy.address() as { port: number }
    const toml = (name: string, text: string) => ['-c', file(`${name}.toml`, text)]
    const tls = (text: string) =>
      `http_bind_addr = "127.0.0.1:0"\nenable_metrics = false\n[tls]\ncert_mode = "Manual"\n${text}`
    const other = file('other.key', PKI.issue().key)
    const cases: [args: string[], message: RegExp][] = [
      [[], /^tom: give --dev for plain HTTP on port 3340, or --config-path /],
      [['-c', join(folder, 'none.toml')], /^tom: .*none\.toml: there is no such file$/],
      [['-c', folder], /^tom: .*: EISDIR/],
      [toml('broken', 'a = [1,'), /^tom: .*broken\.toml:1:\d+: /],
      [toml('unknown', 'htp_bind_addr = 1'), /^tom: .*unknown\.toml: htp_bind_addr: unknown key /],
      [toml('malformed', 'enable_relay = 1'), /^tom: .*malformed\.toml: enable_relay: expected true or false, got 1$/],
      [toml('acme', '[tls]\ncert_mode = "LetsEncrypt"'), /^tom: .*cert_mode: LetsEncrypt is not supported: .*certbot/],
      [['--dev', '--bind', 'localhost'], /^tom: --bind: expected ip:port/],
      [['--dev', '--bind', `127.0.0.1:${port}`], /^tom: http: cannot listen on 127\.0\.0\.1:\d+: another program has /],
      [['--dev', '--log-level', 'loud'], /'loud' is invalid/],
      [
        toml('missing', tls('cert_dir = "/none"')),
        /^tom: cannot read the certificate \/none\/default\.crt: there is no /,
      ],
      [
        toml('swapped', tls(paths().replace('relay.key', 'other.key'))),
        /^tom: the key in .*other\.key does not belong to the first certificate in .*relay\.crt$/,
      ],
      [
        toml('garbage', tls(`manual_cert_path = "${other}"\nmanual_key_path = "${other}"`)),
        /^tom: .*no certificate in it/,
      ],
    ]
    const results = await runEach(cases.map(([args]) => ['relay', ...args, '--json']))
    for (const [index, { code, stdout, stderr }] of results.entries()) {
      const [args, message] = cases[index]!
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' })
      expect(stderr).toMatch(/^[^\n]+\n$/)
      expect(stderr.trimEnd()).toMatch(message)
    }
  })
})

test('spec/relay.md §4.4: IROH_RELAY_HTTP_BEARER_TOKEN goes to the hook', async () => {
  const tokens: (string | undefined)[] = []
  const hook = createServer((asked, response) => {
    tokens.push(asked.headers.authorization)
    response.end('true')
  })
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    hook.closeAllConnections()
    hook.close()
  })
  const { port } = hook.address() as { port: number }
  process.env.IROH_RELAY_HTTP_BEARER_TOKEN = 'from-outside'
  onTestFinished(() => void delete process.env.IROH_RELAY_HTTP_BEARER_TOKEN)
  const config = file('hook.toml', `[access.http]\nurl = "http://127.0.0.1:${port}/"\nbearer_token = "from-file"`)
  const tom = new Tom('relay', '--dev', '-c', config, ...BIND)
  const [, url] = await tom.match(/^relay: (\S+)/m)
  await WsClient.connect(url!, new Identity(1))
  expect(tokens).toEqual(['Bearer from-outside'])
  tom.interrupt()
  expect((await tom.ended).code).toBe(0)
})

describe('listen and connect at a relay', () => {
  async function relay(...args: string[]): Promise<string> {
    const tom = new Tom('relay', ...BIND, ...args)
    return (await tom.match(/^relay: (http:\/\/127\.0\.0\.1:\d+\/)\n/m))[1]!
  }
  const pings = ['-p', '2', '-d', '5', ...BIND]

  test('the ticket names the relay, and an id is enough for who is at the same one', async () => {
    const url = await relay('--dev')
    const listener = new Tom('listen', '--relay', url, ...BIND)
    await listener.match(new RegExp(`^online at ${url}$`, 'm'))
    const [, ticket] = await listener.match(/^ticket: (\S+)$/m)
    const { addr } = EndpointTicket.parse(ticket!)
    expect(addr.relayUrls.map(({ href }) => href)).toEqual([url])
    const [byTicket, byId] = await Promise.all([
      run('connect', ticket!, ...pings),
      run('connect', addr.id.toString(), '--relay', url, ...pings),
    ])
    expect(byTicket.code).toBe(0)
    expect(byId).toMatchObject({ code: 0, stdout: expect.stringContaining('2 answered') })
  })

  test('--relay-token lets in and stays out of the ticket', async () => {
    const config = file('token.toml', 'access.shared_token = ["open sesame"]\n')
    const url = await relay('--dev', '-c', config)
    const listener = new Tom('listen', '--relay', url, '--relay-token', 'open sesame', ...BIND)
    await listener.match(/^online at/m)
    const [, ticket] = await listener.match(/^ticket: (\S+)$/m)
    expect(EndpointTicket.parse(ticket!).addr.relayUrls.map(({ href }) => href)).toEqual([url])
    const connected = await run('connect', ticket!, '--relay', url, '--relay-token', 'open sesame', ...pings)
    expect(connected.code).toBe(0)
  })

  test('what is no relay URL is wrong usage', async () => {
    const { code, stderr } = await run('listen', '--relay', 'nonsense', ...BIND)
    expect(code).toBe(2)
    expect(stderr).toMatch(/^tom: relays: .*nonsense.*\n$/)
  })
})
