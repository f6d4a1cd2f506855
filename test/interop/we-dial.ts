/** The half of the suite in which our node is the client. */
import { createSocket } from 'node:dgram'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ConnectError, type Connection, EndpointAddr } from '../../src/index.ts'
import { LowNode } from './low-node.ts'
import {
  addrOf,
  checkPattern,
  echo,
  fromSource,
  ONE_WAY,
  openEndpoint,
  portOf,
  strangerId,
  toSink,
  u64,
  v4,
  v6,
  writePattern,
} from './our-node.ts'
import { pattern, patternHash } from './pattern.ts'
import { closeFrom, connectionFrom, eventAfter, type ReferencePeer } from './reference-peer.ts'
import { MIB, SUITES } from './sizes.ts'
import { UdpRelay } from './udp-relay.ts'

export function weDial(peerNow: () => ReferencePeer): void {
  const dial = async (alpn: string): Promise<Connection> => (await openEndpoint()).connect(addrOf(peerNow()), alpn)

  describe.each(SUITES.map(({ id, name, size }) => [name, id, size] as const))('TLS suite %s', (_, id, size) => {
    const connect = async (alpn: string): Promise<Connection> => {
      const endpoint = await openEndpoint({ settings: { suites: [id] } })
      const connection = await endpoint.connect(addrOf(peerNow()), alpn)
      expect(connection.stats().cipherSuite).toBe(id)
      return connection
    }
    test(`RFC 9000 §2.2: it is the sink of ${size / MIB} MiB`, async () => {
      await toSink(await connect('tom/sink/1'), size)
    })
    test(`RFC 9000 §2.2: it is the source of ${size / MIB} MiB; RFC 9001 §6.2: it updates its keys meanwhile`, async () => {
      const connection = await connect('tom/source/1')
      await fromSource(connection, size)
      // noq does it once, after at most 1,000 packets
      expect(connection.stats().keyUpdates).toBeGreaterThan(0)
    })
  })

  test('iroh identity: both sides know the key and the ALPN of the other', async () => {
    const endpoint = await openEndpoint()
    const connection = await endpoint.connect(addrOf(peerNow()), 'tom/echo/1')
    const seen = await connectionFrom(peerNow(), String(endpoint.id))
    expect([seen.alpn, connection.alpnText]).toEqual(['tom/echo/1', 'tom/echo/1'])
    expect(String(connection.remoteId)).toBe(peerNow().id)
  })

  test('iroh ticket: its IPv4 and IPv6 addresses are dialled at once and make one connection', async () => {
    const endpoint = await openEndpoint({ bind: ['127.0.0.1:0', '[::1]:0'] })
    const connection = await endpoint.connect(peerNow().ticket, 'tom/echo/1')
    await echo(connection, 1000)
    // what it says of a connection may come after the echo; a second connection would have been said by the second echo
    await connectionFrom(peerNow(), String(endpoint.id))
    await echo(connection, 1000)
    const seen = peerNow().events.filter(
      (event) => event.event === 'connection' && event.remote === String(endpoint.id),
    )
    expect(seen).toHaveLength(1)
  })

  test('RFC 9000 §5: IPv6', async () => {
    const endpoint = await openEndpoint({ bind: ['[::1]:0'] })
    const connection = await endpoint.connect(addrOf(peerNow(), v6(peerNow().addrs)!), 'tom/echo/1')
    await echo(connection, 100_000)
    expect(connection.paths()[0]?.remote).toMatch(/^\[::1\]:/)
  })

  test('RFC 9000 §4.6: 100 streams at once, then more than 100', async () => {
    const connection = await dial('tom/echo/1')
    for (const streams of [100, 250]) await Promise.all(Array.from({ length: streams }, () => echo(connection, 5000)))
    expect(connection.stats().streamsOpened).toBe(350)
    expect(connection.stats().openStreams).toBe(0)
  })

  test('RFC 9000 §2.1: unidirectional streams both ways', async () => {
    const endpoint = await openEndpoint()
    const connection = await endpoint.connect(addrOf(peerNow()), 'tom/push/1')
    const sends = Array.from({ length: 20 }, async () => {
      const send = await connection.openUni()
      await writePattern(send, 20_000)
      return send.id
    })
    const ids = await Promise.all(sends)
    const { connection: number } = await connectionFrom(peerNow(), String(endpoint.id))
    for (const id of ids) {
      const matches = (event: { connection: number; stream: number }) =>
        event.connection === number && event.stream === id
      const received = await peerNow().waitFor('received', matches)
      expect(received).toMatchObject({ bytes: 20_000, fnv: patternHash(20_000) })
    }
    const { send, recv } = await connection.openBi()
    await send.write(Uint8Array.from([...u64(20_000), ...u64(20)]))
    await send.finish()
    await Promise.all(Array.from({ length: 20 }, async () => checkPattern(await connection.acceptUni(), 20_000)))
    expect(await recv.readToEnd(0)).toHaveLength(0)
  })

  test('RFC 9221 §5: datagrams both ways, the largest too', async () => {
    const connection = await dial('tom/echo/1')
    for (const size of [1, 1000]) {
      for (let index = 0; index < 10; index++) connection.sendDatagram(pattern(size))
      for (let index = 0; index < 10; index++) expect(await connection.readDatagram()).toEqual(pattern(size))
    }
    await echo(connection, 100_000)
    const largest = connection.maxDatagramSize!
    expect(largest).toBeGreaterThan(1100)
    connection.sendDatagram(pattern(largest))
    // It sends no datagrams beyond 1,452 bytes, reckons with 9 bytes before a datagram where 3 are enough, and must, too, have found out first what
    // the path carries.
    const size = largest - Math.max(0, connection.paths()[0]!.mtu - 1452) - 6
    await expect.poll(() => echoed(connection, size), { timeout: 10_000 }).toEqual(pattern(size))
  })

  test('RFC 9001 §6.1: three key updates by us', async () => {
    const node = await LowNode.open()
    const { connection, quic } = await node.connect(peerNow(), 'tom/echo/1')
    await echo(connection, 10_000)
    for (let update = 0; update < 3; update++) {
      // The one before has to be complete, three PTOs included.
      await expect.poll(() => quic.updateKeys(node.platform.now()), { timeout: 5000 }).toBe(true)
      node.driver.touch(quic)
      await echo(connection, 100_000)
    }
    expect(quic.stats().keyUpdates).toBeGreaterThanOrEqual(3)
  })

  test('RFC 9000 §19.4, §19.5: its codes for a reset and a stop reach us', async () => {
    const connection = await dial('tom/reset/1')
    const { send, recv } = await connection.openBi()
    await send.write(Uint8Array.of(1))
    expect(await send.stopped).toBe(9)
    await expect(recv.read()).rejects.toMatchObject({ code: 'STREAM_RESET', closeCode: 8 })
  })

  test('RFC 9000 §19.4: our code for a reset reaches it', async () => {
    const endpoint = await openEndpoint()
    const connection = await endpoint.connect(addrOf(peerNow()), 'tom/sink/1')
    const { send } = await connection.openBi()
    await send.write(pattern(1000))
    send.reset(77)
    const { connection: number } = await connectionFrom(peerNow(), String(endpoint.id))
    const error = await peerNow().waitFor('stream-error', (event) => event.connection === number)
    expect(error.message).toMatch(/77/)
  })

  test.each([
    [5, 'bye'],
    [0, ''],
    [2 ** 40, 'größer als 32 Bit'],
  ])('RFC 9000 §10.2: our close %i %j reaches it', async (code, reason) => {
    const endpoint = await openEndpoint()
    const connection = await endpoint.connect(addrOf(peerNow()), 'tom/echo/1')
    await echo(connection, 10)
    connection.close(code, reason)
    expect(await closeFrom(peerNow(), String(endpoint.id))).toEqual({ kind: 'peer-application', code, reason })
  })

  test('RFC 9000 §10.2: its close reaches us, on a stream and from outside', async () => {
    const closing = await dial('tom/close/1')
    const { send } = await closing.openBi()
    await send.write(Uint8Array.of(1))
    expect(await closing.closed).toMatchObject({ code: 'PEER_CLOSED', closeCode: 7, reason: 'server done' })
    const other = await dial('tom/echo/1')
    await echo(other, 10)
    await peerNow().closeConnections(1234, 'all out')
    expect(await other.closed).toMatchObject({ code: 'PEER_CLOSED', closeCode: 1234, reason: 'all out' })
  })

  describe('the way in', () => {
    test('RFC 9000 §8.1.2: it sends a Retry, and we come back with the token', async () => {
      const mode = await incoming(peerNow(), 'retry')
      const endpoint = await openEndpoint()
      await echo(await endpoint.connect(addrOf(peerNow()), 'tom/echo/1'), 1000)
      expect((await mode.decided()).decision).toBe('retry')
      expect((await connectionFrom(peerNow(), String(endpoint.id))).validated).toBe(true)
    })

    test('RFC 9000 §20.1: it refuses with CONNECTION_REFUSED', async () => {
      await incoming(peerNow(), 'refuse')
      await expect(dial('tom/echo/1')).rejects.toMatchObject({ code: 'REFUSED', closeCode: 0x02 })
    })

    test('it ignores us: the dial ends by its own time limit', async () => {
      await incoming(peerNow(), 'ignore')
      const endpoint = await openEndpoint()
      const connecting = endpoint.connect(addrOf(peerNow()), 'tom/echo/1', { timeoutMs: 500 })
      await expect(connecting).rejects.toMatchObject({ code: 'CONNECT_TIMEOUT' })
    })

    test('RFC 9001 §4.8: it has another key than the one dialled, and hears unknown_ca', async () => {
      const mark = peerNow().events.length
      const endpoint = await openEndpoint()
      const { ipAddrs } = addrOf(peerNow())
      const connecting = endpoint.connect(stranger(ipAddrs), 'tom/echo/1')
      await expect(connecting).rejects.toMatchObject({ code: 'WRONG_PEER', closeCode: 0x130 })
      const error = await eventAfter(peerNow(), mark, 'error')
      expect(error.reason).toMatchObject({ kind: 'peer-transport', code: 0x130 })
    })

    test('RFC 9001 §8.1: no ALPN in common, no_application_protocol', async () => {
      const mark = peerNow().events.length
      const failure = await dial('unheard/of').catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(ConnectError)
      expect(failure).toMatchObject({ code: 'ALPN_MISMATCH', closeCode: 0x178 })
      const error = await eventAfter(peerNow(), mark, 'error')
      expect(error.reason).toMatchObject({ kind: 'local-transport', code: 0x178 })
    })

    test('RFC 9000 §6.1: it answers an unknown version with those it knows, version 1 among them', async () => {
      const versions = await versionsOf(v4(peerNow().addrs))
      expect(versions).toContain(1)
    })
  })

  describe('the way changes', () => {
    test('RFC 9000 §9.2: we move to another socket', async () => {
      const node = await LowNode.open()
      const { connection, quic } = await node.connect(peerNow(), 'tom/echo/1')
      await echo(connection, 100_000)
      const [old] = node.driver.sockets
      await node.addSocket()
      await node.driver.removeSocket(old!)
      const route = node.driver.route('127.0.0.1', portOf(v4(peerNow().addrs)))!
      quic.migrate(route, node.platform.now())
      node.driver.touch(quic)
      await echo(connection, 100_000)
      expect(quic.route).toBe(route)
      expect(quic.paths()[0]?.validated).toBe(true)
    })

    test('RFC 9000 §9.3: a NAT gives us another port, in the middle of a transfer', async () => {
      const relay = await UdpRelay.open(v4(peerNow().addrs))
      onTestFinished(() => relay.close())
      const endpoint = await openEndpoint(ONE_WAY)
      const connection = await endpoint.connect(addrOf(peerNow(), relay.address), 'tom/echo/1')
      await echo(connection, 10_000)
      const transfer = echo(connection, MIB)
      await relay.rebind()
      await transfer
      await echo(connection, 10_000)
    })

    test('RFC 9000 §10.3: it forgot the connection, and its stateless reset ends it', async () => {
      const relay = await UdpRelay.open(v4(peerNow().addrs))
      onTestFinished(() => relay.close())
      const endpoint = await openEndpoint(ONE_WAY)
      const connection = await endpoint.connect(addrOf(peerNow(), relay.address), 'tom/echo/1')
      await echo(connection, 10_000)
      relay.dropToClient = true
      await peerNow().closeConnections(0, 'unheard')
      // Three PTOs after its close it knows nothing any more.
      await new Promise((resolve) => setTimeout(resolve, 1500))
      relay.dropToClient = false
      const { send } = await connection.openBi()
      await send.write(pattern(100))
      expect(await connection.closed).toMatchObject({ code: 'RESET' })
    })
  })

  function stranger(addresses: ReturnType<typeof addrOf>['ipAddrs']) {
    return addresses.reduce((addr, address) => addr.withIp(address), new EndpointAddr(strangerId()))
  }
}

