/** What bench/results.json holds, and how a run of some figures takes the others over from the run before. Reads and writes no file. */
import { describeOrigin, type Origin } from './machine.ts'
import type { Absence, Results, Row } from './rows.ts'

/** Figures that were measured later than the rest. */
export interface Part {
  readonly figures: readonly string[]
  readonly origin: Origin
}

/** The head is that of the run of all figures. */
export interface Published extends Origin {
  readonly rounds: number
  readonly quick: boolean
  readonly seconds: number
  readonly absences: readonly Absence[]
  readonly parts?: readonly Part[]
  readonly rows: readonly Row[]
}

/** Adds what `before` says of all figures but `measured` to `results`; the head and the parts that describe the whole from now on. */
export function takeOver(
  before: Published,
  measured: readonly string[],
  origin: Origin,
  results: Results,
): Omit<Published, 'rows'> {
  const isKept = ({ figure }: { readonly figure?: string }): boolean =>
    figure !== undefined && !measured.includes(figure)
  results.rows.unshift(...before.rows.filter(isKept))
  results.absences.unshift(...before.absences.filter((absence) => absence.figure === undefined || isKept(absence)))
  const { rows: _, parts = [], ...head } = before
  const older = parts.flatMap((part) => {
    const figures = part.figures.filter((figure) => !measured.includes(figure))
    return figures.length === 0 ? [] : [{ ...part, figures }]
  })
  return { ...head, absences: results.absences, parts: [...older, { figures: measured, origin }] }
}

/** Where one figure comes from. */
export function originOf({ parts = [], ...origin }: Origin & Pick<Published, 'parts'>, figure: string): Origin {
  return parts.find(({ figures }) => figures.includes(figure))?.origin ?? origin
}

/** Where the figures come from, for people; `except` those that are described elsewhere. */
export function describeOrigins(
  { parts = [], ...origin }: Origin & Pick<Published, 'parts'>,
  except: readonly string[] = [],
): string {
  const later = parts.flatMap((part) => {
    const figures = part.figures.filter((figure) => !except.includes(figure))
    if (figures.length === 0) return []
    const { commit, date, ...where } = part.origin
    const isElsewhere = where.machine !== origin.machine || where.node !== origin.node
    return `${figures.join(', ')}: ${isElsewhere ? `${where.machine}, Node ${where.node}; ` : ''}commit ${commit}, ${date}`
  })
  return [describeOrigin(origin), ...later].join('; ')
}

/** A row a line: what changed can be read in a diff. */
export function publishedJson(head: Omit<Published, 'rows'>, rows: readonly Row[]): string {
  return `${JSON.stringify(head).slice(0, -1)},"rows":[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]}\n`
}
