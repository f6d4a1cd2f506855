/**
 * Test bytes that both sides can compute (as in conformance/native): byte `i` of a transfer is `(i * 31 + 7) mod 256`, and its 64-bit FNV-1a hash. Cheap
 * enough for 64 MiB: no BigInt for each byte.
 */

const BLOCK = 65_536

/** One block; the pattern repeats every 256 bytes, so blocks join seamlessly. */
export const PATTERN_BLOCK: Uint8Array = Uint8Array.from({ length: BLOCK }, (_, index) => index * 31 + 7)

/** Bytes `from` to `to` of the pattern, in pieces of at most 64 KiB that must not be written into. */
export function* patternPieces(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= BLOCK) yield PATTERN_BLOCK.subarray(0, Math.min(left, BLOCK))
}

export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index * 31 + 7)
}

/** FNV-1a with the 64 bits in two halves. */
export class Fnv {
  bytes = 0
  #high = 0xcbf29ce4
  #low = 0x84222325

  update(data: ArrayLike<number>): void {
    let high = this.#high
    let low = this.#low
    const { length } = data
    for (let index = 0; index < length; index++) {
      low ^= data[index]!
      // The prime is 2^40 + 0x1b3; the product of the low half and 0x1b3 has at most 41 bits.
      const product = (low >>> 0) * 0x1b3
      high = (Math.imul(high, 0x1b3) + Math.floor(product / 0x1_0000_0000) + (low << 8)) | 0
      low = product | 0
    }
    this.#high = high
    this.#low = low
    this.bytes += length
  }

  /** 16 hex digits. */
  get hex(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }
}

export function patternHash(length: number): string {
  const hash = new Fnv()
  for (const piece of patternPieces(length)) hash.update(piece)
  return hash.hex
}

/** Checks a transfer as it comes in. */
export class PatternCheck {
  received = 0

  /** Throws where the bytes are not what belongs here. */
  update(data: ArrayLike<number>): void {
    const { length } = data
    const at = this.received & 0xff
    for (let index = 0; index < length; index++) {
      if (data[index] !== PATTERN_BLOCK[(at + index) & 0xff]) throw new Error(`wrong byte at ${this.received + index}`)
    }
    this.received += length
  }
}
