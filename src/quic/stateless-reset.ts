/**
 * Stateless resets that we send (RFC 9000 §10.3): the token of each id we issue, and the answer to a packet whose id we do not know.
 * Recognising a peer's reset is the connection id table's look-up.
 */
import { type CryptoProvider, chacha20Block, chacha20KeyWords } from '../crypto/index.ts'
import type { RandomSource } from '../platform/index.ts'
import { RESET_TOKEN_LENGTH } from './wire/id-frames.ts'

/** RFC 9000 §10.3: smaller than this it would not look like a packet, so nothing smaller is one. */
export const MIN_RESET_LENGTH = 21
const SALT = new TextEncoder().encode('stateless reset')
/** spec/quic.md §2.4: at most one per this many ms. */
const INTERVAL_MS = 20

export class StatelessReset {
  readonly #random: RandomSource
  readonly #key: Int32Array
  readonly #input = new Uint8Array(16)
  #lastSentAt = Number.NEGATIVE_INFINITY

  /** `secret`: what the tokens are made from, where they must outlive the engine. */
  constructor(crypto: CryptoProvider, random: RandomSource, secret?: Uint8Array) {
    this.#random = random
    // Extracted, so that the tokens say nothing about a secret that has other uses as well.
    this.#key = chacha20KeyWords(crypto.hkdfExtract('sha256', SALT, secret ?? freshSecret(random)))
  }

  /**
   * 16 bytes, the same for the same id and secret: a pseudo-random function of the id, here ChaCha20 with the id as block counter and nonce. One is made
   * for every id that is issued, which is often. `id` has LOCAL_ID_LENGTH bytes.
   */
  token(id: Uint8Array): Uint8Array {
    this.#input.set(id)
    const token = new Uint8Array(RESET_TOKEN_LENGTH)
    chacha20Block(this.#key, this.#input, 0, token)
    return token
  }

  /** The datagram to answer a short-header packet of `length` bytes to the unknown `id` with; undefined when it must not be answered now. */
  answer(id: Uint8Array, length: number, now: number): Uint8Array | undefined {
    // RFC 9000 §10.3.3: smaller than what caused it, so that two endpoints cannot keep each other busy
    const size = Math.min(length - 1, MIN_RESET_LENGTH + 21)
    if (size < MIN_RESET_LENGTH || now - this.#lastSentAt < INTERVAL_MS) return undefined
    this.#lastSentAt = now
    const packet = new Uint8Array(size)
    this.#random.fill(packet)
    packet[0] = (packet[0]! & 0x3f) | 0x40
    packet.set(this.token(id), size - RESET_TOKEN_LENGTH)
    return packet
  }
}

function freshSecret(random: RandomSource): Uint8Array {
  const secret = new Uint8Array(32)
  random.fill(secret)
  return secret
}
