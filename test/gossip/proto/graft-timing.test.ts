/** When a payload is asked for, as numbers: fixed times, and those that follow the tree (spec/gossip.md §7.3, §11.1 P9). */
import { describe, expect, test } from 'vitest'
import { createGraftTimes } from '../../../src/gossip/proto/graft-timing.ts'
import { TreeTempo } from '../../../src/gossip/proto/plumtree-tempo.ts'

const MEASURED = { kind: 'measured', initialMs: 400, minMs: 100, maxMs: 3_000 } as const

const measured = () => {
  const tempo = new TreeTempo(MEASURED)
  return { tempo, times: createGraftTimes(MEASURED, tempo) }
}
/** So many messages, one every 10 s. */
const feed = (tempo: TreeTempo, rounds: readonly number[], roundTripMs: number | undefined) => {
  for (const [at, round] of rounds.entries()) tempo.arrived(round, roundTripMs, at * 10_000)
}

test('spec/gossip.md §7.3: fixed times stay, whatever happens', () => {
  const tempo = new TreeTempo(MEASURED)
  const times = createGraftTimes({ kind: 'fixed', firstMs: 80, nextMs: 40 }, tempo)
  feed(tempo, [3, 9, 20], 500)
  expect([times.firstMs(0), times.firstMs(30), times.brokenMs, times.nextMs(500)]).toEqual([80, 80, 80, 40])
})

describe('spec/gossip.md §11.1 P9: measured', () => {
  test('the initial time until three messages came, and for ever when no round trip is known', () => {
    const { tempo, times } = measured()
    feed(tempo, [9, 9], 100)
    expect(times.firstMs(0)).toBe(400)
    tempo.arrived(9, 100, 30_000)
    expect(times.firstMs(0)).toBeGreaterThan(600)
    const blind = measured()
    feed(blind.tempo, [9, 9, 9, 9], undefined)
    expect(blind.times.firstMs(0)).toBe(400)
    expect(blind.tempo.spanMs).toBe(400)
  })

  test('half as much again as the deepest way, less what the announcer is away from the author', () => {
    const { tempo, times } = measured()
    feed(tempo, [10, 10, 10, 10], 100)
    expect(times.firstMs(0)).toBeCloseTo((15 + 1) * 50)
    expect(times.firstMs(6)).toBeCloseTo((15 - 6 + 1) * 50)
    expect(tempo.spanMs).toBeCloseTo(500)
  })

  test('the depth follows a deeper way at once and fades slowly', () => {
    const { tempo } = measured()
    feed(tempo, [4, 4, 4, 20], 100)
    expect(tempo.depth).toBe(20)
    feed(tempo, [4], 100)
    expect(tempo.depth).toBe(19.5)
    feed(tempo, Array(200).fill(4), 100)
    expect(tempo.depth).toBeLessThan(4.1)
  })

  test('the hop follows the round trips', () => {
    const { tempo } = measured()
    feed(tempo, [4], 40)
    expect(tempo.hopMs).toBe(20)
    feed(tempo, Array(60).fill(4), 200)
    expect(tempo.hopMs).toBeGreaterThan(99)
    expect(tempo.hopMs).toBeLessThanOrEqual(100)
  })

  test('within the bounds, whatever rounds are claimed', () => {
    const { tempo, times } = measured()
    feed(tempo, [0, 1, 0], 0.2)
    expect(times.firstMs(0)).toBe(100)
    expect(times.firstMs(0xffff)).toBe(100)
    feed(tempo, [0xffff], 900)
    expect(times.firstMs(0)).toBe(3_000)
    expect(times.brokenMs).toBe(100)
  })

  test('one lie about the round is over after some tens of messages', () => {
    const { tempo } = measured()
    feed(tempo, [4, 4, 4, 0xffff], 100)
    expect(tempo.depth).toBe(60)
    expect(tempo.spanMs).toBe(3_000)
    feed(tempo, [0xffff], 1_000)
    expect(tempo.spanMs).toBe(3_000)
    feed(tempo, Array(40).fill(4), 100)
    feed(tempo, Array(80).fill(4), 100)
    expect(tempo.depth).toBeLessThan(9)
  })

  test('what came too late stretches the times just so far, by half at once at most, and three times in all', () => {
    const { tempo, times } = measured()
    feed(tempo, [10, 10, 10], 100)
    times.tooShort(850, 0)
    expect(times.firstMs(0)).toBeCloseTo(850 * 1.1)
    // no news
    times.tooShort(700, 0)
    expect(times.firstMs(0)).toBeCloseTo(850 * 1.1)
    times.tooShort(9_000, 0)
    expect(times.firstMs(0)).toBeCloseTo(850 * 1.1 * 1.5)
    for (let again = 0; again < 9; again++) times.tooShort(9_000, 0)
    expect(times.firstMs(0)).toBeCloseTo(800 * 3)
    expect(times.firstMs(15)).toBeCloseTo(100 * 3)
  })

  test('the stretch fades with what is in time', () => {
    const { tempo, times } = measured()
    feed(tempo, [10, 10, 10], 100)
    times.tooShort(1_000, 0)
    times.longEnough()
    expect(times.firstMs(0)).toBeLessThan(1_100)
    expect(times.firstMs(0)).toBeGreaterThan(1_090)
    for (let again = 0; again < 1_000; again++) times.longEnough()
    expect(times.firstMs(0)).toBeCloseTo(800, 0)
  })

  test('the next announcer after twice the round trip of the one that was asked', () => {
    const { tempo, times } = measured()
    expect(times.nextMs(undefined)).toBe(200)
    expect(times.nextMs(180)).toBe(360)
    expect(times.nextMs(3)).toBe(100)
    expect(times.nextMs(60_000)).toBe(3_000)
    feed(tempo, [3, 3, 3], 90)
    expect(times.nextMs(undefined)).toBe(180)
  })
})

describe('which messages may change the tree', () => {
  const ids = Array.from({ length: 2_000 }, (_, at) => at.toString(16).padStart(64, '0'))

  test('all of those that travel alone', () => {
    const { tempo } = measured()
    for (const [at, id] of ids.entries()) {
      tempo.arrived(5, 100, at * 20_000)
      expect(tempo.mayReshape(id, at * 20_000 + 1)).toBe(true)
    }
  })

  test.each([10, 50, 100])('about one in three spans, with one message in %i ms', (everyMs) => {
    const { tempo } = measured()
    const span = 10 * 50
    let count = 0
    for (const [at, id] of ids.entries()) {
      tempo.arrived(10, 100, at * everyMs)
      // while few came before, more of them count
      if (at * everyMs >= 4 * span && tempo.mayReshape(id, at * everyMs)) count++
    }
    const spans = (ids.length * everyMs) / span - 4
    expect(count / spans).toBeGreaterThan(0.2)
    expect(count / spans).toBeLessThan(0.5)
  })

  test('nodes that see a little more or less choose nearly the same', () => {
    const chosen = [90, 110].map((roundTripMs) => {
      const { tempo } = measured()
      return ids.filter((id, at) => {
        tempo.arrived(10, roundTripMs, at * 50)
        return tempo.mayReshape(id, at * 50)
      })
    })
    const [more, fewer] = chosen as [string[], string[]]
    expect(fewer.length).toBeGreaterThan(10)
    expect(fewer.filter((id) => !more.includes(id))).toEqual([])
    expect(fewer.length / more.length).toBeGreaterThan(0.7)
  })
})
