/**
 * Round trips between ten cities as a cloud provider measured them, and how many nodes we put there. Facts for the model in `latency.ts`: the table is measured,
 * the shares and the access delays are assumptions.
 *
 * Source of the table: IBM Cloud Docs, VPC, "Network latency dashboards", inter-region average round trips 17 Aug to 15 Sep 2024
 * (github.com/ibm-cloud-docs/vpc, _include-segments/network-latency.md); both directions averaged, ms.
 */

export interface Region {
  readonly name: string
  /** Of all nodes. Assumed. */
  readonly share: number
}

export const REGIONS: readonly Region[] = [
  { name: 'Dallas', share: 0.12 },
  { name: 'Toronto', share: 0.06 },
  { name: 'Washington DC', share: 0.14 },
  { name: 'Frankfurt', share: 0.18 },
  { name: 'London', share: 0.12 },
  { name: 'Madrid', share: 0.08 },
  { name: 'Osaka', share: 0.06 },
  { name: 'Sydney', share: 0.06 },
  { name: 'Tokyo', share: 0.1 },
  { name: 'Sao Paulo', share: 0.08 },
]

/** ms, upper triangle: row i holds the regions after i. */
const UPPER: readonly (readonly number[])[] = [
  [34, 31.5, 123, 113, 119, 150.5, 185.5, 143, 145.5],
  [19.5, 92.5, 82.5, 109, 168.5, 214.5, 161.5, 130],
  [91, 75.5, 89, 174, 215, 166, 118.5],
  [13, 29, 232, 250, 229.5, 197.5],
  [27, 244, 261, 242, 187],
  [258.5, 275, 256.5, 206],
  [122, 9, 291],
  [115, 327.5],
  [284.5],
]

/** Round trip within a region, ms: from city to city of one country. Assumed. */
const WITHIN_MS = 10

/** ms. */
export function regionRoundTripMs(a: number, b: number): number {
  if (a === b) return WITHIN_MS
  return a < b ? UPPER[a]![b - a - 1]! : UPPER[b]![a - b - 1]!
}

/** How a node reaches its region: one way, ms, evenly between the bounds. Assumed: fibre, cable, DSL, mobile. */
export const ACCESS: readonly { readonly share: number; readonly minMs: number; readonly maxMs: number }[] = [
  { share: 0.4, minMs: 1, maxMs: 4 },
  { share: 0.3, minMs: 4, maxMs: 10 },
  { share: 0.15, minMs: 8, maxMs: 20 },
  { share: 0.15, minMs: 15, maxMs: 45 },
]

/** A route is longer than the provider's backbone by up to this part. Assumed. */
export const MAX_DETOUR = 0.25
