/** The tables of gossip: ours beside the native crate with the ratio, and one line for each size of swarm. Reads results, measures nothing. */
import { TOM } from '../contenders.ts'
import { describeAbsences, type Results } from '../rows.ts'
import { formatNumber, formatSummary, pairedRatio, type Summary } from '../statistics.ts'
import { GOSSIP, IROH_GOSSIP, LOST, ofFlood, ofSwarm } from './names.ts'

/** The swarm that the ratios are about. */
const MAIN_SIZE = 50
const FLOOD_PAIR = 2
const FLOOD_SWARM = 10

interface Line {
  readonly label: string
  readonly value: string
  readonly aim?: string
  readonly isMet?: (ours: Summary) => boolean
}

/** Nobody may miss anything, in no round. */
const NONE: Pick<Line, 'aim' | 'isMet'> = { aim: '0', isMet: ({ max }) => max <= 0 }

const LINES: readonly Line[] = [
  { label: `${MAIN_SIZE} nodes, from the first subscription until whole, ms`, value: ofSwarm(MAIN_SIZE, 'whole, ms') },
  { label: '… deliveries lost, of a million', value: ofSwarm(MAIN_SIZE, LOST), ...NONE },
  { label: '… latency p50, ms', value: ofSwarm(MAIN_SIZE, 'p50 ms') },
  { label: '… latency p99, ms', value: ofSwarm(MAIN_SIZE, 'p99 ms') },
  { label: '… CPU µs a delivery, all nodes', value: ofSwarm(MAIN_SIZE, 'CPU µs a delivery') },
  { label: '… payloads received beyond those needed, share', value: ofSwarm(MAIN_SIZE, 'redundancy') },
  { label: 'idle node, kB', value: 'idle node, kB' },
  { label: '… CPU ms a minute', value: 'idle node, CPU ms a minute' },
  { label: 'flood of 100 B between two nodes, received a second', value: ofFlood(FLOOD_PAIR, 'messages a second') },
  { label: '… lost, of a million', value: ofFlood(FLOOD_PAIR, LOST), ...NONE },
  { label: '… CPU µs a delivery, both nodes', value: ofFlood(FLOOD_PAIR, 'CPU µs a delivery') },
  {
    label: `flood of one node to ${FLOOD_SWARM - 1}, received a second by each`,
    value: ofFlood(FLOOD_SWARM, 'messages a second'),
  },
  { label: '… lost, of a million', value: ofFlood(FLOOD_SWARM, LOST), ...NONE },
  { label: '… CPU µs a delivery, all nodes', value: ofFlood(FLOOD_SWARM, 'CPU µs a delivery') },
]

interface Compared {
  readonly ours: Summary | undefined
  readonly theirs: Summary | undefined
  readonly ratio: Summary | undefined
  readonly verdict: 'met' | 'missed' | ''
}

function compare(results: Results, { value, isMet }: Line): Compared {
  const ours = results.find(GOSSIP, value, TOM)
  const theirs = results.find(GOSSIP, value, IROH_GOSSIP)
  const ratio = ours && theirs && theirs.min > 0 ? pairedRatio(ours.samples, theirs.samples) : undefined
  const answer = ours && isMet?.(ours)
  return { ours, theirs, ratio, verdict: answer === undefined ? '' : answer ? 'met' : 'missed' }
}

/** What a stack that was measured does not say of itself, or could not do, is not left blank. */
function cell(summary: Summary | undefined, wasMeasured: boolean): string {
  return summary === undefined ? (wasMeasured ? 'n/a' : '') : formatSummary(summary)
}

function hasRows(results: Results, name: string): boolean {
  return results.rows.some(({ figure, stack }) => figure === GOSSIP && stack === name)
}

function comparison(results: Results): string {
  const [hasOurs, hasTheirs] = [hasRows(results, TOM), hasRows(results, IROH_GOSSIP)]
  const rows = LINES.flatMap((line) => {
    const { ours, theirs, ratio, verdict } = compare(results, line)
    if (ours === undefined && theirs === undefined) return []
    const cells = [cell(ours, hasOurs), cell(theirs, hasTheirs), cell(ratio, false)]
    return [`| ${[line.label, line.aim ?? '', verdict, ...cells].join(' | ')} |`]
  })
  return [
    `| gossip | aim |  | ${TOM} | ${IROH_GOSSIP} | ratio |`,
    '| --- | --- | --- | ---: | ---: | ---: |',
    ...rows,
  ].join('\n')
}

const COLUMNS: readonly (readonly [string, string])[] = [
  ['whole after ms', 'whole, ms'],
  [LOST, LOST],
  ['p50 ms', 'p50 ms'],
  ['p99 ms', 'p99 ms'],
  ['CPU µs a delivery', 'CPU µs a delivery'],
  ['redundancy', 'redundancy'],
  ['resident kB a node', 'resident kB a node'],
]

/** Sizes with a row, the smallest first. */
function sizes(results: Results): number[] {
  const found = results.rows.flatMap(({ figure, value }) => {
    const match = figure === GOSSIP ? /^(\d+) nodes: /.exec(value) : null
    return match === null ? [] : [Number(match[1])]
  })
  return [...new Set(found)].sort((left, right) => left - right)
}

function bySize(results: Results): string | undefined {
  const rows = sizes(results).flatMap((size) =>
    [TOM, IROH_GOSSIP].flatMap((stack) => {
      const found = COLUMNS.map(([, what]) => results.find(GOSSIP, ofSwarm(size, what), stack))
      if (found.every((summary) => summary === undefined)) return []
      return [`| ${[String(size), stack, ...found.map((summary) => cell(summary, true))].join(' | ')} |`]
    }),
  )
  if (rows.length === 0) return undefined
  const head = ['nodes', 'one machine, real sockets', ...COLUMNS.map(([title]) => title)]
  return [`| ${head.join(' | ')} |`, `| ---: | --- |${' ---: |'.repeat(COLUMNS.length)}`, ...rows].join('\n')
}

/** Markdown; undefined when nothing about gossip was measured. */
export function renderGossipTables(results: Results): string | undefined {
  if (!results.rows.some(({ figure }) => figure === GOSSIP)) return undefined
  return [comparison(results), bySize(results)].filter((part) => part !== undefined).join('\n\n')
}

/** Lines of which the aim is missed, for the console. */
export function missedGossipAims(results: Results): string[] {
  return LINES.flatMap((line) => {
    const { ours, verdict } = compare(results, line)
    return verdict === 'missed' ? [`gossip: ${line.value}: ${formatNumber(ours!.max)}, aim ${line.aim}`] : []
  })
}

/** Markdown of the README's block: tables, who is missing, `note`; undefined when nothing about gossip was measured. */
export function renderGossipBlock(results: Results, note: string): string | undefined {
  const tables = renderGossipTables(results)
  const missing = results.absences.filter(({ figure }) => figure === GOSSIP)
  if (tables === undefined && missing.length === 0) return undefined
  const parts = [tables, missing.length === 0 ? undefined : describeAbsences(missing), note]
  return parts.filter((part) => part !== undefined).join('\n\n')
}
