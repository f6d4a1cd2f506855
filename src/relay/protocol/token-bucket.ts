/** Limits how many bytes a server reads from a client (spec/relay.md §4.3). Nothing is dropped: the reader pauses. Time comes in as an argument (ms, monotonic). */

/** The bucket is refilled in steps of this, ms. */
const STEP_MS = 100

/** Steps in a second, so what one step adds is this part of the rate. */
const STEPS_PER_SECOND = 10

export class TokenBucket {
  readonly #max: number
  readonly #refill: number
  #fill: number
  #lastFill: number

  /**
   * Starts full. `maxBurstBytes` is the size of the bucket, by default a tenth of `bytesPerSecond`. Throws RangeError below 10 bytes/s: nothing would
   * ever flow in; and for a burst below 1.
   */
  constructor(bytesPerSecond: number, maxBurstBytes: number | undefined, now: number) {
    const refill = Math.floor(bytesPerSecond / STEPS_PER_SECOND)
    const max = maxBurstBytes ?? refill
    if (!(refill >= 1)) throw new RangeError(`a rate limit is 10 bytes/s or more, not ${bytesPerSecond}`)
    if (!(max >= 1)) throw new RangeError(`a burst is 1 byte or more, not ${maxBurstBytes}`)
    this.#max = max
    this.#refill = refill
    this.#fill = max
    this.#lastFill = now
  }

  /** `bytes` were read at `now`. Returns from when on more may be read: `now` for at once, else a time above it. */
  take(bytes: number, now: number): number {
    const steps = Math.floor((now - this.#lastFill) / STEP_MS)
    if (steps > 0) {
      this.#fill = Math.min(this.#max, this.#fill + steps * this.#refill)
      this.#lastFill += steps * STEP_MS
    }
    this.#fill -= bytes
    if (this.#fill > 0) return now
    return this.#lastFill + (Math.floor(-this.#fill / this.#refill) + 1) * STEP_MS
  }
}
