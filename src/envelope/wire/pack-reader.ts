/**
 * Reads the forms of MessagePack that a Rust peer writes, and the longer ones that it would read as well (spec/envelope.md §1.3). Each call names what must come
 * next, so there is no recursion, and nothing is allocated that the input is too short for.
 */
import { decodeBase32, encodeHex } from '../../bytes/index.ts'
import { EnvelopeError, type EnvelopeErrorCode } from '../errors.ts'
import type { PeerKey } from './envelope.ts'
import type { KeyTest } from './known-keys.ts'

/** What every error of a reader is: an envelope's own form, or that of what is in it. */
export type ReaderCode = 'MALFORMED' | 'UNREADABLE_BODY'

/** Bytes of a variant's name; upstream's longest has 26. */
const LONGEST_NAME = 64
const KEY_HEX_LENGTH = 64
const KEY_BASE32_LENGTH = 52
/** Keeps nothing between calls. Making one takes longer than decoding all strings of an envelope. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The bytes are only looked at. All calls throw EnvelopeError of the reader's code where something else stands there, or too little. */
export class PackReader {
  readonly #bytes: Uint8Array
  readonly #code: ReaderCode
  #at: number

  constructor(bytes: Uint8Array, code: ReaderCode) {
    this.#bytes = bytes
    this.#code = code
    this.#at = 0
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  /** Nothing may be left. */
  end(): void {
    if (this.remaining > 0) throw this.error(`${this.remaining} bytes are left over`)
  }

  error(message: string, code: EnvelopeErrorCode = this.#code): EnvelopeError {
    return new EnvelopeError(code, `${message} (at byte ${this.#at})`)
  }

  /** An array of just so many. */
  fields(expected: number): void {
    const count = this.array()
    if (count !== expected) throw this.error(`an array of ${count} where ${expected} fields are expected`)
  }

  /** The number of elements that follow, each of them one byte at least. */
  array(): number {
    const head = this.#byte()
    let count: number
    if ((head & 0xf0) === 0x90) count = head & 0x0f
    else if (head === 0xdc) count = this.#uint16()
    else if (head === 0xdd) count = this.#uint32()
    else throw this.#unexpected('an array', head)
    if (count > this.remaining) throw this.error(`${count} elements are more than there are bytes`)
    return count
  }

  /** The name of an enum that carries something; its value follows. */
  variant(): string {
    const head = this.#byte()
    if (head !== 0x81) throw this.#unexpected('a map of one entry', head)
    return this.string(LONGEST_NAME)
  }

  /** True, and nil is behind us; else nothing was read. */
  isNil(): boolean {
    if (this.#bytes[this.#at] !== 0xc0) return false
    this.#at++
    return true
  }

  bool(): boolean {
    const head = this.#byte()
    if (head !== 0xc2 && head !== 0xc3) throw this.#unexpected('a bool', head)
    return head === 0xc3
  }

  /** A whole number from 0 to `most`, in any integer form that can hold it. */
  uint(most = Number.MAX_SAFE_INTEGER, code: EnvelopeErrorCode = this.#code): number {
    const head = this.#byte()
    const value = head < 0x80 ? head : this.#integer(head)
    if (!(value >= 0 && value <= most)) throw this.error(`${value} is not between 0 and ${most}`, code)
    return value
  }

  /** A finite number, however it is written. */
  float(): number {
    const head = this.#byte()
    let value: number
    if (head === 0xcb) value = this.#take(8).getFloat64(0)
    else if (head === 0xca) value = this.#take(4).getFloat32(0)
    else value = head < 0x80 ? head : this.#integer(head)
    if (!Number.isFinite(value)) throw this.error('a number that is not finite')
    return value
  }

  /** `longest`: bytes of UTF-8. */
  string(longest = Number.POSITIVE_INFINITY, code: EnvelopeErrorCode = this.#code): string {
    const length = this.#stringLength()
    if (length > longest) throw this.error(`a string of ${length} bytes, at most ${longest} are allowed`, code)
    return this.#text(length)
  }

  /** One of `names`. Variants by index are refused: nobody writes them (spec/envelope.md §1.3). */
  oneOf<Name extends string>(names: readonly Name[], code: EnvelopeErrorCode = this.#code): Name {
    const name = this.string(LONGEST_NAME, code)
    const known = names.find((each) => each === name)
    if (known === undefined) throw this.error(`an unknown name of ${name.length} characters`, code)
    return known
  }

  /** 1 to `longest` printable ASCII characters (ENV-6). */
  id(longest: number, code: EnvelopeErrorCode = this.#code): string {
    const length = this.#stringLength()
    if (length < 1 || length > longest) throw this.error(`an id of ${length} bytes, 1 to ${longest} are allowed`, code)
    const bytes = this.#bytes
    const start = this.#at
    let isPrintable = true
    for (let at = start; at < start + length; at++) isPrintable &&= bytes[at]! >= 0x20 && bytes[at]! < 0x7f
    if (!isPrintable) throw this.error('an id with other characters than printable ASCII', code)
    return this.#text(length)
  }

  /** A key as 64 lower-case hex digits, or as base32, which comes back as hex. A point of the curve. */
  key(keys: KeyTest, code: EnvelopeErrorCode = this.#code): PeerKey {
    const text = this.string(KEY_HEX_LENGTH, code)
    const key = text.length === KEY_BASE32_LENGTH ? hexOfBase32(text) : text
    if (!keys.isKey(key)) throw this.error('not a key in lower-case hex, or no point of the curve', code)
    return key
  }

  /** Bytes as an array of integers or as bin. A copy. */
  bytes(): Uint8Array {
    const head = this.#bytes[this.#at]
    if (head === 0xc4 || head === 0xc5 || head === 0xc6) return this.#bin()
    const count = this.array()
    const out = new Uint8Array(count)
    const bytes = this.#bytes
    // four at a time, without a branch: of random bytes half have another in front, and the processor guesses wrong
    let at = this.#at
    let index = 0
    let other = 0
    for (const safe = bytes.length - 8; index + 4 <= count && at <= safe; index += 4) {
      const first = bytes[at]!
      at += first >>> 7
      out[index] = bytes[at]!
      const second = bytes[at + 1]!
      at += 1 + (second >>> 7)
      out[index + 1] = bytes[at]!
      const third = bytes[at + 1]!
      at += 1 + (third >>> 7)
      out[index + 2] = bytes[at]!
      const fourth = bytes[at + 1]!
      at += 1 + (fourth >>> 7)
      out[index + 3] = bytes[at++]!
      other |= otherForm(first) | otherForm(second) | otherForm(third) | otherForm(fourth)
    }
    // something that is no byte in its shortest form: all of it once more, one by one
    if (other === 0) this.#at = at
    else index = 0
    for (; index < count; index++) out[index] = this.uint(0xff)
    return out
  }

  #bin(): Uint8Array {
    const head = this.#byte()
    const length = head === 0xc4 ? this.#byte() : head === 0xc5 ? this.#uint16() : this.#uint32()
    if (length > this.remaining) throw this.error(`${length} bytes are more than there are`)
    const start = this.#at
    this.#at += length
    return this.#bytes.slice(start, start + length)
  }

  #text(length: number): string {
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    try {
      const text = UTF8.decode(bytes)
      this.#at += length
      return text
    } catch {
      throw this.error('a string that is not UTF-8')
    }
  }

