/** Hex in and out for the codec tests, and what a codec does with a hex string. Holds no expectations of its own. */
import { Reader } from '../../../src/bytes/reader.ts'
import { Writer } from '../../../src/bytes/writer.ts'

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** What `write` writes, in hex. */
export function written(write: (writer: Writer) => void, room = 2048): string {
  const writer = new Writer(new Uint8Array(room))
  write(writer)
  return toHex(writer.bytes.subarray(0, writer.position))
}

/** A reader after the frame type, and that type. */
export function frame(hex: string): { reader: Reader; type: number } {
  const reader = new Reader(fromHex(hex))
  return { type: reader.varint(), reader }
}

/** The same bytes far inside a larger buffer with other bytes around them, to catch reads outside the range. */
export function embedded(bytes: Uint8Array, before = 5, after = 9): { buffer: Uint8Array; start: number; end: number } {
  const buffer = new Uint8Array(before + bytes.length + after).fill(0xff)
  buffer.set(bytes, before)
  return { buffer, start: before, end: before + bytes.length }
}
