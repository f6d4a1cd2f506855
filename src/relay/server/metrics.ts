/**
 * The metrics of a relay as OpenMetrics text (spec/relay.md §4.6): iroh's counters under their exact names, then ours and a few gauges. Pure;
 * the listener is `relay-server.ts`'s.
 */
import { RELAY_COUNTER_HELP, RELAY_GAUGES, type RelayCounters } from './hub/index.ts'
import type { Answer, Headers } from './routes.ts'

/** Of iroh's server; ours keep their own prefix. */
const PREFIX = 'relayserver_'
const OWN_PREFIX = 'tom_'

export interface Metric {
  /** Whole, without any prefix: `tom_relay_…`. A counter's samples get `_total` behind it. */
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly value: number
}

/** Ends with the mark that tells a whole text from a cut one. */
export function metricsText(counters: Readonly<RelayCounters>, others: readonly Metric[]): string {
  const lines: string[] = []
  for (const [name, help] of Object.entries(RELAY_COUNTER_HELP)) {
    const key = name as keyof RelayCounters
    put(lines, {
      name: name.startsWith(OWN_PREFIX) ? name.replace(OWN_PREFIX, 'tom_relay_') : `${PREFIX}${name}`,
      type: RELAY_GAUGES.includes(key) ? 'gauge' : 'counter',
      help,
      value: counters[key],
    })
  }
  for (const metric of others) put(lines, metric)
  return `${lines.join('\n')}\n# EOF\n`
}

/** On any path; the type that Prometheus asks for where it asks, else the one of iroh's server. */
export function metricsAnswer(method: string, headers: Headers, text: () => string): Answer {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, headers: { Allow: 'GET, HEAD' }, body: '' }
  const isOpenMetrics = String(headers.accept ?? '').includes('application/openmetrics-text')
  const type = isOpenMetrics
    ? 'application/openmetrics-text; version=1.0.0; charset=utf-8'
    : 'text/plain; charset=utf-8'
  return { status: 200, headers: { 'Content-Type': type }, body: text() }
}

function put(lines: string[], { name, type, help, value }: Metric): void {
  // A counter's samples end in _total and its family does not, also where the counter has it in its name.
  const family = type === 'counter' ? name.replace(/_total$/, '') : name
  const sample = type === 'counter' ? `${family}_total` : family
  lines.push(`# HELP ${family} ${help}.`, `# TYPE ${family} ${type}`, `${sample} ${value}`)
}
