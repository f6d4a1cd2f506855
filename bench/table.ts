/** The table of the README: each figure with its aim and whether it is met, losing rows included. Reads results, measures nothing. */
import { BARE_UDP, BLAST, NATIVE_OFFLOAD, NATIVE_PLAIN, NUMBER0, TOM } from './contenders.ts'
import { ENVELOPE } from './envelope/names.ts'
import { missedEnvelopeAims } from './envelope/table.ts'
import { GOSSIP } from './gossip/names.ts'
import { missedGossipAims } from './gossip/table.ts'
import { HOLEPUNCH } from './holepunch/names.ts'
import { missedPunchAims, renderPunchTable } from './holepunch/table.ts'
import { RELAY } from './relay/names.ts'
import { missedRelayAims, renderRelayTable } from './relay/table.ts'
import { describeAbsences, type Results } from './rows.ts'
import { formatNumber, formatSummary, pairedRatio, type Summary } from './statistics.ts'

type Verdict = 'met' | 'floor met' | 'missed' | ''

interface Line {
  readonly label: string
  readonly aim?: string
  /** What stands in our column. */
  readonly ours: (results: Results) => Summary | undefined
  /** What stands in another stack's column; none for ratios, which are about us. */
  readonly theirs?: (results: Results, stack: string) => Summary | undefined
  readonly verdict?: (ours: number, results: Results) => Verdict
}

const atLeast =
  (aim: number) =>
  (ours: number): Verdict =>
    ours >= aim ? 'met' : 'missed'
const atMost =
  (aim: number) =>
  (ours: number): Verdict =>
    ours <= aim ? 'met' : 'missed'

function plain(label: string, figure: string, value: string, rest: Pick<Line, 'aim' | 'verdict'> = {}): Line {
  return {
    label,
    ours: (results) => results.find(figure, value, TOM),
    theirs: (results, stack) => results.find(figure, value, stack),
    ...rest,
  }
}

/** Round by round, ours divided by another's. */
function ratio(label: string, figure: string, value: string, stack: string, rest: Pick<Line, 'aim' | 'verdict'>): Line {
  return {
    label,
    ours: (results) => {
      const over = results.find(figure, value, TOM)
      const under = results.find(figure, value, stack)
      return over && under && pairedRatio(over.samples, under.samples)
    },
    ...rest,
  }
}

/** The aim for one stream over Ethernet-size datagrams: the aim itself, else its floor. */
function bulkVerdict(ours: number, results: Results): Verdict {
  if (ours >= 1000) return 'met'
  const binding = results.find('bulk', 'Mbit/s', NUMBER0)?.median
  return ours >= 500 && (binding === undefined || ours >= 5 * binding) ? 'floor met' : 'missed'
}

const LINES: readonly Line[] = [
  plain('bulk, one stream, datagrams up to 1,452 B, Mbit/s', 'bulk', 'Mbit/s', {
    aim: `1,000; floor 500 and 5 × ${NUMBER0}`,
    verdict: bulkVerdict,
  }),
  ratio('… ÷ native iroh without offload', 'bulk', 'Mbit/s', NATIVE_PLAIN, { aim: '≥ 0.5', verdict: atLeast(0.5) }),
  ratio(`… ÷ ${NUMBER0}`, 'bulk', 'Mbit/s', NUMBER0, { aim: '≥ 5 (floor)', verdict: atLeast(5) }),
  plain('… CPU µs per full packet, sender', 'bulk', 'CPU µs, sender', { aim: '10', verdict: atMost(10) }),
  plain('… CPU µs per full packet, receiver', 'bulk', 'CPU µs, receiver', { aim: '10', verdict: atMost(10) }),
  plain('bulk, 16 streams, datagrams up to 1,452 B, Mbit/s', 'bulk16', 'Mbit/s'),
  plain('bulk, one stream, loopback-size datagrams, Mbit/s', 'bulk-loopback', 'Mbit/s', {
    aim: '2,500',
    verdict: atLeast(2500),
  }),
  plain('… CPU ms per MB, both sides', 'bulk-loopback', 'CPU ms/MB'),
  plain('… stream bytes per datagram', 'bulk-loopback', 'B/datagram'),
  plain('round trip, 64 B, p50 µs', 'rtt', 'p50 µs', { aim: '110', verdict: atMost(110) }),
  ratio('… ÷ native iroh without offload', 'rtt', 'p50 µs', NATIVE_PLAIN, { aim: '≤ 1.5', verdict: atMost(1.5) }),
  plain('round trip, 64 B, p99 µs', 'rtt', 'p99 µs'),
  {
    label: '… ÷ bare UDP in the same round',
    aim: 'published',
    ours: (results) => ratioToBare(results, TOM),
    theirs: ratioToBare,
  },
  plain('handshake, warm, median ms', 'handshake', 'median ms', { aim: '1.5', verdict: atMost(1.5) }),
  plain('fresh streams, 32 at once, a second', 'streams', 'a second'),
  plain('idle connection, kB, client', 'idle', 'kB, client', { aim: '40', verdict: atMost(40) }),
  plain('idle connection, kB, server', 'idle', 'kB, server', { aim: '40', verdict: atMost(40) }),
  plain('… of it JavaScript heap and buffers, kB, client', 'idle', 'JS kB, client'),
  plain('… of it JavaScript heap and buffers, kB, server', 'idle', 'JS kB, server'),
  plain('bulk rate while idle connections are held ÷ alone', 'held', 'rate, held ÷ free', {
    aim: 'flat',
    verdict: atLeast(0.9),
  }),
  plain('… CPU per packet, both sides, held ÷ alone', 'held', 'CPU, held ÷ free', {
    aim: 'flat',
    verdict: atMost(1.1),
  }),
  plain('256 KiB on the last ÷ on the first tenth of connections', 'sequence', 'last ÷ first', {
    aim: 'flat',
    verdict: atLeast(0.9),
  }),
]

