/** Paths that are watched (`watchPaths`): which silence kills a path, and which does not. */
import { describe, expect, test } from 'vitest'
import { writePathChallenge } from '../../../src/quic/wire/path-frames.ts'
import { framesOf, RoguePeer, withPaths } from './multipath-peer.ts'
import { type Datagram, type Pair, type PairOptions, pattern, SeededRandom } from './pair.ts'

const MIN = 1500

/** Direct (route 100, preferred) and relay (route 200, backup), both watched by both sides. */
function watched(options: PairOptions = {}): Pair {
  const pair = withPaths(1, options)
  for (const side of ['client', 'server'] as const) {
    pair[side].connection!.setPathStatus(1, 'backup')
    pair[side].connection!.watchPaths(MIN)
  }
  pair.run(2_000)
  return pair
}

const deaths = (pair: Pair) =>
  (['client', 'server'] as const).flatMap((side) => pair[side].of('path-dead').map(({ path }) => `${side} ${path}`))

/** What is on its way on `route` no longer arrives, either way. */
function kill(pair: Pair, route: number): void {
  pair.wire = (datagram) => (datagram.route === route ? [] : [datagram])
}

/** The client writes something small, to one stream that nobody reads. */
function write(pair: Pair): void {
  const { streams } = pair.client.connection!
  if (pair.client.connection!.stats().streamsOpened === 0) streams.open(true)
  streams.write(0, pattern(100), 0, 100)
}

/** Data every 20 ms for `ms`. */
function chatter(pair: Pair, ms: number): void {
  for (let at = 0; at < ms; at += 20) {
    if (!pair.client.connection!.isClosed) write(pair)
    pair.run(20)
  }
}

const dataOn = (sent: readonly Datagram[], route: number) =>
  framesOf(
    sent.filter((datagram) => datagram.route === route),
    'stream',
  ).length

describe('a path that is dead', () => {
  test('is found within the least silence and a round trip of the other path, once', () => {
    const pair = watched()
    chatter(pair, 200)
    kill(pair, 100)
    const start = pair.now
    write(pair)
    pair.until(() => pair.client.of('path-dead').length > 0)
    expect(pair.client.of('path-dead')).toEqual([{ type: 'path-dead', path: 0, route: 100 }])
    expect(pair.now - start).toBeGreaterThanOrEqual(MIN - 100)
    expect(pair.now - start).toBeLessThanOrEqual(MIN + 20)
    pair.run(10_000)
    expect(pair.client.of('path-dead')).toHaveLength(1)
  })

  test('is not forgotten because watching was asked for again', () => {
    const pair = watched()
    kill(pair, 100)
    write(pair)
    pair.flush()
    const start = pair.now
    pair.run(1_000)
    pair.client.connection!.watchPaths(MIN)
    pair.until(() => pair.client.of('path-dead').length > 0)
    expect(pair.now - start).toBeLessThanOrEqual(MIN + 20)
  })

  test('is found when only a keep-alive asks', () => {
    const pair = watched()
    pair.run(10_000)
    kill(pair, 100)
    const start = pair.now
    pair.until(() => pair.client.of('path-dead').length > 0)
    // 5 s until the next PING, then the silence
    expect(pair.now - start).toBeLessThanOrEqual(5_000 + MIN + 20)
    expect(pair.client.of('path-dead')[0]).toMatchObject({ path: 0 })
  })

  test('may be the backup, which loses no data', () => {
    const pair = watched()
    kill(pair, 200)
    chatter(pair, 8_000)
    expect(deaths(pair).toSorted()).toEqual(['client 1', 'server 1'])
    expect(pair.client.connection!.route).toBe(100)
  })

  test('is told of before the data leaves it; the policy that abandons it moves the data', () => {
    const pair = watched()
    chatter(pair, 200)
    kill(pair, 100)
    const before = pair.log.length
    write(pair)
    pair.until(() => pair.client.of('path-dead').length > 0)
    // two probe timeouts have long passed
    expect(pair.client.of('path-suspect')).toHaveLength(1)
    expect(pair.client.connection!.route).toBe(100)
    expect(dataOn(pair.sentBy('client', before), 200)).toBe(0)
    pair.client.connection!.abandonPath(0, 0x3e76, pair.now)
    pair.flush()
    expect(dataOn(pair.sentBy('client', before), 200)).toBeGreaterThan(0)
    expect(pair.carries(10_000)).toBe(true)
  })

  test('is told of again after it was heard again', () => {
    const pair = watched()
    const { wire } = pair
    for (let time = 1; time <= 2; time++) {
      kill(pair, 100)
      chatter(pair, 3_000)
      expect(pair.client.of('path-dead')).toHaveLength(time)
      pair.wire = wire
      chatter(pair, 3_000)
      expect(pair.client.of('path-dead')).toHaveLength(time)
    }
  })

  test('is found in one direction as well: by the side that gets no answer', () => {
    const pair = watched()
    pair.wire = (datagram) => (datagram.route === 100 && datagram.from === 'client' ? [] : [datagram])
    chatter(pair, 12_000)
    expect(deaths(pair)).toContain('server 0')
  })
})

