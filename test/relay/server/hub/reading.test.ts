/** How fast clients are read from: rate limits, and turns. */
import { expect, test } from 'vitest'
import { bytes, type Client, datagramFor, Lab, leftovers, PING } from './support.ts'

const RATE = { bytesPerSecond: 10_000 }
/** A frame that counts `count` bytes on the stream: its header in the link is 4. */
const raw = (client: Client, count: number) =>
  client.link.feed(datagramFor(new Uint8Array(32), new Uint8Array(count - 38)))

test('spec/relay.md §4.3: a bucket of a tenth of the rate; what was read is delivered, then reading stops', () => {
  const lab = new Lab({ limits: { rateLimit: { bytesPerSecond: 100_000 } } })
  const [client, friend] = [lab.connect(1), lab.connect(2)]
  // the handshake counted already: 98 bytes and their header
  raw(client, 10_000 - 102 - 1)
  expect(client.link.isPaused).toBe(false)
  client.link.feed(datagramFor(friend.id, bytes('last')))
  expect(friend.takeTexts()).toEqual(['last'])
  expect(client.link.isPaused).toBe(true)
  expect(client.takeFrames()).toEqual([bytes(13, 2)])
  expect(lab.takeEvents()).toContain('rate-limited')
  expect(lab.counters).toMatchObject({ bytes_rx_ratelimited_total: 42, conns_rx_ratelimited_total: 1 })
  // 41 bytes below: one step of 10,000 is more than enough
  lab.advance(99)
  expect(client.link.isPaused).toBe(true)
  lab.advance(1)
  expect(client.link.isPaused).toBe(false)
})

test('spec/relay.md §4.3: who took much waits as many steps as it takes to be above zero', () => {
  const lab = new Lab({ limits: { rateLimit: { ...RATE, maxBurstBytes: 200 } } })
  const client = lab.connect(1)
  // 200 - 102 - 5098 = -5000: five steps of 1,000 make zero, one more is above
  raw(client, 5_098)
  lab.advance(599)
  expect(client.link.isPaused).toBe(true)
  lab.advance(1)
  expect(client.link.isPaused).toBe(false)
  raw(client, 201)
  expect(client.link.isPaused).toBe(true)
  expect(lab.counters).toMatchObject({ bytes_rx_ratelimited_total: 5_098 + 201, conns_rx_ratelimited_total: 1 })
  expect(client.takeFrames()).toHaveLength(1)
})

test('spec/relay.md §4.3: in the long run it is the rate, and nothing is lost', () => {
  const lab = new Lab({ limits: { rateLimit: { bytesPerSecond: 50_000 } } })
  const [client, friend] = [lab.connect(1), lab.connect(2)]
  for (let i = 0; i < 1000; i++) client.send(friend, new Uint8Array(962))
  let received = 0
  for (let second = 1; second <= 20; second++) {
    lab.advance(1_000)
    received += friend.takeTexts().length
    expect(Math.abs(received - 50 * second)).toBeLessThanOrEqual(7)
  }
  lab.advance(1_000)
  expect(received + friend.takeTexts().length).toBe(1000)
})

test('spec/relay.md §3.4: clients of version 1 are not told about their rate limit', () => {
  const lab = new Lab({ limits: { rateLimit: RATE } })
  const client = lab.connect(1, 'iroh-relay-v1')
  raw(client, 2_000)
  expect(client.link.isPaused).toBe(true)
  expect(client.takeFrames()).toEqual([])
})

test('spec/relay.md §4.3: a rate limit that strikes in the handshake is told once the client is in', () => {
  const lab = new Lab({ limits: { rateLimit: { ...RATE, maxBurstBytes: 50 } } })
  const link = lab.accept()
  link.feed(bytes(1, new Uint8Array(32).fill(9), 64, new Uint8Array(64)))
  expect(link.got.slice(1)).toEqual([bytes(2), bytes(13, 2)])
  expect(link.isPaused).toBe(true)
  lab.advance(100)
  expect(link.isPaused).toBe(false)
})

test('spec/relay.md §4.3: one that struck while the access rules decided is told after the decision', async () => {
  let decide = (_: { allowed: true }) => {}
  const access = {
    allow: () =>
      new Promise<{ allowed: true }>((resolve) => {
        decide = resolve
      }),
  }
  const lab = new Lab({ access, limits: { rateLimit: { ...RATE, maxBurstBytes: 50 } } })
  const link = lab.accept()
  link.feed(bytes(1, new Uint8Array(32).fill(9), 64, new Uint8Array(64)))
  expect([link.isPaused, link.got.length]).toEqual([true, 1])
  decide({ allowed: true })
  for (let i = 0; i < 5; i++) await Promise.resolve()
  expect(link.got.slice(1)).toEqual([bytes(2), bytes(13, 2)])
  lab.advance(100)
  expect(link.isPaused).toBe(false)
})

test('spec/relay.md §4.3: limits change live, begin full, and let go of those that waited', () => {
  const lab = new Lab()
  const client = lab.connect(1)
  raw(client, 60_000)
  expect(client.link.isPaused).toBe(false)
  lab.hub.setRateLimit(RATE)
  raw(client, 999)
  expect(client.link.isPaused).toBe(false)
  raw(client, 50_000)
  expect(client.link.isPaused).toBe(true)
  lab.hub.setRateLimit({ bytesPerSecond: 1_000_000 })
  expect(client.link.isPaused).toBe(false)
  raw(client, 60_000)
  lab.advance(10)
  expect(client.link.isPaused).toBe(false)
  lab.hub.setRateLimit(RATE)
  const second = lab.connect(2)
  raw(second, 1_000)
  expect(second.link.isPaused).toBe(true)
  lab.hub.setRateLimit(undefined)
  for (const { link } of [client, second]) {
    raw({ link } as Client, 60_000)
    expect(link.isPaused).toBe(false)
  }
  expect(() => lab.hub.setRateLimit({ bytesPerSecond: 9 })).toThrow(RangeError)
})