function ratioToBare(results: Results, stack: string): Summary | undefined {
  const over = results.find('rtt', 'p99 µs', stack)
  const bare = results.find('rtt', 'p99 µs', BARE_UDP)
  return over && bare && pairedRatio(over.samples, bare.samples)
}

/** Packets alone, relays, hole punching, gossip and messages have tables of their own. */
const ELSEWHERE: readonly string[] = ['protect', RELAY, HOLEPUNCH, GOSSIP, ENVELOPE]

function isOfStack({ figure }: { readonly figure: string }): boolean {
  return !ELSEWHERE.includes(figure)
}

/** Ours, then native iroh, then the rest in the order they were measured, then what is no stack. */
function columns(results: Results): string[] {
  const found = [...new Set(results.rows.filter(isOfStack).map(({ stack }) => stack))]
  const first = [TOM, NATIVE_PLAIN, NATIVE_OFFLOAD].filter((stack) => found.includes(stack))
  const last = [BLAST, BARE_UDP].filter((stack) => found.includes(stack))
  return [...first, ...found.filter((stack) => ![...first, ...last].includes(stack)), ...last]
}

function markdown(head: readonly string[], alignRight: number, body: readonly (readonly string[])[]): string {
  const rule = head.map((_, index) => (index >= alignRight ? '---:' : '---'))
  return [head, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function protectionTable(results: Results): string | undefined {
  const rows = results.rows.filter(({ figure }) => figure === 'protect')
  const subjects = [...new Set(rows.map(({ stack }) => stack))]
  if (subjects.length === 0) return undefined
  const body = ['protect µs', 'unprotect µs'].map((value) => {
    const ours = results.find('protect', value, subjects[0]!)!
    const cells = subjects.map((subject) => formatSummary(results.find('protect', value, subject)!))
    return [`${value.replace(' µs', '')} a packet of 1,350 B, µs`, '1.5', atMost(1.5)(ours.median), ...cells]
  })
  return markdown(['one packet, one process', 'aim', '', ...subjects], 3, body)
}

/** Markdown: the packet alone, the table, the relay's, and who is missing; gossip and messages stand in blocks of their own. Cells are `median (least–most)`. */
export function renderTables(results: Results): string {
  const stacks = columns(results)
  const body = LINES.flatMap((line) => {
    const ours = line.ours(results)
    const others = stacks.slice(1).map((stack) => line.theirs?.(results, stack))
    if (ours === undefined && others.every((other) => other === undefined)) return []
    const cells = [ours, ...others].map((summary) => (summary === undefined ? '' : formatSummary(summary)))
    return [
      [line.label, line.aim ?? '', ours === undefined ? '' : (line.verdict?.(ours.median, results) ?? ''), ...cells],
    ]
  })
  const parts = [
    protectionTable(results),
    body.length === 0 ? undefined : markdown(['figure', 'aim', '', ...stacks], 3, body),
    renderRelayTable(results),
    renderPunchTable(results),
  ]
  const missing = results.absences.filter(({ figure }) => figure !== GOSSIP && figure !== ENVELOPE)
  if (missing.length > 0) parts.push(describeAbsences(missing))
  return parts.filter((part) => part !== undefined).join('\n\n')
}

/** Lines of which the aim is missed, for the console. */
export function missedAims(results: Results): string[] {
  const lines = LINES.flatMap((line) => {
    const ours = line.ours(results)
    if (ours === undefined || line.verdict?.(ours.median, results) !== 'missed') return []
    return [`${line.label}: ${formatNumber(ours.median)}, aim ${line.aim}`]
  })
  return [
    ...lines,
    ...missedRelayAims(results),
    ...missedPunchAims(results),
    ...missedGossipAims(results),
    ...missedEnvelopeAims(results),
  ]
}
