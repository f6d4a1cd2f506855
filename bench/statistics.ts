/** Medians, spreads and how numbers are printed. Owns no measuring and no table. */

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly samples: readonly number[]
}

/** The middle value; of an even count the upper of the two. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** The value below which this share of them lies; the largest for 1, NaN for none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function summarize(samples: readonly number[]): Summary {
  return { median: median(samples), min: Math.min(...samples), max: Math.max(...samples), samples }
}

/** Samples of the same round divided by each other: what both suffered cancels out. */
export function pairedRatio(over: readonly number[], under: readonly number[]): Summary {
  const count = Math.min(over.length, under.length)
  return summarize(Array.from({ length: count }, (_, round) => over[round]! / under[round]!))
}

/** Half the distance between the extremes, as a share of the median. */
export function relativeSpread({ median: middle, min, max }: Summary): number {
  return middle === 0 ? 0 : (max - min) / 2 / middle
}

/** Three significant digits, thousands with commas. */
export function formatNumber(number: number): string {
  if (Number.isNaN(number)) return '–'
  if (number >= 1000) return Math.round(number).toLocaleString('en-US')
  return number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2)
}

/** `286 (270–301)`: median, least and most; the median alone when there is one sample. */
export function formatSummary({ median: middle, min, max, samples }: Summary): string {
  if (samples.length < 2) return formatNumber(middle)
  return `${formatNumber(middle)} (${formatNumber(min)}–${formatNumber(max)})`
}
