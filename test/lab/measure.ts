/** What a run was like, from the pings that were answered. Pure. */
import type { Ping } from './lab-node.ts'

/** Longest time without an answer, ms, from the first ping sent to `until` (ms since 1970); the time between two pings is part of it. */
export function longestStallMs(pings: readonly Ping[], until: number): number {
  if (pings.length === 0) return 0
  const arrivals = pings.map(({ at }) => at).sort((a, b) => a - b)
  let last = Math.min(...pings.map(({ sentAt }) => sentAt))
  let longest = 0
  for (const at of [...arrivals, Math.max(until, arrivals.at(-1)!)]) {
    longest = Math.max(longest, at - last)
    last = at
  }
  return longest
}

/** The value below which `share` of the values lie (nearest rank); NaN without values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}
