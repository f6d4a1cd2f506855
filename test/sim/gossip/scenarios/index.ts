/** The scenarios by name, with what each takes for granted when the command does not say. */
import { runChurn, runFailure, runHealing, runReplace } from './failures.ts'
import { PAPER_LATENCY, runPapers } from './papers.ts'
import { LONG_SPLIT, runPartition, SHORT_SPLIT } from './partition.ts'
import type { Result } from './result.ts'
import type { Settings } from './settings.ts'
import { runStream } from './stream.ts'
import { GOAL_LATENCY, runThresholds } from './thresholds.ts'
import { runUpstream, UPSTREAM_LATENCY, UPSTREAM_RUNS, upstreamRunsOf } from './upstream.ts'

export interface ScenarioOrder {
  readonly settings: Settings
  /** Percentages for `failures` and `healing`. */
  readonly failures: readonly number[]
  /** Were nodes asked for? Upstream's scenarios have their own numbers otherwise. */
  readonly hasNodes: boolean
}

export interface Scenario {
  readonly name: string
  readonly about: string
  readonly latency: string
  run(order: ScenarioOrder): Iterable<Result>
}

export const DEFAULT_FAILURES: readonly number[] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 95]

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'upstream',
    about: "iroh-gossip's all.toml: one sender, changing senders, all at once; 20, 100, 1,000 nodes",
    latency: UPSTREAM_LATENCY,
    *run({ settings, hasNodes }) {
      for (const run of hasNodes ? upstreamRunsOf(settings.nodes) : UPSTREAM_RUNS) yield runUpstream(run, settings)
    },
  },
  {
    name: 'failures',
    about: 'a part of all nodes fails at once (--failures); messages at once and after two cycles',
    latency: GOAL_LATENCY,
    *run({ settings, failures }) {
      for (const percent of failures) yield runFailure(percent, settings)
    },
  },
  {
    name: 'healing',
    about: 'half of the nodes fail, nobody says a word: how long until the rest is whole',
    latency: GOAL_LATENCY,
    *run({ settings }) {
      yield runHealing(50, settings)
    },
  },
  {
    name: 'churn',
    about: '0.5 % fail in each of 100 rounds of 5 s',
    latency: GOAL_LATENCY,
    *run({ settings }) {
      yield runChurn(settings)
    },
  },
  {
    name: 'replace',
    about: '0.5 % go (half without a word) and as many come, old ids too, in each of 100 rounds',
    latency: GOAL_LATENCY,
    *run({ settings }) {
      yield runReplace(settings)
    },
  },
  {
    name: 'partition',
    about: 'two halves for 36 s and for 10 minutes, whole again, and one rejoin of the application',
    latency: GOAL_LATENCY,
    *run({ settings }) {
      for (const minutes of [SHORT_SPLIT, LONG_SPLIT]) yield runPartition(minutes, settings)
    },
  },
  {
    name: 'stream',
    about: '200 messages of changing senders, ten a second: each begins while others are on their way',
    latency: GOAL_LATENCY,
    *run({ settings }) {
      yield runStream(settings)
    },
  },
  {
    name: 'papers',
    about: 'figures of the HyParView and Plumtree papers, with the graft timer of the profile and a long one',
    latency: PAPER_LATENCY,
    *run({ settings }) {
      yield* runPapers(settings)
    },
  },
  {
    name: 'thresholds',
    about: 'the goals of spec/gossip.md §13 as checks; exit code 1 when one is missed',
    latency: GOAL_LATENCY,
    *run({ settings }) {
      yield* runThresholds(settings)
    },
  },
]
