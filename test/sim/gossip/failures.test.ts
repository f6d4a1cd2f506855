import { describe, expect, test } from 'vitest'
import { DEFAULT_GOSSIP_PROFILE, UPSTREAM_GOSSIP_PROFILE } from '../../../src/gossip/proto/settings.ts'
import { churn, replace, watchHealing } from './scenarios/failures.ts'
import { removeRandom, type Settings, settledSwarm } from './scenarios/settings.ts'
import { stream } from './scenarios/stream.ts'
import { runCycles } from './support/bootstrap.ts'
import { runRounds } from './support/rounds.ts'
import { mean } from './support/statistics.ts'
import type { Swarm } from './support/swarm.ts'
import { lastingOneSided, topologyOf } from './support/topology.ts'

const settingsOf = (rest: Partial<Settings> = {}): Settings => ({
  nodes: 1000,
  seed: '1',
  profile: DEFAULT_GOSSIP_PROFILE,
  latency: 'uniform:10..100',
  bootstrap: { kind: 'sequential', intervalMs: 50, contact: 'random' },
  cycles: 3,
  rounds: 10,
  isWire: false,
  loss: 0,
  dialRoundTrips: undefined,
  deadDialMs: undefined,
  ...rest,
})

/** Nothing was delivered twice to anybody. */
function expectNoRepeats(swarm: Swarm): void {
  expect(swarm.ledger.broadcasts.filter(({ repeated }) => repeated > 0)).toEqual([])
}

/** Every link has both ends, nobody is alone, all hang together. */
function expectWhole(swarm: Swarm, leastActive: number): void {
  expect(lastingOneSided(swarm)).toBe(0)
  const topology = topologyOf(swarm, 0)
  expect(topology).toMatchObject({ components: 1, isolated: 0, dead: 0 })
  expect(topology.meanActive).toBeGreaterThan(leastActive)
}

interface Failure {
  readonly percent: number
  /** Mean from the fifth message on, at least; and after two cycles (spec/gossip.md §13). */
  readonly fromFifth: number
  readonly afterCycles: number
}

/** 95 %: whoever knew only nodes that are gone, and is known to none that is left, stays alone; the paper reaches about 90 % of the survivors. */
const FAILURES: readonly Failure[] = [
  { percent: 10, fromFifth: 1, afterCycles: 1 },
  { percent: 30, fromFifth: 1, afterCycles: 1 },
  { percent: 50, fromFifth: 1, afterCycles: 1 },
  { percent: 70, fromFifth: 1, afterCycles: 1 },
  { percent: 80, fromFifth: 0.999, afterCycles: 0.999 },
  { percent: 90, fromFifth: 0.99, afterCycles: 0.99 },
  { percent: 95, fromFifth: 0.75, afterCycles: 0.9 },
]

