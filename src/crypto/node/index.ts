/**
 * The provider on node:crypto: AES-GCM by hardware, and the primitives of the handshake. Only puts the parts of this folder
 * together; what they meet is said there.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import { ChaCha20HeaderKey } from '../chacha20-header-key.ts'
import { KernelAeadKey } from '../kernel/aead-key.ts'
import { createKernel, type Kernel } from '../kernel/kernel.ts'
import { KeyLedger } from '../key-ledger.ts'
import { AES_FIRST, CHACHA20_FIRST, checkAeadKey, checkHeaderKey } from '../key-lengths.ts'
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
import { NodeAeadKey } from './aead-key.ts'
import { NodeSigner, verifyEd25519 } from './ed25519.ts'
import { hkdfExpand, hmac, NodeRunningHash } from './hash.ts'
import { NodeAesHeaderKey } from './header-key.ts'
import { NodeP256, NodeX25519, X25519Pairs } from './key-exchange.ts'
import { plainBytes } from './plain-bytes.ts'
import { NodeSigningKey, SIGNATURE_ALGORITHMS, verifySignature } from './signatures.ts'

export { systemRootCertificates } from './system-roots.ts'

export interface NodeCryptoOptions {
  /** Protect ChaCha20-Poly1305 packets in the WebAssembly kernel where it runs. Default true; false uses node:crypto's own ChaCha20-Poly1305. */
  readonly kernel?: boolean
}

export function createNodeCrypto(options: NodeCryptoOptions = {}): NodeCrypto {
  return new NodeCrypto(options)
}

export class NodeCrypto implements CryptoProvider {
  readonly name = 'node'
  readonly #ledger = new KeyLedger()
  readonly #x25519 = new X25519Pairs()
  readonly #kernel: Kernel | undefined

  constructor(options: NodeCryptoOptions = {}) {
    this.#kernel = options.kernel === false ? undefined : createKernel()
  }

  /** Handles made by this provider and not yet freed. For tests. */
  get liveKeys(): number {
    return this.#ledger.live
  }

  get aeadPreference(): readonly AeadName[] {
    return this.#kernel === undefined ? AES_FIRST : CHACHA20_FIRST
  }

  packetMemory(length: number): Uint8Array {
    return this.#kernel?.packetMemory(length) ?? new Uint8Array(length)
  }

  createHash(name: HashName): RunningHash {
    return new NodeRunningHash(name)
  }

  hash(name: HashName, data: Uint8Array): Uint8Array {
    return plainBytes(hash(name, data, 'buffer'))
  }

  hmac(name: HashName, key: Uint8Array, data: Uint8Array): Uint8Array {
    return hmac(name, key, data)
  }

  hkdfExtract(name: HashName, salt: Uint8Array, inputKey: Uint8Array): Uint8Array {
    // HMAC fills a short key up with zeros, so an empty salt is already the default one.
    return hmac(name, salt, inputKey)
  }

  hkdfExpand(name: HashName, pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array {
    return hkdfExpand(name, pseudoRandomKey, info, length)
  }

  aeadKey(name: AeadName, key: Uint8Array, iv: Uint8Array): AeadKey {
    checkAeadKey(name, key, iv)
    if (name === 'chacha20-poly1305' && this.#kernel !== undefined)
      return new KernelAeadKey(this.#ledger, this.#kernel, key, iv, NodeAeadKey)
    return new NodeAeadKey(this.#ledger, name, key, iv)
  }

  headerKey(name: AeadName, key: Uint8Array): HeaderKey {
    checkHeaderKey(name, key)
    return name === 'chacha20-poly1305'
      ? new ChaCha20HeaderKey(this.#ledger, key, this.#kernel)
      : new NodeAesHeaderKey(this.#ledger, key)
  }

  keyExchange(group: GroupName, privateKey?: Uint8Array): KeyExchange {
    return group === 'x25519'
      ? new NodeX25519(this.#ledger, privateKey ?? this.#x25519)
      : new NodeP256(this.#ledger, privateKey)
  }

  signer(seed: Uint8Array): Signer {
    return new NodeSigner(this.#ledger, seed)
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
    return new NodeSigningKey(this.#ledger, pkcs8)
  }

  equal(left: Uint8Array, right: Uint8Array): boolean {
    return left.length === right.length && timingSafeEqual(left, right)
  }
}
