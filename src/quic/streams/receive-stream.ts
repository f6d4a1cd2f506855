/**
 * The receiving half of one stream: its states, what the application may read, and its MAX_STREAM_DATA and STOP_SENDING frames. The bytes
 * are in `reassembly.ts`. RFC 9000 §2.4, §3.2, §3.5, §4.1, §4.5, §13.3, §19.5, §19.10.
 */
import { ErrorCode, TransportError } from '../errors.ts'
import type { FrameOwner, PacketWriter, SentFrame } from '../recovery/frame-owner.ts'
import { FrameType } from '../wire/frame-types.ts'
import { writeMaxStreamData } from '../wire/limit-frames.ts'
import { writeStopSending } from '../wire/stream-frames.ts'
import type { ConnectionLimits } from './connection-limits.ts'
import type { RepeatedSource } from './copy.ts'
import { ReceiveWindow } from './flow-control.ts'
import { Reassembly } from './reassembly.ts'
import { type FairQueue, QueueNode } from './send-queue.ts'
import type { ControlWriter } from './send-stream.ts'
import { StreamError } from './stream-error.ts'
import type { ReadResult, StreamEvents, StreamStats } from './stream-events.ts'

/** What a receiving half needs of its connection. */
export interface ReceiveHost {
  readonly limits: ConnectionLimits
  readonly events: StreamEvents
  readonly stats: StreamStats
  readonly control: FairQueue<ControlWriter>
  readonly timing: { readonly rttMs: number }
  readonly source: RepeatedSource
  wake(): void
  /** A stream holds `count` more ranges beyond gaps (fewer when negative). PROTOCOL_VIOLATION beyond the connection's bound. */
  addRanges(count: number): void
  /** Nothing more will come of it: forget it. */
  receiveEnded(stream: ReceiveStream): void
}

/** RFC 9000 figure 3. */
type ReceiveState = 'receive' | 'size-known' | 'data-received' | 'data-read' | 'reset-received' | 'reset-read'

/** Type and two varints. */
const CONTROL_ROOM = 17
/** In `SentFrame.d`. */
const LIMIT = 0
const STOP = 1

export class ReceiveStream implements FrameOwner, ControlWriter {
  readonly id: number
  readonly #host: ReceiveHost
  readonly #window: ReceiveWindow
  readonly #reassembly: Reassembly
  readonly #controlNode: QueueNode<ControlWriter>
  #state: ReceiveState
  /** Highest offset seen; what flow control counts. */
  #highest: number
  /** -1: not known. */
  #finalSize: number
  #code: number
  /** The application called `stopSending`: what comes is counted and dropped. */
  #stopped: boolean
  /** The application knows the stream. */
  #accepted: boolean
  /** The application drained it and wants to hear of more. */
  #armed: boolean
  #limitPending: boolean
  #stopPending: boolean
  #closed: boolean

  constructor(id: number, windowSize: number, maxWindowSize: number, accepted: boolean, host: ReceiveHost) {
    this.id = id
    this.#host = host
    this.#window = new ReceiveWindow(windowSize, maxWindowSize)
    this.#reassembly = new Reassembly(host.source)
    this.#controlNode = new QueueNode<ControlWriter>(this)
    this.#state = 'receive'
    this.#highest = 0
    this.#finalSize = -1
    this.#code = 0
    this.#stopped = false
    this.#accepted = accepted
    this.#armed = true
    this.#limitPending = false
    this.#stopPending = false
    this.#closed = false
  }

