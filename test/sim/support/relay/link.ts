/**
 * A WebSocket in virtual time: messages in order, with delay and rate, and a window of bytes that the other end must read before more are taken,
 * so that a slow reader is felt. Either end can be cut off without a word.
 */
import type { WebSocketEnd, WebSocketLink } from '../../../../src/platform/index.ts'
import type { VirtualClock } from '../clock.ts'

/** Bytes on their way or unread, as TCP would have them. */
const WINDOW = 256 * 1024
/** Below this `onDrain` is called. */
const LOW = 64 * 1024
/** Of a frame's header, client to server. */
const OVERHEAD = 8

export interface LinkShape {
  readonly delayMs: number
  /** Bytes a millisecond, each way. */
  readonly rate: number
  /** Takes `bytes` across instead, from the client or to it, and calls `arrived` when they are there: in order, or never. */
  readonly carry?: ((direction: Direction, bytes: number, arrived: () => void) => void) | undefined
}

/** From the client, or to it. */
export type Direction = 'up' | 'down'

export class SimLink implements WebSocketLink {
  readonly protocol: string
  readonly localAddress: string | undefined
  onMessage: (message: Uint8Array) => void = () => {}
  onClose: (end: WebSocketEnd) => void = () => {}
  onDrain: () => void = () => {}
  onRead: (bytes: number) => void = () => {}
  onText: (text: string) => void = () => {}
  queuedBytes = 0
  /** Most that was ever queued, bytes. */
  mostQueued = 0
  peer!: SimLink
  /** Nothing that is sent arrives any more, and nobody is told. */
  isCut = false
  /** The application took its hands off: messages stay unread. */
  isAsleep = false
  readonly #clock: VirtualClock
  readonly #shape: LinkShape
  readonly #direction: Direction
  readonly #queue: Uint8Array[] = []
  /** Which messages on their way to the peer are text. */
  readonly #texts = new WeakSet<Uint8Array>()
  readonly #inbox: Uint8Array[] = []
  #outstanding = 0
  #freeAt = 0
  #isPaused = false
  #isDone = false
  #closing: WebSocketEnd | undefined = undefined
  #wasHigh = false

  constructor(clock: VirtualClock, shape: LinkShape, protocol: string, localAddress: string, direction: Direction) {
    this.#clock = clock
    this.#shape = shape
    this.#direction = direction
    this.protocol = protocol
    this.localAddress = localAddress
  }

  get isDone(): boolean {
    return this.#isDone
  }

  send(message: Uint8Array, start = 0, end = message.length): void {
    if (this.#isDone || this.#closing !== undefined) return
    this.#enqueue(message.slice(start, end))
  }

  sendText(text: string): void {
    if (this.#isDone || this.#closing !== undefined) return
    const message = new TextEncoder().encode(text)
    this.#texts.add(message)
    this.#enqueue(message)
  }

  #enqueue(message: Uint8Array): void {
    this.#queue.push(message)
    this.queuedBytes += message.length
    this.mostQueued = Math.max(this.mostQueued, this.queuedBytes)
    if (this.queuedBytes > LOW) this.#wasHigh = true
    this.#pump()
  }

  flush(): void {}

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#clock.after(0, () => this.#deliver())
  }

  /** As `isAsleep`, from now on or no longer. */
  sleep(isAsleep: boolean): void {
    this.isAsleep = isAsleep
    if (!isAsleep) this.#clock.after(0, () => this.#deliver())
  }

  close(code: number, reason: string): void {
    if (this.#isDone || this.#closing !== undefined) return
    this.#closing = { code, reason }
    this.#pump()
    // who does not answer is not waited for longer than this
    this.#clock.after(2000, () => this.#end({ code: 1006, reason: 'the other end did not answer Close' }))
  }

  terminate(): void {
    if (this.#isDone) return
    if (!this.isCut) this.#tell(() => this.peer.#end({ code: 1006, reason: 'reset' }))
    this.#end({ code: 1006, reason: 'terminated' })
  }

  #end(end: WebSocketEnd): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#queue.length = 0
    this.queuedBytes = 0
    this.#clock.after(0, () => this.onClose(end))
  }

  #pump(): void {
    const { now } = this.#clock
    while (this.#queue.length > 0 && this.#outstanding < WINDOW) {
      const message = this.#queue.shift()!
      this.queuedBytes -= message.length
      this.#outstanding += message.length
      const arrived = (): void => {
        if (!this.isCut) this.peer.#arrive(message)
      }
      this.#freeAt = Math.max(this.#freeAt, now) + message.length / this.#shape.rate
      if (this.#shape.carry !== undefined) this.#shape.carry(this.#direction, message.length, arrived)
      else this.#clock.schedule(this.#freeAt + this.#shape.delayMs, arrived)
    }
    if (this.#wasHigh && this.queuedBytes <= LOW) {
      this.#wasHigh = false
      this.#clock.after(0, () => {
        if (!this.#isDone) this.onDrain()
      })
    }
    if (this.#closing === undefined || this.#queue.length > 0 || this.isCut) return
    const end = this.#closing
    const ended = (): void => {
      this.peer.#end(end)
      this.#clock.after(this.#shape.delayMs, () => this.#end(end))
    }
    if (this.#shape.carry === undefined) this.#clock.schedule(Math.max(this.#freeAt, now) + this.#shape.delayMs, ended)
    else this.#tell(ended)
  }

  /** A word without content, to the other end. */
  #tell(arrived: () => void): void {
    if (this.#shape.carry === undefined) this.#clock.after(this.#shape.delayMs, arrived)
    else this.#shape.carry(this.#direction, 0, arrived)
  }

  #arrive(message: Uint8Array): void {
    if (this.#isDone) return
    this.#inbox.push(message)
    this.#deliver()
  }

  #deliver(): void {
    while (this.#inbox.length > 0 && !this.#isPaused && !this.isAsleep && !this.#isDone) {
      const message = this.#inbox.shift()!
      const { length } = message
      if (this.peer.#texts.has(message)) this.onText(new TextDecoder().decode(message))
      else this.onMessage(message)
      // whoever kept the view sees garbage, as with a real socket
      message.fill(0xdd)
      if (!this.#isDone) this.onRead(length + OVERHEAD)
      this.#clock.after(this.#shape.delayMs, () => this.peer.#read(length))
    }
  }

  #read(bytes: number): void {
    this.#outstanding -= bytes
    if (!this.#isDone) this.#pump()
  }
}

export function linkPair(
  clock: VirtualClock,
  shape: LinkShape,
  protocol: string,
  localAddress = '10.0.0.2',
): { client: SimLink; server: SimLink } {
  const client = new SimLink(clock, shape, protocol, localAddress, 'up')
  const server = new SimLink(clock, shape, protocol, '10.0.0.1', 'down')
  client.peer = server
  server.peer = client
  return { client, server }
}
