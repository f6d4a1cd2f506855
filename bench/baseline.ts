/** What `bench/baseline.json` holds, how it is made from measurements, and when a new measurement is worse. Measures nothing itself. */
import type { Origin } from './machine.ts'
import { formatNumber, relativeSpread, summarize } from './statistics.ts'

export interface Bound {
  readonly value: number
  /** Share by which a new value may exceed `value`. */
  readonly tolerance: number
}

export interface Baseline extends Origin {
  /** CPU per packet as a ratio to the blast's in the same round. */
  readonly cpu: Readonly<Record<string, Bound>>
  /** Exact in virtual time; all but the bytes allocated. Lower is better. */
  readonly counts: Readonly<Record<string, Bound>>
}

/** Samples of each quantity: CPU ratios of several rounds, counts of several seeds, bytes allocated of several processes. */
export interface Measurement {
  readonly cpu: Readonly<Record<string, readonly number[]>>
  readonly counts: Readonly<Record<string, readonly number[]>>
  readonly allocations: Readonly<Record<string, readonly number[]>>
}

/** The issue's: CPU per packet relative to the blast. */
const CPU_TOLERANCE = 0.25
/** Counts that were equal for all seeds: below this nothing changed that matters. */
const LEAST_COUNT_TOLERANCE = 0.005
/** Bytes allocated depend on when the compiler was done: three times the noise seen, and no less than this. */
const LEAST_ALLOCATION_TOLERANCE = 0.03
const ALLOCATION_NOISE_FACTOR = 3

function bounds(
  samples: Readonly<Record<string, readonly number[]>>,
  tolerance: (spread: number) => number,
): Record<string, Bound> {
  return Object.fromEntries(
    Object.entries(samples).map(([name, values]) => {
      const summary = summarize(values)
      const allowed = Math.round(tolerance(relativeSpread(summary)) * 1e4) / 1e4
      return [name, { value: Math.round(summary.median * 1e3) / 1e3, tolerance: allowed }]
    }),
  )
}

export function makeBaseline(origin: Origin, { cpu, counts, allocations }: Measurement): Baseline {
  return {
    ...origin,
    cpu: bounds(cpu, () => CPU_TOLERANCE),
    counts: {
      ...bounds(counts, (spread) => Math.max(LEAST_COUNT_TOLERANCE, spread)),
      ...bounds(allocations, (spread) => Math.max(LEAST_ALLOCATION_TOLERANCE, ALLOCATION_NOISE_FACTOR * spread)),
    },
  }
}

export interface Finding {
  readonly name: string
  readonly now: number
  readonly baseline: number
  /** Share by which `now` exceeds the baseline; negative is better. */
  readonly change: number
  readonly tolerance: number
  readonly isWorse: boolean
  /** Better by more than the tolerance: the baseline should follow. */
  readonly isBetter: boolean
}

/** Compares medians. Throws when the two do not name the same quantities: then the baseline is of another guard. */
export function compare(
  expected: Readonly<Record<string, Bound>>,
  found: Readonly<Record<string, readonly number[]>>,
): Finding[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(found)])
  return [...names].map((name) => {
    const bound = expected[name]
    const values = found[name]
    if (bound === undefined || values === undefined)
      throw new Error(`${name} is only in ${bound ? 'the baseline' : 'this run'}: npm run bench:guard -- --write`)
    const now = summarize(values).median
    const change = bound.value === 0 ? (now === 0 ? 0 : Number.POSITIVE_INFINITY) : now / bound.value - 1
    // the baseline is rounded to a thousandth
    const isWorse = now > bound.value * (1 + bound.tolerance) + 0.001
    return {
      name,
      now,
      baseline: bound.value,
      change,
      tolerance: bound.tolerance,
      isWorse,
      isBetter: now < bound.value * (1 - bound.tolerance) - 0.001,
    }
  })
}

export function describeFinding({ name, now, baseline, change, tolerance, isWorse, isBetter }: Finding): string {
  const sign = change > 0 ? '+' : ''
  const percent = Number.isFinite(change) ? `${sign}${(change * 100).toFixed(1)} %` : 'from nothing'
  const verdict = isWorse ? 'WORSE' : isBetter ? 'better' : 'ok'
  return `${verdict.padEnd(6)} ${name}: ${formatNumber(now)}, baseline ${formatNumber(baseline)} (${percent}, allowed +${(tolerance * 100).toFixed(1)} %)`
}
