/**
 * Signatures of certificates on noble: Ed25519 and ECDSA on P-256 and P-384, verified with a SubjectPublicKeyInfo, and keys of Ed25519 and
 * P-256 that sign. No RSA: noble has none, so TLS does not offer it here. RFC 8446 §4.2.3, RFC 3279 §2.2.3, RFC 6979.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { p256, p384 } from '@noble/curves/nist.js'
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import { DerError } from '../der.ts'
import { freedError, type KeyLedger } from '../key-ledger.ts'
import { checkFitsKey } from '../key-lengths.ts'
import { decodePrivateKeyInfo } from '../pkcs8.ts'
import { CryptoError, type SigningKey } from '../provider.ts'
import { decodePublicKeyInfo } from '../public-key-info.ts'
import { fitsKey, type SignatureAlgorithm, signatureHash } from '../signature-algorithms.ts'
import { verifyEd25519 } from './ed25519.ts'

export const SIGNATURE_ALGORITHMS: readonly SignatureAlgorithm[] = [
  'ed25519',
  'ecdsa-sha256',
  'ecdsa-sha384',
  'ecdsa-sha512',
]

const HASHES = { sha256, sha384, sha512 } as const

export function verifySignature(
  algorithm: SignatureAlgorithm,
  publicKeyInfo: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    const { kind, key } = decodePublicKeyInfo(publicKeyInfo)
    if (kind === undefined || !fitsKey(algorithm, kind)) return false
    if (algorithm === 'ed25519') return verifyEd25519(key, message, signature)
    if (kind !== 'p256' && kind !== 'p384') return false
    const curve = kind === 'p256' ? p256 : p384
    const digest = HASHES[signatureHash(algorithm)](message)
    return curve.verify(signature, digest, key, { format: 'der', lowS: false, prehash: false })
  } catch {
    return false
  }
}

/** SubjectPublicKeyInfo up to the key, RFC 8410 §4 and RFC 5480 §2. */
const ED25519_PREFIX = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00] as const
// biome-ignore format: one element a row
const P256_PREFIX = [
  0x30, 0x59,
  0x30, 0x13,
  0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
  0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
  0x03, 0x42, 0x00,
] as const

export class PortableSigningKey implements SigningKey {
  readonly kind: 'ed25519' | 'p256'
  readonly publicKeyInfo: Uint8Array
  readonly #ledger: KeyLedger
  #secret: Uint8Array | undefined

  constructor(ledger: KeyLedger, pkcs8: Uint8Array) {
    this.#ledger = ledger
    const { algorithm, key } = decode(pkcs8)
    if (algorithm !== '1.3.101.112' && algorithm !== '1.2.840.10045.3.1.7') {
      throw new CryptoError(`private keys of algorithm ${algorithm} are not used by this provider: Ed25519 or P-256`)
    }
    this.kind = algorithm === '1.3.101.112' ? 'ed25519' : 'p256'
    if (key.length !== 32) throw new CryptoError(`${this.kind}: private key of ${key.length} bytes, 32 expected`)
    try {
      this.publicKeyInfo =
        this.kind === 'ed25519'
          ? Uint8Array.of(...ED25519_PREFIX, ...ed25519.getPublicKey(key))
          : Uint8Array.of(...P256_PREFIX, ...p256.getPublicKey(key, false))
    } catch {
      throw new CryptoError('p256: the private key is not below the group order')
    }
    this.#secret = key.slice()
    ledger.opened()
  }

  sign(algorithm: SignatureAlgorithm, message: Uint8Array): Uint8Array {
    if (this.#secret === undefined) throw freedError()
    checkFitsKey(algorithm, this.kind)
    if (algorithm === 'ed25519') return ed25519.sign(message, this.#secret)
    const digest = HASHES[signatureHash(algorithm)](message)
    return p256.sign(digest, this.#secret, { format: 'der', lowS: false, prehash: false })
  }

  free(): void {
    if (this.#secret === undefined) return
    this.#secret.fill(0)
    this.#secret = undefined
    this.#ledger.closed()
  }
}

function decode(pkcs8: Uint8Array) {
  try {
    return decodePrivateKeyInfo(pkcs8)
  } catch (error) {
    if (error instanceof DerError) throw new CryptoError('the private key is not a PKCS #8 key that can be used')
    throw error
  }
}
