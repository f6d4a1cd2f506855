/** What a scenario hands back: flat figures, series and checks with what is needed to run it again (spec/gossip.md §12.8 S10). */
import type { Round } from '../support/rounds.ts'
import { largest, least, mean } from '../support/statistics.ts'
import type { Swarm } from '../support/swarm.ts'
import type { Topology } from '../support/topology.ts'
import type { Settings } from './settings.ts'

export interface Check {
  /** A row of the table of spec/gossip.md §13. */
  readonly goal: string
  readonly bound: string
  readonly value: number
  readonly isMet: boolean
}

export interface Result {
  readonly scenario: string
  /** What sets it apart from others of its scenario: `30 % fail`. */
  readonly variant: string
  readonly profile: string
  readonly nodes: number
  readonly seed: string
  readonly latency: string
  readonly config: Readonly<Record<string, string | number | boolean>>
  readonly figures: Readonly<Record<string, number>>
  readonly series: Readonly<Record<string, readonly number[]>>
  readonly checks: readonly Check[]
  readonly traceHash: string
  readonly events: number
  readonly simulatedMs: number
}

export interface Findings {
  readonly figures: Readonly<Record<string, number>>
  readonly series?: Readonly<Record<string, readonly number[]>>
  readonly checks?: readonly Check[]
}

export function resultOf(
  scenario: string,
  variant: string,
  settings: Settings,
  swarm: Swarm,
  findings: Findings,
): Result {
  return {
    scenario,
    variant,
    profile: swarm.options.profile.name,
    nodes: settings.nodes,
    seed: settings.seed,
    latency: swarm.options.latency.name,
    config: configOf(settings),
    figures: findings.figures,
    series: findings.series ?? {},
    checks: findings.checks ?? [],
    traceHash: swarm.traceHash,
    events: swarm.eventCount,
    simulatedMs: swarm.nowUs / 1000,
  }
}

function configOf(settings: Settings): Record<string, string | number | boolean> {
  const { bootstrap } = settings
  return {
    bootstrap: bootstrap.kind,
    ...(bootstrap.kind === 'sequential' ? { joinIntervalMs: bootstrap.intervalMs, contact: bootstrap.contact } : {}),
    ...(bootstrap.kind === 'set' ? { bootstrapCount: bootstrap.count } : {}),
    cycles: settings.cycles,
    rounds: settings.rounds,
    isWire: settings.isWire,
    loss: settings.loss,
    dialRoundTrips: settings.dialRoundTrips ?? 0,
    deadDialMs: settings.deadDialMs ?? 'never',
  }
}

/** How many rounds at the end count as settled. */
const SETTLED = 10

export function roundFigures(rounds: readonly Round[], nodes: number): Record<string, number> {
  const settled = rounds.slice(-SETTLED)
  return {
    delivery: mean(rounds.map((round) => round.deliveryRatio)),
    deliveryWorst: least(rounds.map((round) => round.deliveryRatio)),
    missed: rounds.reduce((count, round) => count + round.missed, 0),
    repeated: rounds.reduce((count, round) => count + round.broadcasts.reduce((n, { repeated }) => n + repeated, 0), 0),
    rmr: mean(rounds.map((round) => round.upstreamRmr)),
    rmrFirst: rounds[0]?.upstreamRmr ?? 0,
    rmrSettled: mean(settled.map((round) => round.upstreamRmr)),
    paperRmr: mean(rounds.map((round) => round.paperRmr)),
    paperRmrFirst: rounds[0]?.paperRmr ?? 0,
    paperRmrSettled: mean(settled.map((round) => round.paperRmr)),
    ldh: mean(rounds.map((round) => round.lastHop)),
    ldhMost: largest(rounds.map((round) => round.lastHop)),
    durationMs: mean(rounds.map((round) => round.durationMs)),
    controlPerNode: mean(rounds.map((round) => round.traffic.controlMessages)) / nodes,
    bytesPerNode: mean(rounds.map((round) => round.traffic.controlBytes + round.traffic.dataBytes)) / nodes,
  }
}

/** The series that charts show. */
export function roundSeries(rounds: readonly Round[]): Record<string, number[]> {
  return {
    delivery: rounds.map((round) => round.deliveryRatio),
    rmr: rounds.map((round) => round.upstreamRmr),
    paperRmr: rounds.map((round) => round.paperRmr),
    ldh: rounds.map((round) => round.lastHop),
    durationMs: rounds.map((round) => round.durationMs),
  }
}

export function topologyFigures(topology: Topology): Record<string, number> {
  const { nodes, components, largestComponent, isolated, oneSided, dead } = topology
  return {
    living: nodes,
    components,
    largestComponent,
    isolated,
    oneSided,
    oneSidedEager: topology.oneSidedEager,
    dead,
    meanActive: topology.meanActive,
    fullShare: topology.fullShare,
    meanPassive: topology.meanPassive,
    clustering: topology.clustering,
    averagePath: topology.averagePath,
    longestPath: topology.longestPath,
  }
}

export function topologySeries(topology: Topology): Record<string, readonly number[]> {
  const { active, passive, eager, lazy, inDegree } = topology
  return { active, passive, eager, lazy, inDegree }
}
