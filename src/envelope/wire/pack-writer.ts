/**
 * Writes the few forms of MessagePack that the wire knows, each in its shortest form, as the Rust stack does (spec/envelope.md §1.2, ENV-1 to ENV-3). What the
 * values mean is the codecs' business.
 */
import { encodeUtf8 } from '../../bytes/index.ts'

/** Bytes in front of a string, array or integer at most. */
const LONGEST_HEAD = 9

/** A buffer that grows. Reusable: `restart` keeps its memory. */
export class PackWriter {
  #bytes: Uint8Array
  #at: number
  readonly #view: DataView

  /** `capacity`: bytes to begin with. */
  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
    this.#at = 0
    this.#view = new DataView(new ArrayBuffer(8))
  }

  /** Bytes written. */
  get length(): number {
    return this.#at
  }

  /** Forgets everything from `length` on; without it all. Views from before are written over. */
  restart(length = 0): void {
    this.#at = length
  }

  /** Changes a byte that was written. */
  patch(position: number, byte: number): void {
    this.#bytes[position] = byte
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at)
  }

  /** What was written, until the next call. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  array(count: number): void {
    this.#reserve(LONGEST_HEAD)
    if (count < 16) this.#bytes[this.#at++] = 0x90 | count
    else if (count < 0x1_0000) this.#head16(0xdc, count)
    else this.#head32(0xdd, count)
  }

  /** A map of one entry: an enum that carries something. The name and the value follow. */
  variant(name: string): void {
    this.#reserve(LONGEST_HEAD)
    this.#bytes[this.#at++] = 0x81
    this.string(name)
  }

  nil(): void {
    this.#reserve(1)
    this.#bytes[this.#at++] = 0xc0
  }

  bool(value: boolean): void {
    this.#reserve(1)
    this.#bytes[this.#at++] = value ? 0xc3 : 0xc2
  }

  /** What is behind the point is cut. Throws RangeError below 0 and above 2^53 - 1. */
  uint(value: number): void {
    if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) throw new RangeError(`${value} cannot be written`)
    this.#reserve(LONGEST_HEAD)
    if (value < 0x80) this.#bytes[this.#at++] = value
    else if (value < 0x100) {
      this.#bytes[this.#at++] = 0xcc
      this.#bytes[this.#at++] = value
    } else if (value < 0x1_0000) this.#head16(0xcd, value)
    else if (value < 0x1_0000_0000) this.#head32(0xce, value)
    else {
      this.#head32(0xcf, Math.floor(value / 0x1_0000_0000))
      this.#uint32(value)
    }
  }

  /** Always 9 bytes, a whole number too (ENV-3). */
  float64(value: number): void {
    this.#reserve(LONGEST_HEAD)
    this.#bytes[this.#at++] = 0xcb
    this.#view.setFloat64(0, value)
    for (let index = 0; index < 8; index++) this.#bytes[this.#at++] = this.#view.getUint8(index)
  }

  /** Lone surrogates become U+FFFD. */
  string(text: string): void {
    if (!this.#ascii(text)) {
      const utf8 = encodeUtf8(text)
      this.#reserve(LONGEST_HEAD + utf8.length)
      this.#stringHead(utf8.length)
      this.#bytes.set(utf8, this.#at)
      this.#at += utf8.length
    }
  }

  /** Bytes as Rust's `Vec<u8>`: an array of integers, not bin (ENV-2). */
  bytes(data: Uint8Array): void {
    const count = data.length
    this.array(count)
    this.#reserve(2 * count)
    const out = this.#bytes
    let at = this.#at
    let index = 0
    // The head is written in any case, and over it where one byte is enough: a branch would be guessed wrong for half of random bytes. Four at a time.
    for (const last = count - 4; index <= last; index += 4) {
      const first = data[index]!
      const second = data[index + 1]!
      const third = data[index + 2]!
      const fourth = data[index + 3]!
      out[at] = 0xcc
      at += first >>> 7
      out[at] = first
      out[at + 1] = 0xcc
      at += 1 + (second >>> 7)
      out[at] = second
      out[at + 1] = 0xcc
      at += 1 + (third >>> 7)
      out[at] = third
      out[at + 1] = 0xcc
      at += 1 + (fourth >>> 7)
      out[at++] = fourth
    }
    for (; index < count; index++) {
      const byte = data[index]!
      out[at] = 0xcc
      at += byte >>> 7
      out[at++] = byte
    }
    this.#at = at
  }

  /** Bytes as bin: what Rust reads as well, but never writes. */
  bin(data: Uint8Array): void {
    const count = data.length
    this.#reserve(LONGEST_HEAD + count)
    if (count < 0x100) {
      this.#bytes[this.#at++] = 0xc4
      this.#bytes[this.#at++] = count
    } else if (count < 0x1_0000) this.#head16(0xc5, count)
    else this.#head32(0xc6, count)
    this.#bytes.set(data, this.#at)
    this.#at += count
  }

  /** Writes a text of ASCII; false, and nothing is written, where it is another one. */
  #ascii(text: string): boolean {
    const count = text.length
    this.#reserve(LONGEST_HEAD + count)
    const start = this.#at
    this.#stringHead(count)
    const out = this.#bytes
    let at = this.#at
    for (let index = 0; index < count; index++) {
      const code = text.charCodeAt(index)
      if (code >= 0x80) {
        this.#at = start
        return false
      }
      out[at++] = code
    }
    this.#at = at
    return true
  }

  #stringHead(length: number): void {
    if (length < 32) this.#bytes[this.#at++] = 0xa0 | length
    else if (length < 0x100) {
      this.#bytes[this.#at++] = 0xd9
      this.#bytes[this.#at++] = length
    } else if (length < 0x1_0000) this.#head16(0xda, length)
    else this.#head32(0xdb, length)
  }

  #head16(first: number, value: number): void {
    const out = this.#bytes
    out[this.#at++] = first
    out[this.#at++] = value >>> 8
    out[this.#at++] = value
  }

  #head32(first: number, value: number): void {
    this.#bytes[this.#at++] = first
    this.#uint32(value)
  }

  #uint32(value: number): void {
    const out = this.#bytes
    out[this.#at++] = value >>> 24
    out[this.#at++] = value >>> 16
    out[this.#at++] = value >>> 8
    out[this.#at++] = value
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#at + count, 2 * this.#bytes.length))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = grown
  }
}
