/** The relay's table: our server beside the real one, ratios of the same rounds, aims and whether they are met. Reads results, measures nothing. */
import { TOM } from '../contenders.ts'
import type { Results } from '../rows.ts'
import { formatNumber, formatSummary, pairedRatio, type Summary } from '../statistics.ts'
import { IROH_RELAY, RELAY } from './names.ts'

interface Line {
  readonly label: string
  readonly value: string
  /** What the ratio of ours to theirs should be. */
  readonly aim?: { readonly kind: 'at least' | 'at most'; readonly ratio: number }
}

const HALF = { kind: 'at least', ratio: 0.5 } as const

const LINES: readonly Line[] = [
  { label: 'one pair, Mbit/s', value: 'one pair, Mbit/s', aim: HALF },
  { label: '… in batches of 10', value: 'one pair, batches of 10, Mbit/s', aim: HALF },
  { label: '100 pairs, Mbit/s', value: '100 pairs, Mbit/s', aim: HALF },
  { label: '… in batches of 10', value: '100 pairs, batches of 10, Mbit/s', aim: HALF },
  { label: 'CPU seconds a forwarded GiB, one pair', value: 'one pair, CPU s/GiB' },
  { label: '… in batches of 10', value: 'one pair, batches of 10, CPU s/GiB' },
  { label: '… 100 pairs', value: '100 pairs, CPU s/GiB' },
  { label: '… 100 pairs, in batches of 10', value: '100 pairs, batches of 10, CPU s/GiB' },
  { label: 'added round trip, p50 µs', value: 'added p50 µs', aim: { kind: 'at most', ratio: 1.5 } },
  { label: 'added round trip, p99 µs', value: 'added p99 µs' },
  { label: 'connect, prove the key, close; a second', value: 'accepts a second' },
  { label: '… CPU ms each', value: 'accept, CPU ms' },
  { label: 'idle client, kB', value: 'idle client, kB', aim: { kind: 'at most', ratio: 1 } },
  { label: '… of it JavaScript heap and buffers', value: 'idle client, JS kB' },
]

/** Datagrams that a relay may lose of a million before it is said below the table. */
const LOST_OF_A_MILLION = 0

interface Compared {
  readonly ours: Summary | undefined
  readonly theirs: Summary | undefined
  readonly ratio: Summary | undefined
  readonly verdict: 'met' | 'missed' | ''
}

function compare(results: Results, { value, aim }: Line): Compared {
  const ours = results.find(RELAY, value, TOM)
  const theirs = results.find(RELAY, value, IROH_RELAY)
  const ratio = ours && theirs && pairedRatio(ours.samples, theirs.samples)
  if (aim === undefined || ratio === undefined) return { ours, theirs, ratio, verdict: '' }
  const isMet = aim.kind === 'at least' ? ratio.median >= aim.ratio : ratio.median <= aim.ratio
  return { ours, theirs, ratio, verdict: isMet ? 'met' : 'missed' }
}

function aimText({ aim }: Line): string {
  return aim === undefined ? '' : `${aim.kind === 'at least' ? '≥' : '≤'} ${aim.ratio} ×`
}

/** Markdown; undefined when nothing about relays was measured. */
export function renderRelayTable(results: Results): string | undefined {
  if (!results.rows.some(({ figure }) => figure === RELAY)) return undefined
  const rows = LINES.flatMap((line) => {
    const { ours, theirs, ratio, verdict } = compare(results, line)
    if (ours === undefined && theirs === undefined) return []
    const cells = [ours, theirs, ratio].map((summary) => (summary === undefined ? '' : formatSummary(summary)))
    return [`| ${[line.label, aimText(line), verdict, ...cells].join(' | ')} |`]
  })
  const head = ['| relay | aim |  | ', [TOM, IROH_RELAY, 'ratio'].join(' | '), ' |'].join('')
  const lost = results.rows.filter(
    ({ figure, value, summary }) => figure === RELAY && value.includes('lost') && summary.median > LOST_OF_A_MILLION,
  )
  const notes = lost.map(({ value, stack, summary }) => `${stack}, ${value}: ${formatNumber(summary.median)}.`)
  return [[head, '| --- | --- | --- | ---: | ---: | ---: |', ...rows].join('\n'), ...notes].join('\n\n')
}

/** Lines of which the aim is missed, for the console. */
export function missedRelayAims(results: Results): string[] {
  return LINES.flatMap((line) => {
    const { ratio, verdict } = compare(results, line)
    return verdict === 'missed'
      ? [`relay: ${line.value}: ${formatNumber(ratio!.median)} of theirs, aim ${aimText(line)}`]
      : []
  })
}
