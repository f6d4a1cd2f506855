import { expect, test } from 'vitest'
import { AnnounceInterval, announceIntervalMs } from '../../../src/envelope/peers/announce-interval.ts'
import { isTimelyAnnounce, Presence } from '../../../src/envelope/peers/presence.ts'
import { PRESENCE_SETTINGS } from '../../../src/envelope/peers/settings.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { announcementsOf, peak, rate } from './presence-swarm.ts'
import { WALL } from './support.ts'

function makePresence(seed = 'presence'): Presence {
  return new Presence({ random: new SimRandom(seed) })
}

/** Goes from deadline to deadline; returns when it announced. `inputs` are made at their times. */
function announcements(
  presence: Presence,
  until: number,
  onlineCount: number,
  inputs: readonly { readonly at: number; readonly kind: 'neighborUp' | 'changed' }[] = [],
): number[] {
  const made: number[] = []
  const waiting = [...inputs]
  for (;;) {
    const input = waiting[0]
    const at = Math.min(presence.deadline(), input?.at ?? Number.POSITIVE_INFINITY)
    if (at > until) return made
    if (input?.at === at) {
      presence[input.kind](at)
      waiting.shift()
    }
    if (presence.tick(at, onlineCount)) made.push(at)
    else if (input?.at !== at) throw new Error(`nothing happens at the deadline ${at}`)
  }
}

test('spec/envelope.md §5.4: announcements of the last hour count, and those up to five minutes ahead', () => {
  const ages = [3_600_001, 3_600_000, 0, -300_000, -300_001]
  expect(ages.map((age) => isTimelyAnnounce(WALL - age, WALL))).toEqual([false, true, true, true, false])
})

test('spec/envelope.md §5.4: the interval is 10 s up to 50 peers, then as many times 0.2 s as there are peers', () => {
  const counts = [0, 1, 50, 51, 100, 10_000]
  const intervals = counts.map((count) => announceIntervalMs(PRESENCE_SETTINGS, count))
  expect(intervals).toEqual([10_000, 10_000, 10_000, 10_200, 20_000, 2_000_000])
})

test('spec/envelope.md §5.4: the interval rises at once and falls by a quarter of the time', () => {
  const interval = new AnnounceInterval(PRESENCE_SETTINGS)
  const steps = [
    [1_000_000, 0, 10_000],
    [1_000_001, 500, 100_000],
    [1_040_001, 60, 90_000],
    [1_040_001, 470, 94_000],
    [2_000_000, 60, 12_000],
  ] as const
  for (const [now, count, expected] of steps) {
    interval.update(count, now)
    expect(interval.ms).toBe(expected)
  }
})

test('spec/envelope.md §5.4: it announces at the start, and then at most an interval later', () => {
  const presence = makePresence()
  expect(presence.deadline()).toBe(Number.POSITIVE_INFINITY)
  presence.neighborUp(0)
  expect(presence.tick(1, 0)).toBe(false)
  presence.started(500)
  expect(presence.deadline()).toBe(500)
  const made = announcements(presence, 200_000, 3)
  expect(made[0]).toBe(500)
  const pauses = made.slice(1).map((at, index) => at - made[index]!)
  expect(pauses[0]).toBeGreaterThanOrEqual(1_000)
  for (const pause of pauses) expect(pause).toBeLessThanOrEqual(10_000)
  for (const pause of pauses.slice(1)) expect(pause).toBeGreaterThanOrEqual(8_000)
})

test('spec/envelope.md §5.4: it starts in a big swarm as well', () => {
  const presence = makePresence()
  presence.started(500)
  expect(presence.tick(500, 10_000)).toBe(true)
})

test('spec/envelope.md §5.4: a new neighbour hears it at once, right after the start too', () => {
  const presence = makePresence()
  presence.started(0)
  expect(announcements(presence, 900, 0, [{ at: 30, kind: 'neighborUp' }])).toEqual([0, 180])
})

