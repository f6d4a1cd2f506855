/**
 * How long a message travels between two nodes: fixed, drawn for each pair, or as between places of the internet (spec/gossip.md §12.1, §12.8 S4). A pair's value
 * is a function of the seed and the pair, never stored and the same for ever, so messages between two nodes keep their order.
 */
import { hashText } from '../../support/random.ts'
import { ACCESS, MAX_DETOUR, REGIONS, regionRoundTripMs } from './internet-regions.ts'

export interface LatencyModel {
  /** As the command takes it: `fixed:50`, `uniform:10..100`, `internet`. */
  readonly name: string
  /** No pair needs longer, µs: a "trip". */
  readonly maxUs: number
  /** One way, µs, whole; the same in both directions. */
  betweenUs(a: number, b: number): number
}

/** 32 bits that depend on every bit of the three (the finaliser of MurmurHash3). */
export function mix(seed: number, a: number, b: number): number {
  let hash = seed ^ Math.imul(a + 1, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  hash = Math.imul(hash ^ Math.imul(b + 0x165667b1, 0x27d4eb2f), 0x9e3779b1)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 16)) >>> 0
}

const U32 = 0x100000000

export function fixedLatency(ms: number): LatencyModel {
  const us = Math.round(ms * 1000)
  return { name: `fixed:${ms}`, maxUs: us, betweenUs: () => us }
}

/** Each pair has its own, evenly in [min, max): upstream's `dynamic`. */
export function uniformLatency(minMs: number, maxMs: number, seed: string): LatencyModel {
  const low = Math.round(minMs * 1000)
  const span = Math.round(maxMs * 1000) - low
  const basis = hashText(`${seed}/latency`)
  return {
    name: `uniform:${minMs}..${maxMs}`,
    maxUs: low + span,
    betweenUs(a, b) {
      const draw = a < b ? mix(basis, a, b) : mix(basis, b, a)
      return low + Math.floor((draw / U32) * span)
    },
  }
}

/** Where a node lives and how it gets there, one way. */
function place(basis: number, node: number): { region: number; accessMs: number } {
  const access = bandOf(ACCESS, mix(basis, node, -2) / U32)
  const { minMs, maxMs } = ACCESS[access]!
  return {
    region: bandOf(REGIONS, mix(basis, node, -1) / U32),
    accessMs: minMs + (mix(basis, node, -3) / U32) * (maxMs - minMs),
  }
}

function bandOf(bands: readonly { readonly share: number }[], draw: number): number {
  let rest = draw
  const last = bands.length - 1
  for (let index = 0; index < last; index++) {
    rest -= bands[index]!.share
    if (rest < 0) return index
  }
  return last
}

/**
 * A model of the internet: half the measured round trip of the two regions, a detour of the pair, and the access of both ends. Between single homes there is no such
 * table; what is assumed stands in `internet-regions.ts`.
 */
export function internetLatency(seed: string): LatencyModel {
  const basis = hashText(`${seed}/internet`)
  const places: { region: number; accessMs: number }[] = []
  const placeOf = (node: number) => {
    for (let next = places.length; next <= node; next++) places.push(place(basis, next))
    return places[node]!
  }
  let longestMs = 0
  for (const [a] of REGIONS.entries())
    for (const [b] of REGIONS.entries()) longestMs = Math.max(longestMs, regionRoundTripMs(a, b))
  const accessMs = Math.max(...ACCESS.map((access) => access.maxMs))
  return {
    name: 'internet',
    maxUs: Math.ceil(((longestMs / 2) * (1 + MAX_DETOUR) + 2 * accessMs) * 1000),
    betweenUs(a, b) {
      const here = placeOf(a)
      const there = placeOf(b)
      const draw = a < b ? mix(basis, a, b) : mix(basis, b, a)
      const detour = 1 + (draw / U32) * MAX_DETOUR
      const ms = (regionRoundTripMs(here.region, there.region) / 2) * detour + here.accessMs + there.accessMs
      return Math.round(ms * 1000)
    },
  }
}

/** `fixed:50`, `uniform:10..100` (ms) or `internet`. Throws for anything else. */
export function parseLatency(text: string, seed: string): LatencyModel {
  if (text === 'internet') return internetLatency(seed)
  const fixed = /^fixed:(\d+(?:\.\d+)?)$/.exec(text)
  if (fixed !== null) return fixedLatency(Number(fixed[1]))
  const uniform = /^uniform:(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)$/.exec(text)
  if (uniform !== null && Number(uniform[1]) < Number(uniform[2]))
    return uniformLatency(Number(uniform[1]), Number(uniform[2]), seed)
  throw new Error(`"${text}" is no latency: fixed:50, uniform:10..100 (ms) or internet`)
}
