/**
 * The figures of the two papers (spec/gossip.md §13): the graph after stabilisation, and what a broadcast costs with one sender and with changing ones, under a fixed
 * latency and with a graft timeout that spans the tree.
 */
import type { GossipProfile } from '../../../../src/gossip/proto/settings.ts'
import { runRounds } from '../support/rounds.ts'
import { topologyOf } from '../support/topology.ts'
import { type Result, resultOf, roundFigures, roundSeries, topologyFigures, topologySeries } from './result.ts'
import { type Settings, settledSwarm } from './settings.ts'

/** The papers' graft timer waits for the end of the flood (spec/gossip.md §10.2). */
export function withLongGrafts(profile: GossipProfile): GossipProfile {
  return {
    ...profile,
    name: `${profile.name}, long grafts`,
    broadcast: { ...profile.broadcast, graft: { kind: 'fixed', firstMs: 3_000, nextMs: 1_500 } },
  }
}

export const PAPER_LATENCY = 'fixed:50'

export function* runPapers(settings: Settings): Generator<Result> {
  for (const profile of [settings.profile, withLongGrafts(settings.profile)])
    for (const sender of ['one', 'changing'] as const) {
      const own: Settings = { ...settings, profile }
      const swarm = settledSwarm(own)
      const topology = topologyOf(swarm)
      const rounds = runRounds(swarm, settings.rounds, sender, { isDrained: true })
      const after = topologyOf(swarm, 0)
      yield resultOf('papers', sender === 'one' ? 'one sender' : 'changing sender', own, swarm, {
        figures: { ...roundFigures(rounds, settings.nodes), ...topologyFigures(topology) },
        series: { ...roundSeries(rounds), ...topologySeries(topology), eager: after.eager, lazy: after.lazy },
      })
    }
}
