/** `tom doctor`, on the loopback alone: sockets are bound there, and the router is a function. */
import { afterEach, expect, test } from 'vitest'
import { type DoctorOptions, doctor } from '../../src/cli/doctor.ts'
import type { PortMapProbe } from '../../src/holepunch/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'
import { StunServer, startCompleteServer } from '../stun-server/stun-server.ts'
import { hurried, run, runEach, Tom, useTom } from './tom.ts'

useTom()

const servers: StunServer[] = []
const start = async (starting: Promise<StunServer>): Promise<StunServer> => {
  const server = await starting
  servers.push(server)
  return server
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function examine(
  options: Partial<DoctorOptions>,
  {
    portMap,
    interrupted = new AbortController().signal,
  }: { portMap?: () => Promise<PortMapProbe>; interrupted?: AbortSignal } = {},
) {
  const stdout: string[] = []
  const stderr: string[] = []
  const platform = new NodePlatform({ proxy: null })
  await doctor(
    { relays: [], bind: ['127.0.0.1:0'], json: false, timeoutMs: 8000, withRouter: portMap !== undefined, ...options },
    { output: { stdout: (line) => stdout.push(line), stderr: (line) => stderr.push(line) }, interrupted },
    { platform, ...(portMap === undefined ? {} : { probePortMapping: portMap }) },
  )
  return { text: stdout.join('\n'), lines: stdout, stderr }
}

test.skipIf(process.platform !== 'linux')(
  'RFC 5780 §4: one server with two addresses tells mapping and filtering',
  async () => {
    const server = await start(startCompleteServer())
    const stunServers = [server.addresses[0]!]
    const { text, stderr } = await examine({ stunServers })
    expect(text).toMatch(/^asked: 1 STUN server\n\[ok\] {4}UDP: works over IPv4\n/)
    expect(text).toMatch(/^\[ok\] {4}NAT: none$/m)
    expect(text).toMatch(/^\[ok\] {4}Filtering: none$/m)
    expect(text).toMatch(
      /^\[ok\] {4}Direct connections: without a NAT: direct; behind an easy NAT: direct; behind a hard NAT: direct$/m,
    )
    expect(text).toMatch(/^ {8}-> Give --relay with the URL of a relay\.$/m)
    expect(stderr).toEqual([])
    const json = await examine({ stunServers, json: true })
    expect(json.lines).toHaveLength(1)
    const { natKind, mapping, filtering, asked, stun, globalV4, findings } = JSON.parse(json.text)
    expect({ natKind, mapping, filtering, asked }).toEqual({
      natKind: 'none',
      mapping: 'none',
      filtering: 'endpoint-independent',
      asked: { relays: [], stunServers },
    })
    expect(stun.answers.map(({ server }: { server: string }) => server).sort()).toEqual(
      [0, 2, 3].map((index) => server.addresses[index]).sort(),
    )
    expect(globalV4).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(findings[0]).toMatchObject({ topic: 'udp', status: 'good' })
  },
)

test('an ordinary server, one that cannot be asked, and what the router says', async () => {
  const server = await start(StunServer.start({ bind: ['127.0.0.1:0'], withBehaviourDiscovery: false }))
  const { text } = await examine(
    { stunServers: [server.addresses[0]!, '[::1]:3478'] },
    { portMap: () => Promise.resolve({ pcp: true, natPmp: false, upnp: false, gateway: '192.0.2.1' }) },
  )
  expect(text).toMatch(/^\[ok\] {4}Port mapping: PCP at 192\.0\.2\.1$/m)
  expect(text).not.toMatch(/Filtering/)
  expect(text).toContain('STUN server [::1]:3478: no socket for it')
})

test('what is not known when the time is up stays unknown', async () => {
  const silent = await start(StunServer.start({ bind: ['127.0.0.1:0'] }))
  silent.isSilent = true
  const answering = await start(StunServer.start({ bind: ['127.0.0.1:0'], withBehaviourDiscovery: false }))
  // a router that is asked until the signal says that it is enough
  const portMap = (_platform: unknown, signal: AbortSignal) =>
    new Promise<PortMapProbe>((resolve) => {
      signal.addEventListener('abort', () => resolve({ pcp: false, natPmp: false, upnp: false, gateway: '192.0.2.1' }))
    })
  const { text } = await examine(
    { stunServers: [silent.addresses[0]!, answering.addresses[0]!], timeoutMs: 300 },
    { portMap: portMap as () => Promise<PortMapProbe> },
  )
  expect(text).toMatch(/^\[ok\] {4}UDP: works over IPv4$/m)
  expect(text).toMatch(/^\[so-so\] Port mapping: none at 192\.0\.2\.1$|^\[ok\] {4}Port mapping: none at/m)
})

test('a router that cannot be asked is said, and no reason to stop', async () => {
  const { text, stderr } = await examine({}, { portMap: () => Promise.reject(new Error('no such tool')) })
  expect(stderr).toEqual(['tom: the router was not asked: no such tool'])
  expect(text).toMatch(/^asked: nobody\n\[\?\] {5}UDP: not tested$/m)
  expect(text).toMatch(/^ {8}-> Give --relay .* --stun/m)
})

test('an interruption ends it without a word', async () => {
  const silent = await start(StunServer.start({ bind: ['127.0.0.1:0'] }))
  silent.isSilent = true
  const controller = new AbortController()
  const running = examine({ stunServers: silent.addresses }, { interrupted: controller.signal })
  controller.abort()
  expect((await running).lines).toEqual([])
})

test('tom doctor: a relay of ours, its latency, and a home', async () => {
  const relay = new Tom('relay', '--dev', '--bind', '127.0.0.1:0')
  const [, address] = await relay.match(/(127\.0\.0\.1:\d+)/)
  const { code, stdout, stderr } = await run(
    // address discovery that nobody offers is waited for: 3 s
    hurried(4),
    'doctor',
    ...['--bind', '127.0.0.1:0', '--relay', `http://${address}`, '--no-port-mapping', '--timeout', '36000'],
  )
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/^asked: 1 relay\n\[BAD\] {3}UDP: no answer$/m)
  expect(stdout).toMatch(/^ {8}-> Give --stun with a STUN server to tell which\.$/m)
  expect(stdout).toContain(`Relays: http://${address}/`)
  expect(stdout).toContain(`Peers find us at http://${address}/.`)
})

test('wrong usage is exit code 2 and one line on stderr', async () => {
  const cases = [
    ['--stun', 'a b'],
    ['--timeout', '0'],
    ['--relay', 'ftp://relay.test'],
  ]
  const results = await runEach(cases.map((args) => ['doctor', '--no-port-mapping', ...args]))
  for (const [index, { code, stdout, stderr }] of results.entries()) {
    expect({ args: cases[index], code, stdout }).toEqual({ args: cases[index], code: 2, stdout: '' })
    expect(stderr).toMatch(/^[^\n]+\n$/)
  }
})
