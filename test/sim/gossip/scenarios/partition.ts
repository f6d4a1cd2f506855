/**
 * A network that falls into two halves and becomes whole again (spec/gossip.md §11.1 P12). After a short time nodes that still look for neighbours find the other half by
 * themselves; later every place is taken, nobody looks, and only a rejoin of the application brings the halves together.
 */
import { runCycles } from '../support/bootstrap.ts'
import { runRound, runRounds } from '../support/rounds.ts'
import { mean } from '../support/statistics.ts'
import type { Swarm } from '../support/swarm.ts'
import { topologyOf } from '../support/topology.ts'
import { type Result, resultOf, roundFigures, topologyFigures } from './result.ts'
import { type Settings, settledSwarm } from './settings.ts'

/** A dead connection is found after the idle timeout of QUIC (spec/gossip.md §3.7). */
const NOTICE_MS = 30_000
/** Minutes: the dead connections have just been found, and all places are taken long since. */
export const SHORT_SPLIT = 0.6
export const LONG_SPLIT = 10
const WATCHED_CYCLES = 2
const REJOIN_TRIPS = 20

export interface PartitionTrace {
  /** Components while the network is split, after it is whole, and after the rejoin. */
  readonly components: { readonly split: number; readonly healed: number; readonly rejoined: number }
  /** The part of the own half that a message reaches while split; of all, before and after the rejoin. */
  readonly delivery: { readonly split: number; readonly healed: number; readonly rejoined: number }
}

const halfOf = (node: number): number => node % 2

function deliveryNow(swarm: Swarm): number {
  return mean(runRounds(swarm, 5, 'changing').map((round) => round.deliveryRatio))
}

/** Splits the swarm for so many minutes, makes the network whole again, and lets one node join one of the other half. */
export function partition(swarm: Swarm, minutes: number): PartitionTrace {
  swarm.split(halfOf, NOTICE_MS)
  swarm.runForMs(minutes * 60_000)
  const split = topologyOf(swarm, 0)
  const author = swarm.random.pick(swarm.alive())
  const round = runRound(swarm, [author])
  const half = swarm.alive().filter((node) => halfOf(node.id) === halfOf(author.id)).length - 1
  swarm.heal()
  runCycles(swarm, WATCHED_CYCLES)
  const healed = topologyOf(swarm, 0)
  const healedDelivery = deliveryNow(swarm)
  const even = swarm.alive().find((node) => halfOf(node.id) === 0)!
  const odd = swarm.alive().find((node) => halfOf(node.id) === 1)!
  swarm.join(even, [odd.id])
  swarm.runTrips(REJOIN_TRIPS)
  return {
    components: {
      split: split.components,
      healed: healed.components,
      rejoined: topologyOf(swarm, 0).components,
    },
    delivery: { split: round.delivered / half, healed: healedDelivery, rejoined: deliveryNow(swarm) },
  }
}

export function runPartition(minutes: number, settings: Settings): Result {
  const swarm = settledSwarm(settings)
  const { components, delivery } = partition(swarm, minutes)
  const rounds = runRounds(swarm, settings.rounds, 'changing')
  const topology = topologyOf(swarm)
  return resultOf('partition', `two halves for ${minutes} min`, settings, swarm, {
    figures: {
      componentsSplit: components.split,
      componentsHealed: components.healed,
      componentsRejoined: components.rejoined,
      deliverySplit: delivery.split,
      deliveryHealed: delivery.healed,
      deliveryRejoined: delivery.rejoined,
      ...roundFigures(rounds, settings.nodes),
      ...topologyFigures(topology),
    },
  })
}
