import { expect, test } from 'vitest'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../src/crypto/portable/index.ts'
import { Endpoint as BrowserEndpoint } from '../../src/endpoint/browser.ts'
import { Endpoint } from '../../src/endpoint/node.ts'
import { EndpointAddr, EndpointTicket, SecretKey } from '../../src/identity/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'
import { VirtualPlatform } from '../driver/virtual-platform.ts'
import { ALPN, bind, bytes, closeAfterEach, connectedPair, faults, text } from './pair.ts'

closeAfterEach()

test('bind: the key gives the id, each endpoint its own by default', async () => {
  const secretKey = SecretKey.fromBytes(Uint8Array.from({ length: 32 }, (_, index) => index))
  const endpoint = await bind({ secretKey })
  expect(endpoint.id.toString()).toBe('03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8')
  const other = await bind()
  expect(other.id.equals(endpoint.id)).toBe(false)
  expect(EndpointTicket.parse(endpoint.ticket().toString()).addr.equals(endpoint.addr())).toBe(true)
  await endpoint.online()
})

test('bind: by default both families, any port', async () => {
  const endpoint = await Endpoint.bind()
  expect(endpoint.boundAddresses()[0]).toMatch(/^0\.0\.0\.0:\d+$/)
  expect(endpoint.addr().ipAddrs.every(({ port }) => port > 0)).toBe(true)
  await endpoint.close()
})

test('bind: relays, bad addresses, bad ALPNs and ports in use are clear errors', async () => {
  for (const relay of ['nonsense', 'ftp://relay.example/', { url: 'https://relay.example/', quicPort: 0 }])
    await expect(Endpoint.bind({ relays: [relay] })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('relays: '),
    })
  for (const pem of ['', 'nonsense', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])
    await expect(Endpoint.bind({ caCertificates: [pem] })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('caCertificates: '),
    })
  await expect(Endpoint.bind({ bind: ['localhost:1'] })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(Endpoint.bind({ alpns: [''] })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  const endpoint = await bind()
  const [address] = endpoint.boundAddresses()
  await expect(Endpoint.bind({ bind: [address!] })).rejects.toMatchObject({
    code: 'BIND_FAILED',
    message: expect.stringContaining(address!),
  })
})

test('bind: a system without IPv6 gets along with IPv4', async () => {
  const platform = new VirtualPlatform()
  const bindUdp = platform.bindUdp.bind(platform)
  platform.bindUdp = (options) => (options.host === '::' ? Promise.reject(new Error('EAFNOSUPPORT')) : bindUdp(options))
  const endpoint = await Endpoint.bind({ runtime: { platform } })
  expect(endpoint.boundAddresses()).toEqual(['0.0.0.0:40000'])
})

test('connect: by addr, ticket, id text with no address, and what is none of these', async () => {
  const server = await bind()
  const client = await bind()
  for (const target of [server.addr(), server.ticket(), server.ticket().toString()]) {
    const accepted = server.accept()
    const connection = await client.connect(target, ALPN)
    await accepted
    expect(connection.remoteId.equals(server.id)).toBe(true)
  }
  // while there is a connection, its way is known
  for (const target of [server.id, server.id.toString()]) {
    const accepted = server.accept()
    const connection = await client.connect(target, ALPN)
    await accepted
    expect(connection.remoteId.equals(server.id)).toBe(true)
  }
  const stranger = SecretKey.generate().id
  for (const target of [stranger, stranger.toString()]) {
    await expect(client.connect(target, ALPN)).rejects.toMatchObject({ code: 'NO_ADDRESS', peer: stranger })
  }
  await expect(client.connect('nonsense', ALPN)).rejects.toMatchObject({ code: 'INVALID_TARGET' })
})

