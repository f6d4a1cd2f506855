/** ALPN names (RFC 7301): text or bytes from the application, bytes inside. */

export type Alpn = string | Uint8Array

/** The bytes, copied. Undefined for what cannot be an ALPN: empty, or longer than 255 bytes. */
export function alpnBytes(alpn: Alpn): Uint8Array | undefined {
  const bytes = typeof alpn === 'string' ? new TextEncoder().encode(alpn) : Uint8Array.from(alpn)
  return bytes.length >= 1 && bytes.length <= 255 ? bytes : undefined
}