  /** `read` has something to say. */
  get #isReadable(): boolean {
    return this.#state === 'data-received' || this.#state === 'reset-received' || this.#reassembly.available > 0
  }

  /** Bytes that `read` can hand out, Infinity when the last of them, or a reset, is here. */
  get waiting(): number {
    if (this.#state !== 'receive' && this.#state !== 'size-known') return Number.POSITIVE_INFINITY
    return this.#reassembly.available
  }

  // What the peer says.

  receive(offset: number, bytes: Uint8Array, start: number, length: number, fin: boolean, now: number): void {
    const end = offset + length
    this.#checkSize(end, fin, FrameType.STREAM)
    if (this.#state !== 'receive' && this.#state !== 'size-known') return
    const growth = this.#raise(end, FrameType.STREAM)
    if (fin) this.#setFinalSize(end)
    if (this.#stopped) {
      // Nobody reads it, so the connection's credit comes back at once.
      this.#host.limits.consume(growth)
      if (this.#finalSize >= 0) this.#end('data-read')
      return
    }
    if (this.#window.tune(now, this.#host.timing.rttMs)) this.#host.limits.streamWindowGrew(this.#window.size)
    this.#host.limits.receive.tune(now, this.#host.timing.rttMs)
    if (length > 0) this.#store(offset, bytes, start, length)
    if (this.#reassembly.contiguous === this.#finalSize) this.#state = 'data-received'
    this.#announce()
  }

  #store(offset: number, bytes: Uint8Array, start: number, length: number): void {
    const reassembly = this.#reassembly
    const ranges = reassembly.rangeCount
    this.#host.stats.bytesReceived += reassembly.insert(offset, bytes, start, length)
    if (reassembly.rangeCount !== ranges) this.#host.addRanges(reassembly.rangeCount - ranges)
  }

  receiveReset(code: number, finalSize: number): void {
    this.#checkSize(finalSize, true, FrameType.RESET_STREAM)
    // RFC 9000 §3.2: with all data here the reset may be ignored, and the application gets its data.
    if (this.#state !== 'receive' && this.#state !== 'size-known') return
    const growth = this.#raise(finalSize, FrameType.RESET_STREAM)
    this.#setFinalSize(finalSize)
    // RFC 9000 §4.5: what was not read counts as read, or the connection's credit would be lost.
    this.#host.limits.consume(this.#stopped ? growth : finalSize - this.#reassembly.readOffset)
    if (this.#stopped) {
      this.#end('reset-read')
      return
    }
    this.#state = 'reset-received'
    this.#code = code
    this.#discard()
    this.#announce()
  }

  /** RFC 9000 §4.5: the final size never changes, and no data lies beyond it. */
  #checkSize(end: number, isFinal: boolean, frameType: number): void {
    const known = this.#finalSize
    if (known >= 0 ? end > known || (isFinal && end !== known) : isFinal && end < this.#highest) {
      const size = known >= 0 ? `final size ${known}` : `${this.#highest} received`
      throw new TransportError(ErrorCode.FINAL_SIZE_ERROR, frameType, `stream ${this.id}: ${end} against ${size}`)
    }
  }

  /** Counts new bytes up to `end` in both windows; returns how many. */
  #raise(end: number, frameType: number): number {
    const growth = end - this.#highest
    if (growth <= 0) return 0
    if (end > this.#window.limit) {
      throw new TransportError(
        ErrorCode.FLOW_CONTROL_ERROR,
        frameType,
        `stream ${this.id}: ${end} bytes beyond limit ${this.#window.limit}`,
      )
    }
    this.#host.limits.charge(growth, frameType)
    this.#highest = end
    return growth
  }

  #setFinalSize(size: number): void {
    this.#finalSize = size
    this.#state = 'size-known'
    // RFC 9000 §3.2: no more credit is needed; and no stop of what has ended.
    this.#host.control.remove(this.#controlNode)
  }

  #announce(): void {
    if (!this.#armed || !this.#accepted || !this.#isReadable) return
    this.#armed = false
    this.#host.events.readable(this.id)
  }

  // The application's verbs.

  /** The application takes the stream: it hears now what was held back. */
  accept(): void {
    this.#accepted = true
    this.#announce()
  }

  read(max: number): ReadResult {
    if (this.#stopped) throw new StreamError('STREAM_STOPPED', this.id, 'this side stopped reading it')
    if (this.#state === 'reset-received') {
      this.#end('reset-read')
      return { kind: 'reset', code: this.#code }
    }
    const bytes = this.#reassembly.read(max)
    if (bytes !== undefined) {
      this.#consumed(bytes.length)
      return { kind: 'data', bytes }
    }
    if (this.#state === 'data-received') {
      this.#end('data-read')
      return 'fin'
    }
    this.#armed = true
    return 'empty'
  }

  #consumed(count: number): void {
    this.#window.consumed += count
    this.#host.limits.consume(count)
    if (this.#state === 'receive' && !this.#closed && this.#window.isDue) {
      this.#limitPending = true
      this.#queueControl()
    }
  }

  /** RFC 9000 §3.5. No effect when called before. */
  stopSending(code: number): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#limitPending = false
    if (this.#state !== 'reset-received') this.#host.limits.consume(this.#highest - this.#reassembly.readOffset)
    if (this.#finalSize >= 0) {
      // The peer needs no credit to be done, and late data is ignored: nothing to say.
      this.#end(this.#state === 'reset-received' ? 'reset-read' : 'data-read')
      return
    }
    this.#discard()
    this.#code = code
    this.#stopPending = true
    this.#queueControl()
  }

  #discard(): void {
    if (this.#reassembly.rangeCount > 0) this.#host.addRanges(-this.#reassembly.rangeCount)
    this.#reassembly.clear()
  }

  /** The connection ended: whoever waits is told, and nothing is sent any more. True when something is left to read. */
  close(): boolean {
    this.#closed = true
    this.#host.control.remove(this.#controlNode)
    const isLeft = this.#accepted && !this.#stopped && this.#isReadable
    if (this.#armed && this.#accepted && !this.#stopped && !isLeft) this.#host.events.readable(this.id)
    return isLeft
  }

  #end(state: 'data-read' | 'reset-read'): void {
    this.#state = state
    this.#host.control.remove(this.#controlNode)
    this.#discard()
    this.#host.receiveEnded(this)
  }

  // Frames out.

  #queueControl(): void {
    this.#host.control.add(this.#controlNode)
    this.#host.wake()
  }

  writeControl(packet: PacketWriter): boolean {
    if (packet.room < CONTROL_ROOM) return false
    if (this.#stopPending) {
      this.#stopPending = false
      writeStopSending(packet, this.id, this.#code)
      packet.record(this, this.id, 0, 0, STOP)
    } else if (this.#limitPending) {
      this.#limitPending = false
      const limit = this.#window.advance()
      writeMaxStreamData(packet, this.id, limit)
      packet.record(this, this.id, limit, 0, LIMIT)
    }
    return true
  }

  write(packet: PacketWriter): boolean {
    return !this.writeControl(packet)
  }

  acked(_frame: SentFrame): void {}

  /** RFC 9000 §13.3: the newest limit is said again, and a stop until the peer ended the stream. */
  lost(frame: SentFrame): void {
    if (this.#state !== 'receive' || this.#closed) return
    if (frame.d === STOP) this.#stopPending = true
    else if (!this.#stopped && frame.b === this.#window.limit) this.#limitPending = true
    else return
    this.#queueControl()
  }
}
