/** Keeps the results of runs and writes them into the documents: test/lab/results/GROUP.json, docs/lab.md, and a block of the README. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describeOrigin, type Origin, origin } from '../../bench/machine.ts'
import { writeBlock } from '../../bench/markers.ts'
import { nativePeerName } from '../../conformance/versions.ts'
import type { RunResult, Scenario } from './result.ts'
import { groupTable, natTable, PAIR_NAMES, wallsTable } from './table.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FOLDER = `${ROOT}test/lab/results`
const PAGE = `${ROOT}docs/lab.md`
const README = `${ROOT}README.md`

/** Columns of a group besides those that all have. */
const MORE: Readonly<Record<string, readonly string[]>> = {
  changes: ['toRelayMs', 'backMs', 'resumeMs', 'fasterMs'],
  switch: ['movedMs', 'switchStallMs'],
  limits: ['resumeMs', 'softenedMs'],
}

interface Kept {
  readonly origin: Origin
  readonly peer: string
  readonly results: readonly RunResult[]
}

function read(group: string): Kept | undefined {
  const file = `${FOLDER}/${group}.json`
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Kept) : undefined
}

/** Runs of the same scenario and pair replace those that were kept; the origin is that of the newest. */
export function merge(kept: readonly RunResult[], fresh: readonly RunResult[]): RunResult[] {
  const keyOf = ({ scenario, pair }: RunResult): string => `${scenario} ${pair}`
  const replaced = new Set(fresh.map(keyOf))
  return [...kept.filter((result) => !replaced.has(keyOf(result))), ...fresh]
}

function tableOf(group: string, results: readonly RunResult[]): string {
  if (group !== 'nat') return groupTable(results, MORE[group] ?? [])
  const pairs = Object.entries(PAIR_NAMES) as [keyof typeof PAIR_NAMES, string][]
  return pairs
    .filter(([pair]) => results.some((result) => result.pair === pair))
    .map(([pair, name]) => `${name} (server – client), median time to direct:\n\n${natTable(results, pair)}`)
    .join('\n\n')
}

/** `all` gives the order of the rows. */
export function writeResults(fresh: readonly RunResult[], all: readonly Scenario[]): void {
  mkdirSync(FOLDER, { recursive: true })
  const place = new Map(all.map(({ name }, index) => [name, index]))
  const groupOf = new Map(all.map(({ name, group }) => [name, group]))
  const groups = [...new Set(all.map(({ group }) => group))]
  for (const group of groups) {
    const own = fresh.filter(({ scenario }) => groupOf.get(scenario) === group)
    if (own.length === 0) continue
    const merged = merge(read(group)?.results ?? [], own)
    merged.sort(
      (a, b) => place.get(a.scenario)! - place.get(b.scenario)! || a.pair.localeCompare(b.pair) || a.run - b.run,
    )
    const kept: Kept = { origin: origin(), peer: nativePeerName(), results: merged }
    // a run a line, so that a change of one is a change of one line
    const lines = merged.map((result) => `    ${JSON.stringify(result)}`).join(',\n')
    const head = `  "origin": ${JSON.stringify(kept.origin)},\n  "peer": ${JSON.stringify(kept.peer)}`
    writeFileSync(`${FOLDER}/${group}.json`, `{\n${head},\n  "results": [\n${lines}\n  ]\n}\n`)
    writeBlock(PAGE, `lab-${group}`, `${tableOf(group, merged)}\n\n${sourceOf(kept)}`)
  }
  writeReadme()
}

function sourceOf({ origin: from, peer }: Kept): string {
  return `${describeOrigin(from)}; iroh is ${peer}.`
}

function writeReadme(): void {
  const [walls, nat] = [read('walls'), read('nat')]
  const parts = [
    ...(walls === undefined ? [] : [wallsTable(walls.results), sourceOf(walls)]),
    ...(nat === undefined
      ? []
      : [
          'Median time to direct between two of ours, server down, client across:',
          natTable(nat.results, 'tom-tom'),
          sourceOf(nat),
        ]),
  ]
  if (parts.length > 0) writeBlock(README, 'lab', parts.join('\n\n'))
}
