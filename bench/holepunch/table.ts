/** The table of hole punching: ours beside native iroh, aims and whether they are met. Reads results, measures nothing. */
import { TOM } from '../contenders.ts'
import type { Results } from '../rows.ts'
import { formatNumber, formatSummary, type Summary } from '../statistics.ts'
import { HOLEPUNCH, NATIVE } from './names.ts'

interface Line {
  readonly label: string
  readonly value: string
  readonly aim?: string
  /** `theirs` is undefined where native iroh was not measured. */
  readonly isMet?: (ours: number, theirs: number | undefined) => boolean | undefined
}

const LINES: readonly Line[] = [
  { label: 'from the dial until direct, p50 ms', value: 'direct, ms' },
  {
    label: '… p95 ms',
    value: 'direct p95, ms',
    aim: '≤ native',
    isMet: (ours, theirs) => (theirs === undefined ? undefined : ours <= theirs),
  },
  { label: '… of it the handshake over the relay, ms', value: 'connect, ms' },
  { label: 'packets of both sides until direct', value: 'packets' },
  { label: 'bulk over the relay before the switch, Mbit/s', value: 'relay, Mbit/s' },
  {
    label: 'worst 10 RTT after the switch ÷ relay before',
    value: 'worst window ÷ relay',
    aim: '≥ 0.8',
    isMet: (ours) => ours >= 0.8,
  },
  { label: '… median 10 RTT', value: 'median window ÷ relay' },
  {
    label: 'dead direct path left after, ms',
    value: 'left after, ms',
    aim: '≤ 1,500',
    isMet: (ours) => ours <= 1500,
  },
  { label: '… longest time without a byte, ms', value: 'stall, ms' },
  { label: 'idle, direct and relay: packets a minute and connection', value: 'idle packets' },
  { label: '… CPU ms a minute and connection, both sides', value: 'idle CPU ms' },
]

interface Compared {
  readonly ours: Summary | undefined
  readonly theirs: Summary | undefined
  readonly verdict: 'met' | 'missed' | ''
}

function compare(results: Results, { value, isMet }: Line): Compared {
  const ours = results.find(HOLEPUNCH, value, TOM)
  const theirs = results.find(HOLEPUNCH, value, NATIVE)
  const answer = ours === undefined ? undefined : isMet?.(ours.median, theirs?.median)
  return { ours, theirs, verdict: answer === undefined ? '' : answer ? 'met' : 'missed' }
}

/** Markdown; undefined when nothing about hole punching was measured. */
export function renderPunchTable(results: Results): string | undefined {
  if (!results.rows.some(({ figure }) => figure === HOLEPUNCH)) return undefined
  const rows = LINES.flatMap((line) => {
    const { ours, theirs, verdict } = compare(results, line)
    if (ours === undefined && theirs === undefined) return []
    const cells = [ours, theirs].map((summary) => (summary === undefined ? '' : formatSummary(summary)))
    return [`| ${[line.label, line.aim ?? '', verdict, ...cells].join(' | ')} |`]
  })
  return [`| from relay to direct | aim |  | ${TOM} | ${NATIVE} |`, '| --- | --- | --- | ---: | ---: |', ...rows].join(
    '\n',
  )
}

/** Lines of which the aim is missed, for the console. */
export function missedPunchAims(results: Results): string[] {
  return LINES.flatMap((line) => {
    const { ours, verdict } = compare(results, line)
    return verdict === 'missed' ? [`holepunch: ${line.value}: ${formatNumber(ours!.median)}, aim ${line.aim}`] : []
  })
}
