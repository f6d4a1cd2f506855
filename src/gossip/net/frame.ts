/** A message as it goes onto a stream, made once and shared by the queues of all peers it goes to (spec/gossip.md §3.4, §3.5). */
import { Writer } from '../../bytes/index.ts'
import type { Message } from '../proto/messages.ts'
import { fitMessage } from '../wire/fit.ts'
import { messageLength, writeMessage } from '../wire/message-codec.ts'

const LENGTH_BYTES = 4

export interface Frame {
  /** Length prefix and body. */
  readonly bytes: Uint8Array
  /** A payload can be missed: announcements of others repair that. Anything else changes what the peers know of each other. */
  readonly isPayload: boolean
  /** Disconnect: the stream ends behind it (spec/gossip.md §3.4). */
  readonly isLast: boolean
}

/** Encodes messages; the same message for several peers, one after the other, is encoded once. */
export class FrameEncoder {
  readonly #maxMessageSize: number
  #message: Message<string> | undefined = undefined
  #frame: Frame | undefined = undefined

  constructor(maxMessageSize: number) {
    this.#maxMessageSize = maxMessageSize
  }

  /** Undefined when no frame can hold it, whatever is left out. */
  encode(message: Message<string>): Frame | undefined {
    if (message === this.#message) return this.#frame
    this.#frame = this.#make(message)
    this.#message = message
    return this.#frame
  }

  #make(message: Message<string>): Frame | undefined {
    // spec/gossip.md §3.5: bodies are strictly shorter than the limit
    const fitting = fitMessage(message, this.#maxMessageSize - 1)
    if (fitting === undefined) return undefined
    const length = messageLength(fitting)
    const bytes = new Uint8Array(LENGTH_BYTES + length)
    const writer = new Writer(bytes)
    writer.u32(length)
    writeMessage(writer, fitting)
    return { bytes, isPayload: message.kind === 'gossip', isLast: message.kind === 'disconnect' }
  }
}

/** Bytes of the body of a frame. */
export function bodyLength(frame: Frame): number {
  return frame.bytes.length - LENGTH_BYTES
}