  #stringLength(): number {
    const head = this.#byte()
    let length: number
    if ((head & 0xe0) === 0xa0) length = head & 0x1f
    else if (head === 0xd9) length = this.#byte()
    else if (head === 0xda) length = this.#uint16()
    else if (head === 0xdb) length = this.#uint32()
    else throw this.#unexpected('a string', head)
    if (length > this.remaining) throw this.error(`a string of ${length} bytes is longer than what is there`)
    return length
  }

  /** Of more than one byte, or negative. */
  #integer(head: number): number {
    if (head >= 0xe0) return head - 0x100
    switch (head) {
      case 0xcc:
        return this.#byte()
      case 0xcd:
        return this.#uint16()
      case 0xce:
        return this.#uint32()
      case 0xcf:
        return this.#uint32() * 0x1_0000_0000 + this.#uint32()
      case 0xd0:
        return this.#take(1).getInt8(0)
      case 0xd1:
        return this.#take(2).getInt16(0)
      case 0xd2:
        return this.#take(4).getInt32(0)
      case 0xd3: {
        const view = this.#take(8)
        return view.getInt32(0) * 0x1_0000_0000 + view.getUint32(4)
      }
      default:
        throw this.#unexpected('an integer', head)
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw this.error('the bytes end too early')
    this.#at++
    return byte
  }

  #uint16(): number {
    return this.#byte() * 0x100 + this.#byte()
  }

  #uint32(): number {
    return this.#uint16() * 0x1_0000 + this.#uint16()
  }

  #take(length: number): DataView {
    if (length > this.remaining) throw this.error('the bytes end too early')
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, length)
    this.#at += length
    return view
  }

  #unexpected(expected: string, head: number): EnvelopeError {
    return this.error(`${expected} is expected, found 0x${head.toString(16).padStart(2, '0')}`)
  }
}

/** Not 0 for the head of an integer that is neither one byte nor 0xcc and a byte. */
function otherForm(head: number): number {
  return (head ^ 0xcc) & -(head >>> 7)
}

function hexOfBase32(text: string): PeerKey {
  try {
    return encodeHex(decodeBase32(text))
  } catch {
    return text
  }
}
