/**
 * Streams of frames: a length (32 bits, big endian), then the body (spec/gossip.md §3.4). The reader takes bytes as they come and gives out bodies; what is longer
 * than the limit is passed over without being stored, so that the frames behind it still count (§3.6: never stop a stream).
 */
import { GrowingWriter, Reader } from '../../bytes/index.ts'
import { TopicId } from '../topic-id.ts'
import { decoding } from './decode-error.ts'

const LENGTH_BYTES = 4
const TOPIC_BYTES = 32
/** Reserved for a body that comes in pieces before its bytes are there; beyond that the buffer follows what arrived. */
const FIRST_RESERVE = 1_024
/** A larger buffer is let go once its frame was read. */
const KEPT_RESERVE = 8_192

/** The body with its length in front. */
export function encodeFrame(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(LENGTH_BYTES + body.length)
  new DataView(frame.buffer).setUint32(0, body.length)
  frame.set(body, LENGTH_BYTES)
  return frame
}

/** The first frame of a stream: which topic all others belong to. */
export function encodeHeader(topic: TopicId): Uint8Array {
  return encodeFrame(topic.toBytes())
}

/** Reads the body of a stream's first frame; bytes behind the id are ignored. Throws DecodeError. */
export function decodeHeader(body: Uint8Array): TopicId {
  return decoding(() => TopicId.fromBytes(new Reader(body).view(TOPIC_BYTES)))
}

/** One per stream. After each `push` call `next` until it gives nothing. */
export class FrameReader {
  readonly #maxBody: number
  /** What was pushed, and how far it is read. */
  #chunk: Uint8Array = EMPTY
  #at = 0
  /** Bytes of the length that are there, and the number they make. */
  #lengthBytes = 0
  #length = 0
  /** Bytes of the body that are still to come; only once the length is known. */
  #missing = 0
  #isSkipping = false
  /** The beginning of a body whose end was not in the same chunk. */
  #partial = EMPTY
  #partialLength = 0
  #oversized = 0

  /** `maxBody`: bytes; a longer body is passed over. */
  constructor(maxBody: number) {
    this.#maxBody = maxBody
  }

  /** Bodies over the limit so far. */
  get oversized(): number {
    return this.#oversized
  }

  /** Whether the end of the stream now would cut a body: an error of the peer. Inside a length it would not count as one. */
  get isInsideBody(): boolean {
    return this.#lengthBytes === LENGTH_BYTES
  }

  /** Bytes of memory for a body that is not complete: at most twice what came of it, or 1024. */
  get heldBytes(): number {
    return this.#partial.length
  }

  /** Takes the next bytes of the stream. They are not copied at once: leave them alone until `next` gave undefined. */
  push(chunk: Uint8Array): void {
    const rest = this.#chunk.length - this.#at
    if (rest > 0) {
      const joined = new GrowingWriter(rest + chunk.length)
      joined.raw(this.#chunk.subarray(this.#at))
      joined.raw(chunk)
      this.#chunk = joined.bytes
    } else {
      this.#chunk = chunk
    }
    this.#at = 0
  }

  /** The next complete body, a view that is valid until the next `push`; undefined when more bytes are needed. */
  next(): Uint8Array | undefined {
    while (this.#readLength()) {
      const taken = Math.min(this.#missing, this.#chunk.length - this.#at)
      const from = this.#at
      this.#at += taken
      this.#missing -= taken
      const isComplete = this.#missing === 0
      if (this.#isSkipping) {
        if (!isComplete) break
        this.#beginFrame()
        continue
      }
      if (isComplete && this.#partialLength === 0) {
        const body = this.#chunk.subarray(from, this.#at)
        this.#beginFrame()
        return body
      }
      this.#keep(from, taken)
      if (!isComplete) break
      const body = this.#partial.subarray(0, this.#partialLength)
      if (this.#partial.length > KEPT_RESERVE) this.#partial = EMPTY
      this.#beginFrame()
      return body
    }
    // what was pushed is not needed any more
    this.#chunk = EMPTY
    this.#at = 0
    return undefined
  }

  /** True once the length of the present frame is known. */
  #readLength(): boolean {
    if (this.#lengthBytes === LENGTH_BYTES) return true
    while (this.#at < this.#chunk.length) {
      this.#length = this.#length * 0x100 + this.#chunk[this.#at++]!
      if (++this.#lengthBytes < LENGTH_BYTES) continue
      this.#missing = this.#length
      this.#isSkipping = this.#length > this.#maxBody
      if (this.#isSkipping) this.#oversized++
      return true
    }
    return false
  }

  #beginFrame(): void {
    this.#lengthBytes = 0
    this.#length = 0
    this.#isSkipping = false
    this.#partialLength = 0
  }

  /** Stores a piece of the body. The room grows with what came, not with what was announced. */
  #keep(from: number, count: number): void {
    const needed = this.#partialLength + count
    if (needed > this.#partial.length) {
      const grown = new Uint8Array(Math.min(this.#length, Math.max(2 * needed, FIRST_RESERVE)))
      grown.set(this.#partial.subarray(0, this.#partialLength))
      this.#partial = grown
    }
    this.#partial.set(this.#chunk.subarray(from, from + count), this.#partialLength)
    this.#partialLength = needed
  }
}

const EMPTY: Uint8Array = new Uint8Array(0)
