/**
 * Cuts the byte stream of one encryption level into whole handshake messages (RFC 8446 §4, RFC 9001 §4.1.3). It knows lengths only, no
 * contents, and holds at most one unfinished message.
 */
import { Alert, fatal } from './alerts.ts'
import { HEADER_LENGTH } from './codec.ts'

const EMPTY = new Uint8Array(0)

/** Longest message body we take, bytes. A guess with room: an iroh handshake has none above 2 kB. */
export const MAX_MESSAGE_LENGTH = 65_535

export class MessageBuffer {
  #bytes: Uint8Array
  #start: number
  #end: number

  constructor() {
    this.#bytes = EMPTY
    this.#start = 0
    this.#end = 0
  }

  /** Bytes that belong to a message not yet taken. */
  get length(): number {
    return this.#end - this.#start
  }

  /** Type of the message that comes next, as soon as its first byte is here. */
  get nextType(): number | undefined {
    return this.length === 0 ? undefined : this.#bytes[this.#start]
  }

  /** Copies `data`. Take all messages with `next` before appending again: that is what bounds the buffer. */
  append(data: Uint8Array): void {
    const needed = this.length + data.length
    if (this.#end + data.length > this.#bytes.length) {
      // Grows by doubling, so that a message in single bytes does not cost the square of its length.
      const target =
        needed <= this.#bytes.length ? this.#bytes : new Uint8Array(Math.max(256, needed, this.#bytes.length * 2))
      target.set(this.#bytes.subarray(this.#start, this.#end))
      this.#bytes = target
      this.#end = this.length
      this.#start = 0
    }
    this.#bytes.set(data, this.#end)
    this.#end += data.length
  }

  /** The next whole message with its header, a copy. Refuses a message that is too long as soon as its header is here. */
  next(): Uint8Array | undefined {
    if (this.length < HEADER_LENGTH) return undefined
    const at = this.#start
    const length = (this.#bytes[at + 1]! << 16) | (this.#bytes[at + 2]! << 8) | this.#bytes[at + 3]!
    if (length > MAX_MESSAGE_LENGTH) throw fatal(Alert.DECODE_ERROR, `a handshake message of ${length} bytes`)
    const end = at + HEADER_LENGTH + length
    if (end > this.#end) return undefined
    this.#start = end
    const message = this.#bytes.slice(at, end)
    if (this.#start === this.#end) {
      this.#bytes = EMPTY
      this.#start = 0
      this.#end = 0
    }
    return message
  }
}
