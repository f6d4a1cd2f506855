/**
 * Nodes that fail: a part of all at once, some in every round, some that come and go (spec/gossip.md §12.6, §13). Delivery counts those that are there when a message is sent.
 */
import { runCycles } from '../support/bootstrap.ts'
import { type Round, runRound, runRounds } from '../support/rounds.ts'
import { mean } from '../support/statistics.ts'
import type { Swarm } from '../support/swarm.ts'
import { topologyOf } from '../support/topology.ts'
import { type Result, resultOf, roundFigures, roundSeries, topologyFigures, topologySeries } from './result.ts'
import { removeRandom, type Settings, settledSwarm } from './settings.ts'

/** Messages after the cycles of recovery. */
const LATER_ROUNDS = 10
const RECOVERY_CYCLES = 2

/** `percent` of all nodes fail at once; messages begin at once, from changing senders; and again after two more cycles. */
export function runFailure(percent: number, settings: Settings): Result {
  const swarm = settledSwarm(settings)
  removeRandom(swarm, Math.round((settings.nodes * percent) / 100))
  const living = swarm.alive().length
  const rounds = runRounds(swarm, settings.rounds, 'changing')
  const atOnce = topologyOf(swarm, 0)
  runCycles(swarm, RECOVERY_CYCLES)
  const later = runRounds(swarm, LATER_ROUNDS, 'changing')
  const topology = topologyOf(swarm)
  const ratios = rounds.map((round) => round.deliveryRatio)
  return resultOf('failures', `${percent} % fail`, settings, swarm, {
    figures: {
      percent,
      first: ratios[0] ?? 0,
      second: ratios[1] ?? 0,
      fifth: ratios[4] ?? 0,
      last10: mean(ratios.slice(-10)),
      afterTwoCycles: mean(later.map((round) => round.deliveryRatio)),
      rmrAfterTwoCycles: mean(later.map((round) => round.paperRmr)),
      ldhAfterTwoCycles: mean(later.map((round) => round.lastHop)),
      componentsBefore: atOnce.components,
      isolatedBefore: atOnce.isolated,
      ...roundFigures(rounds, living),
      ...topologyFigures(topology),
    },
    series: { ...roundSeries([...rounds, ...later]), ...topologySeries(topology) },
  })
}

export interface HealingTrace {
  /** Trips after the failure until all are in one component; −1: not in the time given. */
  readonly tripsUntilWhole: number
  readonly components: readonly number[]
  readonly isolated: readonly number[]
}

/** Looks at the swarm after each trip. */
export function watchHealing(swarm: Swarm, trips: number): HealingTrace {
  const components: number[] = []
  const isolated: number[] = []
  for (let trip = 0; trip < trips; trip++) {
    swarm.runTrips(1)
    const topology = topologyOf(swarm, 0)
    components.push(topology.components)
    isolated.push(topology.isolated)
  }
  const lastBroken = components.findLastIndex((count, trip) => count > 1 || isolated[trip]! > 0)
  return { tripsUntilWhole: lastBroken === trips - 1 ? -1 : lastBroken + 2, components, isolated }
}

const HEALING_TRIPS = 100

/** Half of the nodes fail; when is the rest whole again, without a message that helps? */
export function runHealing(percent: number, settings: Settings): Result {
  const swarm = settledSwarm(settings)
  removeRandom(swarm, Math.round((settings.nodes * percent) / 100))
  const trace = watchHealing(swarm, HEALING_TRIPS)
  const rounds = runRounds(swarm, settings.rounds, 'changing')
  const topology = topologyOf(swarm)
  return resultOf('healing', `${percent} % fail`, settings, swarm, {
    figures: {
      percent,
      tripsUntilWhole: trace.tripsUntilWhole,
      ...roundFigures(rounds, topology.nodes),
      ...topologyFigures(topology),
    },
    series: { ...roundSeries(rounds), components: trace.components, isolated: trace.isolated },
  })
}

export const CHURN_ROUNDS = 100
export const CHURN_PART = 0.005
const CHURN_ROUND_MS = 5_000

/** In every round 0.5 % of the first number fail, then one message is sent; a round takes 5 s. */
export function churn(swarm: Swarm, nodes: number, count: number): Round[] {
  const rounds: Round[] = []
  for (let index = 0; index < count; index++) {
    const end = swarm.nowUs + CHURN_ROUND_MS * 1000
    removeRandom(swarm, Math.max(1, Math.round(nodes * CHURN_PART)))
    rounds.push(runRound(swarm, [swarm.random.pick(swarm.alive())]))
    swarm.runUntil(end)
  }
  return rounds
}

export function runChurn(settings: Settings): Result {
  const swarm = settledSwarm(settings)
  const rounds = churn(swarm, settings.nodes, CHURN_ROUNDS)
  const topology = topologyOf(swarm)
  return resultOf('churn', '0.5 % fail in each round', settings, swarm, {
    figures: {
      roundsBelow: rounds.filter((round) => round.missed > 0).length,
      ...roundFigures(rounds, settings.nodes),
      ...topologyFigures(topology),
    },
    series: { ...roundSeries(rounds), ...topologySeries(topology) },
  })
}

/** As churn, and as many come: new ones, and some of those that went before, with their old ids. Half of those that go say so. */
export function replace(swarm: Swarm, part: number, count: number): Round[] {
  const rounds: Round[] = []
  const nodes = swarm.alive().length
  const gone: number[] = []
  for (let index = 0; index < count; index++) {
    const end = swarm.nowUs + CHURN_ROUND_MS * 1000
    const moving = Math.max(2, Math.round(nodes * part))
    for (let come = 0; come < moving; come++) {
      const contact = swarm.random.pick(swarm.alive()).id
      const back = come % 2 === 0 ? gone.shift() : undefined
      if (back === undefined) swarm.add([contact])
      else swarm.restart(swarm.nodes[back]!, [contact])
    }
    swarm.runForMs(CHURN_ROUND_MS / 2)
    const half = Math.floor(moving / 2)
    for (let leave = 0; leave < half; leave++) {
      const node = swarm.random.pick(swarm.alive())
      swarm.quit(node)
      gone.push(node.id)
    }
    for (const node of removeRandom(swarm, moving - half)) gone.push(node.id)
    rounds.push(runRound(swarm, [swarm.random.pick(swarm.alive())]))
    swarm.runUntil(Math.max(end, swarm.nowUs))
  }
  return rounds
}

export function runReplace(settings: Settings): Result {
  const swarm = settledSwarm(settings)
  const rounds = replace(swarm, CHURN_PART, CHURN_ROUNDS)
  const topology = topologyOf(swarm)
  return resultOf('replace', '0.5 % go and come in each round', settings, swarm, {
    figures: {
      roundsBelow: rounds.filter((round) => round.missed > 0).length,
      ...roundFigures(rounds, settings.nodes),
      ...topologyFigures(topology),
    },
    series: { ...roundSeries(rounds), ...topologySeries(topology) },
  })
}
