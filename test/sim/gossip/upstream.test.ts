import { describe, expect, test } from 'vitest'
import { type GossipProfile, UPSTREAM_GOSSIP_PROFILE } from '../../../src/gossip/proto/settings.ts'
import { type Settings, settledSwarm } from './scenarios/settings.ts'
import { runUpstream, UPSTREAM_LATENCY, UPSTREAM_RUNS } from './scenarios/upstream.ts'
import { type Bootstrap, bootstrap } from './support/bootstrap.ts'
import { parseLatency } from './support/latency.ts'
import { type Round, runRounds } from './support/rounds.ts'
import { largest, mean } from './support/statistics.ts'
import { Swarm } from './support/swarm.ts'
import { topologyOf } from './support/topology.ts'

const SEEDS = ['0', '1', '2', '3']
/** One sender of 20 nodes is near to all or is not: more seeds, which cost little. */
const MANY_SEEDS = Array.from({ length: 12 }, (_, seed) => String(seed))
const SEQUENTIAL: Bootstrap = { kind: 'sequential', intervalMs: 500, contact: 'first' }

const settingsOf = (seed: string, rest: Partial<Settings> = {}): Settings => ({
  nodes: 100,
  seed,
  profile: UPSTREAM_GOSSIP_PROFILE,
  latency: UPSTREAM_LATENCY,
  bootstrap: { kind: 'single' },
  cycles: 0,
  rounds: 30,
  isWire: false,
  loss: 0,
  dialRoundTrips: undefined,
  deadDialMs: undefined,
  ...rest,
})

/**
 * The model's means over four seeds of its own (spec/gossip.md §12.6), and how far ours may be from them: twice what its seeds are from each other, a tenth at least.
 */
const MODEL: readonly {
  name: string
  nodes: number
  rmr: number
  ldh: number
  ms: number
  within: number
}[] = [
  { name: 'GossipSingle', nodes: 20, rmr: 0.157, ldh: 2.8, ms: 87, within: 0.2 },
  { name: 'GossipSingle', nodes: 100, rmr: 0.088, ldh: 5.5, ms: 177, within: 0.15 },
  { name: 'GossipMulti', nodes: 20, rmr: 0.455, ldh: 4.7, ms: 173, within: 0.35 },
  { name: 'GossipMulti', nodes: 100, rmr: 0.443, ldh: 9.9, ms: 304, within: 0.25 },
  { name: 'GossipAll', nodes: 20, rmr: 1.49, ldh: 5.4, ms: 434, within: 0.15 },
  { name: 'GossipAll', nodes: 100, rmr: 1.06, ldh: 10, ms: 706, within: 0.1 },
]

