/**
 * One token bucket for each peer, within bounds: whoever was heard of least recently is forgotten, and starts anew (spec/envelope.md §5.2). The rate is given with each
 * question, for it may follow a score.
 */
import type { PeerKey } from '../wire/envelope.ts'

/** Sums of fractional milliseconds may miss a whole token by rounding. */
const ROUNDING = 1e-6

interface Bucket {
  readonly peer: PeerKey
  /** What was left at `at`. */
  tokens: number
  /** Monotonic ms. */
  at: number
  older: Bucket | undefined
  newer: Bucket | undefined
}

export class RateBuckets {
  readonly #capacity: number
  readonly #buckets = new Map<PeerKey, Bucket>()
  #oldest: Bucket | undefined
  #newest: Bucket | undefined

  /** `capacity`: peers at most, some 250 bytes each. */
  constructor(capacity: number) {
    this.#capacity = Math.max(1, capacity)
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Takes a token; false: there is none, and nothing changes but that the peer was heard of. A peer never heard of has `burst` of them. `now`: monotonic ms. */
  take(peer: PeerKey, perSecond: number, burst: number, now: number): boolean {
    const bucket = this.#buckets.get(peer)
    if (bucket === undefined) {
      if (burst < 1) return false
      this.#add(peer, burst - 1, now)
      return true
    }
    this.#touch(bucket)
    const passedMs = now > bucket.at ? now - bucket.at : 0
    const tokens = Math.min(burst, bucket.tokens + (passedMs * perSecond) / 1_000)
    if (tokens < 1 - ROUNDING) return false
    bucket.tokens = Math.max(0, tokens - 1)
    if (now > bucket.at) bucket.at = now
    return true
  }

  #add(peer: PeerKey, tokens: number, now: number): void {
    if (this.#buckets.size >= this.#capacity) {
      const oldest = this.#oldest!
      this.#unlink(oldest)
      this.#buckets.delete(oldest.peer)
    }
    const bucket: Bucket = { peer, tokens, at: now, older: undefined, newer: undefined }
    this.#buckets.set(peer, bucket)
    this.#append(bucket)
  }

  #touch(bucket: Bucket): void {
    if (bucket === this.#newest) return
    this.#unlink(bucket)
    this.#append(bucket)
  }

  #append(bucket: Bucket): void {
    bucket.older = this.#newest
    bucket.newer = undefined
    if (this.#newest === undefined) this.#oldest = bucket
    else this.#newest.newer = bucket
    this.#newest = bucket
  }

  #unlink({ older, newer }: Bucket): void {
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
  }
}
