/**
 * The base32 family, all without padding: RFC 4648 §6 (tickets, mDNS labels), RFC 4648 §7 in lower case (old TLS server names) and
 * z-base-32 (pkarr, DNS). Writers produce lower case; readers refuse padding, spaces and non-zero trailing bits.
 */
import { EncodingError } from './encoding-error.ts'

interface Alphabet {
  readonly name: string
  readonly digits: string
  /** Value by character code below 128, -1 for none. */
  readonly values: Int8Array
}

function alphabet(name: string, digits: string, anyCase: boolean): Alphabet {
  const values = new Int8Array(128).fill(-1)
  for (let value = 0; value < 32; value++) {
    values[digits.charCodeAt(value)] = value
    if (anyCase) values[digits.toUpperCase().charCodeAt(value)] = value
  }
  return { name, digits, values }
}

const RFC4648 = alphabet('base32', 'abcdefghijklmnopqrstuvwxyz234567', true)
const DNSSEC = alphabet('base32hex', '0123456789abcdefghijklmnopqrstuv', false)
const Z32 = alphabet('z-base-32', 'ybndrfg8ejkmcpqxot1uwisza345h769', false)

function encode(bytes: Uint8Array, { digits }: Alphabet): string {
  let text = ''
  let buffer = 0
  let bits = 0
  for (let index = 0; index < bytes.length; index++) {
    buffer = ((buffer << 8) | bytes[index]!) & 0xfff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += digits[(buffer >>> bits) & 31]!
    }
  }
  return bits === 0 ? text : text + digits[(buffer << (5 - bits)) & 31]!
}

function decode(text: string, { name, values }: Alphabet): Uint8Array {
  const spare = (text.length * 5) % 8
  // a whole character more than the bytes need cannot come from an encoder
  if (spare >= 5) throw new EncodingError(`${text.length} characters are no possible length of ${name} without padding`)
  const bytes = new Uint8Array((text.length * 5 - spare) / 8)
  let buffer = 0
  let bits = 0
  let at = 0
  for (let index = 0; index < text.length; index++) {
    const value = values[text.charCodeAt(index)] ?? -1
    if (value < 0) throw new EncodingError(`character ${index + 1} does not belong to ${name}`)
    buffer = ((buffer << 5) | value) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = buffer >>> bits
    }
  }
  if ((buffer & ((1 << bits) - 1)) !== 0)
    throw new EncodingError(`the last character of ${name} has non-zero spare bits`)
  return bytes
}

/** RFC 4648 §6, lower case, no padding. */
export function encodeBase32(bytes: Uint8Array): string {
  return encode(bytes, RFC4648)
}

/** RFC 4648 §6, any case, no padding. Throws EncodingError. */
export function decodeBase32(text: string): Uint8Array {
  return decode(text, RFC4648)
}

/** RFC 4648 §7 ("base32hex", as DNSSEC writes it), lower case, no padding. */
export function encodeBase32Hex(bytes: Uint8Array): string {
  return encode(bytes, DNSSEC)
}

/** RFC 4648 §7, lower case only, no padding. Throws EncodingError. */
export function decodeBase32Hex(text: string): Uint8Array {
  return decode(text, DNSSEC)
}

/** z-base-32, as pkarr writes keys. */
export function encodeZ32(bytes: Uint8Array): string {
  return encode(bytes, Z32)
}

/** z-base-32, lower case only. Throws EncodingError. */
export function decodeZ32(text: string): Uint8Array {
  return decode(text, Z32)
}
