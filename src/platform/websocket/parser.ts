/**
 * Reads WebSocket frames out of the chunks of a byte stream and joins them to messages (RFC 6455 §5, §7.1, §7.4, §8.1). It does no I/O and
 * answers nothing: whoever owns the stream pushes a chunk, then takes events until there is none.
 */
import { CloseCode, isValidCloseCode, MAX_CONTROL_PAYLOAD, MAX_FRAME_HEADER, Opcode } from './frames.ts'
import { applyMask, rotateMask, wordsOf } from './mask.ts'

/** What `next` found. */
export const WebSocketEvent = {
  /** The chunk is used up. */
  None: 0,
  /** A binary message, in `payload`. */
  Message: 1,
  /** A text message: in `text` where `takesText`, else its bytes were not kept. */
  Text: 2,
  /** A ping to answer; what it carried is in `payload`. */
  Ping: 3,
  Pong: 4,
  /** The peer says goodbye: `closeCode` and `closeReason`. Nothing comes after it. */
  Close: 5,
} as const

/** The peer's bytes are not a WebSocket stream we take. `closeCode` is what to tell it. */
export class WebSocketProtocolError extends Error {
  override readonly name = 'WebSocketProtocolError'
  readonly code = 'WEBSOCKET_PROTOCOL'
  readonly closeCode: number
  constructor(closeCode: number, message: string) {
    super(`the other side broke the WebSocket protocol (${closeCode}): ${message}`)
    this.closeCode = closeCode
  }
}

const EMPTY = new Uint8Array(0)

/** An assembly buffer begins with this much, if the frame is not smaller, bytes. */
const FIRST_ASSEMBLY = 2048

/** No message is being read. */
const NO_MESSAGE = 0

export class WebSocketParser {
  /** After `Message`, `Ping` and `Pong`: a view, valid until `next` or `push` is called again. The owner may write into it. */
  payload: Uint8Array = EMPTY
  /** After `Close`: 1005 when the frame named no code. */
  closeCode: number = CloseCode.NoStatus
  closeReason = ''
  /** After `Text`: what it said; undefined when nobody wanted it before it began. */
  text: string | undefined = undefined
  /** Whether text is kept and must be UTF-8, or goes by unread. */
  takesText = false
  /** Frames that come must be masked: we are the server (RFC 6455 §5.1). */
  readonly #masked: boolean
  readonly #maxMessageSize: number

  #chunk: Uint8Array = EMPTY
  #at = 0
  #end = 0
  /** Word view of the memory under `#chunk`, made when the first payload needs it. */
  #words: Int32Array | undefined = undefined
  /** A header, or a whole control frame, that a chunk's end cut. */
  #carry: Uint8Array | undefined = undefined
  #carryLength = 0

  /** Opcode of the message that is being read, or NO_MESSAGE. */
  #message: number = NO_MESSAGE
  /** What its frames announced so far, bytes. */
  #messageLength = 0
  #assembly: Uint8Array | undefined = undefined
  #assembled = 0
  /** Inside a data frame whose payload is not all here. */
  #inFrame = false
  #isFinal = false
  #remaining = 0
  /** Rotated to the next payload byte. */
  #mask = 0
  /** After Close, and after an error: nothing more is read. */
  #isOver = false

  /** `role` is ours. `maxMessageSize`: bytes; a message that says it is larger is refused before its payload is taken. */
  constructor(role: 'client' | 'server', maxMessageSize: number) {
    this.#masked = role === 'server'
    this.#maxMessageSize = maxMessageSize
  }

