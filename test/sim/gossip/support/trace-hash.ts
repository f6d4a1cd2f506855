/** The trace of a run in 64 bits: two runs with the same hash did the same things at the same times (spec/gossip.md §12.8 S3). Not for cryptography. */

export class TraceHash {
  #a = 0x243f6a88
  #b = 0x85a308d3

  /** One event: time in µs (up to 2^53) and what happened to whom. */
  add(timeUs: number, what: number, target: number, source: number): void {
    const low = timeUs | 0
    const high = (timeUs / 0x100000000) | 0
    let a = Math.imul(this.#a ^ low, 0x9e3779b1)
    a = Math.imul((a ^ (a >>> 15)) + target, 0x85ebca6b)
    let b = Math.imul(this.#b ^ what ^ Math.imul(high, 0x165667b1), 0xc2b2ae35)
    b = Math.imul((b ^ (b >>> 13)) + source, 0x27d4eb2f)
    this.#a = a ^ (b >>> 16)
    this.#b = b ^ (a >>> 16)
  }

  /** 16 hex digits. */
  toString(): string {
    return [this.#a, this.#b].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }
}
