/** Messages that overlap: many authors, one after the other, without waiting (spec/gossip.md §14.3 does so with presence). What a single message costs says little about it. */
import { drain } from '../support/rounds.ts'
import { largest, mean, quantile } from '../support/statistics.ts'
import type { Swarm } from '../support/swarm.ts'
import { topologyOf } from '../support/topology.ts'
import { type Result, resultOf, topologyFigures } from './result.ts'
import { type Settings, settledSwarm } from './settings.ts'

const INTERVAL_MS = 100
const COUNT = 200
const REST_MS = 20_000

export interface StreamTrace {
  /** From each broadcast to its last delivery, ms. */
  readonly lastMs: readonly number[]
  readonly rmr: readonly number[]
  readonly missed: number
  readonly repeated: number
}

/** Every 100 ms another node broadcasts. */
export function stream(swarm: Swarm, count: number): StreamTrace {
  const { ledger } = swarm
  const first = ledger.broadcasts.length
  const others = swarm.alive().length - 1
  for (let index = 0; index < count; index++) {
    const author = swarm.random.pick(swarm.alive())
    swarm.broadcast(author, ledger.open(author.id, others, swarm.nodes.length, swarm.nowUs))
    swarm.runForMs(INTERVAL_MS)
  }
  swarm.runForMs(REST_MS)
  drain(swarm)
  const broadcasts = ledger.broadcasts.slice(first)
  return {
    lastMs: broadcasts.map(({ lastUs, sentUs }) => (lastUs - sentUs) / 1000),
    rmr: broadcasts.map(({ copies, delivered }) => (delivered === 0 ? 0 : copies / delivered - 1)),
    missed: broadcasts.reduce((sum, { expected, delivered }) => sum + expected - delivered, 0),
    repeated: broadcasts.reduce((sum, { repeated }) => sum + repeated, 0),
  }
}

export function runStream(settings: Settings): Result {
  const swarm = settledSwarm(settings)
  const { lastMs, rmr, missed, repeated } = stream(swarm, COUNT)
  return resultOf('stream', '10 messages a second', settings, swarm, {
    figures: {
      missed,
      repeated,
      lastMs: mean(lastMs),
      lastMsP90: quantile(lastMs, 0.9),
      lastMsMost: largest(lastMs),
      paperRmr: mean(rmr),
      ...topologyFigures(topologyOf(swarm)),
    },
    series: { lastMs, paperRmr: rmr },
  })
}
