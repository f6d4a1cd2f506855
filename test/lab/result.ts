/** The line of a run, and what a scenario is. */
import type { PairKind } from './pair.ts'
import type { LabPrograms } from './programs.ts'

export interface Measures {
  /** From the dial to the connection, ms. */
  readonly connectMs?: number
  /** From the dial to the first direct path that the client selected, ms; null: never. */
  readonly timeToDirectMs?: number | null
  /** The same from the start of the client's process. */
  readonly startToDirectMs?: number | null
  /** Longest time without an answer to a ping, ms. */
  readonly longestStallMs?: number
  readonly pingsRelay?: number
  readonly pingsDirect?: number
  readonly pingsLost?: number | null
  /** By UDP, of both sides together, relays and STUN left out, until both were direct. */
  readonly packetsUntilDirect?: number | null
  /** The same until the end of the run. */
  readonly packets?: number | null
  /** More, as the scenario says. */
  readonly [name: string]: number | string | boolean | null | undefined
}

export interface Outcome {
  readonly ok: boolean
  /** What went wrong. */
  readonly why?: string
  readonly measures: Measures
}

/** One JSON line. */
export interface RunResult extends Measures {
  readonly scenario: string
  readonly pair: PairKind
  readonly run: number
  readonly ok: boolean
  readonly why?: string
}

export interface RunContext {
  readonly programs: LabPrograms
  readonly pair: PairKind
  /** From 1. */
  readonly run: number
  /** On a machine that may be slow and busy: what is judged by our own aims, not by iroh's limits, has to go direct and no more. */
  readonly isSmoke: boolean
  /** How long what should stay calm is watched. */
  readonly minutes: number
  /** What helps to understand a failure; kept with it. */
  readonly log: (lines: readonly string[]) => void
}

export interface Scenario {
  readonly name: string
  /** Table that it belongs to. */
  readonly group: string
  readonly topology: string
  /** What passes, and within which limit. */
  readonly passes: string
  readonly pairs: readonly PairKind[]
  /** How often unless `--runs` says otherwise. */
  readonly runs: number
  /** Pairs that `--smoke` runs. */
  readonly smoke?: readonly PairKind[]
  run(context: RunContext): Promise<Outcome>
}

export function resultOf(scenario: Scenario, pair: PairKind, run: number, { ok, why, measures }: Outcome): RunResult {
  const line = { scenario: scenario.name, pair, run, ok, ...measures }
  return why === undefined ? line : { ...line, why }
}
