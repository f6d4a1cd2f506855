/** The tables about messages: ours beside Rust with the ratio, bytes on the wire, and one line for each size of swarm beside the article's figures. Reads results, measures nothing. */
import { TOM } from '../contenders.ts'
import { describeAbsences, type Results } from '../rows.ts'
import { formatNumber, formatSummary, pairedRatio, type Summary } from '../statistics.ts'
import {
  BYTES_IN_NODE,
  BYTES_IN_TABLE,
  ENVELOPE,
  ofPair,
  ofSealed,
  ofSwarm,
  ofWire,
  RUST,
  SEALED_SIZES,
  UNDELIVERED,
  WIRE_SIZES,
} from './names.ts'

interface Line {
  readonly label: string
  readonly value: string
}

const count = (number: number): string => number.toLocaleString('en-US')

const LINES: readonly Line[] = [
  ...SEALED_SIZES.flatMap((size) => [
    { label: `envelopes of ${count(size)} B built a second`, value: ofSealed(size, 'built a second') },
    { label: '… opened a second', value: ofSealed(size, 'opened a second') },
    { label: '… length of the envelope, B', value: ofSealed(size, 'envelope bytes') },
  ]),
  { label: 'two nodes, 100 B: `send` until acknowledged, p50 ms', value: ofPair(false, 'p50 ms') },
  { label: '… p99 ms', value: ofPair(false, 'p99 ms') },
  { label: '… of it what a line to a native node costs, p50 ms', value: ofPair(false, 'a line, p50 ms') },
  { label: "… one way, into the application's hands, p50 ms", value: ofPair(false, 'one way, p50 ms') },
  { label: '… acknowledged messages a second, 64 in flight', value: ofPair(false, 'messages a second') },
  { label: '… CPU µs a message, both nodes', value: ofPair(false, 'CPU µs a message') },
  { label: 'the same, stored first at both ends: p50 ms', value: ofPair(true, 'p50 ms') },
  { label: '… p99 ms', value: ofPair(true, 'p99 ms') },
  { label: '… acknowledged messages a second, 64 in flight', value: ofPair(true, 'messages a second') },
  { label: '… CPU µs a message, both nodes', value: ofPair(true, 'CPU µs a message') },
  { label: 'a peer of 10,000 known ones, B in the peer table', value: BYTES_IN_TABLE },
  { label: '… B in the whole node, addresses included', value: BYTES_IN_NODE },
]

