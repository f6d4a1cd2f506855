/** Bytes as text, a few bits a digit and without padding: what base32 and base64 have in common. Readers refuse what no writer writes. */
import { EncodingError } from './encoding-error.ts'

export interface Alphabet {
  readonly name: string
  /** In order of value: 2 to the power of `bits`, all of ASCII. */
  readonly digits: string
  /** Bits a digit stands for, below 8. */
  readonly bits: number
  /** Value by character code below 128, -1 for none. */
  readonly values: Int8Array
}

/** `anyCase`: readers take upper case for lower case. */
export function alphabet(name: string, bits: number, digits: string, anyCase = false): Alphabet {
  const values = new Int8Array(128).fill(-1)
  for (let value = 0; value < digits.length; value++) {
    values[digits.charCodeAt(value)] = value
    if (anyCase) values[digits.toUpperCase().charCodeAt(value)] = value
  }
  return { name, digits, bits, values }
}

export function encodeDigits(bytes: Uint8Array, { digits, bits: width }: Alphabet): string {
  const mask = (1 << width) - 1
  let text = ''
  let buffer = 0
  let bits = 0
  for (let index = 0; index < bytes.length; index++) {
    buffer = ((buffer << 8) | bytes[index]!) & 0xffff
    bits += 8
    while (bits >= width) {
      bits -= width
      text += digits[(buffer >>> bits) & mask]!
    }
  }
  return bits === 0 ? text : text + digits[(buffer << (width - bits)) & mask]!
}

/** Throws EncodingError for other characters, padding, an impossible length, spare bits that are not zero. */
export function decodeDigits(text: string, { name, bits: width, values }: Alphabet): Uint8Array {
  const spare = (text.length * width) % 8
  // a whole character more than the bytes need cannot come from an encoder
  if (spare >= width)
    throw new EncodingError(`${text.length} characters are no possible length of ${name} without padding`)
  const bytes = new Uint8Array((text.length * width - spare) / 8)
  let buffer = 0
  let bits = 0
  let at = 0
  for (let index = 0; index < text.length; index++) {
    const value = values[text.charCodeAt(index)] ?? -1
    if (value < 0) throw new EncodingError(`character ${index + 1} does not belong to ${name}`)
    buffer = ((buffer << width) | value) & 0xffff
    bits += width
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = buffer >>> bits
    }
  }
  if ((buffer & ((1 << bits) - 1)) !== 0)
    throw new EncodingError(`the last character of ${name} has non-zero spare bits`)
  return bytes
}
