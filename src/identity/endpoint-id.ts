/**
 * `EndpointId`: the public key that names an endpoint, its text forms and their exact parsing rules (spec/endpoint.md §1.1, after
 * iroh-base). It does not verify signatures; that is the crypto provider's.
 */
import {
  compareBytes,
  decodeBase32,
  decodeHex,
  decodeZ32,
  encodeBase32,
  encodeHex,
  encodeZ32,
  messageOf,
  sameBytes,
} from '../bytes/index.ts'
import { isCurvePoint } from './curve-point.ts'
import { IdentityError } from './errors.ts'

/** Length in bytes. */
const LENGTH = 32
/** Bytes that the short form shows. */
const SHORT_LENGTH = 5

/** A compressed Ed25519 point, 32 bytes, checked to be on the curve. Immutable. */
export class EndpointId {
  readonly #bytes: Uint8Array
  /** Made when it is asked for: of most peers nobody reads it. */
  #text: string | undefined = undefined

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get #hex(): string {
    this.#text ??= encodeHex(this.#bytes)
    return this.#text
  }

  /** Copies 32 bytes. Throws IdentityError INVALID_ID for another length, or where they are no point of the curve. */
  static fromBytes(bytes: Uint8Array): EndpointId {
    if (bytes.length !== LENGTH) throw invalid(`an endpoint id has ${LENGTH} bytes, not ${bytes.length}`)
    // iroh's decompression accepts what ZIP 215 accepts (a y above the field's prime too) and keeps the bytes as given
    if (!isCurvePoint(bytes)) throw invalid('these 32 bytes are no Ed25519 public key (not a point of the curve)')
    return new EndpointId(Uint8Array.from(bytes))
  }

  /**
   * Copies 32 bytes that are known to be a key, because a signature was verified with them: the curve is not asked again, which would take
   * longer than all else a finished handshake has to do. Throws IdentityError INVALID_ID for another length.
   */
  static fromVerifiedKey(bytes: Uint8Array): EndpointId {
    if (bytes.length !== LENGTH) throw invalid(`an endpoint id has ${LENGTH} bytes, not ${bytes.length}`)
    return new EndpointId(Uint8Array.from(bytes))
  }

  /**
   * The general parser: 64 characters are lower-case hex, anything else must be base32 (RFC 4648, any case, no padding, 52 characters).
   * z-base-32 has its own parser, `fromZ32`. Throws IdentityError INVALID_ID.
   */
  static parse(text: string): EndpointId {
    if (text.length === 2 * LENGTH) {
      if (/[A-F]/.test(text)) throw invalid('hex endpoint ids are lower case')
      return fromText(text, decodeHex)
    }
    if (text.length !== 52) {
      throw invalid(`an endpoint id has 64 hex digits or 52 base32 characters, got ${text.length} characters`)
    }
    return fromText(text, decodeBase32)
  }

  /** Reads z-base-32 (DNS names, pkarr): 52 lower-case characters. Throws IdentityError INVALID_ID. */
  static fromZ32(text: string): EndpointId {
    return fromText(text, decodeZ32)
  }

  /** A copy of the 32 bytes. */
  toBytes(): Uint8Array {
    return this.#bytes.slice()
  }

  /** 64 lower-case hex digits. */
  toString(): string {
    return this.#hex
  }

  toJSON(): string {
    return this.#hex
  }

  /** The first 5 bytes as hex, for logs. */
  toShortString(): string {
    return this.#hex.slice(0, 2 * SHORT_LENGTH)
  }

  /** 52 characters of z-base-32. */
  toZ32(): string {
    return encodeZ32(this.#bytes)
  }

  /** 52 characters of lower-case RFC 4648 base32 (mDNS labels). */
  toBase32(): string {
    return encodeBase32(this.#bytes)
  }

  equals(other: EndpointId): boolean {
    return sameBytes(this.#bytes, other.#bytes)
  }

  /** Bytewise order: negative, 0 or positive. */
  compare(other: EndpointId): number {
    return compareBytes(this.#bytes, other.#bytes)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `EndpointId(${this.#hex})`
  }
}

function fromText(text: string, decode: (text: string) => Uint8Array): EndpointId {
  let bytes: Uint8Array
  try {
    bytes = decode(text)
  } catch (error) {
    throw invalid(`not an endpoint id: ${messageOf(error)}`)
  }
  return EndpointId.fromBytes(bytes)
}

function invalid(message: string): IdentityError {
  return new IdentityError('INVALID_ID', message)
}
