/**
 * One WebSocket over a TCP or TLS socket of Node, in either role, after the upgrade: messages in and out, pings answered, the closing
 * handshake (RFC 6455 §5.5, §7). What is sent is collected and written at once; while the system takes nothing more, one write is under way
 * and the rest waits here, where `queuedBytes` counts it.
 */
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { encodeUtf8 } from '../../bytes/index.ts'
import type { WebSocketEnd, WebSocketLink } from '../platform.ts'
import { CloseCode, closePayload, frameHeaderLength, Opcode, writeFrameHeader } from '../websocket/frames.ts'
import { applyMask, wordsOf } from '../websocket/mask.ts'
import { WebSocketEvent, WebSocketParser, WebSocketProtocolError } from '../websocket/parser.ts'
import { BUFFER_BYTES, FLUSH_BYTES, type OutgoingBuffer, WebSocketMemory } from './websocket-memory.ts'

/** `onDrain` is called when no more than this is queued, bytes. */
const LOW_MARK = 64 * 1024

/** How long the other side may take to answer a Close, and the system to take what is left, ms. */
const CLOSE_TIMEOUT_MS = 2000

/** A payload up to this size is copied byte by byte: making a view would take longer. */
const SMALL = 32

export interface NodeWebSocketOptions {
  /** Ours: a client masks what it sends. */
  readonly role: 'client' | 'server'
  /** The subprotocol that was agreed on; empty for none. */
  readonly protocol: string
  /** What came behind the head of the upgrade. */
  readonly head: Uint8Array
  /** Largest message taken, bytes; a larger one ends the link with 1009. */
  readonly maxMessageSize: number
  /** Shared by all links of a client or server. Without it a link allocates for every burst. */
  readonly memory?: WebSocketMemory
}

