/**
 * Public keys as certificates carry them: the DER SubjectPublicKeyInfo. Parsed here once for all providers, with the bounds of what is
 * taken. RFC 5280 §4.1.2.7, RFC 8410 §4, RFC 5480 §2, RFC 4055 §1.2, RFC 8017 §A.1.1.
 */
import { DerError, type DerReader, DerTag, readDer } from './der.ts'
import type { SignatureKeyKind } from './signature-algorithms.ts'

export interface PublicKeyInfo {
  /** Undefined: an algorithm, a curve or a size of key that we do not use. */
  readonly kind: SignatureKeyKind | undefined
  /** The dotted object identifier of the algorithm; for elliptic curves that of the curve. */
  readonly algorithm: string
  /** The bits of the subjectPublicKey: 32 bytes, an uncompressed point, or an RSAPublicKey. A view. */
  readonly key: Uint8Array
}

const ED25519 = '1.3.101.112'
const EC_PUBLIC_KEY = '1.2.840.10045.2.1'
const P256 = '1.2.840.10045.3.1.7'
const P384 = '1.3.132.0.34'
const RSA_ENCRYPTION = '1.2.840.113549.1.1.1'
const RSASSA_PSS = '1.2.840.113549.1.1.10'

/** Smaller moduli are too weak (NIST SP 800-131A, the CA/Browser Forum); larger ones only cost time. Bits. */
const RSA_MIN_BITS = 2048
const RSA_MAX_BITS = 8192
/** Bytes of the public exponent: OpenSSL takes no more either. */
const RSA_MAX_EXPONENT_LENGTH = 8

/** Throws DerError when the bytes are not a SubjectPublicKeyInfo, or hold a key that is wrong for its algorithm. */
export function decodePublicKeyInfo(spki: Uint8Array): PublicKeyInfo {
  return readDer(spki, (outer) => {
    const info = outer.sequence()
    const identifier = info.sequence()
    const oid = identifier.objectIdentifier()
    const key = info.bitString()
    info.end()
    switch (oid) {
      case ED25519:
        identifier.end()
        return { kind: 'ed25519', algorithm: oid, key: checkLength(key, 32) }
      case EC_PUBLIC_KEY:
        return ellipticKey(identifier, key)
      case RSA_ENCRYPTION:
        identifier.null()
        identifier.end()
        return { kind: isUsableRsa(key) ? 'rsa' : undefined, algorithm: oid, key }
      case RSASSA_PSS:
        // What the parameters restrict is left to the provider's library (RFC 4055 §3.3).
        return { kind: isUsableRsa(key) ? 'rsa-pss' : undefined, algorithm: oid, key }
      default:
        return { kind: undefined, algorithm: oid, key }
    }
  })
}

function ellipticKey(identifier: DerReader, key: Uint8Array): PublicKeyInfo {
  // RFC 5480 §2.1.1: named curves only. RFC 8446 §4.2.8.2 has uncompressed points only, and so have certificates.
  if (identifier.nextTag !== DerTag.OBJECT_IDENTIFIER) return { kind: undefined, algorithm: EC_PUBLIC_KEY, key }
  const curve = identifier.objectIdentifier()
  identifier.end()
  if (curve !== P256 && curve !== P384) return { kind: undefined, algorithm: curve, key }
  checkLength(key, curve === P256 ? 65 : 97)
  if (key[0] !== 4) throw new DerError('an elliptic curve point that is not in the uncompressed form')
  return { kind: curve === P256 ? 'p256' : 'p384', algorithm: curve, key }
}

function checkLength(key: Uint8Array, length: number): Uint8Array {
  if (key.length !== length) throw new DerError(`a public key of ${key.length} bytes, ${length} expected`)
  return key
}

/** RFC 8017 §A.1.1. Throws DerError when it is no RSAPublicKey; false when its size is out of bounds. */
function isUsableRsa(key: Uint8Array): boolean {
  return readDer(key, (outer) => {
    const numbers = outer.sequence()
    const modulus = numbers.unsigned()
    const exponent = numbers.unsigned()
    numbers.end()
    if (modulus.length === 0 || (modulus.at(-1)! & 1) === 0) throw new DerError('an RSA modulus that is even')
    if (exponent.length === 0 || (exponent.at(-1)! & 1) === 0 || (exponent.length === 1 && exponent[0] === 1)) {
      throw new DerError('an RSA exponent that is even or 1')
    }
    const bits = modulus.length * 8 - (Math.clz32(modulus[0]!) - 24)
    return bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS && exponent.length <= RSA_MAX_EXPONENT_LENGTH
  })
}
