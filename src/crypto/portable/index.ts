/**
 * The provider on noble, in plain JavaScript: for browsers, and the second opinion in tests. Only puts the parts of this folder
 * together; meets RFC 2104 and RFC 5869 through noble, the rest is said in the parts.
 */
import { expand, extract } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256, sha384 } from '@noble/hashes/sha2.js'
import { ChaCha20HeaderKey } from '../chacha20-header-key.ts'
import { KernelAeadKey } from '../kernel/aead-key.ts'
import { createKernel, type Kernel } from '../kernel/kernel.ts'
import { KeyLedger } from '../key-ledger.ts'
import { CHACHA20_FIRST, checkAeadKey, checkExpandLength, checkHeaderKey } from '../key-lengths.ts'
import type {
  AeadKey,
  AeadName,
  CryptoProvider,
  GroupName,
  HashName,
  HeaderKey,
  KeyExchange,
  RunningHash,
  Signer,
  SigningKey,
} from '../provider.ts'
import type { SignatureAlgorithm } from '../signature-algorithms.ts'
import { PortableAeadKey } from './aead-key.ts'
import { PortableSigner, verifyEd25519 } from './ed25519.ts'
import { PortableAesHeaderKey } from './header-key.ts'
import { PortableP256, PortableX25519 } from './key-exchange.ts'
import { PortableSigningKey, SIGNATURE_ALGORITHMS, verifySignature } from './signatures.ts'

export interface PortableCryptoOptions {
  /** Protect ChaCha20-Poly1305 packets in the WebAssembly kernel where it runs. Default true; false uses noble's ChaCha20-Poly1305. */
  readonly kernel?: boolean
}

export function createPortableCrypto(options: PortableCryptoOptions = {}): PortableCrypto {
  return new PortableCrypto(options)
}

export class PortableCrypto implements CryptoProvider {
  readonly name = 'portable'
  /** Noble's AES is slow, and its tables depend on secrets. */
  readonly aeadPreference = CHACHA20_FIRST
  readonly #ledger = new KeyLedger()
  readonly #kernel: Kernel | undefined

  constructor(options: PortableCryptoOptions = {}) {
    this.#kernel = options.kernel === false ? undefined : createKernel()
  }

  /** Handles made by this provider and not yet freed. For tests. */
  get liveKeys(): number {
    return this.#ledger.live
  }

  packetMemory(length: number): Uint8Array {
    return this.#kernel?.packetMemory(length) ?? new Uint8Array(length)
  }

  createHash(name: HashName): RunningHash {
    const hash = algorithm(name).create()
    return {
      update: (data) => void hash.update(data),
      digest: () => hash.clone().digest(),
    }
  }

  hash(name: HashName, data: Uint8Array): Uint8Array {
    return algorithm(name)(data)
  }

  hmac(name: HashName, key: Uint8Array, data: Uint8Array): Uint8Array {
    return hmac(algorithm(name), key, data)
  }

  hkdfExtract(name: HashName, salt: Uint8Array, inputKey: Uint8Array): Uint8Array {
    return extract(algorithm(name), inputKey, salt)
  }

  hkdfExpand(name: HashName, pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array {
    checkExpandLength(name, length)
    return expand(algorithm(name), pseudoRandomKey, info, length)
  }

  aeadKey(name: AeadName, key: Uint8Array, iv: Uint8Array): AeadKey {
    checkAeadKey(name, key, iv)
    if (name === 'chacha20-poly1305' && this.#kernel !== undefined)
      return new KernelAeadKey(this.#ledger, this.#kernel, key, iv, PortableAeadKey)
    return new PortableAeadKey(this.#ledger, name, key, iv)
  }

  headerKey(name: AeadName, key: Uint8Array): HeaderKey {
    checkHeaderKey(name, key)
    return name === 'chacha20-poly1305'
      ? new ChaCha20HeaderKey(this.#ledger, key, this.#kernel)
      : new PortableAesHeaderKey(this.#ledger, key)
  }

  keyExchange(group: GroupName, privateKey?: Uint8Array): KeyExchange {
    return group === 'x25519'
      ? new PortableX25519(this.#ledger, privateKey)
      : new PortableP256(this.#ledger, privateKey)
  }

  signer(seed: Uint8Array): Signer {
    return new PortableSigner(this.#ledger, seed)
  }

  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    return verifyEd25519(publicKey, message, signature)
  }

  readonly signatureAlgorithms = SIGNATURE_ALGORITHMS

  verifySignature(
    algorithm: SignatureAlgorithm,
    publicKeyInfo: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ): boolean {
    return verifySignature(algorithm, publicKeyInfo, message, signature)
  }

  signingKey(pkcs8: Uint8Array): SigningKey {
    return new PortableSigningKey(this.#ledger, pkcs8)
  }

  equal(left: Uint8Array, right: Uint8Array): boolean {
    if (left.length !== right.length) return false
    let difference = 0
    for (let i = 0; i < left.length; i++) difference |= left[i]! ^ right[i]!
    return difference === 0
  }
}

function algorithm(name: HashName) {
  return name === 'sha256' ? sha256 : sha384
}