/** What a stack that was measured does not say of itself, or could not do, is not left blank. */
function cell(summary: Summary | undefined, wasMeasured: boolean): string {
  return summary === undefined ? (wasMeasured ? 'n/a' : '') : formatSummary(summary)
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function comparison(results: Results): string | undefined {
  const hasTheirs = results.rows.some(({ figure, stack }) => figure === ENVELOPE && stack === RUST)
  const rows = LINES.flatMap(({ label, value }) => {
    const ours = results.find(ENVELOPE, value, TOM)
    const theirs = results.find(ENVELOPE, value, RUST)
    if (ours === undefined && theirs === undefined) return []
    const ratio = ours && theirs && theirs.min > 0 ? pairedRatio(ours.samples, theirs.samples) : undefined
    return [row([label, cell(ours, true), cell(theirs, hasTheirs), cell(ratio, false)])]
  })
  if (rows.length === 0) return undefined
  return [`| messages | ${TOM} | ${RUST} | ratio |`, '| --- | ---: | ---: | ---: |', ...rows].join('\n')
}

const WIRE_COLUMNS: readonly (readonly [string, string])[] = [
  ['envelope, B', 'envelope bytes'],
  ['UDP payload, B', 'UDP bytes'],
  ['datagrams', 'datagrams'],
]
const WIRE_FLOOD: readonly string[] = ['envelope bytes', 'UDP bytes, 64 in flight', 'datagrams, 64 in flight']
const FLOOD_SIZE = 100

function wire(results: Results): string | undefined {
  const line = (label: string, size: number, values: readonly string[]): string[] => {
    const found = values.map((what) => results.find(ENVELOPE, ofWire(size, what), TOM))
    if (found.every((summary) => summary === undefined)) return []
    const overhead = found[1] === undefined ? 'n/a' : formatNumber(found[1].median - size)
    const cells = found.map((summary) => (summary === undefined ? 'n/a' : formatNumber(summary.median)))
    return [row([label, ...cells, overhead])]
  }
  const ofColumns = WIRE_COLUMNS.map(([, what]) => what)
  const rows = [
    ...WIRE_SIZES.flatMap((size) => line(`${count(size)} B`, size, ofColumns)),
    ...line(`${FLOOD_SIZE} B, 64 in flight`, FLOOD_SIZE, WIRE_FLOOD),
  ]
  if (rows.length === 0) return undefined
  const head = ['message, on the wire with its acknowledgement', ...WIRE_COLUMNS.map(([title]) => title), 'overhead, B']
  return [row(head), `| --- |${' ---: |'.repeat(head.length - 1)}`, ...rows].join('\n')
}

const SWARM_LINES: readonly Line[] = [
  { label: 'everybody has come and has a neighbour, s', value: 'joined, ms' },
  { label: 'discovery: everybody has everybody else for online, s', value: 'whole, ms' },
  { label: `first messages, ${UNDELIVERED}`, value: `first, ${UNDELIVERED}` },
  { label: '… `send` until acknowledged, p50 ms', value: 'first, p50 ms' },
  { label: '… p99 ms', value: 'first, p99 ms' },
  { label: `later messages, ${UNDELIVERED}`, value: `later, ${UNDELIVERED}` },
  { label: '… `send` until acknowledged, p50 ms', value: 'later, p50 ms' },
  { label: '… p99 ms', value: 'later, p99 ms' },
  { label: 'one more node: a neighbour after ms', value: 'newcomer: neighbour, ms' },
  { label: '… somebody it was not told of is online after ms', value: 'newcomer: first stranger, ms' },
  { label: '… its first message to that one acknowledged after ms', value: 'newcomer: message delivered, ms' },
  { label: '… all others have it for online after s', value: 'newcomer: known to all, ms' },
  { label: '… it has all others for online after s', value: 'newcomer: knows all, ms' },
  { label: 'idle: CPU ms a node and minute', value: 'idle CPU ms a node and minute' },
  { label: '… resident kB a node', value: 'resident kB a node' },
]

/** Of the article's proofs of concept (spec/envelope.md §8.1), by the line they stand in. */
const ARTICLE: ReadonlyMap<string, string> = new Map([
  ['whole, ms', '3, three nodes'],
  ['newcomer: neighbour, ms', '257'],
  ['newcomer: message delivered, ms', '4,800'],
])

/** Sizes with a row, the smallest first. */
function sizes(results: Results): number[] {
  const found = results.rows.flatMap(({ figure, value }) => {
    const match = figure === ENVELOPE ? /^(\d+) nodes: /.exec(value) : null
    return match === null ? [] : [Number(match[1])]
  })
  return [...new Set(found)].sort((left, right) => left - right)
}

function inSeconds({ samples, median, min, max }: Summary): Summary {
  return { samples, median: median / 1000, min: min / 1000, max: max / 1000 }
}

function swarms(results: Results): string | undefined {
  const columns = sizes(results)
  if (columns.length === 0) return undefined
  const rows = SWARM_LINES.map(({ label, value }) => {
    const cells = columns.map((size) => {
      const found = results.find(ENVELOPE, ofSwarm(size, value), TOM)
      return cell(found && label.endsWith(' s') ? inSeconds(found) : found, true)
    })
    return row([label, ARTICLE.get(value) ?? '', ...cells])
  })
  const head = ['one machine, real sockets', 'article', ...columns.map((size) => `${size} nodes`)]
  return [row(head), `| --- |${' ---: |'.repeat(head.length - 1)}`, ...rows].join('\n')
}

/** Markdown; undefined when nothing about messages was measured. */
export function renderEnvelopeTables(results: Results): string | undefined {
  const parts = [comparison(results), wire(results), swarms(results)].filter((part) => part !== undefined)
  return parts.length === 0 ? undefined : parts.join('\n\n')
}

/** Lines of which the aim is missed, for the console: nothing may be lost. */
export function missedEnvelopeAims(results: Results): string[] {
  return sizes(results).flatMap((size) =>
    ['first', 'later'].flatMap((how) => {
      const value = ofSwarm(size, `${how}, ${UNDELIVERED}`)
      const found = results.find(ENVELOPE, value, TOM)
      return found !== undefined && found.max > 0 ? [`messages: ${value}: ${formatNumber(found.max)}, aim 0`] : []
    }),
  )
}

/** Markdown of the README's block: tables, who is missing, `note`; undefined when nothing about messages was measured. */
export function renderEnvelopeBlock(results: Results, note: string): string | undefined {
  const tables = renderEnvelopeTables(results)
  const missing = results.absences.filter(({ figure }) => figure === ENVELOPE)
  if (tables === undefined && missing.length === 0) return undefined
  const parts = [tables, missing.length === 0 ? undefined : describeAbsences(missing), note]
  return parts.filter((part) => part !== undefined).join('\n\n')
}
