/**
 * Credit-based windows, one class per direction, for all three uses: bytes of a stream, bytes of a connection, numbers of streams. They know no
 * frames and no streams; when to send MAX_ or _BLOCKED is answered here, sending is not. RFC 9000 §4.
 */

/** What the peer allows us. */
export class SendWindow {
  /** Total the peer allows. */
  limit: number
  /** Total used so far. */
  used: number
  #reportedAt: number

  constructor(limit: number) {
    this.limit = limit
    this.used = 0
    this.#reportedAt = -1
  }

  get room(): number {
    return this.limit - this.used
  }

  /** RFC 9000 §4.1: a limit never goes down, late frames are ignored. True when it went up. */
  raise(limit: number): boolean {
    if (limit <= this.limit) return false
    this.limit = limit
    return true
  }

  /** True once per limit: nothing is left of it and the peer should hear so. */
  takeBlockedReport(): boolean {
    if (this.used < this.limit || this.#reportedAt === this.limit) return false
    this.#reportedAt = this.limit
    return true
  }

  /** A report for `limit` still says something true. */
  isBlockedAt(limit: number): boolean {
    return this.limit === limit && this.used >= limit
  }
}

/** A new limit is worth a frame when it moves by this part of the window (iroh does the same, spec/quic.md §6.6). */
const UPDATE_PART = 1 / 8

/** What we allow the peer. */
export class ReceiveWindow {
  /** Total the peer knows it may use. */
  limit: number
  /** Total that left our memory: read by the application, or discarded. */
  consumed: number
  /** How far the limit is kept ahead of `consumed`. */
  size: number
  readonly #maxSize: number
  #roundStart: number
  #roundConsumed: number

  constructor(size: number, maxSize: number) {
    this.limit = Math.min(size, Number.MAX_SAFE_INTEGER)
    this.consumed = 0
    this.size = this.limit
    this.#maxSize = Math.max(maxSize, this.size)
    this.#roundStart = -1
    this.#roundConsumed = 0
  }

  get #next(): number {
    return Math.min(this.consumed + this.size, Number.MAX_SAFE_INTEGER)
  }

  /** The peer should hear of a new limit now. */
  get isDue(): boolean {
    const gain = this.#next - this.limit
    return gain > 0 && gain >= this.size * UPDATE_PART
  }

  /** Moves the limit as far as it goes and returns it, for the frame that tells the peer. */
  advance(): number {
    this.limit = Math.max(this.limit, this.#next)
    return this.limit
  }

  /**
   * To be called as data arrives. When half a window was consumed in less than two round trips, the window and not the reader is what
   * limits the peer, so it doubles, up to the bound. True when it grew. `rttMs` 0: not known, no change.
   */
  tune(now: number, rttMs: number): boolean {
    if (this.size >= this.#maxSize) return false
    if (this.#roundStart < 0) {
      this.#roundStart = now
      this.#roundConsumed = this.consumed
      return false
    }
    if (this.consumed - this.#roundConsumed < this.size / 2) return false
    const fast = now - this.#roundStart < 2 * rttMs
    this.#roundStart = now
    this.#roundConsumed = this.consumed
    return fast && this.growTo(this.size * 2)
  }

  /** Grows the window to `size` within its bound; true when it grew. */
  growTo(size: number): boolean {
    const bounded = Math.min(size, this.#maxSize)
    if (bounded <= this.size) return false
    this.size = bounded
    return true
  }
}
