/** `TopicId`: the 32 bytes that name a topic, and the texts people write for them. */
import { decodeHex, encodeHex, encodeUtf8, sameBytes } from '../bytes/index.ts'
import { blake3Hash } from '../crypto/index.ts'
import { GossipError } from './errors.ts'

const LENGTH = 32

/** Whoever knows it can join, read and write: choose 32 random bytes where that matters. Immutable. */
export class TopicId {
  readonly #bytes: Uint8Array
  readonly #hex: string

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#hex = encodeHex(bytes)
  }

  /** Copies 32 bytes. Throws GossipError INVALID_OPTION for another length. */
  static fromBytes(bytes: Uint8Array): TopicId {
    if (bytes.length !== LENGTH) {
      throw new GossipError('INVALID_OPTION', `a topic id has ${LENGTH} bytes, not ${bytes.length}`)
    }
    return new TopicId(Uint8Array.from(bytes))
  }

  /** The topic of a name: the BLAKE3 hash of its UTF-8 bytes. */
  static fromName(name: string): TopicId {
    return new TopicId(blake3Hash(encodeUtf8(name)))
  }

  /**
   * 64 hex digits are the id itself; a text of exactly 32 bytes is, too (ToM's topics are such texts); anything else is a name, as `fromName`. Throws GossipError
   * INVALID_OPTION for an empty text.
   */
  static parse(text: string): TopicId {
    if (text === '') throw new GossipError('INVALID_OPTION', 'a topic is a name or 64 hex digits, not an empty text')
    if (/^[0-9a-fA-F]{64}$/.test(text)) return new TopicId(decodeHex(text.toLowerCase()))
    const bytes = encodeUtf8(text)
    return bytes.length === LENGTH ? new TopicId(bytes) : TopicId.fromName(text)
  }

  /** A copy of the 32 bytes. */
  toBytes(): Uint8Array {
    return this.#bytes.slice()
  }

  /** 64 lower-case hex digits. */
  toString(): string {
    return this.#hex
  }

  /** The first 5 bytes as hex, for logs. */
  toShortString(): string {
    return this.#hex.slice(0, 10)
  }

  equals(other: TopicId): boolean {
    return sameBytes(this.#bytes, other.#bytes)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `TopicId(${this.#hex})`
  }
}
