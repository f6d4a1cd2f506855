import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, expect, test, vi } from 'vitest'
import type { ExportKeyingMaterial, WebSocketOptions } from '../../src/platform/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'
import { Cleanup, MAX_MESSAGE, openConnections, openSockets, turns, until, watch } from './support/loopback.ts'
import { accepted, certificates, scripted, tlsOf, webClient } from './support/servers.ts'
import { hex } from './websocket/twin.ts'

const cleanup = new Cleanup()
afterEach(async () => {
  vi.useRealTimers()
  await cleanup.run()
})

const options = (url: string, more: Partial<WebSocketOptions> = {}): WebSocketOptions => ({
  url,
  protocols: ['iroh-relay-v2', 'iroh-relay-v1'],
  maxMessageSize: MAX_MESSAGE,
  ...more,
})

/** The client let go of everything by itself, and the servers noticed; then they end, too. */
async function expectNothingOpen(): Promise<void> {
  await until(() => openConnections() === 0, 'the end of all connections')
  await cleanup.run()
  expect(openSockets()).toBe(0)
}

test('spec/relay.md §1.3: the upgrade request of a native client, line by line', async () => {
  const server = await scripted(cleanup, (request) => accepted(request, ['sec-websocket-protocol: iroh-relay-v2']))
  const asked: unknown[] = []
  const link = await webClient().openWebSocket(
    options(`ws://relay.test:${server.port}/relay?token=a%20b`, {
      headers: (exporter) => {
        asked.push(exporter)
        return { authorization: 'Bearer secret' }
      },
    }),
  )
  expect(asked).toEqual([undefined])
  const key = /Key: (\S+)/.exec(server.requests[0]!)![1]!
  expect(Buffer.from(key, 'base64')).toHaveLength(16)
  expect(server.requests).toEqual([
    [
      'GET /relay?token=a%20b HTTP/1.1',
      `Host: relay.test:${server.port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Key: ${key}`,
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: iroh-relay-v2, iroh-relay-v1',
      'authorization: Bearer secret',
      '\r\n',
    ].join('\r\n'),
  ])
  expect(link.protocol).toBe('iroh-relay-v2')
  expect(link.localAddress).toBe('127.0.0.1')
  link.terminate()
  await expectNothingOpen()
})

test('spec/relay.md §1.1, §1.6, §2.4: over TLS no ALPN, no trailing dot in SNI, and both ends export the same', async () => {
  const server = await scripted(cleanup, (request) => accepted(request), certificates)
  let ours: Uint8Array | undefined
  const link = await webClient().openWebSocket(
    options(`wss://relay.test.:${server.port}/relay`, {
      headers: (exporter) => {
        ours = exporter!('iroh-relay handshake v1', new Uint8Array(32).fill(5), 32)
        return { 'x-iroh-relay-client-auth-v1': Buffer.from(ours).toString('base64url') }
      },
    }),
  )
  const secure = tlsOf(server.sockets.find((socket) => 'encrypted' in socket))
  expect([secure.servername, secure.alpnProtocol]).toEqual(['relay.test', false])
  const theirs = secure.exportKeyingMaterial(32, 'iroh-relay handshake v1', Buffer.alloc(32, 5))
  expect(Buffer.from(ours!).equals(theirs)).toBe(true)
  expect(server.requests[0]).toContain(`Host: relay.test.:${server.port}\r\n`)
  expect(server.requests[0]).toContain(`x-iroh-relay-client-auth-v1: ${theirs.toString('base64url')}\r\n`)
  expect([link.protocol, link.localAddress]).toEqual(['', '127.0.0.1'])
  const watched = watch(link)
  link.close(1000, '')
  secure.on('data', () => secure.end(Buffer.from('880203e8', 'hex')))
  await until(() => watched.ends.length === 1)
  expect(watched.ends).toEqual([{ code: 1000, reason: '' }])
  await expectNothingOpen()
})