describe('failures', () => {
  for (const { percent, fromFifth, afterCycles } of FAILURES)
    test(`spec/gossip.md §13: ${percent} % of 1,000 nodes fail at once`, () => {
      const swarm = settledSwarm(settingsOf({ cycles: percent < 80 ? 2 : 10 }))
      removeRandom(swarm, percent * 10)
      const survivors = 1000 - percent * 10
      expect(swarm.alive()).toHaveLength(survivors)
      const rounds = runRounds(swarm, 8, 'changing')
      expect(rounds[0]!.expected).toBe(survivors - 1)
      expect(mean(rounds.slice(4).map((round) => round.deliveryRatio))).toBeGreaterThanOrEqual(fromFifth)
      runCycles(swarm, 2)
      const later = runRounds(swarm, 5, 'changing')
      expect(mean(later.map((round) => round.deliveryRatio))).toBeGreaterThanOrEqual(afterCycles)
      expectNoRepeats(swarm)
      // up to 80 % nobody is left alone
      if (percent <= 80) expectWhole(swarm, 4.7)
      else expect([lastingOneSided(swarm), topologyOf(swarm, 0).dead]).toEqual([0, 0])
    })

  test('spec/gossip.md §12.6: the profile of iroh-gossip 0.101 loses some after 95 %, and its views are shorter', () => {
    const outcomes = ['1', '2', '3'].map((seed) => {
      const swarm = settledSwarm(settingsOf({ seed, profile: UPSTREAM_GOSSIP_PROFILE }))
      const { meanActive } = topologyOf(swarm, 0)
      removeRandom(swarm, 950)
      runRounds(swarm, 8, 'changing')
      runCycles(swarm, 2)
      return { meanActive, delivery: mean(runRounds(swarm, 5, 'changing').map((round) => round.deliveryRatio)) }
    })
    const delivery = mean(outcomes.map((outcome) => outcome.delivery))
    expect(delivery).toBeGreaterThan(0.6)
    expect(delivery).toBeLessThan(0.99)
    // §11.1 P1
    const views = mean(outcomes.map(({ meanActive }) => meanActive))
    expect(views).toBeGreaterThan(4.3)
    expect(views).toBeLessThan(4.6)
  })

  test('spec/gossip.md §13: half fail, nobody says a word: whole within 20 trips, before any shuffle', () => {
    const swarm = settledSwarm(settingsOf())
    removeRandom(swarm, 500)
    expect(topologyOf(swarm, 0).components).toBeGreaterThan(1)
    expect(watchHealing(swarm, 20).tripsUntilWhole).toBeGreaterThan(0)
  })

  test('spec/gossip.md §13: 0.5 % fail in every round, every message reaches everybody', () => {
    const swarm = settledSwarm(settingsOf({ nodes: 400 }))
    const rounds = churn(swarm, 400, 100)
    expect(swarm.alive()).toHaveLength(200)
    expect(rounds.filter((round) => round.missed > 0)).toEqual([])
    expectNoRepeats(swarm)
  })

  test('spec/gossip.md §12.8 S6: nodes go and come, with old ids too, and every message reaches everybody', () => {
    const swarm = settledSwarm(settingsOf({ nodes: 200 }))
    const rounds = replace(swarm, 0.02, 40)
    expect(swarm.alive()).toHaveLength(200)
    expect(swarm.nodes.length).toBeGreaterThan(260)
    expect(swarm.nodes.filter(({ epoch, topic }) => epoch > 1 && topic !== undefined).length).toBeGreaterThan(50)
    expect(rounds.filter((round) => round.missed > 0)).toEqual([])
    expectNoRepeats(swarm)
    swarm.runForMs(10_000)
    expectWhole(swarm, 4.5)
  })
})

describe('without failures', () => {
  test('spec/gossip.md §13: one sender, then changing ones: all get all, and the tree has no waste', () => {
    const swarm = settledSwarm(settingsOf())
    expectWhole(swarm, 4.9)
    const one = runRounds(swarm, 20, 'one', { isDrained: true })
    const changing = runRounds(swarm, 20, 'changing', { isDrained: true })
    expect([...one, ...changing].filter((round) => round.missed > 0)).toEqual([])
    expect(one[0]!.paperRmr).toBeGreaterThan(2)
    expect(mean(one.slice(-10).map((round) => round.paperRmr))).toBeLessThan(0.005)
    expect(mean(changing.slice(-10).map((round) => round.paperRmr))).toBeLessThan(0.2)
    expectNoRepeats(swarm)
  })

  for (const latency of ['uniform:10..100', 'internet'])
    test(`spec/gossip.md §14.3: messages that overlap, ${latency}: all get all, and soon`, () => {
      const swarm = settledSwarm(settingsOf({ nodes: 200, latency }))
      const alone = mean(runRounds(swarm, 10, 'changing').map((round) => round.durationMs))
      const { missed, repeated, lastMs } = stream(swarm, 100)
      expect([missed, repeated]).toEqual([0, 0])
      // timeouts learned from timeouts once made this ten times as long
      expect(mean(lastMs)).toBeLessThan(4 * alone)
    })

  test('spec/gossip.md §12.8 S6: every twentieth message lost, some nodes slow: nearly all get all', () => {
    const swarm = settledSwarm(settingsOf({ nodes: 300 }))
    swarm.faults.setLoss(0.05)
    for (const id of [5, 50, 150]) swarm.faults.slowDown(id, 150_000)
    const rounds = runRounds(swarm, 20, 'changing')
    expect(mean(rounds.map((round) => round.deliveryRatio))).toBeGreaterThan(0.99)
    swarm.faults.setLoss(0)
    runCycles(swarm, 1)
    expect(runRounds(swarm, 5, 'changing').filter((round) => round.missed > 0)).toEqual([])
  })
})
