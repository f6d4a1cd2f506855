/**
 * Diffie-Hellman on noble. Fresh private keys come from the platform's `crypto.getRandomValues`. Meets RFC 7748 §6.1 and
 * RFC 8446 §4.2.8.2, §7.4.2.
 */
import { x25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { freedError, type KeyLedger } from '../key-ledger.ts'
import { checkNotAllZero, checkPrivateKey, checkPublicKey } from '../key-lengths.ts'
import { CryptoError, type KeyExchange } from '../provider.ts'

export class PortableX25519 implements KeyExchange {
  readonly group = 'x25519'
  readonly publicKey: Uint8Array
  readonly #ledger: KeyLedger
  #privateKey: Uint8Array | undefined

  constructor(ledger: KeyLedger, privateKey?: Uint8Array) {
    if (privateKey !== undefined) checkPrivateKey('x25519', privateKey)
    const own = privateKey?.slice() ?? x25519.utils.randomSecretKey()
    this.#ledger = ledger
    this.#privateKey = own
    this.publicKey = x25519.getPublicKey(own)
    ledger.opened()
  }

  agree(peerPublicKey: Uint8Array): Uint8Array {
    if (this.#privateKey === undefined) throw freedError()
    checkPublicKey('x25519', peerPublicKey)
    let secret: Uint8Array
    try {
      secret = x25519.getSharedSecret(this.#privateKey, peerPublicKey)
    } catch {
      throw new CryptoError('x25519: the public key is refused')
    }
    checkNotAllZero(secret)
    return secret
  }

  free(): void {
    if (this.#privateKey === undefined) return
    this.#privateKey.fill(0)
    this.#privateKey = undefined
    this.#ledger.closed()
  }
}

export class PortableP256 implements KeyExchange {
  readonly group = 'p256'
  readonly publicKey: Uint8Array
  readonly #ledger: KeyLedger
  #privateKey: Uint8Array | undefined

  constructor(ledger: KeyLedger, privateKey?: Uint8Array) {
    if (privateKey !== undefined) checkPrivateKey('p256', privateKey)
    const own = privateKey?.slice() ?? p256.utils.randomSecretKey()
    try {
      this.publicKey = p256.getPublicKey(own, false)
    } catch {
      throw new CryptoError('p256: the private key is not below the group order')
    }
    this.#ledger = ledger
    this.#privateKey = own
    ledger.opened()
  }

  agree(peerPublicKey: Uint8Array): Uint8Array {
    if (this.#privateKey === undefined) throw freedError()
    checkPublicKey('p256', peerPublicKey)
    try {
      // RFC 8446 §7.4.2: the secret is the x coordinate alone; the first byte is the sign of y.
      return p256.getSharedSecret(this.#privateKey, peerPublicKey, true).slice(1)
    } catch {
      throw new CryptoError('p256: the point is not on the curve')
    }
  }

  free(): void {
    if (this.#privateKey === undefined) return
    this.#privateKey.fill(0)
    this.#privateKey = undefined
    this.#ledger.closed()
  }
}