  /** Takes the next bytes of the stream, once `next` has said `None`. Payloads are unmasked in place, so the chunk changes. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk
    this.#at = 0
    this.#end = chunk.length
  }

  /** The next thing in the chunk, one of `WebSocketEvent`. Throws WebSocketProtocolError, and after that reads nothing more. */
  next(): number {
    while (!this.#isOver) {
      let event: number
      if (this.#inFrame) event = this.#at < this.#end ? this.#readPayload() : WebSocketEvent.None
      else if (this.#at === this.#end) event = WebSocketEvent.None
      else if (this.#carryLength > 0) event = this.#readCarried()
      else event = this.#readFrame(this.#chunk, this.#at, this.#end)
      if (event !== WebSocketEvent.None) return event
      if (this.#at === this.#end) break
    }
    this.#letGo()
    return WebSocketEvent.None
  }

  /** An idle parser holds no memory but what a cut frame needs. */
  #letGo(): void {
    this.payload = EMPTY
    this.text = undefined
    this.#chunk = EMPTY
    this.#words = undefined
    this.#at = 0
    this.#end = 0
  }

  /** Reads one frame at `at`, as far as it is there: `bytes` is the chunk, or the carry. */
  #readFrame(bytes: Uint8Array, at: number, end: number): number {
    const available = end - at
    const first = bytes[at]!
    const opcode = first & 0x0f
    this.#checkFirstByte(first)
    if (available < 2) return this.#carryOn(bytes, at, end)
    const second = bytes[at + 1]!
    if ((second >>> 7 === 1) !== this.#masked) {
      this.#fail(CloseCode.ProtocolError, this.#masked ? 'a frame without a mask' : 'a masked frame from a server')
    }
    const size = second & 0x7f
    if (opcode >= Opcode.Close) return this.#readControl(bytes, at, end, opcode, size)

    const sizeBytes = size < 126 ? 0 : size === 126 ? 2 : 8
    const payloadAt = at + 2 + sizeBytes + (this.#masked ? 4 : 0)
    if (payloadAt > end) return this.#carryOn(bytes, at, end)
    const length = sizeBytes === 0 ? size : this.#readLength(bytes, at + 2, sizeBytes)
    const message = opcode === Opcode.Continuation ? this.#message : opcode
    const messageLength = this.#messageLength + length
    if (messageLength > this.#maxMessageSize) {
      this.#fail(CloseCode.TooBig, `a message of ${messageLength} bytes or more, ${this.#maxMessageSize} are taken`)
    }
    const mask = this.#masked ? readUint32(bytes, payloadAt - 4) : 0
    const isFinal = first >= 0x80
    if (isFinal && opcode === Opcode.Binary && payloadAt + length <= end) {
      // The usual case: a message of one frame, all there.
      const payloadEnd = payloadAt + length
      if (this.#masked && length > 0) this.#unmask(bytes, payloadAt, payloadEnd, mask)
      this.payload = new Uint8Array(bytes.buffer, bytes.byteOffset + payloadAt, length)
      this.#consumed(bytes, payloadEnd)
      return WebSocketEvent.Message
    }
    this.#consumed(bytes, payloadAt)
    this.#message = message
    this.#messageLength = messageLength
    this.#isFinal = isFinal
    this.#remaining = length
    this.#mask = mask
    this.#inFrame = true
    return length === 0 ? this.#endFrame() : WebSocketEvent.None
  }

  /** RFC 6455 §5.2, §5.4: no extension is negotiated, so no reserved bit; opcodes that exist; continuations only inside a message. */
  #checkFirstByte(first: number): void {
    if ((first & 0x70) !== 0) this.#fail(CloseCode.ProtocolError, 'reserved bits without an extension')
    const opcode = first & 0x0f
    if (opcode > Opcode.Pong || (opcode > Opcode.Binary && opcode < Opcode.Close)) {
      this.#fail(CloseCode.ProtocolError, `the unknown opcode ${opcode}`)
    }
    if (opcode >= Opcode.Close) {
      if (first < 0x80) this.#fail(CloseCode.ProtocolError, 'a control frame in fragments')
    } else if ((opcode === Opcode.Continuation) !== (this.#message !== NO_MESSAGE)) {
      this.#fail(
        CloseCode.ProtocolError,
        opcode === Opcode.Continuation ? 'a continuation of nothing' : 'a message inside another',
      )
    }
  }

  /** Lengths of 16 and 64 bits; RFC 6455 §5.2: as short as they can be, and the top bit of the long one is zero. */
  #readLength(bytes: Uint8Array, at: number, sizeBytes: number): number {
    const length =
      sizeBytes === 2
        ? (bytes[at]! << 8) | bytes[at + 1]!
        : (readUint32(bytes, at) >>> 0) * 2 ** 32 + (readUint32(bytes, at + 4) >>> 0)
    if (length < (sizeBytes === 2 ? 126 : 0x10000))
      this.#fail(CloseCode.ProtocolError, 'a length longer than it must be')
    if (length >= 2 ** 63) this.#fail(CloseCode.ProtocolError, 'a length of 64 bits')
    return length
  }

  #readControl(bytes: Uint8Array, at: number, end: number, opcode: number, size: number): number {
    if (size > MAX_CONTROL_PAYLOAD) this.#fail(CloseCode.ProtocolError, 'a control frame of more than 125 bytes')
    const payloadAt = at + 2 + (this.#masked ? 4 : 0)
    const payloadEnd = payloadAt + size
    if (payloadEnd > end) return this.#carryOn(bytes, at, end)
    if (this.#masked && size > 0) this.#unmask(bytes, payloadAt, payloadEnd, readUint32(bytes, payloadAt - 4))
    this.payload = new Uint8Array(bytes.buffer, bytes.byteOffset + payloadAt, size)
    this.#consumed(bytes, payloadEnd)
    if (opcode === Opcode.Ping) return WebSocketEvent.Ping
    if (opcode === Opcode.Pong) return WebSocketEvent.Pong
    this.#readClose(this.payload)
    return WebSocketEvent.Close
  }

  /** RFC 6455 §5.5.1, §7.4: nothing, or a code that may be sent and a reason in UTF-8. */
  #readClose(payload: Uint8Array): void {
    if (payload.length > 0) {
      const code = payload.length === 1 ? 0 : (payload[0]! << 8) | payload[1]!
      if (!isValidCloseCode(code)) this.#fail(CloseCode.ProtocolError, 'a Close frame without a valid code')
      this.closeCode = code
      try {
        this.closeReason = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload.subarray(2))
      } catch {
        this.#fail(CloseCode.InvalidPayload, 'a reason for closing that is not UTF-8')
      }
    }
    this.#isOver = true
  }

  /** All before `end` of `bytes` was read. */
  #consumed(bytes: Uint8Array, end: number): void {
    if (bytes === this.#chunk) this.#at = end
    else this.#carryLength = 0
  }

  /** What is there is not enough to go on: kept for the next chunk. */
  #carryOn(bytes: Uint8Array, at: number, end: number): number {
    if (bytes === this.#chunk) {
      this.#carry ??= new Uint8Array(MAX_FRAME_HEADER + MAX_CONTROL_PAYLOAD)
      this.#carry.set(bytes.subarray(at, end))
      this.#carryLength = end - at
      this.#at = this.#end
    }
    return WebSocketEvent.None
  }

