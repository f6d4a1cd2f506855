/** `networkChanged`: our address may be another one now (spec/endpoint.md §5.3). */
import { describe, expect, test } from 'vitest'
import { PacketHeader, parseHeader } from '../../../src/quic/wire/header.ts'
import { framesOf, multipathPair, withPaths } from './multipath-peer.ts'
import { type Datagram, type Pair, Pair as QuicPair } from './pair.ts'

const quiet = { client: { keepAliveMs: 0 }, server: { keepAliveMs: 0 } }

function destinationOf({ bytes }: Datagram): string {
  const header = new PacketHeader()
  parseHeader(bytes, 0, bytes.length, 8, header)
  return bytes.slice(header.destinationStart, header.destinationStart + header.destinationLength).join()
}

const on = (pair: Pair, before: number, route: number) =>
  pair.sentBy('client', before).filter((datagram) => datagram.route === route)

describe('direct paths', () => {
  test('spec/endpoint.md §5.3: each is pinged, asked whether the peer is there, measured afresh, under another connection id', () => {
    const pair = withPaths(1, quiet)
    expect(pair.carries(300_000)).toBe(true)
    pair.run(2_000)
    const client = pair.client.connection!
    const ids = [100, 200].map((route) => destinationOf(on(pair, 0, route).at(-1)!))
    expect(client.paths()[0]).toMatchObject({ mtu: 1452, validated: true })
    expect(client.paths()[0]!.congestionWindow).toBeGreaterThan(12_000)
    const before = pair.log.length
    client.networkChanged(pair.now)
    for (const path of client.paths())
      expect(path).toMatchObject({ validated: true, rttMs: 0, minRttMs: 0, mtu: 1200, congestionWindow: 12_000 })
    pair.flush()
    for (const [index, route] of [100, 200].entries()) {
      const sent = on(pair, before, route)
      expect(framesOf(sent, 'path_challenge')).toHaveLength(1)
      expect(framesOf(sent, 'ping')).not.toEqual([])
      for (const datagram of sent) expect(destinationOf(datagram)).not.toBe(ids[index])
    }
    pair.run(2_000)
    for (const path of client.paths()) {
      expect(path).toMatchObject({ validated: true, mtu: 1452, bytesInFlight: 0 })
      expect(path.minRttMs).toBe(20)
    }
    expect(pair.carries(100_000)).toBe(true)
  })

  test('spec/endpoint.md §5.3: what was backed off is tried at once', () => {
    const pair = multipathPair(quiet)
    const { wire } = pair
    pair.wire = () => []
    pair.client.connection!.ping()
    pair.run(10_000)
    // two seconds between probes by now
    const before = pair.log.length
    pair.run(1_000)
    expect(pair.sentBy('client', before).length).toBeLessThanOrEqual(4)
    pair.wire = wire
    pair.client.connection!.networkChanged(pair.now)
    const start = pair.now
    pair.until(() => pair.server.connection!.paths()[0]!.validated && pair.client.connection!.paths()[0]!.rttMs > 0)
    expect(pair.now - start).toBeLessThan(50)
  })

  test('RFC 9000 §9.3: a client that woke up behind another address is followed by its server', () => {
    const pair = multipathPair(quiet)
    pair.wire = (datagram) =>
      datagram.from === 'client'
        ? [{ ...datagram, route: 150 }]
        : datagram.route === 150
          ? [{ ...datagram, route: 100 }]
          : []
    pair.client.connection!.networkChanged(pair.now)
    pair.run(500)
    expect(pair.server.connection!.route).toBe(150)
    expect(pair.carries(10_000)).toBe(true)
  })
})

test('spec/endpoint.md §5.3: relay paths are pinged and keep what they know', () => {
  const pair = withPaths(1, { ...quiet, relays: [200] })
  pair.run(2_000)
  const client = pair.client.connection!
  const before = pair.log.length
  const path = client.paths()[1]!
  const id = destinationOf(on(pair, 0, 200).at(-1)!)
  client.networkChanged(pair.now)
  expect(client.paths()[1]).toMatchObject({ rttMs: path.rttMs, mtu: path.mtu, congestionWindow: path.congestionWindow })
  pair.flush()
  const sent = on(pair, before, 200)
  expect(framesOf(sent, 'ping')).toHaveLength(1)
  expect(framesOf(sent, 'path_challenge')).toEqual([])
  expect(destinationOf(sent[0]!)).toBe(id)
})

test('a watched path gets a fresh start', () => {
  const pair = withPaths(1, quiet)
  for (const side of ['client', 'server'] as const) pair[side].connection!.watchPaths(1500)
  pair.run(2_000)
  pair.wire = (datagram) => (datagram.route === 100 ? [] : [datagram])
  pair.client.connection!.challengePath(0, pair.now)
  pair.run(1_400)
  pair.client.connection!.networkChanged(pair.now)
  // three probe timeouts of a path that was never measured are 3.1 s
  pair.run(2_900)
  expect(pair.client.of('path-dead')).toEqual([])
  pair.until(() => pair.client.of('path-dead').length > 0)
})

test('before the handshake is over it does no harm, and forgets nothing', () => {
  const pair = new QuicPair()
  pair.until(() => pair.client.of('connected').length > 0)
  const client = pair.client.connection!
  expect([client.isConfirmed, client.rttMs]).toEqual([false, 20])
  client.networkChanged(pair.now)
  expect(client.rttMs).toBe(20)
  pair.connect()
  expect(pair.carries(1_000)).toBe(true)
})

test('spec/endpoint.md §5.3: a back-off begins anew', () => {
  const pair = multipathPair({ ...quiet, relays: [100] })
  pair.wire = () => []
  pair.client.connection!.ping()
  pair.run(10_000)
  const client = pair.client.connection!
  const probes = () => pair.sentBy('client').length
  const before = probes()
  pair.run(1_000)
  expect(probes() - before).toBeLessThanOrEqual(2)
  client.networkChanged(pair.now)
  // 50 ms, 100 ms, 200 ms, and so on
  pair.run(1_000)
  expect(probes() - before).toBeGreaterThan(6)
})

test('on a closed connection it does nothing', () => {
  const pair = multipathPair(quiet)
  const client = pair.client.connection!
  client.close(0, '', pair.now)
  client.networkChanged(pair.now)
  client.watchPaths(1500)
  client.challengePath(0, pair.now)
  pair.run(20_000)
  expect(client.leftovers()).toEqual({ frames: 0, bytesInFlight: 0, bufferedBytes: 0 })
  expect(client.deadline()).toBe(Number.POSITIVE_INFINITY)
})
