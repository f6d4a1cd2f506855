/** Base 16 (RFC 4648 §8) as this project writes it: lower case, no separators. */
import { EncodingError } from './encoding-error.ts'

const PAIRS: readonly string[] = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'))

/** Lower-case hex of `bytes`. */
export function encodeHex(bytes: Uint8Array): string {
  let text = ''
  for (let index = 0; index < bytes.length; index++) text += PAIRS[bytes[index]!]!
  return text
}

/** Reads hex in any case. Throws EncodingError for an odd length or another character. */
export function decodeHex(text: string): Uint8Array {
  if (text.length % 2 !== 0) throw new EncodingError(`hex needs an even number of digits, got ${text.length}`)
  const bytes = new Uint8Array(text.length / 2)
  for (let index = 0; index < bytes.length; index++) {
    const high = digit(text.charCodeAt(2 * index))
    const low = digit(text.charCodeAt(2 * index + 1))
    if (high < 0 || low < 0) {
      throw new EncodingError(`hex digits are 0-9 and a-f; found another character after ${2 * index} digits`)
    }
    bytes[index] = (high << 4) | low
  }
  return bytes
}

function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1
}
