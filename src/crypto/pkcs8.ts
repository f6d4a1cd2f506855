/**
 * PKCS #8 private keys of Ed25519 and the elliptic curves, taken apart for providers that compute with bare numbers. RFC 5958 §2,
 * RFC 8410 §7, RFC 5915 §3. Whether the number is a key of the curve is the provider's question.
 */
import { contextTag, DerError, DerTag, readDer } from './der.ts'

export interface PrivateKeyInfo {
  /** The dotted object identifier of the algorithm; for elliptic curves that of the curve. */
  readonly algorithm: string
  /** The Ed25519 seed, or the big-endian private number; empty for other algorithms. A view. */
  readonly key: Uint8Array
}

const ED25519 = '1.3.101.112'
const EC_PUBLIC_KEY = '1.2.840.10045.2.1'

/** Throws DerError when the bytes are not a PrivateKeyInfo, or the key in them is malformed. */
export function decodePrivateKeyInfo(pkcs8: Uint8Array): PrivateKeyInfo {
  return readDer(pkcs8, (outer) => {
    const info = outer.sequence()
    if (info.smallInteger() > 1) throw new DerError('a PKCS #8 version that is not known')
    const identifier = info.sequence()
    const oid = identifier.objectIdentifier()
    const wrapped = info.contents(DerTag.OCTET_STRING)
    info.optional(contextTag(0, true)) // attributes
    info.optional(contextTag(1, false)) // the public key
    info.end()
    if (oid === ED25519) return { algorithm: oid, key: readDer(wrapped, (key) => key.contents(DerTag.OCTET_STRING)) }
    if (oid === EC_PUBLIC_KEY) return { algorithm: identifier.objectIdentifier(), key: ellipticKey(wrapped) }
    return { algorithm: oid, key: wrapped.subarray(0, 0) }
  })
}

function ellipticKey(wrapped: Uint8Array): Uint8Array {
  return readDer(wrapped, (outer) => {
    const key = outer.sequence()
    if (key.smallInteger() !== 1) throw new DerError('an ECPrivateKey version that is not known')
    const number = key.contents(DerTag.OCTET_STRING)
    key.optional(contextTag(0, true)) // the curve again
    key.optional(contextTag(1, true)) // the public key
    key.end()
    return number
  })
}
