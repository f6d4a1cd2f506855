/** The lab from the command line: `tsx test/lab/run.ts --list`. One JSON line a run on stdout; what people want to know on stderr. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { canMakeNamespaces, removeLeftovers } from './namespaces.ts'
import { PAIR_KINDS, type PairKind } from './pair.ts'
import { type LabPrograms, prepare, tidy } from './programs.ts'
import { writeResults } from './report.ts'
import { type RunResult, resultOf, type Scenario } from './result.ts'
import { SCENARIOS } from './scenarios/index.ts'

const USAGE = `usage: npm run test:lab -- --list | --smoke | --only NAME[,NAME] [--pairs PAIR[,PAIR]] [--runs N] [--parallel N] [--minutes N] [--logs FOLDER] [--write]
NAME may end in *; PAIR is one of ${PAIR_KINDS.join(', ')} (server first). Needs root on Linux.`

export interface Job {
  readonly scenario: Scenario
  readonly pair: PairKind
  readonly run: number
}

interface Settings {
  readonly programs: LabPrograms
  readonly minutes: number
  readonly isSmoke: boolean
  readonly logs: string | undefined
}

function note(line: string): void {
  process.stderr.write(`${line}\n`)
}

function matches(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
}

function chosen(only: string | undefined, smoke: boolean): readonly Scenario[] {
  if (smoke) return SCENARIOS.filter((one) => (one.smoke ?? []).length > 0)
  const patterns = (only ?? '').split(',').filter(Boolean)
  for (const pattern of patterns)
    if (!SCENARIOS.some(({ name }) => matches(name, pattern)))
      throw new Error(`there is no scenario ${pattern}; see --list`)
  return SCENARIOS.filter(({ name }) => patterns.some((pattern) => matches(name, pattern)))
}

async function runJob(
  { scenario, pair, run }: Job,
  { programs, minutes, logs, isSmoke }: Settings,
): Promise<RunResult> {
  let kept: readonly string[] = []
  const log = (lines: readonly string[]): void => {
    kept = lines
  }
  const result = resultOf(scenario, pair, run, await scenario.run({ programs, pair, run, minutes, isSmoke, log }))
  process.stdout.write(`${JSON.stringify(result)}\n`)
  if (logs !== undefined) {
    mkdirSync(logs, { recursive: true })
    writeFileSync(join(logs, `${scenario.name}-${pair}-${run}.log`), `${JSON.stringify(result)}\n${kept.join('\n')}\n`)
  }
  return result
}

async function runAll(jobs: readonly Job[], parallel: number, settings: Settings): Promise<RunResult[]> {
  const waiting = [...jobs]
  const results: RunResult[] = []
  const work = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) results.push(await runJob(job, settings))
  }
  await Promise.all(Array.from({ length: parallel }, work))
  return results
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      list: { type: 'boolean' },
      smoke: { type: 'boolean' },
      only: { type: 'string' },
      pairs: { type: 'string' },
      runs: { type: 'string' },
      parallel: { type: 'string' },
      logs: { type: 'string' },
      minutes: { type: 'string' },
      write: { type: 'boolean' },
    },
  })
  const minutes = Number(values.minutes ?? 10)
  if (values.list === true) {
    for (const { name, pairs, topology, passes } of SCENARIOS)
      console.log(`${name}  [${pairs.join(' ')}]\n    ${topology}; ${passes}`)
    return 0
  }
  const scenarios = chosen(values.only, values.smoke === true)
  if (scenarios.length === 0) {
    note(USAGE)
    return 2
  }
  if (!canMakeNamespaces())
    throw new Error('the lab needs root on Linux and the commands `ip` (iproute2) and `nft` (nftables)')
  const pairs = values.pairs?.split(',')
  const pairsOf = (scenario: Scenario): readonly PairKind[] =>
    values.smoke === true ? (scenario.smoke ?? []) : scenario.pairs
  const jobs = scenarios.flatMap((scenario) =>
    Array.from({ length: Number(values.runs ?? (values.smoke === true ? 1 : scenario.runs)) }, (_, index) =>
      pairsOf(scenario)
        .filter((pair) => pairs?.includes(pair) ?? true)
        .map((pair): Job => ({ scenario, pair, run: index + 1 })),
    ).flat(),
  )
  note(`${jobs.length} runs`)
  const programs = await prepare({ native: jobs.some(({ pair }) => pair.includes('iroh')) })
  const begin = performance.now()
  const results = await runAll(jobs, Number(values.parallel ?? 1), {
    programs,
    minutes,
    logs: values.logs,
    isSmoke: values.smoke === true,
  }).finally(() => tidy(programs))
  if (values.write === true) writeResults(results, SCENARIOS)
  const failed = results.filter(({ ok }) => !ok)
  note(
    `${results.length - failed.length} of ${results.length} passed in ${((performance.now() - begin) / 1000).toFixed(0)} s`,
  )
  return failed.length === 0 ? 0 : 1
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    removeLeftovers({ own: true })
    process.exit(130)
  })

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    note(`lab: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(2)
  },
)
