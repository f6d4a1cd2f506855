/**
 * What the WebSockets of one client or server share, so that an idle link holds nothing: buffers for what is about to be written, and random
 * masks (RFC 6455 §5.3), drawn many at a time.
 */
import { randomFillSync } from 'node:crypto'

/** A link writes when it has collected this much, bytes. */
export const FLUSH_BYTES = 64 * 1024

/** Room for `FLUSH_BYTES` and the header of one more message: the largest relay frame fits (spec/relay.md §0). */
export const BUFFER_BYTES = FLUSH_BYTES + 1024

/** What a link begins with when all shared buffers are out, bytes. */
const FIRST_PRIVATE_BYTES = 4096

/** Masks drawn at a time. */
const MASKS = 1024

/** Bytes on their way to a socket. */
export interface OutgoingBuffer {
  readonly bytes: Buffer
  /** How many of them are to be written; set when the buffer is full enough. */
  filled: number
  /** For masking: made by the first client that uses the buffer, and kept. */
  words: Int32Array | undefined
  /** Belongs to the memory, and is given back there. */
  readonly isShared: boolean
}

export class WebSocketMemory {
  /** How many buffers there may be, lent and free together. */
  readonly #limit: number
  readonly #free: OutgoingBuffer[] = []
  #made = 0
  #masks: Int32Array | undefined = undefined
  #nextMask = MASKS

  /** `buffers`: how many of 65 KiB are kept at most; they are made when they are needed. */
  constructor(buffers = 64) {
    this.#limit = buffers
  }

  /** A buffer for at least `bytes`: a shared one of 65 KiB, or, when those are out or too small, one that nobody else will use. */
  take(bytes: number): OutgoingBuffer {
    if (bytes <= BUFFER_BYTES) {
      const free = this.#free.pop()
      if (free !== undefined) return free
      if (this.#made < this.#limit) {
        this.#made++
        return { bytes: Buffer.allocUnsafeSlow(BUFFER_BYTES), filled: 0, words: undefined, isShared: true }
      }
    }
    return {
      bytes: Buffer.allocUnsafeSlow(Math.max(bytes, FIRST_PRIVATE_BYTES)),
      filled: 0,
      words: undefined,
      isShared: false,
    }
  }

  /** A buffer for at least `bytes` that begins with the `used` bytes of `buffer`, which is not used any more: twice as large, up to 65 KiB. */
  grow(buffer: OutgoingBuffer, used: number, bytes: number): OutgoingBuffer {
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(2 * buffer.bytes.length, BUFFER_BYTES)))
    buffer.bytes.copy(larger, 0, 0, used)
    return { bytes: larger, filled: 0, words: undefined, isShared: false }
  }

  /** The system has read all of it. */
  give(buffer: OutgoingBuffer): void {
    if (buffer.isShared) this.#free.push(buffer)
  }

  /** The buffer is lost: its socket broke while the system may still read from it. */
  lose(buffer: OutgoingBuffer): void {
    if (buffer.isShared) this.#made--
  }

  /** Unpredictable to whoever chose the payload. */
  nextMask(): number {
    if (this.#nextMask === MASKS) {
      this.#masks = randomFillSync(this.#masks ?? new Int32Array(MASKS))
      this.#nextMask = 0
    }
    return this.#masks![this.#nextMask++]!
  }
}
