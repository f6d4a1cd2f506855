/**
 * A bounded cursor over received bytes. It owns nothing, is meant to be reused (`reset`) on the hot path, and throws
 * `TruncatedError` where the input ends too early; each protocol turns that into its own error.
 */

/** The input ended inside a field. */
export class TruncatedError extends Error {
  override readonly name = 'TruncatedError'
  constructor() {
    super('the input ends inside a field')
  }
}

export class Reader {
  bytes: Uint8Array
  position: number
  end: number

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes
    this.position = position
    this.end = end
  }

  reset(bytes: Uint8Array, position: number, end: number): void {
    this.bytes = bytes
    this.position = position
    this.end = end
  }

  get remaining(): number {
    return this.end - this.position
  }

  #take(count: number): number {
    const at = this.position
    if (count > this.end - at) throw new TruncatedError()
    this.position = at + count
    return at
  }

  u8(): number {
    const at = this.position
    if (at >= this.end) throw new TruncatedError()
    this.position = at + 1
    return this.bytes[at]!
  }

  u16(): number {
    const at = this.#take(2)
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!
  }

  u24(): number {
    const at = this.#take(3)
    return (this.bytes[at]! << 16) | (this.bytes[at + 1]! << 8) | this.bytes[at + 2]!
  }

  u32(): number {
    const at = this.#take(4)
    const b = this.bytes
    return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0
  }

  /** RFC 9000 §16; values above 2^53 - 1 read as Number.MAX_SAFE_INTEGER. */
  varint(): number {
    const first = this.u8()
    const prefix = first >>> 6
    if (prefix === 0) return first
    if (prefix === 1) return ((first & 0x3f) << 8) | this.u8()
    if (prefix === 2) {
      const at = this.#take(3)
      const b = this.bytes
      return (((first & 0x3f) << 24) | (b[at]! << 16) | (b[at + 1]! << 8) | b[at + 2]!) >>> 0
    }
    const at = this.#take(7)
    const b = this.bytes
    const high = ((first & 0x3f) << 24) | (b[at]! << 16) | (b[at + 1]! << 8) | b[at + 2]!
    const low = ((b[at + 3]! << 24) | (b[at + 4]! << 16) | (b[at + 5]! << 8) | b[at + 6]!) >>> 0
    const value = high * 0x100000000 + low
    return Math.min(value, Number.MAX_SAFE_INTEGER)
  }

  /** A view of the next `count` bytes, not a copy. */
  view(count: number): Uint8Array {
    const at = this.#take(count)
    return this.bytes.subarray(at, at + count)
  }

  /** A copy of the next `count` bytes, safe to keep. */
  copy(count: number): Uint8Array {
    const at = this.#take(count)
    // not `slice`: of a Buffer that is a view
    return new Uint8Array(this.bytes.subarray(at, at + count))
  }

  /** Skips `count` bytes and returns where they began. */
  skip(count: number): number {
    return this.#take(count)
  }
}
