/**
 * A provider whose fresh key exchange pairs come from a given randomness source, so that a simulated handshake can be repeated
 * byte for byte. Everything else is the wrapped provider's; never for production, where the provider's own generator is used.
 */
import type { RandomSource } from '../platform/index.ts'
import {
  type AeadKey,
  type AeadName,
  CryptoError,
  type CryptoProvider,
  type GroupName,
  type HashName,
  type HeaderKey,
  type KeyExchange,
  type RunningHash,
  type Signer,
  type SigningKey,
} from './provider.ts'
import type { SignatureAlgorithm } from './signature-algorithms.ts'

/** A good source misses the P-256 scalar range once in 2^32 draws; a stuck one must not hang us. */
const MOST_DRAWS = 8

/** `keyExchange(group)` draws 32 bytes a try from `random`; pairs of a given private key are passed on. Throws CryptoError when the source gives no usable key. */
export function seededKeyExchange(provider: CryptoProvider, random: RandomSource): CryptoProvider {
  return new SeededKeyExchange(provider, random)
}

class SeededKeyExchange implements CryptoProvider {
  readonly name: string
  readonly aeadPreference: readonly AeadName[]
  readonly #provider: CryptoProvider
  readonly #random: RandomSource

  constructor(provider: CryptoProvider, random: RandomSource) {
    this.name = provider.name
    this.aeadPreference = provider.aeadPreference
    this.#provider = provider
    this.#random = random
  }

  keyExchange(group: GroupName, privateKey?: Uint8Array): KeyExchange {
    if (privateKey !== undefined) return this.#provider.keyExchange(group, privateKey)
    const drawn = new Uint8Array(32)
    for (let draw = 0; draw < MOST_DRAWS; draw++) {
      this.#random.fill(drawn)
      try {
        return this.#provider.keyExchange(group, drawn)
      } catch (error) {
        if (!(error instanceof CryptoError)) throw error
      }
    }
    throw new CryptoError(`${group}: the randomness source gives no usable private key`)
  }

  packetMemory(length: number): Uint8Array {
    return this.#provider.packetMemory(length)
  }

  createHash(name: HashName): RunningHash {
    return this.#provider.createHash(name)
  }

  hash(name: HashName, data: Uint8Array): Uint8Array {
    return this.#provider.hash(name, data)
  }

  hmac(name: HashName, key: Uint8Array, data: Uint8Array): Uint8Array {
    return this.#provider.hmac(name, key, data)
  }

  hkdfExtract(name: HashName, salt: Uint8Array, inputKey: Uint8Array): Uint8Array {
    return this.#provider.hkdfExtract(name, salt, inputKey)
  }

  hkdfExpand(name: HashName, pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array {
    return this.#provider.hkdfExpand(name, pseudoRandomKey, info, length)
  }

  aeadKey(name: AeadName, key: Uint8Array, iv: Uint8Array): AeadKey {
    return this.#provider.aeadKey(name, key, iv)
  }

  headerKey(name: AeadName, key: Uint8Array): HeaderKey {
    return this.#provider.headerKey(name, key)
  }

  signer(seed: Uint8Array): Signer {
    return this.#provider.signer(seed)
  }

  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    return this.#provider.verify(publicKey, message, signature)
  }

  get signatureAlgorithms(): readonly SignatureAlgorithm[] {
    return this.#provider.signatureAlgorithms
  }

  verifySignature(
    algorithm: SignatureAlgorithm,
    publicKeyInfo: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ): boolean {
    return this.#provider.verifySignature(algorithm, publicKeyInfo, message, signature)
  }

  signingKey(pkcs8: Uint8Array): SigningKey {
    return this.#provider.signingKey(pkcs8)
  }

  equal(left: Uint8Array, right: Uint8Array): boolean {
    return this.#provider.equal(left, right)
  }
}
