/**
 * The provider on noble, in plain JavaScript: for browsers, and the second opinion in tests. Only puts the parts of this folder
 * together; meets RFC 2104 and RFC 5869 through noble, the rest is said in the parts.
 */
import { expand, extract } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256, sha384 } from '@noble/hashes/sha2.js'
import { ChaCha20HeaderKey } from '../chacha20-header-key.ts'
import { KeyLedger } from '../key-ledger.ts'
import { checkAeadKey, checkExpandLength, checkHeaderKey } from '../key-lengths.ts'
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
} from '../provider.ts'
import { PortableAeadKey } from './aead-key.ts'
import { PortableSigner, verifyEd25519 } from './ed25519.ts'
import { PortableAesHeaderKey } from './header-key.ts'
import { PortableP256, PortableX25519 } from './key-exchange.ts'

export function createPortableCrypto(): PortableCrypto {
  return new PortableCrypto()
}

export class PortableCrypto implements CryptoProvider {
  readonly name = 'portable'
  readonly #ledger = new KeyLedger()

  /** Handles made by this provider and not yet freed. For tests. */
  get liveKeys(): number {
    return this.#ledger.live
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
    return new PortableAeadKey(this.#ledger, name, key, iv)
  }

  headerKey(name: AeadName, key: Uint8Array): HeaderKey {
    checkHeaderKey(name, key)
    return name === 'chacha20-poly1305'
      ? new ChaCha20HeaderKey(this.#ledger, key)
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
