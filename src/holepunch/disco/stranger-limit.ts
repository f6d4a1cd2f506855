/**
 * How many packets with keys that we have not met may cost us a scalar multiplication: in all and from one source (spec/disco-stun-nat.md §1.2). What it lets
 * through bounds what it remembers. No clock: time comes in, ms.
 */
import { parseIp } from '../../bytes/index.ts'

/** Counts are forgotten after this, ms. A guess, as the two below. */
const WINDOW_MS = 1_000
/** In a window from all sources: a tenth of a core at worst. */
const IN_ALL = 128
/** In a window from one source: more nodes than that hardly start behind one address within a second. */
const FROM_ONE = 16

export class StrangerLimit {
  readonly #counts = new Map<string, number>()
  #windowEnd = Number.NEGATIVE_INFINITY
  #total = 0

  /** Whether one more may be looked at; one that may is counted. `source` is a numeric IP, or the name of a relay. */
  take(source: string, now: number): boolean {
    if (now >= this.#windowEnd) {
      this.#windowEnd = now + WINDOW_MS
      this.#total = 0
      this.#counts.clear()
    }
    const key = sourceOf(source)
    const count = this.#counts.get(key) ?? 0
    if (this.#total >= IN_ALL || count >= FROM_ONE) return false
    this.#total++
    this.#counts.set(key, count + 1)
    return true
  }
}

/** One IPv6 host has a whole /64. */
function sourceOf(source: string): string {
  if (!source.includes(':') || source.includes('/')) return source
  try {
    return parseIp(source).subarray(0, 8).join('.')
  } catch {
    return source
  }
}