/** `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 §4.2.2). */
export function webSocketAccept(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

const Phase = {
  Open: 0,
  /** We said Close and wait for the answer. */
  Closing: 1,
  /** What comes is dropped, what is queued still goes out; then the other side has to end the socket. */
  Lingering: 2,
  /** The same, then the socket ends. */
  Ending: 3,
  Closed: 4,
} as const

const ignore = (): void => {}

/** Listeners are plain functions that find the link here: closures of its own would cost every idle link memory. */
const LINK = Symbol('link')
type LinkedSocket = Socket & { [LINK]: NodeWebSocket }

export class NodeWebSocket implements WebSocketLink {
  readonly protocol: string
  onMessage: (message: Uint8Array) => void = ignore
  onClose: (end: WebSocketEnd) => void = ignore
  onDrain: () => void = ignore
  onRead: (bytes: number) => void = ignore
  /** Text messages that came: the relay protocol knows none. */
  textMessages = 0
  #onText: (text: string) => void = ignore
  readonly #socket: Socket
  readonly #parser: WebSocketParser
  readonly #memory: WebSocketMemory
  readonly #masks: boolean
  #phase: number = Phase.Open
  #isPaused = false
  /** Somebody listens to what is read; before that, reading would lose it. */
  #isStarted = false
  #closeCode: number = CloseCode.Abnormal
  #closeReason = ''
  #timer: ReturnType<typeof setTimeout> | undefined = undefined

  /** Being filled. */
  #out: OutgoingBuffer | undefined = undefined
  #outLength = 0
  /** A tick will flush. */
  #tickIsDue = false
  /** Full ones that wait until the system has taken the one before. */
  #waiting: OutgoingBuffer[] | undefined = undefined
  /** Handed to the system, which has not taken all of it. */
  #flight: OutgoingBuffer | undefined = undefined
  /** Writes that were taken at once: their callbacks are still to come and mean nothing. */
  #taken = 0
  #queued = 0
  /** Payload of the newest ping, when the answer has to wait: only that one needs one (RFC 6455 §5.5.3). */
  #pong: Uint8Array | undefined = undefined
  readonly #onWritten: (error?: Error | null) => void

  /**
   * Takes the socket over: nobody else reads, writes or listens any more. Nothing is delivered before the event loop's next turn, so there is
   * time to set the handlers.
   */
  constructor(socket: Socket, options: NodeWebSocketOptions) {
    this.protocol = options.protocol
    this.#socket = socket
    this.#parser = new WebSocketParser(options.role, options.maxMessageSize)
    this.#memory = options.memory ?? new WebSocketMemory(0)
    this.#masks = options.role === 'client'
    this.#onWritten = (error) => this.#written(error)
    ;(socket as LinkedSocket)[LINK] = this
    socket.setNoDelay(true)
    socket.setTimeout(0)
    socket.on('error', NodeWebSocket.#onError)
    socket.on('close', NodeWebSocket.#onClose)
    socket.on('end', NodeWebSocket.#onEnd)
    if (socket.destroyed || socket.readableEnded) {
      setImmediate(NodeWebSocket.#onDeadStart, this)
      return
    }
    if (options.head.length > 0) socket.unshift(options.head)
    setImmediate(NodeWebSocket.#onStart, this)
  }

  get localAddress(): string | undefined {
    const address = this.#socket.localAddress
    return address?.startsWith('::ffff:') ? address.slice(7) : address
  }

  get queuedBytes(): number {
    return this.#queued
  }

  get onText(): (text: string) => void {
    return this.#onText
  }

  /** Only then is text kept until it is whole. */
  set onText(onText: (text: string) => void) {
    this.#onText = onText
    this.#parser.takesText = true
  }

  sendText(text: string): void {
    if (this.#phase !== Phase.Open) return
    const payload = encodeUtf8(text)
    this.#append(Opcode.Text, payload, 0, payload.length)
  }

  send(message: Uint8Array, start = 0, end: number = message.length): void {
    if (this.#phase === Phase.Open) this.#append(Opcode.Binary, message, start, end)
  }

  flush(): void {
    if (this.#phase !== Phase.Closed && this.#flight === undefined && this.#outLength > 0) this.#write(this.#takeOut())
  }

  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (this.#isStarted) this.#socket.resume()
  }

  close(code: number, reason: string): void {
    if (this.#phase !== Phase.Open) return
    this.#phase = Phase.Closing
    this.#sayClose(code, reason)
    // The answer must get in.
    this.resume()
  }

  terminate(): void {
    if (this.#phase === Phase.Closed) return
    this.#phase = Phase.Closed
    this.#socket.destroy()
  }

  // Out

  #append(opcode: number, payload: Uint8Array, start: number, end: number): void {
    const length = end - start
    const total = frameHeaderLength(length, this.#masks) + length
    let out = this.#out
    if (out === undefined) {
      out = this.#memory.take(total)
      this.#out = out
    } else if (this.#outLength + total > out.bytes.length) {
      if (!out.isShared && this.#outLength + total <= BUFFER_BYTES) {
        out = this.#memory.grow(out, this.#outLength, this.#outLength + total)
      } else {
        this.#push()
        out = this.#memory.take(total)
      }
      this.#out = out
    }
    const { bytes } = out
    const mask = this.#masks ? this.#memory.nextMask() : undefined
    const at = writeFrameHeader(bytes, this.#outLength, opcode, length, mask)
    if (length <= SMALL) {
      for (let index = 0; index < length; index++) bytes[at + index] = payload[start + index]!
    } else {
      bytes.set(length === payload.length ? payload : payload.subarray(start, end), at)
    }
    if (mask !== undefined) {
      out.words ??= wordsOf(bytes)
      applyMask(bytes, out.words, at, at + length, mask)
    }
    this.#outLength = at + length
    this.#queued += total
    if (this.#outLength >= FLUSH_BYTES) this.#push()
    else if (!this.#tickIsDue && this.#flight === undefined) {
      this.#tickIsDue = true
      process.nextTick(NodeWebSocket.#onTick, this)
    }
  }

  /** The buffer is as full as it gets: it is written, or waits its turn. */
  #push(): void {
    const out = this.#takeOut()
    if (this.#flight === undefined) {
      this.#write(out)
      return
    }
    this.#waiting ??= []
    this.#waiting.push(out)
  }

  #takeOut(): OutgoingBuffer {
    const out = this.#out!
    out.filled = this.#outLength
    this.#out = undefined
    this.#outLength = 0
    return out
  }

  #write(buffer: OutgoingBuffer): void {
    const { bytes, filled } = buffer
    this.#flight = buffer
    this.#socket.write(filled === bytes.length ? bytes : bytes.subarray(0, filled), this.#onWritten)
    // A TCP socket takes what the kernel has room for before `write` returns, and tells us a tick later.
    if (this.#socket.writableLength > 0) return
    this.#taken++
    this.#landed(buffer)
  }

  #landed(buffer: OutgoingBuffer): void {
    this.#queued -= buffer.filled
    this.#memory.give(buffer)
    this.#flight = undefined
  }

  #written(error?: Error | null): void {
    if (this.#taken > 0) {
      this.#taken--
      return
    }
    // An error is the end: the socket closes, and `#gone` clears up.
    if (error || this.#flight === undefined) return
    const before = this.#queued
    this.#landed(this.#flight)
    while (this.#flight === undefined && this.#waiting !== undefined) {
      const next = this.#waiting.shift()!
      if (this.#waiting.length === 0) this.#waiting = undefined
      this.#write(next)
    }
    this.#sendLatePong()
    this.flush()
    if (this.#phase >= Phase.Lingering) this.#endWhenWritten()
    else if (this.#phase === Phase.Open && this.#queued <= LOW_MARK && (before > LOW_MARK || this.#queued === 0)) {
      this.onDrain()
    }
  }

  /** Now, or when the system takes bytes again, and then only the newest: pings cannot fill our queue. */
  #answerPing(payload: Uint8Array): void {
    if (this.#phase !== Phase.Open) return
    if (this.#flight === undefined) this.#append(Opcode.Pong, payload, 0, payload.length)
    else this.#pong = payload.slice()
  }

  #sendLatePong(): void {
    const payload = this.#pong
    if (payload === undefined || this.#flight !== undefined) return
    this.#pong = undefined
    if (this.#phase === Phase.Open) this.#append(Opcode.Pong, payload, 0, payload.length)
  }

  #sayClose(code: number, reason: string): void {
    const payload = closePayload(code, reason)
    this.#append(Opcode.Close, payload, 0, payload.length)
    this.flush()
    this.#timer ??= setTimeout(NodeWebSocket.#onTimeout, CLOSE_TIMEOUT_MS, this)
  }

  /** After `#sayClose`: lets what is queued out, then ends the socket, at once or when the other side has ended it too. */
  #endSoon(waits: boolean): void {
    this.#phase = waits ? Phase.Lingering : Phase.Ending
    this.flush()
    this.#endWhenWritten()
  }

  #endWhenWritten(): void {
    if (this.#queued > 0) return
    if (this.#phase === Phase.Lingering) this.#socket.end()
    else if (this.#phase === Phase.Ending) this.#socket.destroySoon()
  }

  // In

  #receive(chunk: Uint8Array): void {
    if (this.#phase >= Phase.Lingering) return
    const parser = this.#parser
    parser.push(chunk)
    try {
      for (;;) {
        const event = parser.next()
        if (event === WebSocketEvent.Message) {
          if (this.#phase === Phase.Open) this.onMessage(parser.payload)
        } else if (event === WebSocketEvent.None) break
        else if (event === WebSocketEvent.Ping) this.#answerPing(parser.payload)
        else if (event === WebSocketEvent.Text) this.#receiveText(parser.text)
        else if (event === WebSocketEvent.Close) this.#closed(parser.closeCode, parser.closeReason)
        if (this.#phase >= Phase.Lingering) break
      }
    } catch (error) {
      if (!(error instanceof WebSocketProtocolError)) throw error
      this.#closeReason = error.message
      if (this.#phase === Phase.Open) this.#sayClose(error.closeCode, '')
      // What is still on its way here is read and dropped: with bytes unread, closing would cost the other side our Close.
      this.resume()
      this.#endSoon(true)
    }
    if (this.#phase < Phase.Lingering) this.onRead(chunk.length)
  }

  #receiveText(text: string | undefined): void {
    this.textMessages++
    if (text !== undefined && this.#phase === Phase.Open) this.#onText(text)
  }

  /** RFC 6455 §5.5.1: a Close is answered with the same code, once. */
  #closed(code: number, reason: string): void {
    this.#closeCode = code
    this.#closeReason = reason
    if (this.#phase === Phase.Open) this.#sayClose(code, '')
    this.#endSoon(false)
  }

  #broke(reason: string): void {
    if (this.#closeReason === '' && this.#closeCode === CloseCode.Abnormal) this.#closeReason = reason
  }

  /** The socket is gone: the last thing that happens. */
  #gone(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
    this.#phase = Phase.Closed
    if (this.#flight !== undefined) this.#memory.lose(this.#flight)
    this.#flight = undefined
    if (this.#out !== undefined) this.#memory.give(this.#out)
    for (const buffer of this.#waiting ?? []) this.#memory.give(buffer)
    this.#out = undefined
    this.#outLength = 0
    this.#waiting = undefined
    this.#queued = 0
    const onClose = this.onClose
    this.onClose = ignore
    onClose({ code: this.#closeCode, reason: this.#closeReason })
  }

  // What sockets, ticks and timers call: shared by all links

  static #onTick(link: NodeWebSocket): void {
    link.#tickIsDue = false
    link.flush()
  }

  static #onStart(link: NodeWebSocket): void {
    const socket = link.#socket
    if (link.#phase === Phase.Closed) return
    link.#isStarted = true
    socket.on('data', NodeWebSocket.#onData)
    if (!link.#isPaused) socket.resume()
  }

  static #onDeadStart(link: NodeWebSocket): void {
    link.#broke('the connection had ended already')
    if (link.#socket.closed) link.#gone()
    else link.#socket.destroy()
  }

  static #onTimeout(link: NodeWebSocket): void {
    link.#socket.destroy()
  }

  static readonly #onData = function (this: Socket, chunk: Buffer): void {
    ;(this as LinkedSocket)[LINK].#receive(chunk)
  }

  static readonly #onEnd = function (this: Socket): void {
    const link = (this as LinkedSocket)[LINK]
    if (link.#phase === Phase.Ending) return
    link.#broke('the other side ended the connection')
    this.destroy()
  }

  static readonly #onError = function (this: Socket, error: Error): void {
    ;(this as LinkedSocket)[LINK].#broke(error.message)
  }

  static readonly #onClose = function (this: Socket): void {
    ;(this as LinkedSocket)[LINK].#gone()
  }
}
