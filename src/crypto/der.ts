/**
 * A strict reader of DER, the one encoding of keys and certificates: definite lengths in their shortest form, low tag numbers, nothing
 * left over (ITU-T X.690 §8, §10). It knows no structure of what it reads, and throws DerError for whatever is not DER.
 */
import { encodeHex } from '../bytes/index.ts'

/** The bytes are not the DER that was expected here. */
export class DerError extends Error {
  override readonly name = 'DerError'
}

/** Identifier octets, X.690 §8.1.2: class, primitive or constructed, number. */
export const DerTag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OBJECT_IDENTIFIER: 0x06,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const

/** The tag of a context-specific element, `[number]`. */
export function contextTag(number: number, constructed: boolean): number {
  return 0x80 | (constructed ? 0x20 : 0) | number
}

/** Longer object identifiers do not occur. A guess with room. */
const OID_MAX_LENGTH = 64

export class DerReader {
  readonly #bytes: Uint8Array
  #position: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#position = 0
  }

  get isEmpty(): boolean {
    return this.#position === this.#bytes.length
  }

  /** Of the next element; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#position]
  }

  /** The next element with its tag and length; a view. */
  element(tag: number): Uint8Array {
    const start = this.#position
    this.contents(tag)
    return this.#bytes.subarray(start, this.#position)
  }

  /** The contents of the next element; a view. */
  contents(tag: number): Uint8Array {
    const bytes = this.#bytes
    let at = this.#position
    const found = bytes[at++]
    if (found !== tag) {
      throw new DerError(
        found === undefined ? 'an element is missing' : `tag ${hexByte(tag)} expected, not ${hexByte(found)}`,
      )
    }
    const first = bytes[at++]
    if (first === undefined) throw new DerError('the input ends inside a length')
    let length = first
    if (first >= 0x80) {
      const count = first & 0x7f
      // X.690 §10.1: no indefinite length. Three bytes hold more than any message of ours.
      if (count === 0 || count > 3) throw new DerError('a length of indefinite or absurd size')
      if (at + count > bytes.length) throw new DerError('the input ends inside a length')
      length = 0
      for (let index = 0; index < count; index++) length = (length << 8) | bytes[at++]!
      if (length < 0x80 || length >>> (8 * (count - 1)) === 0)
        throw new DerError('a length is not in its shortest form')
    }
    if (length > bytes.length - at) throw new DerError('the input ends inside an element')
    this.#position = at + length
    return bytes.subarray(at, at + length)
  }

  /** The contents when the next element has this tag, else undefined. */
  optional(tag: number): Uint8Array | undefined {
    return this.nextTag === tag ? this.contents(tag) : undefined
  }

  sequence(): DerReader {
    return new DerReader(this.contents(DerTag.SEQUENCE))
  }

  /** As dotted decimals, X.690 §8.19; in hex when a number in it is beyond 2^53 (none that we know is). */
  objectIdentifier(): string {
    return oidText(this.contents(DerTag.OBJECT_IDENTIFIER))
  }

  /** The whole bytes of a BIT STRING without unused bits. */
  bitString(): Uint8Array {
    const contents = this.contents(DerTag.BIT_STRING)
    if (contents[0] !== 0) throw new DerError('a bit string with unused bits, or none at all')
    return contents.subarray(1)
  }

  /** The magnitude of an INTEGER that is not negative, without leading zeros; empty for zero. */
  unsigned(): Uint8Array {
    const contents = this.integer()
    if (contents[0]! >= 0x80) throw new DerError('a negative integer')
    return contents[0] === 0 ? contents.subarray(1) : contents
  }

  /** The two's complement bytes of an INTEGER in their shortest form, X.690 §8.3.2. */
  integer(): Uint8Array {
    const contents = this.contents(DerTag.INTEGER)
    const [first, second] = contents
    if (first === undefined) throw new DerError('an integer without contents')
    if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
      throw new DerError('an integer is not in its shortest form')
    }
    return contents
  }

  /** An INTEGER from 0 to 2^31 - 1. */
  smallInteger(): number {
    const magnitude = this.unsigned()
    if (magnitude.length > 4 || (magnitude.length === 4 && magnitude[0]! >= 0x80)) {
      throw new DerError('an integer is too large')
    }
    return magnitude.reduce((value, byte) => (value << 8) | byte, 0)
  }

  null(): void {
    if (this.contents(DerTag.NULL).length > 0) throw new DerError('a null with contents')
  }

  /** Throws when something is left. */
  end(): void {
    if (!this.isEmpty) throw new DerError('bytes are left over')
  }
}

/** Reads all of `bytes`. */
export function readDer<T>(bytes: Uint8Array, read: (reader: DerReader) => T): T {
  const reader = new DerReader(bytes)
  const value = read(reader)
  reader.end()
  return value
}

function oidText(contents: Uint8Array): string {
  if (contents.length === 0 || contents.length > OID_MAX_LENGTH || contents.at(-1)! >= 0x80) {
    throw new DerError('a malformed object identifier')
  }
  let text = ''
  let arc = 0
  for (const byte of contents) {
    if (arc === 0 && byte === 0x80) throw new DerError('an object identifier is not in its shortest form')
    arc = arc * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    if (!Number.isSafeInteger(arc)) return `0x${encodeHex(contents)}`
    if (text === '') {
      const root = Math.min(Math.floor(arc / 40), 2)
      text = `${root}.${arc - root * 40}`
    } else text += `.${arc}`
    arc = 0
  }
  return text
}

function hexByte(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`
}
