/**
 * Address tokens (RFC 9000 §8.1): sealed under a key of this engine's life, they say which address, when, and (in a Retry) which
 * connection id. The client cannot read or forge them.
 */
import { GrowingWriter, Reader, sameBytes } from '../bytes/index.ts'
import type { AeadKey, CryptoProvider } from '../crypto/index.ts'
import type { AddressBytes, RandomSource } from '../platform/index.ts'

/** spec/quic.md §2.5: a Retry token lives 15 s. */
const RETRY_LIFE_MS = 15_000
/** NEW_TOKEN tokens serve for a day. */
const NEW_TOKEN_LIFE_MS = 86_400_000
const RETRY = 1
const NEW_TOKEN = 2
const NONCE_LENGTH = 10
const TAG_LENGTH = 16

export type TokenVerdict =
  /** Made by a Retry of ours: the ids for the transport parameters. */
  | { readonly kind: 'retry'; readonly originalDestinationId: Uint8Array }
  /** From an earlier connection: the address is proved. */
  | { readonly kind: 'new-token' }
  /** One of ours, but for another address or too old: INVALID_TOKEN when it is a Retry's (RFC 9000 §8.1.3). */
  | { readonly kind: 'invalid' }
  /** Not ours: as if there were none. */
  | { readonly kind: 'unknown' }

export class AddressTokens {
  readonly #key: AeadKey
  readonly #random: RandomSource

  constructor(crypto: CryptoProvider, random: RandomSource) {
    const key = new Uint8Array(16)
    const iv = new Uint8Array(12)
    random.fill(key)
    random.fill(iv)
    this.#key = crypto.aeadKey('aes-128-gcm', key, iv)
    this.#random = random
  }

  /** For a Retry to `address`; `originalDestinationId` is what the client's Initial was sent to. */
  forRetry(address: AddressBytes | undefined, originalDestinationId: Uint8Array, now: number): Uint8Array {
    return this.#seal(RETRY, address, originalDestinationId, now)
  }

  /** For a later connection from the same IP address. */
  forLater(address: AddressBytes | undefined, now: number): Uint8Array {
    return this.#seal(NEW_TOKEN, address, new Uint8Array(0), now)
  }

  #seal(type: number, address: AddressBytes | undefined, id: Uint8Array, now: number): Uint8Array {
    const writer = new GrowingWriter(96)
    const nonce = new Uint8Array(NONCE_LENGTH)
    this.#random.fill(nonce)
    writer.raw(nonce)
    writer.u8(type)
    // whole ms of the monotonic clock: tokens do not outlive the engine
    writer.varint(Math.floor(Math.max(now, 0)))
    writer.u8(id.length)
    writer.raw(id)
    writer.raw(addressBytes(type, address))
    const end = writer.position
    writer.fill(0, TAG_LENGTH)
    const token = writer.finish()
    this.#key.seal(token, 0, NONCE_LENGTH, end, pathOf(nonce), numberOf(nonce))
    return token
  }

  check(token: Uint8Array, address: AddressBytes | undefined, now: number): TokenVerdict {
    if (token.length < NONCE_LENGTH + TAG_LENGTH + 3) return { kind: 'unknown' }
    const copy = token.slice()
    const end = this.#key.open(copy, 0, NONCE_LENGTH, copy.length, pathOf(copy), numberOf(copy))
    if (end === -1) return { kind: 'unknown' }
    const reader = new Reader(copy, NONCE_LENGTH, end)
    const type = reader.u8()
    const made = reader.varint()
    const id = reader.copy(reader.u8())
    const expected = addressBytes(type, address)
    const given = reader.view(reader.remaining)
    const fits = sameBytes(given, expected)
    const life = type === RETRY ? RETRY_LIFE_MS : NEW_TOKEN_LIFE_MS
    if (!fits || now - made > life) return type === RETRY ? { kind: 'invalid' } : { kind: 'unknown' }
    return type === RETRY ? { kind: 'retry', originalDestinationId: id } : { kind: 'new-token' }
  }

  free(): void {
    this.#key.free()
  }
}

/** A Retry comes back from the same port; a later connection only from the same host (RFC 9000 §8.1.4). */
function addressBytes(type: number, address: AddressBytes | undefined): Uint8Array {
  if (address === undefined) return new Uint8Array(0)
  if (type === NEW_TOKEN) return address.ip
  const bytes = new Uint8Array(address.ip.length + 2)
  bytes.set(address.ip)
  bytes[address.ip.length] = address.port >>> 8
  bytes[address.ip.length + 1] = address.port
  return bytes
}

/** The random 80 bits become the AEAD's path id (32) and packet number (48). */
function pathOf(nonce: Uint8Array): number {
  return new Reader(nonce).u32()
}

function numberOf(nonce: Uint8Array): number {
  const reader = new Reader(nonce, 4)
  return reader.u16() * 0x100000000 + reader.u32()
}
