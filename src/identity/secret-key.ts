/**
 * `SecretKey`: the 32-byte Ed25519 seed (RFC 8032 §5.1.5) an endpoint is. It guards the seed against being printed; signing is the
 * crypto provider's, which takes `toBytes()`.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { decodeHex, encodeHex } from '../bytes/index.ts'
import type { RandomSource } from '../platform/index.ts'
import { EndpointId } from './endpoint-id.ts'
import { IdentityError } from './errors.ts'

const LENGTH = 32
const REDACTED = 'SecretKey(redacted)'

/** Printing, inspecting and JSON show no secret; `toBytes` and `toHex` are the only ways out. */
export class SecretKey {
  readonly #seed: Uint8Array
  #id: EndpointId | undefined

  private constructor(seed: Uint8Array) {
    this.#seed = seed
    this.#id = undefined
  }

  /** A fresh key. Without `random` from the system's generator; the simulator hands in its own. */
  static generate(random?: RandomSource): SecretKey {
    if (random === undefined) return new SecretKey(ed25519.utils.randomSecretKey())
    const seed = new Uint8Array(LENGTH)
    random.fill(seed)
    return new SecretKey(seed)
  }

  /** Copies the 32-byte seed. Throws IdentityError INVALID_KEY for another length. */
  static fromBytes(seed: Uint8Array): SecretKey {
    if (seed.length !== LENGTH) throw invalid(`a secret key has ${LENGTH} bytes (the Ed25519 seed), not ${seed.length}`)
    return new SecretKey(Uint8Array.from(seed))
  }

  /** Reads 64 hex digits. Throws IdentityError INVALID_KEY, without repeating the text. */
  static fromHex(text: string): SecretKey {
    if (!/^[0-9a-fA-F]{64}$/.test(text)) throw invalid('a secret key in text is 64 hex digits (the Ed25519 seed)')
    return new SecretKey(decodeHex(text))
  }

  /** The public half, computed once. */
  get id(): EndpointId {
    this.#id ??= EndpointId.fromBytes(ed25519.getPublicKey(this.#seed))
    return this.#id
  }

  /** Internal: the public half (32 bytes) as a crypto provider has computed it. What computes it here takes 40 ms the first time, native code none. */
  adoptPublicKey(publicKey: Uint8Array): void {
    this.#id ??= EndpointId.fromVerifiedKey(publicKey)
  }

  /** A copy of the 32-byte seed. Secret. */
  toBytes(): Uint8Array {
    return this.#seed.slice()
  }

  /** The seed as 64 hex digits, to store it. Secret. */
  toHex(): string {
    return encodeHex(this.#seed)
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return REDACTED
  }
}

function invalid(message: string): IdentityError {
  return new IdentityError('INVALID_KEY', message)
}
