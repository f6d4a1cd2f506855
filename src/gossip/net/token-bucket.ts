/** A budget that fills with time: so many at once, so many more each second. */
export class TokenBucket {
  readonly #burst: number
  readonly #perMs: number
  #tokens: number
  #at: number

  constructor(burst: number, perSecond: number, now: number) {
    this.#burst = burst
    this.#perMs = perSecond / 1_000
    this.#tokens = burst
    this.#at = now
  }

  /** Whether one could be taken now. */
  has(now: number): boolean {
    if (now > this.#at) this.#fill(now)
    return this.#tokens >= 1
  }

  /** Takes one; false: there is none. */
  take(now: number): boolean {
    if (!this.has(now)) return false
    this.#tokens--
    return true
  }

  #fill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs)
    this.#at = now
  }
}