/** Undefined when it did not come back. */
function echoed(connection: Connection, size: number): Promise<Uint8Array | undefined> {
  connection.sendDatagram(pattern(size))
  return connection.readDatagram({ signal: AbortSignal.timeout(200) }).catch(() => undefined)
}

/** The mode until the end of the test; `decided` is what it did with the first newcomer. */
async function incoming(peer: ReferencePeer, mode: 'retry' | 'refuse' | 'ignore') {
  const mark = peer.events.length
  await peer.setIncoming(mode)
  onTestFinished(() => peer.setIncoming('accept'))
  return { decided: () => eventAfter(peer, mark, 'incoming') }
}

/** RFC 8999 §6, by hand: what the node at `address` says to a version that does not exist. */
async function versionsOf(address: string): Promise<number[]> {
  const initial = Buffer.alloc(1200)
  initial.set([0xc0, 0x7a, 0x7a, 0x7a, 0x7a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 11, 12, 13, 14, 15, 16, 17, 18])
  const socket = createSocket('udp4')
  onTestFinished(() => void socket.close())
  const answer = await new Promise<Buffer>((resolve) => {
    socket.on('message', resolve)
    socket.send(initial, portOf(address), '127.0.0.1')
  })
  expect(answer.readUInt32BE(1)).toBe(0)
  // Our two ids, swapped.
  expect([...answer.subarray(5, 23)]).toEqual([8, 11, 12, 13, 14, 15, 16, 17, 18, 8, 1, 2, 3, 4, 5, 6, 7, 8])
  return Array.from({ length: (answer.length - 23) / 4 }, (_, index) => answer.readUInt32BE(23 + 4 * index))
}
