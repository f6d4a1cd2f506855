/** Sums over lists of numbers, nothing more. An empty list has a mean of 0. */

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length
}

export function sum(values: readonly number[]): number {
  let total = 0
  for (const value of values) total += value
  return total
}

/** The value that `part` (0 to 1) of the values do not exceed. */
export function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) return 0
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(part * sorted.length) - 1))]!
}

export function largest(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), 0)
}

export function least(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((a, b) => Math.min(a, b))
}

/** How many values are 0, 1, 2, … */
export function histogram(values: readonly number[]): number[] {
  const counts: number[] = []
  for (const value of values) {
    while (counts.length <= value) counts.push(0)
    counts[value]!++
  }
  return counts
}