  /** Goes on with a cut header: adds what the next step needs, never more, so that the payload stays in the chunk. */
  #readCarried(): number {
    const carry = this.#carry!
    const needed = this.#neededCarry(carry)
    while (this.#carryLength < needed) {
      if (this.#at === this.#end) return WebSocketEvent.None
      carry[this.#carryLength++] = this.#chunk[this.#at++]!
    }
    const event = this.#readFrame(carry, 0, needed)
    if (this.#carryLength === 0) this.#carry = undefined
    return event
  }

  /** How long the carry must be for its next step: two bytes tell the header's length, and with a control frame its payload belongs to it. */
  #neededCarry(carry: Uint8Array): number {
    if (this.#carryLength < 2) return 2
    const size = carry[1]! & 0x7f
    const maskBytes = this.#masked ? 4 : 0
    if ((carry[0]! & 0x0f) >= Opcode.Close) return 2 + maskBytes + size
    return 2 + maskBytes + (size < 126 ? 0 : size === 126 ? 2 : 8)
  }

  /** Takes what the chunk has of the current frame's payload. */
  #readPayload(): number {
    const start = this.#at
    const take = Math.min(this.#remaining, this.#end - start)
    this.#at = start + take
    if (this.#message === Opcode.Binary || this.takesText) {
      if (this.#masked) {
        this.#unmask(this.#chunk, start, this.#at, this.#mask)
        this.#mask = rotateMask(this.#mask, take)
      }
      this.#assemble(start, take)
    }
    this.#remaining -= take
    return this.#remaining === 0 ? this.#endFrame() : WebSocketEvent.None
  }

  /** Grows with what came: never beyond twice that, nor beyond what was announced, which is at most `maxMessageSize`. */
  #assemble(start: number, take: number): void {
    const needed = this.#assembled + take
    if (this.#assembly === undefined || this.#assembly.length < needed) {
      const announced = this.#assembled + this.#remaining
      const larger = new Uint8Array(Math.min(announced, Math.max(2 * needed, FIRST_ASSEMBLY)))
      if (this.#assembly !== undefined) larger.set(this.#assembly.subarray(0, this.#assembled))
      this.#assembly = larger
    }
    this.#assembly.set(this.#chunk.subarray(start, start + take), this.#assembled)
    this.#assembled = needed
  }

  #endFrame(): number {
    this.#inFrame = false
    if (!this.#isFinal) return WebSocketEvent.None
    const isText = this.#message === Opcode.Text
    const isWhole = this.#assembled === this.#messageLength
    this.payload = this.#assembly === undefined ? EMPTY : this.#assembly.subarray(0, this.#assembled)
    this.#assembly = undefined
    this.#assembled = 0
    this.#message = NO_MESSAGE
    this.#messageLength = 0
    if (!isText) return WebSocketEvent.Message
    this.#readText(isWhole)
    return WebSocketEvent.Text
  }

  /** RFC 6455 §8.1: what is no UTF-8 ends the connection. `isWhole`: text was wanted from the message's first byte. */
  #readText(isWhole: boolean): void {
    const bytes = this.payload
    this.payload = EMPTY
    this.text = undefined
    if (!this.takesText || !isWhole) return
    try {
      this.text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    } catch {
      this.#fail(CloseCode.InvalidPayload, 'a text message that is not UTF-8')
    }
  }

  #unmask(bytes: Uint8Array, start: number, end: number, mask: number): void {
    if (bytes === this.#chunk) {
      this.#words ??= wordsOf(bytes)
      applyMask(bytes, this.#words, start, end, mask)
    } else applyMask(bytes, wordsOf(bytes), start, end, mask)
  }

  #fail(closeCode: number, message: string): never {
    this.#isOver = true
    this.#assembly = undefined
    this.#carry = undefined
    this.#letGo()
    throw new WebSocketProtocolError(closeCode, message)
  }
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}
