/** The results of many runs as Markdown tables, one a group. Pure. */
import { percentile } from './measure.ts'
import type { PairKind } from './pair.ts'
import type { RunResult } from './result.ts'
import { NAT_KINDS } from './router-rules.ts'

export interface Summary {
  readonly scenario: string
  readonly pair: PairKind
  readonly runs: number
  readonly passed: number
  /** Of the runs that have it: nearest rank; NaN where none has. */
  value(name: string, share: number): number
}

/** One for each scenario and pair, in the order of the first result of each. */
export function summarize(results: readonly RunResult[]): Summary[] {
  const groups = new Map<string, RunResult[]>()
  for (const result of results) {
    const key = `${result.scenario} ${result.pair}`
    groups.set(key, [...(groups.get(key) ?? []), result])
  }
  return [...groups.values()].map((group) => ({
    scenario: group[0]!.scenario,
    pair: group[0]!.pair,
    runs: group.length,
    passed: group.filter(({ ok }) => ok).length,
    value: (name, share) =>
      percentile(
        group.map((result) => result[name]).filter((value) => typeof value === 'number'),
        share,
      ),
  }))
}

/** `12 ms`, `1.23 s`; a dash where there is nothing. */
export function formatMs(ms: number): string {
  if (Number.isNaN(ms)) return '–'
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`
}

function formatCount(value: number): string {
  return Number.isNaN(value) ? '–' : String(Math.round(value))
}

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Names of the pairs for readers, server first. */
export const PAIR_NAMES: Readonly<Record<PairKind, string>> = {
  'tom-tom': 'ours – ours',
  'tom-iroh': 'ours – iroh',
  'iroh-tom': 'iroh – ours',
  'iroh-iroh': 'iroh – iroh',
}

/** Server down, client across: how many runs went direct, and the median time to it. */
export function natTable(results: readonly RunResult[], pair: PairKind): string {
  const summaries = summarize(results.filter((result) => result.pair === pair))
  const cell = (server: string, client: string): string => {
    const found = summaries.find(({ scenario }) => scenario === `nat-${server}-${client}`)
    if (found === undefined) return ''
    const median = found.value('timeToDirectMs', 0.5)
    const share = found.passed === found.runs ? '' : ` (${found.passed} of ${found.runs})`
    return `${Number.isNaN(median) ? 'relay' : formatMs(median)}${share}`
  }
  return markdownTable(
    ['server \\ client', ...NAT_KINDS],
    NAT_KINDS.map((server) => [server, ...NAT_KINDS.map((client) => cell(server, client))]),
  )
}

/** A row a scenario and pair: passed, time to direct, longest stall, packets. */
export function groupTable(results: readonly RunResult[], more: readonly string[] = []): string {
  const rows = summarize(results).map((summary) => [
    `\`${summary.scenario}\``,
    PAIR_NAMES[summary.pair],
    `${summary.passed} of ${summary.runs}`,
    formatMs(summary.value('timeToDirectMs', 0.5)),
    formatMs(summary.value('timeToDirectMs', 0.95)),
    formatMs(summary.value('longestStallMs', 1)),
    formatCount(summary.value('packetsUntilDirect', 0.5)),
    ...more.map((name) => formatMs(summary.value(name, 0.5))),
  ])
  const own = more.map((name) => name.replace(/Ms$/, '').replaceAll(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`))
  return markdownTable(
    ['scenario', 'server – client', 'passed', 'direct p50', 'direct p95', 'longest stall', 'packets', ...own],
    rows,
  )
}

export interface ArticleRow {
  readonly scenario: string
  readonly wall: string
  /** As the article printed them. */
  readonly upgrade: string
}

export const ARTICLE: readonly ArticleRow[] = [
  { scenario: 'wall-lan', wall: 'same LAN', upgrade: '0.37 s' },
  { scenario: 'wall-cgnat-hotspot', wall: 'phone hotspot behind carrier NAT', upgrade: '2.9 s' },
  { scenario: 'wall-guest-border', wall: 'guest network across a border', upgrade: '1.4 s' },
]

/** The article's table with ours and native iroh's beside it. */
export function wallsTable(results: readonly RunResult[]): string {
  const summaries = summarize(results)
  const cell = (scenario: string, pair: PairKind, measure: string): string => {
    const found = summaries.find((one) => one.scenario === scenario && one.pair === pair)
    if (found === undefined) return '–'
    const times = [0.5, 0.95].map((share) => formatMs(found.value(measure, share)))
    return `${times.join(' / ')}, ${found.passed} of ${found.runs}`
  }
  const row = (wall: string, upgrade: string, scenario: string, measure: string): string[] => [
    wall,
    upgrade,
    cell(scenario, 'tom-tom', measure),
    cell(scenario, 'iroh-iroh', measure),
  ]
  return markdownTable(
    ['wall', 'article (iroh 0.96)', 'ours, p50 / p95', 'native iroh, p50 / p95'],
    ARTICLE.flatMap(({ scenario, wall, upgrade }) => [
      // the article's clock starts with the process
      row(wall, upgrade, scenario, 'startToDirectMs'),
      row('… from the dial', '', scenario, 'timeToDirectMs'),
      row('… both online before, relay alone known', '', `${scenario}-warm`, 'timeToDirectMs'),
    ]),
  )
}
