/** Upstream's own scenarios (spec/gossip.md §12.4): one sender, changing senders, all at once; 20, 100 and 1,000 nodes joined through one. */
import { runRounds, type Sender } from '../support/rounds.ts'
import { topologyOf } from '../support/topology.ts'
import { type Result, resultOf, roundFigures, roundSeries, topologyFigures, topologySeries } from './result.ts'
import { type Settings, settledSwarm } from './settings.ts'

export interface UpstreamRun {
  readonly name: 'GossipSingle' | 'GossipMulti' | 'GossipAll'
  readonly nodes: number
  readonly rounds: number
}

const SENDERS: Readonly<Record<UpstreamRun['name'], Sender>> = {
  GossipSingle: 'one',
  GossipMulti: 'changing',
  GossipAll: 'all',
}

/** `simulations/all.toml`. */
export const UPSTREAM_RUNS: readonly UpstreamRun[] = [
  { name: 'GossipSingle', nodes: 20, rounds: 30 },
  { name: 'GossipSingle', nodes: 100, rounds: 30 },
  { name: 'GossipSingle', nodes: 1000, rounds: 30 },
  { name: 'GossipMulti', nodes: 20, rounds: 30 },
  { name: 'GossipMulti', nodes: 100, rounds: 30 },
  { name: 'GossipMulti', nodes: 1000, rounds: 30 },
  { name: 'GossipAll', nodes: 20, rounds: 30 },
  { name: 'GossipAll', nodes: 100, rounds: 5 },
]

/** With n nodes a round of all at once is n² deliveries. */
const MOST_AT_ONCE = 200

/** Each of them once, with so many nodes. */
export function upstreamRunsOf(nodes: number): UpstreamRun[] {
  const byName = new Map(UPSTREAM_RUNS.map((run) => [run.name, { ...run, nodes }]))
  return [...byName.values()].filter(({ name }) => name !== 'GossipAll' || nodes <= MOST_AT_ONCE)
}

/** The latency of `all.toml`. */
export const UPSTREAM_LATENCY = 'uniform:10..50'

export function runUpstream(run: UpstreamRun, settings: Settings): Result {
  const own: Settings = {
    ...settings,
    nodes: run.nodes,
    rounds: run.rounds,
    bootstrap: { kind: 'single' },
    cycles: 0,
  }
  const swarm = settledSwarm(own)
  const rounds = runRounds(swarm, run.rounds, SENDERS[run.name])
  const topology = topologyOf(swarm)
  return resultOf('upstream', run.name, own, swarm, {
    figures: { ...roundFigures(rounds, run.nodes), ...topologyFigures(topology) },
    series: { ...roundSeries(rounds), ...topologySeries(topology) },
  })
}
