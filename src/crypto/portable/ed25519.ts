/**
 * Ed25519 on noble. Verification uses noble's points but its own equation: noble's multiplies by the cofactor, OpenSSL and the
 * peers do not, and all must give the same answer. Meets RFC 8032 §5.1.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesToNumberLE } from '@noble/curves/utils.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { isStrictEd25519 } from '../ed25519-strict.ts'
import { freedError, type KeyLedger } from '../key-ledger.ts'
import { checkPrivateKey } from '../key-lengths.ts'
import type { Signer } from '../provider.ts'

export class PortableSigner implements Signer {
  readonly publicKey: Uint8Array
  readonly #ledger: KeyLedger
  #seed: Uint8Array | undefined

  constructor(ledger: KeyLedger, seed: Uint8Array) {
    checkPrivateKey('ed25519', seed)
    this.#ledger = ledger
    this.#seed = seed.slice()
    this.publicKey = ed25519.getPublicKey(this.#seed)
    ledger.opened()
  }

  sign(message: Uint8Array): Uint8Array {
    if (this.#seed === undefined) throw freedError()
    return ed25519.sign(message, this.#seed)
  }

  free(): void {
    if (this.#seed === undefined) return
    this.#seed.fill(0)
    this.#seed = undefined
    this.#ledger.closed()
  }
}

/** Never throws: a key that is no point on the curve verifies nothing. */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (!isStrictEd25519(publicKey, signature)) return false
  try {
    const { Point } = ed25519
    const key = Point.fromBytes(publicKey)
    const response = bytesToNumberLE(signature.subarray(32))
    const hash = sha512.create().update(signature.subarray(0, 32)).update(publicKey).update(message).digest()
    const challenge = Point.Fn.create(bytesToNumberLE(hash))
    // R must be [S]B - [k]A, compared as bytes: so a non-canonical R fails as well.
    const expected = Point.BASE.multiplyUnsafe(response).subtract(key.multiplyUnsafe(challenge)).toBytes()
    return expected.every((byte, i) => byte === signature[i])
  } catch {
    return false
  }
}
