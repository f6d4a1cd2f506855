/**
 * The base32 family, all without padding: RFC 4648 §6 (tickets, mDNS labels), RFC 4648 §7 in lower case (old TLS server names) and
 * z-base-32 (pkarr, DNS). Writers produce lower case; readers refuse padding, spaces and non-zero trailing bits.
 */
import { alphabet, decodeDigits, encodeDigits } from './digit-text.ts'

const RFC4648 = alphabet('base32', 5, 'abcdefghijklmnopqrstuvwxyz234567', true)
const DNSSEC = alphabet('base32hex', 5, '0123456789abcdefghijklmnopqrstuv')
const Z32 = alphabet('z-base-32', 5, 'ybndrfg8ejkmcpqxot1uwisza345h769')

/** RFC 4648 §6, lower case, no padding. */
export function encodeBase32(bytes: Uint8Array): string {
  return encodeDigits(bytes, RFC4648)
}

/** RFC 4648 §6, any case, no padding. Throws EncodingError. */
export function decodeBase32(text: string): Uint8Array {
  return decodeDigits(text, RFC4648)
}

/** RFC 4648 §7 ("base32hex", as DNSSEC writes it), lower case, no padding. */
export function encodeBase32Hex(bytes: Uint8Array): string {
  return encodeDigits(bytes, DNSSEC)
}

/** RFC 4648 §7, lower case only, no padding. Throws EncodingError. */
export function decodeBase32Hex(text: string): Uint8Array {
  return decodeDigits(text, DNSSEC)
}

/** z-base-32, as pkarr writes keys. */
export function encodeZ32(bytes: Uint8Array): string {
  return encodeDigits(bytes, Z32)
}

/** z-base-32, lower case only. Throws EncodingError. */
export function decodeZ32(text: string): Uint8Array {
  return decodeDigits(text, Z32)
}
