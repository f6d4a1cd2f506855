/** The half of the suite in which our node is the server. */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { NativeDial } from '../../conformance/peer.ts'
import type { Connection, Endpoint, Incoming } from '../../src/index.ts'
import { issuedFor, ofType } from './frame-log.ts'
import { LowNode } from './low-node.ts'
import { ONE_WAY, openEndpoint, openServer, strangerId } from './our-node.ts'
import type { ReferencePeer } from './reference-peer.ts'
import { MIB, SUITES } from './sizes.ts'
import { UdpRelay } from './udp-relay.ts'

export function peerDials(peerNow: () => ReferencePeer): void {
  const dial = (endpoint: Endpoint, options: NativeDial) =>
    peerNow().dial({ id: String(endpoint.id), addrs: endpoint.boundAddresses(), ...options })

  describe.each(SUITES.map(({ id, name, size }) => [name, id, size] as const))('TLS suite %s', (_, id, size) => {
    const serveAll = async (): Promise<{ endpoint: Endpoint; connections: Connection[] }> => {
      const connections: Connection[] = []
      const settings = { suites: [id] }
      const { endpoint } = await openServer({ settings }, (connection) => connections.push(connection))
      return { endpoint, connections }
    }
    test(`RFC 9000 §2.2: we are the sink of ${size / MIB} MiB; RFC 9001 §6.2: it updates its keys meanwhile`, async () => {
      const { endpoint, connections } = await serveAll()
      const result = await dial(endpoint, { action: 'sink', size })
      expect(result).toMatchObject({ bytes: size, verified: true, reason: null })
      const stats = connections[0]!.stats()
      expect(stats.cipherSuite).toBe(id)
      expect(stats.keyUpdates).toBeGreaterThan(0)
    })
    test(`RFC 9000 §2.2: we are the source of ${size / MIB} MiB`, async () => {
      const { endpoint, connections } = await serveAll()
      const result = await dial(endpoint, { action: 'source', size })
      expect(result).toMatchObject({ bytes: size, verified: true, reason: null })
      expect(connections[0]!.stats().cipherSuite).toBe(id)
    })
  })

  test('iroh identity: we know its key and the ALPN; it dials again with nothing kept from before', async () => {
    const connections: Connection[] = []
    const { endpoint } = await openServer({}, (connection) => connections.push(connection))
    for (let round = 0; round < 2; round++) await dial(endpoint, { action: 'echo', size: 1000 })
    expect(connections.map(({ remoteId, alpnText }) => [String(remoteId), alpnText])).toEqual([
      [peerNow().id, 'tom/echo/1'],
      [peerNow().id, 'tom/echo/1'],
    ])
  })

  test('iroh ticket: it dials two sockets and a dead address of ours, and makes one connection', async () => {
    const { endpoint, router } = await openServer({ bind: ['127.0.0.1:0', '127.0.0.1:0', '[::1]:0'] })
    let newcomers = 0
    router.filter(() => {
      newcomers++
      return 'accept'
    })
    const result = await dial(endpoint, {
      action: 'echo',
      size: 100_000,
      addrs: [...endpoint.boundAddresses(), '127.0.0.1:9'],
    })
    expect(result).toMatchObject({ bytes: 100_000, reason: null })
    expect(newcomers).toBe(1)
  })

  test('iroh ticket: it reads ours', async () => {
    const { endpoint } = await openServer()
    await peerNow().dial({ ticket: String(endpoint.ticket()), action: 'echo' })
  })

  test('RFC 9000 §5: IPv6', async () => {
    const { endpoint } = await openServer({ bind: ['[::1]:0'] })
    const result = await dial(endpoint, { action: 'echo', size: 100_000 })
    expect(result).toMatchObject({ bytes: 100_000, verified: true })
  })

  test('quic.md §5.1, §5.6: multipath: ids for eight paths both ways, PATH_ACK; with a direct path it opens no other', async () => {
    const node = await LowNode.open({}, 2)
    const dialled = peerNow().dial({ id: node.id, addrs: node.addrs, action: 'echo', size: 100_000, holdMs: 300 })
    const { quic, frames, openPaths } = await node.nextAccepted()
    expect(await dialled).toMatchObject({ bytes: 100_000, verified: true, reason: null })
    expect(quic.isMultipath).toBe(true)
    expect(ofType(frames.received, 'path_ack', 0).length).toBeGreaterThan(0)
    for (let path = 1; path <= 7; path++) {
      // the limit we advertise
      expect(issuedFor(frames.received, path)).toBe(5)
      expect(issuedFor(frames.sent, path)).toBeGreaterThan(0)
    }
    expect(ofType(frames.received, 'path_status_available', 0).at(-1)).toMatchObject({ path_status_sequence_number: 2 })
    expect(openPaths).toEqual([0])
  })

  test('RFC 9000 §4.6: 100 streams at once, and more than 100', async () => {
    const connections: Connection[] = []
    const { endpoint } = await openServer({}, (connection) => connections.push(connection))
    const result = await dial(endpoint, { action: 'echo', size: 5000, streams: 100, count: 3 })
    expect(result).toMatchObject({ bytes: 300 * 5000, verified: true, reason: null })
    expect(connections[0]!.stats().streamsAccepted).toBe(300)
    await dial(endpoint, { action: 'echo', size: 1000, streams: 250 })
  })

  test('RFC 9000 §2.1: unidirectional streams both ways', async () => {
    const counts: number[] = []
    const { endpoint } = await openServer({}, async (connection) => {
      for (;;) {
        const recv = await connection.acceptUni().catch(() => undefined)
        if (recv === undefined) return
        counts.push((await recv.readToEnd(100_000)).length)
      }
    })
    // It reports success when we have acknowledged each stream to its end.
    await dial(endpoint, { action: 'echo', uni: true, size: 20_000, streams: 20 })
    expect(counts).toEqual(Array.from({ length: 20 }, () => 20_000))
    const pushed = await dial(endpoint, { action: 'push', size: 20_000, count: 20 })
    expect(pushed).toMatchObject({ bytes: 400_000, verified: true })
  })

  test('RFC 9221 §5: datagrams both ways, the largest too', async () => {
    const { endpoint } = await openServer()
    for (const size of [10, 1000, 65_535]) {
      const result = await dial(endpoint, { action: 'datagram', size, count: 20 })
      expect(result).toMatchObject({ sent: 20, received: 20, size: Math.min(size, result.maxSize!) })
      expect(result.maxSize).toBeGreaterThan(1100)
    }
  })

  test('RFC 9001 §6.1: three key updates by us', async () => {
    const node = await LowNode.open()
    const dialled = peerNow().dial({ id: node.id, addrs: node.addrs, action: 'echo', size: 4 * MIB, holdMs: 20_000 })
    await expect.poll(() => node.accepted.length).toBe(1)
    const { connection, quic } = node.accepted[0]!
    // That the last of the three is complete shows when a fourth may begin.
    for (let update = 0; update < 4; update++) {
      await expect.poll(() => quic.updateKeys(node.platform.now()), { timeout: 10_000, interval: 5 }).toBe(true)
      node.driver.touch(quic)
    }
    await expect.poll(() => quic.stats().streamBytesReceived, { timeout: 10_000 }).toBe(4 * MIB)
    expect(quic.stats().keyUpdates).toBeGreaterThanOrEqual(4)
    await expect.poll(() => quic.stats().openStreams, { timeout: 10_000 }).toBe(0)
    connection.close()
    expect(await dialled).toMatchObject({ bytes: 4 * MIB, verified: true })
  })

  test('RFC 9000 §19.4, §19.5: our codes for a reset and a stop reach it', async () => {
    const { endpoint } = await openServer()
    expect(await dial(endpoint, { action: 'reset' })).toMatchObject({ stoppedCode: 9, resetCode: 8 })
  })

  test('many small round trips', async () => {
    const { endpoint } = await openServer()
    expect(await dial(endpoint, { action: 'rtt', count: 200, size: 32 })).toMatchObject({ count: 200 })
  })

  test.each([
    [5, 'bye'],
    [0, ''],
    [70_000, 'größer als 16 Bit'],
  ])('RFC 9000 §10.2: its close %i %j reaches us', async (code, reason) => {
    const endpoint = await openEndpoint({ alpns: ['tom/echo/1'] })
    const accepted = endpoint.accept()
    await dial(endpoint, { action: 'connect', code, reason })
    expect(await (await accepted)!.closed).toMatchObject({ code: 'PEER_CLOSED', closeCode: code, reason })
  })

  test('RFC 9000 §10.2: our close reaches it, on a stream and at once', async () => {
    const { endpoint } = await openServer()
    const onStream = await dial(endpoint, { action: 'close' })
    expect(onStream.closed).toEqual({ kind: 'peer-application', code: 7, reason: 'server done' })
    const other = await openEndpoint({ alpns: ['tom/echo/1'] })
    const accepted = other.accept()
    const held = dial(other, { action: 'hold' })
    ;(await accepted)!.close(2 ** 40, 'größer als 32 Bit')
    expect((await held).closed).toEqual({ kind: 'peer-application', code: 2 ** 40, reason: 'größer als 32 Bit' })
  })

  describe('the way in', () => {
    test('RFC 9000 §8.1.2: we send a Retry, and it comes back with the token', async () => {
      const seen: boolean[] = []
      const { endpoint, router } = await openServer()
      router.filter((incoming) => {
        seen.push(incoming.isValidated)
        return incoming.isValidated ? 'accept' : 'retry'
      })
      await dial(endpoint, { action: 'echo', size: 1000 })
      expect(seen).toEqual([false, true])
    })

    test('RFC 9000 §20.1: we refuse with CONNECTION_REFUSED', async () => {
      const { endpoint, router } = await openServer()
      router.filter(() => 'refuse')
      const dialling = dial(endpoint, { action: 'connect' })
      await expect(dialling).rejects.toMatchObject({ stage: 'connect', reason: { kind: 'peer-transport', code: 0x02 } })
    })

    test('RFC 9001 §4.8: we have another key than the one dialled, and hear unknown_ca', async () => {
      const endpoint = await openEndpoint({ alpns: ['tom/echo/1'] })
      const accepting = acceptFirst(endpoint)
      const dialling = dial(endpoint, { action: 'connect', id: String(strangerId()) })
      await Promise.all([
        expect(dialling).rejects.toMatchObject({ reason: { kind: 'local-transport', code: 0x130 } }),
        expect(accepting).rejects.toMatchObject({ code: 'HANDSHAKE_FAILED', closeCode: 0x130 }),
      ])
    })

    test('RFC 9001 §8.1: no ALPN in common, no_application_protocol', async () => {
      const endpoint = await openEndpoint({ alpns: ['tom/echo/1'] })
      const accepting = acceptFirst(endpoint)
      const dialling = dial(endpoint, { action: 'connect', alpn: 'unheard/of' })
      await Promise.all([
        expect(dialling).rejects.toMatchObject({ reason: { kind: 'peer-transport', code: 0x178 } }),
        expect(accepting).rejects.toMatchObject({ code: 'ALPN_MISMATCH', closeCode: 0x178 }),
      ])
    })
  })

  describe('the way changes', () => {
    test('RFC 9000 §9.3: a NAT gives it another port in the middle of a transfer, and we follow', async () => {
      const connections: Connection[] = []
      const { endpoint } = await openServer(ONE_WAY, (connection) => connections.push(connection))
      const relay = await UdpRelay.open(endpoint.boundAddresses()[0]!)
      onTestFinished(() => relay.close())
      const before = relay.clientAddress
      const dialled = dial(endpoint, { addrs: [relay.address], action: 'echo', size: 4 * MIB, holdMs: 200 })
      await expect.poll(() => connections[0]?.stats().streamBytesReceived ?? 0).toBeGreaterThan(100_000)
      const [connection] = connections
      expect(connection!.paths()[0]?.remote).toBe(before)
      await relay.rebind()
      const events = connection!.pathEvents()
      expect(await dialled).toMatchObject({ bytes: 4 * MIB, verified: true, reason: null })
      expect((await events.next()).value).toMatchObject({ type: 'selected', remote: relay.clientAddress })
    })

    test('RFC 9000 §10.3: we forgot the connection, and our stateless reset ends it', async () => {
      const connections: Connection[] = []
      const { endpoint } = await openServer(ONE_WAY, (connection) => connections.push(connection))
      const relay = await UdpRelay.open(endpoint.boundAddresses()[0]!)
      onTestFinished(() => relay.close())
      const dialled = dial(endpoint, { addrs: [relay.address], action: 'rtt', count: 1_000_000 })
      await expect.poll(() => connections[0]?.stats().streamBytesReceived ?? 0).toBeGreaterThan(10)
      relay.dropToClient = true
      connections[0]!.close(0, 'unheard')
      // Three PTOs after our close we know nothing any more.
      await new Promise((resolve) => setTimeout(resolve, 1500))
      relay.dropToClient = false
      await expect(dialled).rejects.toMatchObject({ stage: 'rtt', reason: { kind: 'reset' } })
    })
  })
}

async function acceptFirst(endpoint: Endpoint): Promise<Connection> {
  for await (const incoming of endpoint.incoming()) return (incoming as Incoming).accept()
  throw new Error('nobody came')
}