test('spec/envelope.md §5.4: a change is announced', () => {
  const presence = makePresence('change')
  presence.started(0)
  expect(presence.tick(0, 0)).toBe(true)
  expect(announcements(presence, 700, 0, [{ at: 500, kind: 'changed' }])).toEqual([650])
})

test('spec/envelope.md §5.4: neighbours one after the other are told a second apart', () => {
  const presence = makePresence()
  presence.started(0)
  const asked = [10, 300].map((at) => ({ at, kind: 'neighborUp' as const }))
  expect(announcements(presence, 2_000, 200, asked)).toEqual([0, 160, 1_160])
})

test('spec/envelope.md §5.4: a storm of neighbours makes one announcement', () => {
  const presence = makePresence()
  presence.started(0)
  const storm = Array.from({ length: 100 }, (_, index) => ({ at: 10 + index * 5, kind: 'neighborUp' as const }))
  expect(announcements(presence, 1_000, 0, storm)).toEqual([0, 505 + 150])
})

test('spec/envelope.md §5.4: in a storm that does not end the first is told within a second, and few follow', () => {
  const presence = makePresence()
  presence.started(0)
  const storm = Array.from({ length: 12_000 }, (_, index) => ({ at: 10 + index * 5, kind: 'neighborUp' as const }))
  const made = announcements(presence, 60_000, 50, storm)
  expect(made.slice(0, 4)).toEqual([0, 1_010, 2_015, 3_020])
  // Then one in each interval, besides the regular ones.
  expect(made.length).toBeLessThanOrEqual(4 + 2 * 6)
  expect(made.length).toBeGreaterThanOrEqual(4 + 5)
})

test('spec/envelope.md §5.4: what was asked for and could not be made at once is not forgotten', () => {
  const presence = makePresence()
  presence.started(0)
  const asked = [0, 2_000, 4_000, 6_000].map((at) => ({ at: at + 10, kind: 'neighborUp' as const }))
  const made = announcements(presence, 1_000_000, 500, asked)
  expect(made.slice(0, 4)).toEqual([0, 160, 2_160, 4_160])
  expect(made[4]).toBeLessThanOrEqual(100_160)
})

test('spec/envelope.md §5.4: nodes that start together do not speak together', () => {
  const made = Array.from({ length: 200 }, (_, node) => {
    const presence = makePresence(`node ${node}`)
    presence.started(0)
    return announcements(presence, 40_000, 200).slice(1)
  }).flat()
  expect(made.length).toBeGreaterThan(150)
  expect(
    peak(
      made.sort((one, other) => one - other),
      0,
      2_000,
    ),
  ).toBeLessThan(20)
})

for (const nodes of [10, 100, 1_000, 10_000]) {
  test(`spec/envelope.md §5.4: in a swarm of ${nodes} a node hears at most some five announcements a second`, () => {
    const intervalMs = announceIntervalMs(PRESENCE_SETTINGS, nodes)
    const settledAt = 70_000
    const untilMs = settledAt + 2 * intervalMs
    const made = announcementsOf({ nodes, startMs: 60_000, untilMs })
    const heard = rate(made, settledAt, untilMs)
    expect(heard).toBeLessThan(6)
    // Half a swarm of 50's and more: nobody is silent for longer than an interval.
    expect(heard).toBeGreaterThan(Math.min(nodes / 10, 5) * 0.95)
    expect(peak(made, settledAt, 10_000)).toBeLessThan(12)
    // Even when all start within a minute, each adds few announcements before it knows how many they are.
    expect(made.filter((at) => at < settledAt).length).toBeLessThan(nodes * (nodes < 50 ? 12 : 7))
  })
}

test('spec/envelope.md §5.4: under churn that gives everybody new neighbours all the time a node hears twice as many', () => {
  const made = announcementsOf({ nodes: 500, startMs: 60_000, untilMs: 500_000, neighborEveryMs: 5_000 })
  expect(rate(made, 200_000, 500_000)).toBeLessThan(11)
})
