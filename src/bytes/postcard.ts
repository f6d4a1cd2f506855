/**
 * Postcard 1.0, the binary form of iroh's tickets, gossip and relay-side structures, as small helpers over Reader and Writer. Integers
 * wider than a byte and all lengths are LEB128 (7 bits a byte, least significant first); an enum is its variant's index, then its fields.
 */
import { EncodingError } from './encoding-error.ts'
import type { Reader } from './reader.ts'
import { decodeUtf8, encodeUtf8 } from './utf8.ts'
import type { Writer } from './writer.ts'

/** Width of the integer on Rust's side; it bounds how many bytes a varint may have: 3, 5 or 10. */
export type IntegerBits = 16 | 32 | 64

/** Writes an unsigned integer up to 2^53 - 1 in its shortest form. Throws EncodingError for anything else. */
export function writePostcardVarint(writer: Writer, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new EncodingError(`${value} is no unsigned integer below 2^53`)
  let rest = value
  while (rest >= 0x80) {
    writer.u8((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  writer.u8(rest)
}

/**
 * Reads an unsigned integer of `bits`. Padded forms are accepted where postcard accepts them (within the byte bound).
 * Throws EncodingError beyond the width or beyond 2^53 - 1, TruncatedError at the end of the input.
 */
export function readPostcardVarint(reader: Reader, bits: IntegerBits): number {
  let value = 0
  let scale = 1
  for (let shift = 0; ; shift += 7) {
    const byte = lebByte(reader, shift, bits)
    value += (byte & 0x7f) * scale
    if (value > Number.MAX_SAFE_INTEGER) throw new EncodingError('a postcard integer is larger than 2^53 - 1')
    if (byte < 0x80) return value
    scale *= 0x80
  }
}

/** Writes any u64. Throws EncodingError outside 0 … 2^64 - 1. */
export function writePostcardU64(writer: Writer, value: bigint): void {
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new EncodingError(`${value} is no unsigned 64-bit integer`)
  let rest = value
  while (rest >= 0x80n) {
    writer.u8(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  writer.u8(Number(rest))
}

/** Reads any u64 exactly. Throws EncodingError or TruncatedError. */
export function readPostcardU64(reader: Reader): bigint {
  let value = 0n
  for (let shift = 0; ; shift += 7) {
    const byte = lebByte(reader, shift, 64)
    value |= BigInt(byte & 0x7f) << BigInt(shift)
    if (byte < 0x80) return value
  }
}

/** The byte that carries bits from `shift` on; it may hold no bit beyond `bits`, nor ask for another byte there. */
function lebByte(reader: Reader, shift: number, bits: IntegerBits): number {
  const byte = reader.u8()
  if (bits - shift < 8 && byte >= 2 ** (bits - shift)) {
    throw new EncodingError(`a postcard integer is wider than ${bits} bits`)
  }
  return byte
}

/** A length, then the bytes. */
export function writePostcardBytes(writer: Writer, bytes: Uint8Array): void {
  writePostcardVarint(writer, bytes.length)
  writer.raw(bytes)
}

/** A copy. The length cannot exceed what is left of the input (TruncatedError), so nothing is reserved on the word of a peer. */
export function readPostcardBytes(reader: Reader): Uint8Array {
  return reader.copy(readPostcardVarint(reader, 64))
}

/** A length in bytes, then UTF-8. */
export function writePostcardString(writer: Writer, text: string): void {
  writePostcardBytes(writer, encodeUtf8(text))
}

/** Throws EncodingError where the bytes are not UTF-8. */
export function readPostcardString(reader: Reader): string {
  return decodeUtf8(reader.view(readPostcardVarint(reader, 64)))
}

export function writePostcardBool(writer: Writer, value: boolean): void {
  writer.u8(value ? 1 : 0)
}

/** Throws EncodingError for anything but 0 and 1; also the tag of an option. */
export function readPostcardBool(reader: Reader): boolean {
  const byte = reader.u8()
  if (byte > 1) throw new EncodingError(`a postcard bool is 0 or 1, not ${byte}`)
  return byte === 1
}

/** An option: 0, or 1 and the value. */
export function writePostcardOption<T>(writer: Writer, value: T | undefined, write: (value: T) => void): void {
  writePostcardBool(writer, value !== undefined)
  if (value !== undefined) write(value)
}

export function readPostcardOption<T>(reader: Reader, read: () => T): T | undefined {
  return readPostcardBool(reader) ? read() : undefined
}

/** A sequence: its count, then the elements. */
export function writePostcardList<T>(writer: Writer, items: readonly T[], write: (item: T) => void): void {
  writePostcardVarint(writer, items.length)
  for (const item of items) write(item)
}

/**
 * Reads a sequence. `minimumBytes` (at least 1) is the least an element can take: a count that the rest of the input cannot hold throws
 * EncodingError before anything is read.
 */
export function readPostcardList<T>(reader: Reader, minimumBytes: number, read: () => T): T[] {
  const count = readPostcardVarint(reader, 64)
  if (count > reader.remaining / minimumBytes) {
    throw new EncodingError(`a postcard list claims ${count} elements, but ${reader.remaining} bytes are left`)
  }
  const items: T[] = []
  for (let index = 0; index < count; index++) items.push(read())
  return items
}
