import { expect, test } from 'vitest'
import { bytes, type Client, Lab, leftovers, PING } from './support.ts'

/** Lets `ms` pass in steps, until a ping came; returns when, and its payload. */
function untilPing(
  lab: Lab,
  client: Client,
  ms: number,
  step = 10,
): { after: number; payload: Uint8Array } | undefined {
  for (let after = step; after <= ms; after += step) {
    lab.advance(step)
    const ping = client.takeFrames().find((frame) => frame[0] === 9)
    if (ping !== undefined) return { after, payload: ping.slice(1) }
  }
  return undefined
}

test('spec/relay.md §3.5: a silent client is pinged 16 to 20 s after its last frame, at another time each', () => {
  const lab = new Lab()
  const clients = Array.from({ length: 50 }, (_, number) => lab.connect(number))
  lab.advance(15_950)
  expect(lab.counters.tom_pings_sent).toBe(0)
  lab.advance(2_100)
  expect(lab.counters.tom_pings_sent).toBeGreaterThan(10)
  expect(lab.counters.tom_pings_sent).toBeLessThan(40)
  lab.advance(2_000)
  expect(lab.counters.tom_pings_sent).toBe(50)
  const payloads = clients.map((client) => client.takeFrames()[0]!.join())
  expect(new Set(payloads).size).toBe(50)
})

test('spec/relay.md §3.5: any frame starts the interval anew', () => {
  const lab = new Lab()
  const client = lab.connect(1)
  for (let i = 0; i < 10; i++) {
    lab.advance(15_000)
    client.link.feed(i % 2 === 0 ? PING(1) : bytes(4, new Uint8Array(32), 0, 'x'))
  }
  expect(lab.counters.tom_pings_sent).toBe(0)
  expect(untilPing(lab, client, 15_900)).toBeUndefined()
  expect(untilPing(lab, client, 4_200)).toBeDefined()
})

test('spec/relay.md §3.5: a ping that is never answered costs the connection after 5 s', () => {
  const lab = new Lab()
  const client = lab.connect(1)
  expect(untilPing(lab, client, 20_100)).toBeDefined()
  // other frames are no answer, nor is a pong for another ping
  client.link.feed(bytes(10, new Uint8Array(8)))
  client.link.feed(PING(1))
  lab.advance(4_990)
  expect(client.link.isEnded).toBe(false)
  lab.advance(10)
  expect(client.link.isTerminated).toBe(true)
  expect(lab.counters).toMatchObject({ tom_ping_timeouts: 1, tom_pings_sent: 1 })
  expect(lab.log.at(-1)).toMatchObject({ event: 'disconnected', message: 'did not answer a ping in time' })
  expect(leftovers(lab)).toEqual({})
})

test.each([
  [10, 500],
  [300, 900],
  [4_000, 5_000],
])('spec/relay.md §3.5: after a round trip of %d ms the next answer may take %d ms', (rttMs, timeoutMs) => {
  const lab = new Lab()
  const client = lab.connect(1)
  const first = untilPing(lab, client, 20_100)!
  lab.advance(rttMs)
  client.link.feed(bytes(10, first.payload))
  const second = untilPing(lab, client, 20_100)!
  expect(second.after).toBeGreaterThanOrEqual(16_000)
  lab.advance(timeoutMs - 10)
  expect(client.link.isEnded).toBe(false)
  lab.advance(20)
  expect(client.link.isTerminated).toBe(true)
})

test('spec/relay.md §3.5: the interval is drawn anew for each ping', () => {
  const lab = new Lab()
  const client = lab.connect(1)
  const gaps = new Set<number>()
  for (let i = 0; i < 10; i++) {
    const { after, payload } = untilPing(lab, client, 20_100)!
    client.link.feed(bytes(10, payload))
    gaps.add(after)
  }
  expect(gaps.size).toBeGreaterThan(3)
})

test('a client that answers all pings stays for hours', () => {
  const lab = new Lab()
  const client = lab.connect(1)
  let pings = 0
  for (let i = 0; i < 7_200 * 4; i++) {
    lab.advance(250)
    for (const frame of client.takeFrames()) {
      client.link.feed(bytes(10, frame.slice(1)))
      pings++
    }
  }
  expect(client.link.isEnded).toBe(false)
  expect(pings).toBeGreaterThan(7200 / 20.5)
})

test('a ping goes past what waits', () => {
  const lab = new Lab()
  const [client, friend] = [lab.connect(1), lab.connect(2)]
  client.link.isStalled = true
  for (let i = 0; i < 20; i++) friend.send(client, new Uint8Array(60_000))
  // slowly, but read: so it is not the write timeout that ends it
  for (let i = 0; i < 25 && lab.counters.tom_pings_sent === 0; i++) {
    lab.advance(1_000)
    client.link.take(1)
    friend.send(client, new Uint8Array(60_000))
  }
  expect(lab.counters.tom_pings_sent).toBe(1)
  expect(lab.hub.backlog.datagrams).toBeGreaterThan(0)
})

test('spec/relay.md §3.5: pongs that came while the relay stood still are read before a client is given up', () => {
  const lab = new Lab()
  const clients = Array.from({ length: 20 }, (_, number) => lab.connect(number))
  lab.advance(20_100)
  const pings = clients.map((client) => client.takeFrames()[0]!.slice(1))
  const [kept, lost] = [clients.slice(0, 10), clients.slice(10)]
  // Node's event loop: timers first, then what has arrived, then what was deferred
  lab.platform.stall(8_000)
  for (const [index, client] of kept.entries()) client.link.feed(bytes(10, pings[index]!))
  lab.platform.settle()
  lab.advance(100)
  expect(kept.map(({ link }) => link.isEnded)).toEqual(kept.map(() => false))
  expect(lost.map(({ link }) => link.isTerminated)).toEqual(lost.map(() => true))
  expect(lab.counters.tom_ping_timeouts).toBe(10)
})

test('an interval shorter than the time for a pong is kept: the next ping waits for no old deadline', () => {
  const lab = new Lab({ limits: { pingIntervalMs: 500, pingJitterMinMs: 10, pingJitterMaxMs: 20 } })
  const client = lab.connect(1)
  for (let round = 0; round < 5; round++) {
    const ping = untilPing(lab, client, 700)
    expect(ping).toBeDefined()
    client.link.feed(bytes(10, ping!.payload))
  }
})
