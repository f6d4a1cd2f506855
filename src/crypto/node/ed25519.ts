/**
 * Ed25519 on node:crypto: signing with a kept KeyObject, and verification behind the strict checks that OpenSSL does not make.
 * Meets RFC 8032 §5.1.
 */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { isStrictEd25519 } from '../ed25519-strict.ts'
import { freedError, type KeyLedger } from '../key-ledger.ts'
import { checkPrivateKey } from '../key-lengths.ts'
import type { Signer } from '../provider.ts'
import { plainBytes } from './plain-bytes.ts'
import { importPrivateKey, importPublicKey, rawPublicKey } from './raw-keys.ts'

export class NodeSigner implements Signer {
  readonly publicKey: Uint8Array
  readonly #ledger: KeyLedger
  #privateKey: KeyObject | undefined

  constructor(ledger: KeyLedger, seed: Uint8Array) {
    checkPrivateKey('ed25519', seed)
    this.#ledger = ledger
    this.#privateKey = importPrivateKey('Ed25519', seed)
    this.publicKey = rawPublicKey(createPublicKey(this.#privateKey))
    ledger.opened()
  }

  sign(message: Uint8Array): Uint8Array {
    if (this.#privateKey === undefined) throw freedError()
    return plainBytes(sign(null, message, this.#privateKey))
  }

  free(): void {
    if (this.#privateKey === undefined) return
    this.#privateKey = undefined
    this.#ledger.closed()
  }
}

/** Never throws: a key that is no point on the curve verifies nothing. */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (!isStrictEd25519(publicKey, signature)) return false
  try {
    return verify(null, message, importPublicKey('Ed25519', publicKey), signature)
  } catch {
    return false
  }
}
