/**
 * What strict Ed25519 verification refuses before any curve arithmetic, the same for every provider, so that all of them and the
 * peers' `verify_strict` agree on each signature. Meets RFC 8032 §5.1.3 and §5.1.7; the equation itself is the provider's.
 */

/** Group order L, little endian. */
const ORDER = littleEndian('1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed')

/** The y coordinates of the eight points of small order: 0, 1, p - 1 and the two of order 8. The sign bit picks among them. */
const SMALL_ORDER_Y = [
  littleEndian('0000000000000000000000000000000000000000000000000000000000000000'),
  littleEndian('0000000000000000000000000000000000000000000000000000000000000001'),
  littleEndian('7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec'),
  littleEndian('05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826'),
  littleEndian('7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7'),
]

/**
 * False for wrong lengths, S not below the group order, and a public key or R that is not canonical or of small order. All inputs
 * are public, so the time taken may depend on them.
 */
export function isStrictEd25519(publicKey: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  return isPlainPoint(publicKey) && isPlainPoint(signature) && isBelowOrder(signature)
}

/** Looks at the 32 bytes from index 0. */
function isPlainPoint(encoded: Uint8Array): boolean {
  // RFC 8032 §5.1.3: y must be below p. With p refused too, each small-order y has one encoding per sign bit.
  if (isAtLeastFieldPrime(encoded)) return false
  return !SMALL_ORDER_Y.some((y) => hasY(encoded, y))
}

/** p = 2^255 - 19: only the lowest byte can tell, once all others are ones. */
function isAtLeastFieldPrime(encoded: Uint8Array): boolean {
  for (let i = 1; i < 31; i++) if (encoded[i] !== 0xff) return false
  return (encoded[31]! & 0x7f) === 0x7f && encoded[0]! >= 0xed
}

function hasY(encoded: Uint8Array, y: Uint8Array): boolean {
  for (let i = 0; i < 31; i++) if (encoded[i] !== y[i]) return false
  return (encoded[31]! & 0x7f) === y[31]
}

/** RFC 8032 §5.1.7: S, the second half of the signature, is in 0..L-1, or a signature could be altered and still hold. */
function isBelowOrder(signature: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const digit = signature[32 + i]!
    const limit = ORDER[i]!
    if (digit !== limit) return digit < limit
  }
  return false
}

/** Bytes of a number written as 64 hex digits, lowest first. */
function littleEndian(hex: string): Uint8Array {
  const bytes = new Uint8Array(32)
  for (let i = 0; i < 32; i++) bytes[31 - i] = Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16)
  return bytes
}
