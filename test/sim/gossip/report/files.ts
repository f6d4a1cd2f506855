/** Results as JSON and CSV, and two JSON reports side by side (spec/gossip.md §12.8 S10). */
import type { Result } from '../scenarios/result.ts'
import { number } from './figures.ts'
import { align } from './table.ts'

export interface Report {
  readonly format: 1
  readonly results: readonly Result[]
}

export function toJson(results: readonly Result[]): string {
  const report: Report = { format: 1, results }
  return `${JSON.stringify(report, undefined, 1)}\n`
}

/** Throws when the text is no report. */
export function parseReport(text: string): Report {
  const report = JSON.parse(text) as Partial<Report> | null
  if (report?.format !== 1 || !Array.isArray(report.results)) throw new Error('this is no report of the simulator')
  return report as Report
}

/** One line for each figure of each result: what a spreadsheet can turn into any table. */
export function toCsv(results: readonly Result[]): string {
  const lines = ['scenario,variant,profile,nodes,seed,latency,figure,value']
  for (const { scenario, variant, profile, nodes, seed, latency, figures } of results)
    for (const [figure, value] of Object.entries(figures))
      lines.push([scenario, variant, profile, nodes, seed, latency, figure, value].map(cell).join(','))
  return `${lines.join('\n')}\n`
}

function cell(value: string | number): string {
  const text = String(value)
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function nameOf({ scenario, variant, profile, nodes, seed, latency }: Result): string {
  return [scenario, variant, profile, `${nodes} nodes`, `seed ${seed}`, latency].join(', ')
}

/** A difference that is worth a line. */
const NOTICEABLE = 0.01

/** Where two reports differ by 1 % and more, run by run; runs that only one of them has are named. */
export function compareReports(before: Report, after: Report): string {
  const other = new Map(after.results.map((result) => [nameOf(result), result]))
  const out: string[] = []
  for (const result of before.results) {
    const name = nameOf(result)
    const twin = other.get(name)
    other.delete(name)
    if (twin === undefined) {
      out.push(`${name}: only in the first`)
      continue
    }
    const isSame = result.traceHash === twin.traceHash
    const rows = Object.entries(result.figures).flatMap(([figure, value]) => {
      const now = twin.figures[figure]
      if (now === undefined) return []
      const change = value === 0 ? (now === 0 ? 0 : 1) : (now - value) / Math.abs(value)
      if (Math.abs(change) < NOTICEABLE) return []
      return [[`  ${figure}`, number(value), number(now), `${change > 0 ? '+' : ''}${(change * 100).toFixed(0)} %`]]
    })
    const trace = isSame ? 'same trace' : `trace ${result.traceHash} → ${twin.traceHash}`
    out.push(`${name}: ${trace}${rows.length === 0 && !isSame ? ', same figures within 1 %' : ''}`)
    if (rows.length > 0) out.push(align([['  figure', 'before', 'after', 'change'], ...rows]))
  }
  for (const name of other.keys()) out.push(`${name}: only in the second`)
  return out.join('\n')
}