describe('the profile of iroh-gossip 0.101 against recorded figures', () => {
  for (const { name, nodes, rmr, ldh, ms, within } of MODEL)
    test(`spec/gossip.md §12.6: ${name} with ${nodes} nodes`, () => {
      const run = UPSTREAM_RUNS.find((one) => one.name === name && one.nodes === nodes)!
      const seeds = name === 'GossipAll' ? SEEDS.slice(0, 120 / nodes) : nodes === 20 ? MANY_SEEDS : SEEDS
      const results = seeds.map((seed) => runUpstream(run, settingsOf(seed)))
      const average = (figure: string) => mean(results.map(({ figures }) => figures[figure]!))
      expect(average('missed')).toBe(0)
      expect(average('repeated')).toBe(0)
      expect(Math.abs(average('rmr') / rmr - 1), `RMR ${average('rmr')}`).toBeLessThan(within)
      // hops are whole numbers and few: a fifth
      expect(Math.abs(average('ldh') / ldh - 1), `LDH ${average('ldh')}`).toBeLessThan(0.22)
      // the last one of few nodes is far or near: the model's own means are uncertain by a tenth and more
      expect(Math.abs(average('durationMs') / ms - 1), `duration ${average('durationMs')}`).toBeLessThan(0.3)
    })

  test('spec/gossip.md §12.6: one sender: the first round floods, the last ones follow the tree', () => {
    const run = UPSTREAM_RUNS.find((one) => one.name === 'GossipSingle' && one.nodes === 100)!
    const results = SEEDS.map((seed) => runUpstream(run, settingsOf(seed)))
    expect(mean(results.map(({ figures }) => figures.rmrFirst!))).toBeCloseTo(1.82, 0)
    // a perfect tree by upstream's definition is 1/(n − 2), by the papers' 0 (§12.3)
    expect(mean(results.map(({ figures }) => figures.rmrSettled!))).toBeCloseTo(1 / 98, 2)
    expect(mean(results.map(({ figures }) => figures.paperRmrSettled!))).toBeLessThan(0.005)
  })

  const bounds = (rounds: readonly Round[]) => [
    mean(rounds.map((round) => round.lastHop)),
    mean(rounds.map((round) => round.upstreamRmr)),
    largest(rounds.map((round) => round.missed)),
  ]

  test("spec/gossip.md §12.4: the bounds of upstream's own tests", () => {
    const swarm = () => settledSwarm(settingsOf('0', { latency: 'uniform:10..100' }))
    const [oneHop, oneRmr, oneMissed] = bounds(runRounds(swarm(), 30, 'one'))
    expect(oneHop).toBeLessThan(15)
    expect(oneRmr).toBeLessThan(0.2)
    expect(oneMissed).toBe(0)
    const [changingHop, changingRmr, changingMissed] = bounds(runRounds(swarm(), 30, 'changing'))
    expect(changingHop).toBeLessThan(18)
    expect(changingRmr).toBeLessThan(1)
    expect(changingMissed).toBe(0)
    const [allHop, allRmr, allMissed] = bounds(runRounds(swarm(), 5, 'all'))
    expect(allHop).toBeLessThan(30)
    expect(allRmr).toBeLessThan(3)
    expect(allMissed).toBe(0)
    // shuffles every 5 s, nothing else: nobody is left without neighbours
    const { membership } = UPSTREAM_GOSSIP_PROFILE
    const profile: GossipProfile = {
      ...UPSTREAM_GOSSIP_PROFILE,
      membership: { ...membership, shuffleIntervalMs: 5_000 },
    }
    const shuffling = settledSwarm(settingsOf('0', { profile, latency: 'uniform:10..100', cycles: 10 }))
    expect(shuffling.traffic.totals().messages[2]).toBeGreaterThan(5000)
    expect(topologyOf(shuffling)).toMatchObject({ isolated: 0 })
  })

  const shape = (seed: string, how: Bootstrap) => {
    const swarm = new Swarm({ seed, profile: UPSTREAM_GOSSIP_PROFILE, latency: parseLatency('uniform:10..100', seed) })
    bootstrap(swarm, 400, how)
    return topologyOf(swarm)
  }

  test('spec/gossip.md §12.7: 400 nodes one after the other: full views, clustering, paths', () => {
    const graphs = SEEDS.map((seed) => shape(seed, SEQUENTIAL))
    const full = mean(graphs.map(({ fullShare }) => fullShare))
    expect(full).toBeGreaterThan(0.49)
    expect(full).toBeLessThan(0.58)
    const path = mean(graphs.map(({ averagePath }) => averagePath))
    expect(path).toBeGreaterThan(4.35)
    expect(path).toBeLessThan(4.47)
    const clustering = mean(graphs.map((graph) => graph.clustering))
    expect(clustering).toBeGreaterThan(0.003)
    expect(clustering).toBeLessThan(0.014)
    expect(graphs.map(({ components }) => components)).toEqual([1, 1, 1, 1])
  })

  test('spec/gossip.md §12.7: 400 nodes at once: they cluster', () => {
    const clustering = mean(SEEDS.map((seed) => shape(seed, { kind: 'single' }).clustering))
    expect(clustering).toBeGreaterThan(0.045)
    expect(clustering).toBeLessThan(0.083)
  })

  test('spec/gossip.md §12.7: 200 nodes: settled redundancy of one sender and of changing ones', () => {
    const swarms = SEEDS.map((seed) =>
      settledSwarm(settingsOf(seed, { nodes: 200, latency: 'uniform:10..100', bootstrap: SEQUENTIAL })),
    )
    const settled = (rounds: readonly Round[]) => mean(rounds.slice(-20).map((round) => round.upstreamRmr))
    const one = mean(swarms.map((swarm) => settled(runRounds(swarm, 30, 'one'))))
    expect(one).toBeGreaterThan(0.005)
    // one redundant message or none (§12.5)
    expect(one).toBeLessThan(0.012)
    const changing = mean(swarms.map((swarm) => settled(runRounds(swarm, 60, 'changing'))))
    expect(changing).toBeGreaterThan(0.55)
    expect(changing).toBeLessThan(0.8)
  })
})
