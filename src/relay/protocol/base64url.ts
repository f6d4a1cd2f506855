/** Base64 with the URL alphabet and without padding (RFC 4648 §5), for the authentication header (spec/relay.md §2.4). Strict when reading. */

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

export function encodeBase64Url(bytes: Uint8Array): string {
  let text = ''
  let buffer = 0
  let bits = 0
  for (let i = 0; i < bytes.length; i++) {
    buffer = ((buffer << 8) | bytes[i]!) & 0xffff
    bits += 8
    while (bits >= 6) {
      bits -= 6
      text += DIGITS[(buffer >>> bits) & 63]!
    }
  }
  return bits === 0 ? text : text + DIGITS[(buffer << (6 - bits)) & 63]!
}

/** Undefined for what no encoder writes: other characters, padding, an impossible length, spare bits that are not zero. */
export function decodeBase64Url(text: string): Uint8Array | undefined {
  const spare = (text.length * 6) % 8
  if (spare === 6) return undefined
  const bytes = new Uint8Array((text.length * 6 - spare) / 8)
  let buffer = 0
  let bits = 0
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const value = DIGITS.indexOf(text[i]!)
    if (value < 0) return undefined
    buffer = ((buffer << 6) | value) & 0xffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = buffer >>> bits
    }
  }
  return (buffer & ((1 << bits) - 1)) === 0 ? bytes : undefined
}