test('what a peer sends from other addresses, with the numbers of a path, does not keep that path alive', () => {
  const pair = watched({ client: { keepAliveMs: 0 }, server: { keepAliveMs: 0 } })
  const rogue = new RoguePeer(pair, 'server')
  kill(pair, 100)
  write(pair)
  for (let probes = 0; probes < 30 && pair.client.of('path-dead').length === 0; probes++) {
    rogue.send((writer) => writePathChallenge(writer, new Uint8Array(8).fill(probes)), { route: 700 })
    pair.run(100)
  }
  expect(pair.client.of('path-dead')).toEqual([{ type: 'path-dead', path: 0, route: 100 }])
})

describe('a path that is not', () => {
  test('loses no data to a burst on a link that both paths share, and is not told of', () => {
    for (const burst of [800, 2_000, 6_000]) {
      const pair = watched()
      const { wire } = pair
      chatter(pair, 200)
      const before = pair.log.length
      pair.wire = () => []
      chatter(pair, burst)
      pair.wire = wire
      chatter(pair, 3_000)
      expect(deaths(pair), `${burst} ms`).toEqual([])
      expect(pair.client.of('path-preferred'), `${burst} ms`).toEqual([])
      expect(dataOn(pair.sentBy('client', before), 200), `${burst} ms`).toBe(0)
    }
  })

  test('survives a burst that spares the first answers of the other path', () => {
    const pair = watched()
    const { wire } = pair
    // the path is silent at first, its neighbour a little later
    const start = pair.now
    pair.wire = (datagram) => (datagram.route === 100 || pair.now > start + 560 ? [] : [datagram])
    write(pair)
    chatter(pair, 5_000)
    pair.wire = wire
    chatter(pair, 3_000)
    expect(deaths(pair)).toEqual([])
  })

  test('survives that one packet in five is lost on a link that both share', () => {
    for (let seed = 1; seed <= 24; seed++) {
      // nobody looks into its packets
      const pair = watched({ seed, trace: () => undefined })
      const random = new SeededRandom(seed * 31)
      // at one in three the dice take a path now and then, as they take three questions in a row from anybody
      pair.wire = (datagram) => (random.next() % 100 < 20 ? [] : [datagram])
      chatter(pair, 10_000)
      expect(deaths(pair), `seed ${seed}`).toEqual([])
    }
  })

  test('may be blocked in the driver: nothing is known then', () => {
    const pair = watched()
    write(pair)
    pair.flush()
    kill(pair, 100)
    pair.client.connection!.blocked(100)
    pair.run(10_000)
    expect(pair.client.of('path-dead')).toEqual([])
  })

  test('may be the only one', () => {
    const pair = watched()
    pair.client.connection!.abandonPath(1, 0, pair.now)
    pair.run(5_000)
    kill(pair, 100)
    chatter(pair, 5_000)
    expect(deaths(pair)).toEqual([])
  })
})

describe('without watching', () => {
  test('nothing is told, and two probe timeouts move the data as ever', () => {
    for (const side of ['off', 'ended'] as const) {
      const pair = withPaths(1)
      pair.client.connection!.setPathStatus(1, 'backup')
      if (side === 'ended') {
        pair.client.connection!.watchPaths(MIN)
        pair.client.connection!.watchPaths(0)
      }
      pair.run(2_000)
      kill(pair, 100)
      write(pair)
      pair.run(1_000)
      expect(pair.client.connection!.route).toBe(200)
      chatter(pair, 3_000)
      expect(deaths(pair)).toEqual([])
    }
  })
})

test('a doubt moves the data of a watched path all the same', () => {
  const pair = watched()
  kill(pair, 100)
  write(pair)
  pair.flush()
  pair.client.connection!.doubt(100, pair.now)
  expect(pair.client.connection!.route).toBe(200)
})

test('challengePath asks on the path now; no answer is a silence like another', () => {
  const pair = watched({ client: { keepAliveMs: 0 }, server: { keepAliveMs: 0 } })
  const before = pair.log.length
  pair.client.connection!.challengePath(1, pair.now)
  pair.client.connection!.challengePath(1, pair.now)
  pair.run(100)
  const asked = framesOf(
    pair.sentBy('client', before).filter(({ route }) => route === 200),
    'path_challenge',
  )
  expect(asked).toHaveLength(1)
  expect(framesOf(pair.sentBy('server', before), 'path_response')).toHaveLength(1)
  kill(pair, 200)
  const start = pair.now
  pair.client.connection!.challengePath(1, start)
  pair.until(() => pair.client.of('path-dead').length > 0)
  expect(pair.now - start).toBeLessThanOrEqual(MIN + 20)
  expect(() => pair.client.connection!.challengePath(9, pair.now)).toThrow(RangeError)
})