test('spec/relay.md §1.6: a numeric host is checked against the certificate’s addresses, without SNI', async () => {
  const server = await scripted(cleanup, (request) => accepted(request), certificates)
  const link = await webClient().openWebSocket(options(`wss://127.0.0.1:${server.port}/`))
  expect(tlsOf(server.sockets.find((socket) => 'encrypted' in socket)).servername).toBe(false)
  link.terminate()
})

test('spec/relay.md §1.6: who is not trusted, and whose name is another', async () => {
  const server = await scripted(cleanup, () => 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', certificates)
  const url = `wss://127.0.0.1:${server.port}/`
  // Node warns, and would let it pass.
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  await expect(new NodePlatform({ proxy: null }).web.openWebSocket(options(url))).rejects.toMatchObject({
    code: 'WEB_TLS',
    message: expect.stringContaining('127.0.0.1'),
  })
  warned.mockRestore()
  vi.unstubAllEnvs()
  await expect(webClient().openWebSocket(options(`wss://other.test:${server.port}/`))).rejects.toMatchObject({
    code: 'WEB_TLS',
    message: expect.stringContaining('other.test'),
  })
  expect(server.requests).toHaveLength(0)
  const trusting = new NodePlatform({ proxy: null, ca: [certificates.ca] }).web
  expect((await trusting.get({ url: `https://127.0.0.1:${server.port}/` })).status).toBe(200)
  await expectNothingOpen()
})

test.each([400, 401, 404, 503, 200, 302])(
  'spec/relay.md §1.3: %i instead of 101 is an error with that status',
  async (status) => {
    const server = await scripted(
      cleanup,
      () => `HTTP/1.1 ${status} Because\r\nLocation: http://elsewhere.test/\r\nContent-Length: 4\r\n\r\nbody`,
    )
    await expect(webClient().openWebSocket(options(`ws://relay.test:${server.port}/relay`))).rejects.toMatchObject({
      name: 'WebError',
      code: 'WEB_REFUSED',
      status,
      message: `relay.test:${server.port} refused the WebSocket: ${status} Because`,
    })
    expect(server.requests).toHaveLength(1)
    await expectNothingOpen()
  },
)

test.each<[string, (request: string) => string]>([
  ['a wrong accept key', (request) => accepted(request.replace(/(Key: )./, '$1_'))],
  ['no accept key', (request) => accepted(request).replace(/sec-websocket-accept.*\r\n/, '')],
  ['no upgrade', (request) => accepted(request).replace('upgrade: websocket\r\n', '')],
  ['an upgrade to something else', (request) => accepted(request).replace('websocket\r\n', 'h2c\r\n')],
  ['no connection', (request) => accepted(request).replace('connection: upgrade\r\n', 'connection: close\r\n')],
  ['a protocol that nobody offered', (request) => accepted(request, ['sec-websocket-protocol: iroh-relay-v3'])],
  ['two protocols', (request) => accepted(request, ['sec-websocket-protocol: iroh-relay-v2, iroh-relay-v1'])],
  ['an extension', (request) => accepted(request, ['sec-websocket-extensions: permessage-deflate'])],
  ['an answer that is not HTTP', () => '220 mail.test ESMTP\r\n\r\n'],
  ['HTTP/2', () => 'HTTP/2 101\r\n\r\n'],
])('RFC 6455 §4.1: %s ends the connection', async (_name, answer) => {
  const server = await scripted(cleanup, answer)
  await expect(webClient().openWebSocket(options(`ws://relay.test:${server.port}/relay`))).rejects.toMatchObject({
    code: 'WEB_HTTP',
    message: expect.stringContaining(`relay.test:${server.port}`),
  })
  await expectNothingOpen()
})

test('RFC 6455 §4.1: names in any case, a list in Connection, fifty lines more', async () => {
  const server = await scripted(cleanup, (request) =>
    accepted(
      request,
      Array.from({ length: 50 }, (_, at) => `x-${at}: y`),
    )
      .replace('upgrade: websocket', 'UPGRADE: WebSocket')
      .replace('connection: upgrade', 'Connection: keep-alive, UPGRADE'),
  )
  const link = await webClient().openWebSocket(options(`ws://relay.test:${server.port}/relay`))
  link.terminate()
})

test('messages in the same segment as the 101 are delivered', async () => {
  const frames = Buffer.from('82020102' + '820103', 'hex')
  const server = await scripted(cleanup, (request) => Buffer.concat([Buffer.from(accepted(request)), frames]))
  const watched = watch(await webClient().openWebSocket(options(`ws://relay.test:${server.port}/relay`)))
  await until(() => watched.messages.length === 2)
  expect(watched.messages.map(hex)).toEqual(['0102', '03'])
  watched.link.terminate()
})

test('a server that never answers: 30 s, or until the signal', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const server = await scripted(cleanup, () => undefined)
  const url = `ws://relay.test:${server.port}/relay`
  const patient = webClient().openWebSocket(options(url))
  const outcome = expect(patient).rejects.toMatchObject({
    code: 'WEB_TIMEOUT',
    message: expect.stringContaining('30 s'),
  })
  await until(() => server.requests.length === 1)
  vi.advanceTimersByTime(30_000)
  await outcome
  const controller = new AbortController()
  const aborted = webClient().openWebSocket(options(url, { signal: controller.signal }))
  const reason = expect(aborted).rejects.toThrow('ten seconds')
  await until(() => server.requests.length === 2)
  controller.abort(new Error('ten seconds'))
  await reason
  expect(vi.getTimerCount()).toBe(0)
  await expectNothingOpen()
})