test('connect: ourselves, no ALPN, a time limit that is none', async () => {
  const endpoint = await bind()
  const other = await bind()
  await expect(endpoint.connect(endpoint.addr(), ALPN)).rejects.toMatchObject({ code: 'SELF_DIAL' })
  await expect(endpoint.connect(other.addr(), '')).rejects.toMatchObject({ code: 'INVALID_ALPN' })
  await expect(endpoint.connect(other.addr(), new Uint8Array(256))).rejects.toMatchObject({ code: 'INVALID_ALPN' })
  await expect(endpoint.connect(other.addr(), ALPN, { timeoutMs: 0 })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
})

test('connect: our own addresses, no relay, "any", multicast and the missing family cannot be dialled', async () => {
  const endpoint = await bind()
  const { id } = SecretKey.generate()
  const addr = (...ips: string[]) => ips.reduce((known, ip) => known.withIp(ip), new EndpointAddr(id))
  for (const target of [
    addr(endpoint.boundAddresses()[0]!),
    addr('0.0.0.0:1', '224.0.0.1:5', '255.255.255.255:5', '127.0.0.1:0'),
    addr('[::1]:5'),
    new EndpointAddr(id).withRelay('ftp://relay.example/'),
  ]) {
    await expect(endpoint.connect(target, ALPN)).rejects.toMatchObject({ code: 'NO_ADDRESS', peer: id })
  }
})

test('connect: nobody there: after the time limit an error that names every address', async () => {
  const gone = await bind()
  const [first] = gone.boundAddresses()
  await gone.close()
  const client = await bind()
  const { id } = SecretKey.generate()
  const target = new EndpointAddr(id).withIp(first!).withIp('127.0.0.1:9')
  await expect(client.connect(target, ALPN, { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'CONNECT_TIMEOUT',
    peer: id,
    tried: ['127.0.0.1:9', first],
    message: expect.stringContaining(first!),
  })
})

test('connect: the default time limit is 30 s, and a longer one is not cut short', async () => {
  const platform = new VirtualPlatform()
  const client = await Endpoint.bind({ runtime: { platform }, bind: ['192.0.2.1:0'] })
  const target = new EndpointAddr(SecretKey.generate().id).withIp('192.0.2.2:5')
  for (const [timeoutMs, expected] of [
    [undefined, 30_000],
    [60_000, 60_000],
    [5_000, 5_000],
  ]) {
    const start = platform.time
    let ended = 0
    const options = timeoutMs === undefined ? {} : { timeoutMs }
    const failure = client.connect(target, ALPN, options).catch((error) => {
      ended = platform.time
      return error
    })
    await platform.advanceAsync(70_000)
    expect(await failure).toMatchObject({ code: 'CONNECT_TIMEOUT' })
    expect(ended - start).toBeGreaterThanOrEqual(expected!)
    expect(ended - start).toBeLessThan(expected! + 50)
  }
  expect(platform.sockets[0]!.sent.length).toBeGreaterThan(10)
  const closing = client.close()
  await platform.advanceAsync(100)
  await closing
  expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
})

test('connect: an aborted dial rejects with the reason and leaves nothing', async () => {
  const platform = new VirtualPlatform()
  const client = await Endpoint.bind({ runtime: { platform }, bind: ['192.0.2.1:0'], networkMonitor: false })
  const target = new EndpointAddr(SecretKey.generate().id).withIp('192.0.2.2:5')
  const controller = new AbortController()
  const failure = client.connect(target, ALPN, { signal: controller.signal }).catch((error) => error)
  await platform.advanceAsync(100)
  controller.abort('no more')
  await platform.advanceAsync(10_000)
  expect(await failure).toBe('no more')
  expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
})

test('connect: the peer has another key: WRONG_PEER', async () => {
  const server = await bind()
  server.router().accept(ALPN, () => {})
  const client = await bind()
  const target = new EndpointAddr(SecretKey.generate().id, server.addr().addrs)
  await expect(client.connect(target, ALPN)).rejects.toMatchObject({ code: 'WRONG_PEER' })
})

test('spec/endpoint.md §11.2: no common ALPN, or none at all, is ALPN_MISMATCH with 0x178', async () => {
  const client = await bind()
  for (const alpns of [['other'], []]) {
    const server = await bind({ alpns })
    const accepted = server.accept()
    await expect(client.connect(server.addr(), ALPN)).rejects.toMatchObject({ code: 'ALPN_MISMATCH', closeCode: 0x178 })
    await server.close()
    expect(await accepted).toBeUndefined()
  }
})

test('spec/endpoint.md §11.1: the server takes the first of its own list; setAlpns changes it for newcomers', async () => {
  const server = await bind({ alpns: ['one'] })
  const client = await bind()
  const dial = async (alpn: string): Promise<string> => {
    const accepted = server.accept()
    const connection = await client.connect(server.addr(), alpn)
    await accepted
    return connection.alpnText
  }
  expect(await dial('one')).toBe('one')
  server.setAlpns(['two', bytes('three')])
  expect(await dial('three')).toBe('three')
  const accepted = server.accept()
  await expect(client.connect(server.addr(), 'one')).rejects.toMatchObject({ code: 'ALPN_MISMATCH' })
  await server.close()
  expect(await accepted).toBeUndefined()
})

test('incoming: accept, refuse, retry, ignore', async () => {
  const server = await bind()
  const client = await bind()
  const incoming = server.incoming()
  const dial = client.connect(server.addr(), ALPN)
  const first = (await incoming.next()).value!
  expect(first.remoteAddress).toBe(client.boundAddresses()[0])
  expect(first.isValidated).toBe(false)
  const accepted = await first.accept()
  expect(accepted.remoteId.equals((await dial).remoteId)).toBe(false)
  expect(accepted.remoteId.equals(client.id)).toBe(true)

  const refused = client.connect(server.addr(), ALPN)
  ;(await incoming.next()).value!.refuse()
  await expect(refused).rejects.toMatchObject({ code: 'REFUSED', closeCode: 2 })

  const retried = client.connect(server.addr(), ALPN)
  ;(await incoming.next()).value!.retry()
  const second = (await incoming.next()).value!
  expect(second.isValidated).toBe(true)
  expect(() => second.retry()).toThrow(/already validated/)
  await second.accept()
  await retried

  const ignored = client.connect(server.addr(), ALPN, { timeoutMs: 200 })
  ;(await incoming.next()).value!.ignore()
  await expect(ignored).rejects.toMatchObject({ code: 'CONNECT_TIMEOUT' })
})

test('accept: a handshake that fails is skipped', async () => {
  const server = await bind()
  const client = await bind()
  const accepted = server.accept()
  await expect(client.connect(server.addr(), 'other')).rejects.toMatchObject({ code: 'ALPN_MISMATCH' })
  const connection = await client.connect(server.addr(), ALPN)
  expect((await accepted)?.remoteId.equals(client.id)).toBe(true)
  connection.close()
})

test('close: connections end with code 0, waits end, dialling is refused; twice is once', async () => {
  const { client, server, near, far } = await connectedPair()
  const accept = server.accept()
  const incoming = server.incoming().next()
  const closing = server.close()
  expect(server.close()).toBe(closing)
  await closing
  await server.closed
  expect(await near.closed).toMatchObject({ code: 'PEER_CLOSED', closeCode: 0, reason: '' })
  expect(await far.closed).toMatchObject({ code: 'LOCALLY_CLOSED' })
  expect(await accept).toBeUndefined()
  expect(await incoming).toMatchObject({ done: true })
  await expect(server.connect(client.addr(), ALPN)).rejects.toMatchObject({ code: 'ENDPOINT_CLOSED' })
  await expect(server.online()).rejects.toMatchObject({ code: 'ENDPOINT_CLOSED' })
  expect(() => server.router()).toThrow(expect.objectContaining({ code: 'ENDPOINT_CLOSED' }))
})

test('close: a dial under way fails with ENDPOINT_CLOSED', async () => {
  const client = await bind()
  const target = new EndpointAddr(SecretKey.generate().id).withIp('127.0.0.1:9')
  const dial = client.connect(target, ALPN)
  const failure = expect(dial).rejects.toMatchObject({ code: 'ENDPOINT_CLOSED' })
  await client.close()
  await failure
})

test('close: a half-open connection does not hold it up', async () => {
  const platform = new VirtualPlatform()
  const client = await Endpoint.bind({ runtime: { platform }, bind: ['192.0.2.1:0'] })
  const target = new EndpointAddr(SecretKey.generate().id).withIp('192.0.2.2:5')
  client.connect(target, ALPN).catch(() => {})
  await platform.advanceAsync(100)
  const start = platform.time
  let ended = 0
  client.close().then(() => {
    ended = platform.time
  })
  await platform.advanceAsync(5_000)
  expect(ended - start).toBeLessThanOrEqual(10)
  expect(ended).toBeGreaterThan(0)
  expect(platform.sockets[0]!.isClosed).toBe(true)
  expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
})

/** How long `close` of a connected client takes, virtual ms; one-way delays of `delayMs` before it and `closeDelayMs` during it. */
async function closeTakes(delayMs: number, closeDelayMs: number): Promise<number> {
  const platform = new VirtualPlatform()
  const client = await Endpoint.bind({ runtime: { platform }, bind: ['192.0.2.1:1'] })
  const server = await Endpoint.bind({ runtime: { platform }, bind: ['192.0.2.2:2'], alpns: [ALPN] })
  const accepted = server.accept()
  const dial = client.connect(server.addr(), ALPN)
  await carry(platform, 10_000, delayMs)
  await accepted
  await dial
  const start = platform.time
  let ended = 0
  client.close().then(() => {
    ended = platform.time
  })
  await carry(platform, 5_000, closeDelayMs)
  const closing = server.close()
  await platform.advanceAsync(5_000)
  await closing
  expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
  return ended - start
}

test('close: a slow path holds it up for 3 s at most', async () => {
  // an answer would take 3.2 s
  const took = await closeTakes(1_000, 1_600)
  expect(took).toBeGreaterThan(2_900)
  expect(took).toBeLessThanOrEqual(3_050)
})

test('close: it is over when the peers have answered, RFC 9000 §10.2', async () => {
  const took = await closeTakes(100, 100)
  expect(took).toBeGreaterThanOrEqual(200)
  expect(took).toBeLessThanOrEqual(250)
})

test('router: connections go to the handler of their ALPN; a handler that throws costs its connection only', async () => {
  const server = await bind({ alpns: [] })
  const client = await bind()
  const router = server
    .router()
    .accept('echo', async (connection) => {
      const { send, recv } = await connection.acceptBi()
      await send.write(await recv.readToEnd(100))
      await send.finish()
    })
    .accept('broken', () => {
      throw new Error('a bug of the application')
    })
  expect(() => router.accept('echo', () => {})).toThrow(/has a handler/)
  const broken = await client.connect(server.addr(), 'broken')
  expect(await broken.closed).toMatchObject({ code: 'PEER_CLOSED', closeCode: 0 })
  expect(faults).toMatchObject([{ message: 'a bug of the application' }])
  const connection = await client.connect(server.addr(), 'echo')
  const { send, recv } = await connection.openBi()
  await send.write(bytes('still there'))
  await send.finish()
  expect(text(await recv.readToEnd(100))).toBe('still there')
  await expect(client.connect(server.addr(), 'unknown')).rejects.toMatchObject({ code: 'ALPN_MISMATCH' })
})

test('router: a connection that ends under its handler is no error; shutdown tells the handlers', async () => {
  const server = await bind({ alpns: [] })
  const client = await bind()
  const signals: AbortSignal[] = []
  const router = server.router().accept('wait', async (connection, context) => {
    signals.push(context.signal)
    await connection.acceptBi()
  })
  const first = await client.connect(server.addr(), 'wait')
  first.close(5, '')
  const second = await client.connect(server.addr(), 'wait')
  await expect.poll(() => signals.length).toBe(2)
  await router.shutdown()
  expect(router.isShutdown).toBe(true)
  expect(signals.every(({ aborted }) => aborted)).toBe(true)
  expect(await second.closed).toMatchObject({ code: 'PEER_CLOSED', closeCode: 0 })
  expect(faults).toEqual([])
})

test('router: a protocol that is removed lets nobody in any more, and can be taken again; its connections stay', async () => {
  const [client, server] = [await bind(), await bind({ alpns: [] })]
  let handled = 0
  const handler = (): void => {
    handled++
  }
  const router = server.router().accept('one', handler).accept('two', handler)
  const before = await client.connect(server.addr(), 'one')
  await expect.poll(() => handled).toBe(1)
  router.remove('one').remove('never there').remove('')
  await expect(client.connect(server.addr(), 'one')).rejects.toMatchObject({ code: 'ALPN_MISMATCH' })
  expect((await client.connect(server.addr(), 'two')).isEstablished).toBe(true)
  await expect.poll(() => handled).toBe(2)
  router.accept('one', handler)
  expect((await client.connect(server.addr(), 'one')).isEstablished).toBe(true)
  await expect.poll(() => handled).toBe(3)
  expect(before.closeReason).toBeUndefined()
})

test('router: the filter decides before any work is done', async () => {
  const server = await bind({ alpns: [] })
  const client = await bind()
  const seen: boolean[] = []
  server
    .router()
    .accept(ALPN, () => {})
    .filter((incoming) => {
      seen.push(incoming.isValidated)
      return seen.length === 1 ? 'refuse' : incoming.isValidated ? 'accept' : 'retry'
    })
  await expect(client.connect(server.addr(), ALPN)).rejects.toMatchObject({ code: 'REFUSED' })
  await client.connect(server.addr(), ALPN)
  expect(seen).toEqual([false, false, true])
})

test('keyLog gets the secrets of the connection', async () => {
  const lines: string[] = []
  await connectedPair({ keyLog: (line) => lines.push(line) })
  expect(lines.some((line) => line.startsWith('CLIENT_TRAFFIC_SECRET_0 '))).toBe(true)
})

test('every key handle is freed when the endpoints are closed, with either crypto', async () => {
  const providers = [createNodeCrypto(), createPortableCrypto()]
  const [node, portable] = providers.map((crypto) => ({ crypto, platform: new NodePlatform() }))
  const { client, server } = await connectedPair({ runtime: node! }, { runtime: portable! })
  await Promise.all([client.close(), server.close()])
  expect(providers.map((crypto) => crypto.liveKeys)).toEqual([0, 0])
})

test('in a browser nothing is bound by default', async () => {
  const endpoint = await BrowserEndpoint.bind()
  expect(endpoint.boundAddresses()).toEqual([])
  expect(endpoint.addr().isEmpty).toBe(true)
  await expect(BrowserEndpoint.bind({ bind: ['0.0.0.0:0'] })).rejects.toMatchObject({ code: 'BIND_FAILED' })
  await endpoint.close()
})

/** Lets `ms` pass on a network of the platform's sockets where a datagram takes `delay` ms. */
async function carry(platform: VirtualPlatform, ms: number, delay: number): Promise<void> {
  const end = platform.time + ms
  const flying: { at: number; deliver: () => void }[] = []
  while (platform.time < end) {
    await platform.advanceAsync(10)
    for (const from of platform.sockets) {
      for (const { data, host, port } of from.sent.splice(0)) {
        const to = platform.sockets.find((socket) => socket.host === host && socket.port === port)
        if (to === undefined) continue
        flying.push({ at: platform.time + delay, deliver: () => to.onMessage(data, from.host, from.port) })
      }
    }
    while (flying.length > 0 && flying[0]!.at <= platform.time) flying.shift()!.deliver()
  }
}
