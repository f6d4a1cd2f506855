/**
 * Signatures of certificates on node:crypto: verification with a SubjectPublicKeyInfo, signing with a PKCS #8 key. Ed25519 goes the strict
 * way of the raw keys, and small or odd keys are refused before OpenSSL sees them. RFC 8446 §4.2.3, RFC 8017 §8, RFC 5958.
 */
import { constants, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { freedError, type KeyLedger } from '../key-ledger.ts'
import { checkFitsKey } from '../key-lengths.ts'
import { CryptoError, type SigningKey } from '../provider.ts'
import { decodePublicKeyInfo } from '../public-key-info.ts'
import { fitsKey, type SignatureAlgorithm, type SignatureKeyKind, signatureHash } from '../signature-algorithms.ts'
import { verifyEd25519 } from './ed25519.ts'
import { plainBytes } from './plain-bytes.ts'

export const SIGNATURE_ALGORITHMS: readonly SignatureAlgorithm[] = [
  'ed25519',
  'ecdsa-sha256',
  'ecdsa-sha384',
  'ecdsa-sha512',
  'rsa-pss-sha256',
  'rsa-pss-sha384',
  'rsa-pss-sha512',
  'rsa-pkcs1-sha256',
  'rsa-pkcs1-sha384',
  'rsa-pkcs1-sha512',
]

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
    const der = Buffer.from(publicKeyInfo.buffer, publicKeyInfo.byteOffset, publicKeyInfo.length)
    const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' })
    return verify(signatureHash(algorithm), message, { key: publicKey, ...padding(algorithm) }, signature)
  } catch {
    return false
  }
}

export class NodeSigningKey implements SigningKey {
  readonly kind: SignatureKeyKind
  readonly publicKeyInfo: Uint8Array
  readonly #ledger: KeyLedger
  #key: KeyObject | undefined

  constructor(ledger: KeyLedger, pkcs8: Uint8Array) {
    this.#ledger = ledger
    this.#key = importKey(pkcs8)
    this.publicKeyInfo = plainBytes(createPublicKey(this.#key).export({ format: 'der', type: 'spki' }))
    this.kind = usableKind(this.publicKeyInfo)
    checkHalves(this.#key, this.kind, this.publicKeyInfo)
    ledger.opened()
  }

  sign(algorithm: SignatureAlgorithm, message: Uint8Array): Uint8Array {
    if (this.#key === undefined) throw freedError()
    checkFitsKey(algorithm, this.kind)
    return signature(algorithm, message, this.#key)
  }

  free(): void {
    if (this.#key === undefined) return
    this.#key = undefined
    this.#ledger.closed()
  }
}

function importKey(pkcs8: Uint8Array): KeyObject {
  const der = Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length)
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } catch {
    throw new CryptoError('the private key is not a PKCS #8 key that can be used')
  }
}

function signature(algorithm: SignatureAlgorithm, message: Uint8Array, key: KeyObject): Uint8Array {
  if (algorithm === 'ed25519') return plainBytes(sign(null, message, key))
  return plainBytes(sign(signatureHash(algorithm), message, { key, ...padding(algorithm) }))
}

/** OpenSSL believes the public half that stands beside the private one, and takes numbers that are none of the curve. */
function checkHalves(key: KeyObject, kind: SignatureKeyKind, publicKeyInfo: Uint8Array): void {
  const algorithm = SIGNATURE_ALGORITHMS.find((each) => fitsKey(each, kind))!
  const message = Uint8Array.of(1)
  let holds = false
  try {
    holds = verifySignature(algorithm, publicKeyInfo, message, signature(algorithm, message, key))
  } catch {
    // OpenSSL's words for it say no more.
  }
  if (!holds) throw new CryptoError(`the private key of kind ${kind} does not fit its public key`)
}

function usableKind(publicKeyInfo: Uint8Array): SignatureKeyKind {
  const { kind, algorithm } = decodePublicKeyInfo(publicKeyInfo)
  if (kind === undefined) throw new CryptoError(`private keys of algorithm ${algorithm} and this size are not used`)
  return kind
}

function padding(algorithm: SignatureAlgorithm) {
  if (algorithm.startsWith('ecdsa-')) return { dsaEncoding: 'der' as const }
  if (algorithm.startsWith('rsa-pkcs1-')) return { padding: constants.RSA_PKCS1_PADDING }
  return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
}
