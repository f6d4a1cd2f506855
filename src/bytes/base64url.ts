/** Base64 with the URL alphabet and without padding (RFC 4648 §5). */
import { alphabet, decodeDigits, encodeDigits } from './digit-text.ts'

const BASE64URL = alphabet('base64url', 6, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')

export function encodeBase64Url(bytes: Uint8Array): string {
  return encodeDigits(bytes, BASE64URL)
}

/** Throws EncodingError. */
export function decodeBase64Url(text: string): Uint8Array {
  return decodeDigits(text, BASE64URL)
}
