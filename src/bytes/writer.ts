/**
 * Cursors for building byte strings: `Writer` fills a fixed range that somebody else owns (a packet in a datagram slot) and throws
 * when it is full; `GrowingWriter` owns its buffer and grows it (TLS messages, tickets).
 */
import { varintLength, writeVarint } from './varint.ts'

/** A fixed buffer had no room; callers check `room` first, so this is a defect of ours. */
export class BufferFullError extends Error {
  override readonly name = 'BufferFullError'
  constructor(needed: number, room: number) {
    super(`${needed} bytes needed, ${room} left`)
  }
}

export class Writer {
  bytes: Uint8Array
  position: number
  /** First index that may not be written. */
  limit: number

  constructor(bytes: Uint8Array, position = 0, limit = bytes.length) {
    this.bytes = bytes
    this.position = position
    this.limit = limit
  }

  reset(bytes: Uint8Array, position: number, limit: number): void {
    this.bytes = bytes
    this.position = position
    this.limit = limit
  }

  get room(): number {
    return this.limit - this.position
  }

  protected ensure(count: number): void {
    if (count > this.limit - this.position) throw new BufferFullError(count, this.limit - this.position)
  }

  u8(value: number): void {
    this.ensure(1)
    this.bytes[this.position++] = value
  }

  u16(value: number): void {
    this.ensure(2)
    this.bytes[this.position++] = value >>> 8
    this.bytes[this.position++] = value
  }

  u24(value: number): void {
    this.ensure(3)
    this.bytes[this.position++] = value >>> 16
    this.bytes[this.position++] = value >>> 8
    this.bytes[this.position++] = value
  }

  u32(value: number): void {
    this.ensure(4)
    this.bytes[this.position++] = value >>> 24
    this.bytes[this.position++] = value >>> 16
    this.bytes[this.position++] = value >>> 8
    this.bytes[this.position++] = value
  }

  /** Shortest form, RFC 9000 §16. */
  varint(value: number): void {
    this.ensure(varintLength(value))
    this.position = writeVarint(this.bytes, this.position, value)
  }

  raw(data: Uint8Array): void {
    this.ensure(data.length)
    this.bytes.set(data, this.position)
    this.position += data.length
  }

  fill(value: number, count: number): void {
    this.ensure(count)
    this.bytes.fill(value, this.position, this.position + count)
    this.position += count
  }
}

export class GrowingWriter extends Writer {
  constructor(initialCapacity = 256) {
    super(new Uint8Array(initialCapacity))
  }

  protected override ensure(count: number): void {
    if (count <= this.limit - this.position) return
    const grown = new Uint8Array(Math.max(this.limit * 2, this.position + count))
    grown.set(this.bytes.subarray(0, this.position))
    this.bytes = grown
    this.limit = grown.length
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.bytes.slice(0, this.position)
  }

  /**
   * Writes a length of `width` bytes (big endian) in front of what `body` writes, as TLS vectors have it.
   */
  vector(width: 1 | 2 | 3, body: () => void): void {
    const at = this.position
    this.fill(0, width)
    body()
    let length = this.position - at - width
    for (let index = at + width - 1; index >= at; index--) {
      this.bytes[index] = length
      length >>>= 8
    }
  }
}