test('spec/relay.md §4.3: a limit that changes during a handshake counts from then on', () => {
  const lab = new Lab()
  const link = lab.accept()
  lab.hub.setRateLimit({ bytesPerSecond: 1_000_000 })
  lab.hub.setRateLimit({ ...RATE, maxBurstBytes: 50 })
  link.feed(bytes(1, new Uint8Array(32).fill(9), 64, new Uint8Array(64)))
  expect(link.isPaused).toBe(true)
  lab.hub.setRateLimit(undefined)
  expect(link.isPaused).toBe(false)
  expect(lab.counters.conns_rx_ratelimited_total).toBe(1)
})

test('a client that has to wait for its rate limit is not taken for dead', () => {
  const lab = new Lab({ limits: { rateLimit: { bytesPerSecond: 10, maxBurstBytes: 1_000 } } })
  const client = lab.connect(1)
  raw(client, 1_898)
  // 1,000 bytes below, one a step: 100.1 s without being read from
  lab.advance(100_000)
  expect(client.link.isEnded).toBe(false)
  expect(lab.counters.tom_pings_sent).toBe(0)
  lab.advance(100)
  expect(client.link.isPaused).toBe(false)
  lab.advance(20_100)
  expect(lab.counters.tom_pings_sent).toBe(1)
})

test('a client that is made to wait after it was pinged need not answer that ping', () => {
  const lab = new Lab({ limits: { rateLimit: { bytesPerSecond: 1_000, maxBurstBytes: 5_000 } } })
  const client = lab.connect(1)
  for (let i = 0; i < 2_010 && lab.counters.tom_pings_sent === 0; i++) lab.advance(10)
  raw(client, 20_000)
  lab.advance(14_000)
  expect(client.link.isPaused).toBe(true)
  expect(client.link.isEnded).toBe(false)
})

test('a throttled client that is dropped leaves nothing behind', () => {
  const lab = new Lab({ limits: { rateLimit: RATE } })
  const client = lab.connect(1)
  raw(client, 60_000)
  client.link.end()
  const breaker = lab.connect(2)
  raw(breaker, 60_000)
  breaker.link.isPaused = false
  breaker.link.feed(bytes(0))
  expect(breaker.link.closedWith?.code).toBe(1002)
  expect(leftovers(lab)).toEqual({})
})

test('who sends very much is not read from until the event loop has turned', () => {
  const lab = new Lab()
  const [flooder, friend] = [lab.connect(1), lab.connect(2)]
  for (let i = 0; i < 2_000; i++) flooder.send(friend, new Uint8Array(966))
  // 1,000 bytes and 256 for the frame: 209 of them reach 262,144
  expect(friend.takeFrames()).toHaveLength(209)
  expect(flooder.link.isPaused).toBe(true)
  let turns = 0
  for (let left = 2_000 - 209; left > 0; turns++) {
    lab.platform.turn()
    const { length } = friend.takeFrames()
    expect(length).toBeLessThanOrEqual(209)
    left -= length
    if (turns > 20) throw new Error('never read again')
  }
  expect(turns).toBe(9)
  expect(lab.counters.tom_turn_pauses).toBe(9)
})

test('a client is read from again when neither its rate limit nor the turn of others forbids it', () => {
  const lab = new Lab({ limits: { turnBytes: 10_000 } })
  const client = lab.connect(1)
  raw(client, 20_000)
  lab.hub.setRateLimit(RATE)
  client.link.onRead(5_000)
  lab.hub.setRateLimit(undefined)
  expect(client.link.isPaused).toBe(true)
  lab.platform.turn()
  expect(client.link.isPaused).toBe(false)

  lab.hub.setRateLimit(RATE)
  raw(client, 20_000)
  lab.platform.turn()
  expect(client.link.isPaused).toBe(true)
  lab.hub.setRateLimit(undefined)
  expect(client.link.isPaused).toBe(false)
})

test('a hundred honest clients get everything through while one floods, with large frames or tiny ones', () => {
  for (const [contents, frames] of [
    [new Uint8Array(60_000), 30],
    [new Uint8Array(1), 2_000],
  ] as const) {
    const lab = new Lab()
    const flooder = lab.connect(1000)
    const target = lab.connect(1001)
    const honest = Array.from({ length: 100 }, (_, number) => lab.connect(number))
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < frames; i++) flooder.send(i % 2 === 0 ? target : honest[i % 100]!, contents)
      // what the flooder got done in its turn is bounded, so that the others come next
      expect(lab.counters.send_packets_recv - round * 200).toBeLessThanOrEqual((round + 1) * 1_100)
      for (const [index, client] of honest.entries()) {
        client.send(honest[(index + 1) % 100]!, `round ${round}`)
        client.link.feed(PING(round))
      }
      for (const client of honest) {
        const got = client.takeFrames()
        expect(got.filter((frame) => frame[0] === 10)).toHaveLength(1)
        const texts = got.filter((frame) => frame.length === 34 + 7)
        expect(texts.map((frame) => new TextDecoder().decode(frame.subarray(34)))).toEqual([`round ${round}`])
      }
      lab.platform.turn()
    }
    expect(honest.every((client) => !client.link.isPaused && !client.link.isEnded)).toBe(true)
  }
})
