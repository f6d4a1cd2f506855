/**
 * The memory that a connection's sending halves share: how much one more may buffer, and the free full-size slabs. It knows no stream; sizes
 * and fairness are policy of this project, not of an RFC.
 */

/** Largest slab of stream data, bytes. */
export const SLAB_SIZE = 65_536
/** Free slabs kept for the next write: 2 MiB. */
const SLABS_KEPT = 32
/** A stream may hold this many times what is free, so one alone gets 4/5, and n get equal parts with some left for a newcomer. */
const SHARE = 4
/** Every stream may hold this much even when the budget is used up; keeps thousands of small ones moving. */
const FLOOR = 4096
/** Room worth waking a writer for. */
const WAKE_ROOM = 32_768

export class SendBudget {
  /** Bytes that all streams together may hold. */
  limit: number
  readonly #slabs: Uint8Array[]
  /** Bytes unsent and unacknowledged on all streams. */
  used: number

  constructor(limit: number) {
    this.limit = limit
    this.#slabs = []
    this.used = 0
  }

  /** Bytes a stream that holds `held` may add now. */
  allowance(held: number): number {
    const free = Math.max(0, this.limit - this.used)
    // Adding x also takes x from what is free: held + x <= SHARE * (free - x).
    const share = Math.floor((SHARE * free - held) / (SHARE + 1))
    return Math.max(share, FLOOR - held, 0)
  }

  /** A writer that ran full and now holds `held` should hear that there is room. */
  isWorthWaking(held: number): boolean {
    return held <= FLOOR / 2 || this.allowance(held) >= Math.min(WAKE_ROOM, this.limit / 8)
  }

  /** A slab of at least `size` bytes (at most SLAB_SIZE), not zeroed. */
  take(size: number): Uint8Array {
    if (size < SLAB_SIZE) return new Uint8Array(size)
    return this.#slabs.pop() ?? new Uint8Array(SLAB_SIZE)
  }

  give(slab: Uint8Array): void {
    if (slab.length === SLAB_SIZE && this.#slabs.length < SLABS_KEPT) this.#slabs.push(slab)
  }

  clear(): void {
    this.#slabs.length = 0
    this.used = 0
  }
}
