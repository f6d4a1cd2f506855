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

const SPKI = { type: 'spki', format: 'der' } as const
/** SubjectPublicKeyInfo of X25519 up to the 32 bytes (RFC 8410). */
const SPKI_PREFIX_LENGTH = 12

/**
 * The public half comes as bytes from the generator itself: `export` of a KeyObject just generated locks the pair while it allocates, and in Node 20 the process stops for ever when that
 * allocation collects the generator, which locks it too.
 */
function generateX25519(): KeyPair {
  // Node documents it so, half by half; its types know both encodings or none
  const pair: unknown = generateKeyPairSync('x25519', { publicKeyEncoding: SPKI })
  const { publicKey, privateKey } = pair as { readonly publicKey: Uint8Array; readonly privateKey: KeyObject }
  return { publicKey: new Uint8Array(publicKey.subarray(SPKI_PREFIX_LENGTH)), privateKey }
}

/**
 * Fresh X25519 pairs, each given out once. The next one is made when the event loop has nothing else to do, so that a handshake, which waits for
 * its peer anyway, does not wait for it.
 */
export class X25519Pairs {
  #spare: KeyPair | undefined = undefined
  #isComing = false

  take(): KeyPair {
    const pair = this.#spare ?? generateX25519()
    this.#spare = undefined
    if (!this.#isComing) {
      this.#isComing = true
      setImmediate(() => {
        this.#isComing = false
        this.#spare = generateX25519()
      }).unref()
    }
    return pair
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
