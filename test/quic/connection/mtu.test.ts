import { expect, test } from 'vitest'
import { Pair } from './pair.ts'

const mtu = (pair: Pair) => pair.client.connection!.paths()[0]!.mtu
/** A wire that carries up to `limit` bytes. */
const narrow = (limit: number) => (pair: Pair) => {
  pair.wire = (datagram) => (datagram.bytes.length > limit ? [] : [datagram])
}

test('RFC 9000 §14.4: a probe finds out that the path carries 1452 bytes', () => {
  const pair = new Pair().connect()
  expect(mtu(pair)).toBe(1200)
  pair.run(200)
  expect(mtu(pair)).toBe(1452)
  expect(pair.carries(100_000)).toBe(true)
  expect(Math.max(...pair.log.map(({ bytes }) => bytes.length))).toBe(1452)
})

test('RFC 9000 §14.4: a lost probe is no sign of congestion; a smaller one follows', () => {
  const pair = new Pair()
  narrow(1350)(pair)
  pair.connect()
  const before = pair.client.connection!.paths()[0]!.congestionWindow
  expect(pair.carries(100_000)).toBe(true)
  pair.run(1_000)
  expect(mtu(pair)).toBe(1326)
  const path = pair.client.connection!.paths()[0]!
  expect(path.congestionWindow).toBeGreaterThanOrEqual(before)
  expect(path.lostPackets).toBe(0)
})

test('RFC 9000 §14: on a path of 1200 bytes everything arrives', () => {
  const pair = new Pair()
  narrow(1200)(pair)
  pair.connect()
  expect(pair.carries(200_000)).toBe(true)
  pair.run(1_000)
  expect(mtu(pair)).toBe(1200)
  // RFC 9000 §14.2: but for the probes nothing was larger
  const larger = pair.sentBy('client').map(({ bytes }) => bytes.length)
  expect(larger.filter((length) => length > 1200)).toEqual([1452, 1326, 1263, 1231])
})

test('RFC 9000 §14.2: the peer’s max_udp_payload_size is kept', () => {
  const pair = new Pair({ server: { maxUdpPayloadSize: 1300 } }).connect()
  expect(pair.carries(50_000)).toBe(true)
  pair.run(500)
  expect(mtu(pair)).toBe(1300)
  expect(Math.max(...pair.sentBy('client').map(({ bytes }) => bytes.length))).toBe(1300)
})

test('RFC 8899 §4.3: a path that narrows is noticed, and the transfer goes on', () => {
  const pair = new Pair({ trace: () => undefined }).connect()
  pair.run(500)
  expect(mtu(pair)).toBe(1452)
  narrow(1250)(pair)
  expect(pair.carries(100_000)).toBe(true)
  expect(mtu(pair)).toBe(1200)
})
