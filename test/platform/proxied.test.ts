import { afterEach, expect, test } from 'vitest'
import type { ExportKeyingMaterial, WebSocketOptions } from '../../src/platform/index.ts'
import type { NodeWebClient } from '../../src/platform/node/node-web-client.ts'
import { Cleanup, MAX_MESSAGE, openConnections, openSockets, until, watch } from './support/loopback.ts'
import {
  accepted,
  certificates,
  connectProxy,
  lookupTest,
  type Said,
  scripted,
  tlsOf,
  webClient,
} from './support/servers.ts'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

const relay = (): Promise<Said> => scripted(cleanup, (request) => accepted(request), certificates)
const open = (client: NodeWebClient, url: string, more: Partial<WebSocketOptions> = {}) =>
  client.openWebSocket({ url, protocols: [], maxMessageSize: MAX_MESSAGE, ...more })

test.each([
  ['http', undefined],
  ['https', certificates],
] as const)(
  'spec/relay.md §1.8: through an %s proxy: CONNECT, then TLS to the relay that is ours to the end',
  async (scheme, tls) => {
    const proxy = await connectProxy(cleanup, tls)
    const server = await relay()
    const asked: string[] = []
    const client = webClient({
      proxy: `${scheme}://us%65r:p%40ss@proxy.test:${proxy.port}`,
      lookup: (host, family) => {
        asked.push(host)
        return lookupTest(host, family)
      },
    })
    let exporter: ExportKeyingMaterial | undefined
    const watched = watch(
      await open(client, `wss://relay.test:${server.port}/relay`, {
        headers: (ours) => {
          exporter = ours
          return {}
        },
      }),
    )
    expect(proxy.requests).toEqual([
      [
        `CONNECT relay.test:${server.port} HTTP/1.1`,
        'Host: relay.test',
        'Proxy-Connection: Keep-Alive',
        `Proxy-Authorization: Basic ${Buffer.from('user:p@ss').toString('base64')}`,
        '\r\n',
      ].join('\r\n'),
    ])
    // The relay's name is the proxy's affair.
    expect(new Set(asked)).toEqual(new Set(['proxy.test']))
    const secure = tlsOf(server.sockets.find((socket) => 'encrypted' in socket))
    expect(secure.servername).toBe('relay.test')
    const theirs = secure.exportKeyingMaterial(32, 'label', Buffer.alloc(3))
    expect(Buffer.from(exporter!('label', new Uint8Array(3), 32)).equals(theirs)).toBe(true)

    secure.write(Buffer.from('820107', 'hex'))
    await until(() => watched.messages.length === 1)
    watched.link.send(new Uint8Array(100_000))
    await until(() => watched.link.queuedBytes === 0)
    watched.link.terminate()
    await until(() => watched.ends.length === 1)
    await until(() => proxy.sockets.every((socket) => socket.destroyed))
    await cleanup.run()
    expect(openSockets()).toBe(0)
  },
)

test('spec/relay.md §1.6: through a proxy a numeric relay must be who it is dialled as, not who the proxy is', async () => {
  const proxy = await connectProxy(cleanup)
  const server = await relay()
  const client = webClient({ proxy: `http://127.0.0.1:${proxy.port}` })
  await expect(open(client, `wss://127.0.0.9:${server.port}/`)).rejects.toMatchObject({ code: 'WEB_TLS' })
  const link = await open(client, `wss://127.0.0.1:${server.port}/`)
  link.terminate()
})

test('a probe goes through the proxy, too', async () => {
  const proxy = await connectProxy(cleanup)
  const server = await scripted(cleanup, () => 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', certificates)
  const client = webClient({ environment: { https_proxy: `http://127.0.0.1:${proxy.port}` } })
  expect((await client.get({ url: `https://relay.test:${server.port}/ping` })).status).toBe(200)
  expect(proxy.requests).toHaveLength(1)
  expect(proxy.requests[0]).not.toContain('Authorization')
})

test('plain connections, hosts in no_proxy, and a proxy of null: direct', async () => {
  const proxy = await connectProxy(cleanup)
  const server = await relay()
  const plain = await scripted(cleanup, (request) => accepted(request))
  const environment = { HTTPS_PROXY: `http://proxy.test:${proxy.port}`, no_proxy: 'relay.test' }
  const links = [
    await open(webClient({ environment }), `wss://relay.test:${server.port}/`),
    await open(
      webClient({ environment: { ...environment, no_proxy: '' }, proxy: null }),
      `wss://relay.test:${server.port}/`,
    ),
    await open(webClient({ environment: { ...environment, no_proxy: '' } }), `ws://relay.test:${plain.port}/`),
  ]
  expect(proxy.requests).toEqual([])
  for (const link of links) link.terminate()
})

test('spec/relay.md §1.8: any 2xx opens the tunnel; what else the proxy says is the error', async () => {
  const proxy = await connectProxy(cleanup)
  const client = webClient({ proxy: `http://proxy.test:${proxy.port}` })
  const answers: [string, object][] = [
    [
      'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n',
      { code: 'WEB_PROXY', status: 407, message: /refused.*407 Proxy Auth/ },
    ],
    ['HTTP/1.1 302 Found\r\n\r\n', { code: 'WEB_PROXY', status: 302 }],
    ['SSH-2.0-proxy\r\n\r\n', { code: 'WEB_PROXY', status: undefined, message: /not HTTP/ }],
    // Inside the tunnel there is nobody who speaks TLS.
    ['HTTP/1.1 299 Fine\r\n\r\nnot TLS at all', { code: 'WEB_TLS' }],
  ]
  for (const [answer, error] of answers) {
    proxy.answer = () => answer
    const expected = 'message' in error ? { ...error, message: expect.stringMatching(error.message as RegExp) } : error
    await expect(open(client, 'wss://relay.test/')).rejects.toMatchObject(expected)
  }
  proxy.answer = () => undefined
  await expect(open(client, 'wss://[::1]:1/')).rejects.toMatchObject({ code: 'WEB_PROXY' })
  await until(() => openConnections() === 0, 'the end of all connections')
  expect(proxy.requests.at(-1)).toMatch(/^CONNECT \[::1\]:1 HTTP\/1\.1\r\nHost: \[::1\]\r\n/)
  await cleanup.run()
  expect(openSockets()).toBe(0)
})

test('an abort while the proxy thinks, and a proxy that is not there', async () => {
  const silent = await scripted(cleanup, () => undefined)
  const controller = new AbortController()
  const client = webClient({ proxy: `http://proxy.test:${silent.port}` })
  const outcome = expect(open(client, 'wss://relay.test/', { signal: controller.signal })).rejects.toThrow('enough')
  await until(() => silent.requests.length === 1)
  controller.abort(new Error('enough'))
  await outcome
  await cleanup.run()
  expect(openSockets()).toBe(0)
  await expect(open(client, 'wss://relay.test/')).rejects.toMatchObject({
    message: expect.stringContaining('proxy.test'),
  })
  await expect(open(webClient({ proxy: 'http://absent.example' }), 'wss://relay.test/')).rejects.toMatchObject({
    code: 'WEB_NAME',
  })
})
