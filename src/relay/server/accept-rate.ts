/**
 * How fast connections may come, in all and from one address: a leaky bucket whose whole state is one number. Bounded in memory whatever
 * addresses are seen (spec/relay.md §4.8).
 */
import { parseIp } from '../../bytes/index.ts'

/** Addresses remembered; beyond that those that were heard longest ago are forgotten. About 2 MB. */
const MAX_ADDRESSES = 16_384
/** One by one would be slow. */
const FORGOTTEN_AT_ONCE = 1024

export interface Rate {
  /** In the long run; 0 or less = no limit. */
  readonly perSecond: number
  /** At once, after silence; at least 1. */
  readonly burst: number
}

/** Counts for one key. Time comes in, ms. */
export class AcceptRate {
  readonly #rate: Rate
  readonly #intervalMs: number
  /** Key → when its bucket is empty again, ms; the one heard last is last. */
  readonly #emptyAt: Map<string, number>

  constructor(rate: Rate) {
    this.#rate = rate
    this.#intervalMs = 1000 / rate.perSecond
    this.#emptyAt = new Map()
  }

  /** Keys remembered. */
  get size(): number {
    return this.#emptyAt.size
  }

  /** Whether one more may come now; one that may is counted. */
  take(key: string, now: number): boolean {
    if (this.#rate.perSecond <= 0) return true
    const emptyAt = Math.max(this.#emptyAt.get(key) ?? now, now)
    if (emptyAt - now > (Math.max(1, this.#rate.burst) - 1) * this.#intervalMs) return false
    this.#emptyAt.delete(key)
    this.#emptyAt.set(key, emptyAt + this.#intervalMs)
    if (this.#emptyAt.size > MAX_ADDRESSES) this.#forgetOldest(now)
    return true
  }

  /** The oldest few, and all that follow whose bucket ran empty. */
  #forgetOldest(now: number): void {
    for (const [key, emptyAt] of this.#emptyAt) {
      if (emptyAt > now && this.#emptyAt.size <= MAX_ADDRESSES - FORGOTTEN_AT_ONCE) return
      this.#emptyAt.delete(key)
    }
  }
}

/**
 * What counts as one address: an IPv4 address, or the /64 of an IPv6 address, for one host has all of it. Takes a canonical one. Undefined for
 * loopback, where reverse proxies and tests are: no limit there.
 */
export function sourceKey(host: string): string | undefined {
  if (!host.includes(':')) return host.startsWith('127.') ? undefined : host
  return host === '::1' ? undefined : parseIp(host).subarray(0, 8).join('.')
}
