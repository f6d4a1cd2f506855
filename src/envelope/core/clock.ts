/** The two times of a messenger: monotonic for deadlines, ms since 1970 for what is written into envelopes. Both come from outside. */

export class Clock {
  /** Monotonic, ms. */
  now = 0
  #difference = 0

  /** Ms since 1970, whole. */
  get wall(): number {
    return Math.floor(this.now + this.#difference)
  }

  /** The two of the same moment. */
  set(now: number, wall: number): void {
    this.now = now
    this.#difference = wall - now
  }

  /** When it will be `wall`, monotonic. */
  nowAt(wall: number): number {
    return wall - this.#difference
  }
}
