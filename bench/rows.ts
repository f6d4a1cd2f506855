/** The result of a run: one row for each figure, value and stack, and who is missing and why. */
import type { Summary } from './statistics.ts'

export interface Row {
  /** As `--only` names it. */
  readonly figure: string
  readonly value: string
  readonly stack: string
  readonly summary: Summary
}

export interface Absence {
  readonly stack: string
  /** Undefined: the stack is missing altogether. */
  readonly figure?: string
  readonly reason: string
}

export class Results {
  readonly rows: Row[] = []
  readonly absences: Absence[] = []

  add(figure: string, value: string, stack: string, summary: Summary): void {
    this.rows.push({ figure, value, stack, summary })
  }

  absent(stack: string, error: unknown, figure?: string): void {
    const message = (error instanceof Error ? error.message : String(error)).split('\n')[0]!
    // results are published: where this machine keeps its files and whom it asks is nobody's business
    const reason = message.replace(/ imported from \S+|(?:\w+:\/)?\/(?:[^\s/]*\/)\S*/g, '').trim()
    this.absences.push({ stack, reason, ...(figure === undefined ? {} : { figure }) })
  }

  find(figure: string, value: string, stack: string): Summary | undefined {
    return this.rows.find((row) => row.figure === figure && row.value === value && row.stack === stack)?.summary
  }
}

/** For people; there is at least one. */
export function describeAbsences(absences: readonly Absence[]): string {
  const reasons = absences.map(
    ({ stack, figure, reason }) => `${stack}${figure === undefined ? '' : ` (${figure})`}: ${reason}`,
  )
  return `Not measured: ${reasons.join('; ')}.`
}
