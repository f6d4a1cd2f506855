/** Results and checks as text for a terminal. */
import type { Result } from '../scenarios/result.ts'
import { columnsOf, number } from './figures.ts'

/** Numbers to the right, texts to the left; two spaces between columns. */
export function align(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  const isNumber = (cell: string) => /^-?[\d.,]*$/.test(cell)
  const isRight = widths.map((_, column) => rows.slice(1).every((row) => isNumber(row[column] ?? '')))
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          isRight[column] === true ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function renderResults(scenario: string, results: readonly Result[]): string {
  const columns = columnsOf(scenario)
  return align([columns.map((column) => column.title), ...results.map((result) => columns.map(({ of }) => of(result)))])
}

/** Every check, met or missed; empty without checks. */
export function renderChecks(results: readonly Result[]): string {
  const rows = results.flatMap((result) =>
    result.checks.map((check) => [
      check.isMet ? 'met' : 'MISSED',
      check.goal,
      number(check.value),
      check.bound,
      result.profile,
      String(result.nodes),
      result.seed,
    ]),
  )
  return rows.length === 0 ? '' : align([['', 'goal', 'value', 'bound', 'profile', 'nodes', 'seed'], ...rows])
}
