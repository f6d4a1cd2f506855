/**
 * Diffie-Hellman on node:crypto: X25519 with KeyObjects, P-256 with the ECDH class, which takes raw points and checks that they
 * are on the curve. Meets RFC 7748 §6.1 and RFC 8446 §4.2.8.2, §7.4.2.
 */
import { createECDH, createPublicKey, diffieHellman, type ECDH, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { freedError, type KeyLedger } from '../key-ledger.ts'
import { checkNotAllZero, checkPrivateKey, checkPublicKey } from '../key-lengths.ts'
import { CryptoError, type KeyExchange } from '../provider.ts'
import { plainBytes } from './plain-bytes.ts'
import { importPrivateKey, importPublicKey, rawPublicKey } from './raw-keys.ts'

interface KeyPair {
  readonly publicKey: Uint8Array
  readonly privateKey: KeyObject
}

/**
 * Fresh X25519 pairs, each given out once. The next one is made when the event loop has nothing else to do, so that a handshake, which waits for
 * its peer anyway, does not wait for it.
 */
export class X25519Pairs {
  /** The point 9 (RFC 7748 §6.1). */
  readonly #base = importPublicKey('X25519', Uint8Array.of(9, ...new Uint8Array(31)))
  #spare: KeyPair | undefined = undefined
  #isComing = false

  take(): KeyPair {
    const pair = this.#spare ?? this.#generate()
    this.#spare = undefined
    if (!this.#isComing) {
      this.#isComing = true
      setImmediate(() => {
        this.#isComing = false
        this.#spare = this.#generate()
      }).unref()
    }
    return pair
  }

  /**
   * The public half is what agreement with the base point gives: `export` of a KeyObject just generated locks the pair while it allocates, and in Node 20 the process stops for ever when that
   * allocation collects the generator, which locks it too. The generator's own encoder takes twice as long as the agreement.
   */
  #generate(): KeyPair {
    const { privateKey } = generateKeyPairSync('x25519')
    return { publicKey: plainBytes(diffieHellman({ privateKey, publicKey: this.#base })), privateKey }
  }
}

export class NodeX25519 implements KeyExchange {
  readonly group = 'x25519'
  readonly publicKey: Uint8Array
  readonly #ledger: KeyLedger
  #privateKey: KeyObject | undefined

  /** A fresh pair of `source`, or the pair of a private key of 32 bytes. */
  constructor(ledger: KeyLedger, source: X25519Pairs | Uint8Array) {
    this.#ledger = ledger
    if (source instanceof X25519Pairs) {
      const pair = source.take()
      this.publicKey = pair.publicKey
      this.#privateKey = pair.privateKey
    } else {
      checkPrivateKey('x25519', source)
      this.#privateKey = importPrivateKey('X25519', source)
      this.publicKey = rawPublicKey(createPublicKey(this.#privateKey))
    }
    ledger.opened()
  }

  agree(peerPublicKey: Uint8Array): Uint8Array {
    const privateKey = this.#privateKey
    if (privateKey === undefined) throw freedError()
    checkPublicKey('x25519', peerPublicKey)
    let secret: Uint8Array
    try {
      secret = plainBytes(diffieHellman({ privateKey, publicKey: importPublicKey('X25519', peerPublicKey) }))
    } catch {
      // OpenSSL itself refuses an all-zero result.
      throw new CryptoError('x25519: the public key is refused')
    }
    checkNotAllZero(secret)
    return secret
  }

  free(): void {
    if (this.#privateKey === undefined) return
    this.#privateKey = undefined
    this.#ledger.closed()
  }
}

export class NodeP256 implements KeyExchange {
  readonly group = 'p256'
  readonly publicKey: Uint8Array
  readonly #ledger: KeyLedger
  #pair: ECDH | undefined

  constructor(ledger: KeyLedger, privateKey?: Uint8Array) {
    this.#ledger = ledger
    const pair = createECDH('prime256v1')
    if (privateKey === undefined) pair.generateKeys()
    else {
      checkPrivateKey('p256', privateKey)
      try {
        pair.setPrivateKey(privateKey)
      } catch {
        throw new CryptoError('p256: the private key is not below the group order')
      }
    }
    this.#pair = pair
    this.publicKey = plainBytes(pair.getPublicKey())
    ledger.opened()
  }

  agree(peerPublicKey: Uint8Array): Uint8Array {
    const pair = this.#pair
    if (pair === undefined) throw freedError()
    checkPublicKey('p256', peerPublicKey)
    try {
      return plainBytes(pair.computeSecret(peerPublicKey))
    } catch {
      throw new CryptoError('p256: the point is not on the curve')
    }
  }

  free(): void {
    if (this.#pair === undefined) return
    this.#pair = undefined
    this.#ledger.closed()
  }
}