test('an abort at every stage leaves nothing open', async () => {
  const silent = await scripted(cleanup, () => undefined)
  const secure = await scripted(cleanup, () => undefined, certificates)
  const reason = new Error('enough')
  const stages: [string, () => boolean][] = [
    // Look-up, TCP, TLS that nobody answers, head.
    [`ws://nowhere.example:${silent.port}/`, () => true],
    [`ws://relay.test:${silent.port}/`, () => true],
    [`wss://relay.test:${silent.port}/`, () => silent.sockets.length > 0],
    [`wss://relay.test:${secure.port}/`, () => secure.requests.length > 0],
  ]
  const lookup = (host: string, family: 4 | 6) =>
    host === 'nowhere.example'
      ? new Promise<string[]>(() => {})
      : family === 4
        ? Promise.resolve(['127.0.0.1'])
        : Promise.resolve([])
  for (const [url, isThere] of stages) {
    silent.sockets.length = 0
    const controller = new AbortController()
    const outcomes = [
      webClient({ lookup }).openWebSocket(options(url, { signal: controller.signal })),
      webClient({ lookup }).get({ url: url.replace('ws', 'http'), signal: controller.signal }),
    ].map((promise) => expect(promise).rejects.toBe(reason))
    await until(isThere)
    controller.abort(reason)
    await Promise.all(outcomes)
  }
  await expect(
    webClient().openWebSocket(options('ws://relay.test/', { signal: AbortSignal.abort(reason) })),
  ).rejects.toBe(reason)
  await expect(webClient().get({ url: 'http://relay.test/', signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  await expectNothingOpen()
})

test('an abort after the link stands does not touch it', async () => {
  const server = await scripted(cleanup, (request) => accepted(request))
  const controller = new AbortController()
  const watched = watch(
    await webClient().openWebSocket(options(`ws://relay.test:${server.port}/`, { signal: controller.signal })),
  )
  controller.abort()
  server.sockets[0]!.write(Buffer.from('820107', 'hex'))
  await until(() => watched.messages.length === 1)
  expect(watched.ends).toEqual([])
  watched.link.terminate()
})

test('a server that ends or resets the connection instead of answering', async () => {
  const ways: ((socket: Socket) => void)[] = [(socket) => socket.end(), (socket) => socket.resetAndDestroy()]
  for (const way of ways) {
    const server = await scripted(cleanup, (_request, socket) => {
      way(socket)
      return undefined
    })
    await expect(webClient().openWebSocket(options(`ws://relay.test:${server.port}/`))).rejects.toMatchObject({
      code: 'WEB_HTTP',
      status: undefined,
    })
  }
  const noTls = await scripted(cleanup, (_request, socket) => {
    socket.end()
    return undefined
  })
  noTls.sockets.length = 0
  const dialled = webClient().openWebSocket(options(`wss://relay.test:${noTls.port}/`))
  const outcome = expect(dialled).rejects.toMatchObject({ code: 'WEB_TLS' })
  await until(() => noTls.sockets.length > 0)
  noTls.sockets[0]!.end('HTTP/1.1 400 Bad Request\r\n\r\n')
  await outcome
  await expectNothingOpen()
})

test('nobody there: the error names the host', async () => {
  const server = await scripted(cleanup, () => undefined)
  await cleanup.run()
  await expect(webClient().openWebSocket(options(`ws://relay.test:${server.port}/`))).rejects.toMatchObject({
    code: 'WEB_CONNECT',
    message: expect.stringMatching(/relay\.test.*ECONNREFUSED/),
  })
  await expect(webClient().openWebSocket(options('ws://relay.example/'))).rejects.toMatchObject({
    code: 'WEB_NAME',
    message: expect.stringContaining('relay.example'),
  })
})

test('URLs and headers that cannot be used', async () => {
  for (const url of ['http://relay.test/', 'relay.test', 'wss:///']) {
    await expect(webClient().openWebSocket(options(url)), url).rejects.toMatchObject({ code: 'WEB_URL' })
  }
  await expect(webClient().get({ url: 'ws://relay.test/' })).rejects.toMatchObject({ code: 'WEB_URL' })
  const server = await scripted(cleanup, (request) => accepted(request))
  const url = `ws://relay.test:${server.port}/`
  const injected = options(url, { headers: () => ({ authorization: 'Bearer a\r\nHost: evil' }) })
  await expect(webClient().openWebSocket(injected)).rejects.toMatchObject({ code: 'WEB_URL' })
  const throwing = options(url, {
    headers: () => {
      throw new Error('no key')
    },
  })
  await expect(webClient().openWebSocket(throwing)).rejects.toThrow('no key')
  await expect(webClient().openWebSocket(options(url, { protocols: ['a\r\nb'] }))).rejects.toMatchObject({
    code: 'WEB_URL',
  })
  expect(server.requests).toEqual([])
  await expectNothingOpen()
})

test('spec/relay.md §6.2: a probe: the request, the status, the headers, and no connection is kept', async () => {
  const server = await scripted(cleanup, () => 'HTTP/1.1 204 No Content\r\nX-Iroh-Response: response x\r\n\r\n')
  const answer = await webClient().get({
    url: `http://relay.test:${server.port}/generate_204?a=b`,
    headers: { 'X-Iroh-Challenge': 'x' },
  })
  expect(answer.status).toBe(204)
  expect(answer.header('x-IROH-response')).toBe('response x')
  expect(answer.header('absent')).toBe(undefined)
  expect(server.requests).toEqual([
    [
      'GET /generate_204?a=b HTTP/1.1',
      `Host: relay.test:${server.port}`,
      'Accept: */*',
      'Connection: close',
      'X-Iroh-Challenge: x',
      '\r\n',
    ].join('\r\n'),
  ])
  await until(() => server.sockets[0]!.destroyed)
})

test.each<[string, string]>([
  ['a redirect is an answer', 'HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n'],
  ['a body that is there', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc'],
  ['a body without end', `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(100_000)}`],
  ['a body of unreadable length', 'HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n'],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'],
])('spec/relay.md §6.2: %s', async (_name, text) => {
  const server = await scripted(cleanup, (_request, socket) => {
    socket.on('end', () => socket.end())
    if (text.includes('chunked')) socket.end(text)
    return text.includes('chunked') ? undefined : text
  })
  const answer = await webClient().get({ url: `http://relay.test:${server.port}/ping` })
  expect(answer.status).toBe(Number(text.slice(9, 12)))
  expect(server.requests).toHaveLength(1)
  await until(() => server.sockets[0]!.destroyed)
})

test('spec/relay.md §6.2: a body that never comes is given up after a second, and its end is awaited until then', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const server = await scripted(cleanup, () => 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n')
  await webClient().get({ url: `http://relay.test:${server.port}/ping` })
  await turns(5)
  expect(server.sockets[0]!.destroyed).toBe(false)
  vi.advanceTimersByTime(1000)
  await until(() => server.sockets[0]!.destroyed)
  await webClient().get({ url: `http://relay.test:${server.port}/ping` })
  server.sockets[1]!.write('abc')
  await until(() => server.sockets[1]!.destroyed)
  expect(vi.getTimerCount()).toBe(0)
})

test.each([
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc',
])('spec/relay.md §6.2: nothing is awaited when there is nothing: %j', async (text) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const server = await scripted(cleanup, () => text)
  await webClient().get({ url: `http://relay.test:${server.port}/ping` })
  expect(vi.getTimerCount()).toBe(0)
  await until(() => server.sockets[0]!.destroyed)
})

test('the caller’s own Accept replaces ours', async () => {
  const server = await scripted(cleanup, () => 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  await webClient().get({ url: `http://relay.test:${server.port}/ping`, headers: { accept: 'text/plain' } })
  expect(server.requests[0]!.match(/^accept: .*$/gim)).toEqual(['accept: text/plain'])
})

test('certificates that cannot be read, a proxy that cannot be: said when the client is made, or when the environment’s is needed', async () => {
  const broken = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
  expect(() => webClient({ ca: [broken] })).toThrow(expect.objectContaining({ code: 'WEB_TLS' }))
  expect(() => webClient({ proxy: 'socks5://a' })).toThrow(expect.objectContaining({ code: 'WEB_PROXY' }))
  const client = webClient({ environment: { https_proxy: 'ftp://user:secret@proxy.test' } })
  const server = await scripted(cleanup, () => 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  expect((await client.get({ url: `http://relay.test:${server.port}/ping` })).status).toBe(200)
  await expect(client.get({ url: `https://relay.test:${server.port}/ping` })).rejects.toMatchObject({
    code: 'WEB_PROXY',
    message: expect.stringMatching(/^(?!.*secret).*https_proxy/),
  })
})

test('a probe over TLS', async () => {
  const server = await scripted(cleanup, () => 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', certificates)
  expect((await webClient().get({ url: `https://relay.test:${server.port}/ping` })).status).toBe(200)
  await expectNothingOpen()
})

test('resolve: both families, brackets or not', async () => {
  expect(await webClient().resolve('relay.test')).toEqual(['127.0.0.1'])
  expect(await webClient().resolve('[::1]')).toEqual(['::1'])
})

test('an exporter outlives its call only as long as the session', async () => {
  const server = await scripted(cleanup, (request) => accepted(request), certificates)
  let kept: ExportKeyingMaterial | undefined
  const link = await webClient().openWebSocket(
    options(`wss://relay.test:${server.port}/`, {
      headers: (exporter) => {
        kept = exporter
        return {}
      },
    }),
  )
  expect(kept!('label', new Uint8Array(0), 16)).toHaveLength(16)
  const watched = watch(link)
  link.terminate()
  await until(() => watched.ends.length === 1)
  expect(() => kept!('label', new Uint8Array(0), 16)).toThrow()
  expect((server.sockets.find((socket) => 'encrypted' in socket) as TLSSocket).encrypted).toBe(true)
})
