/**
 * The sending half of one stream: its states, its STREAM, RESET_STREAM and STREAM_DATA_BLOCKED frames and what became of them. The bytes are
 * in `send-buffer.ts`, whose turn it is in `send-queue.ts`. RFC 9000 §2.4, §3.1, §3.5, §4.1, §13.3, §19.4, §19.8, §19.13.
 */
import { varintLength } from '../../bytes/index.ts'
import type { FrameOwner, PacketWriter, SentFrame } from '../recovery/frame-owner.ts'
import { writeStreamDataBlocked } from '../wire/limit-frames.ts'
import { streamFrameOverhead, writeResetStream, writeStreamHeader } from '../wire/stream-frames.ts'
import type { ConnectionLimits } from './connection-limits.ts'
import { SendWindow } from './flow-control.ts'
import type { SendBudget } from './send-budget.ts'
import { SendBuffer } from './send-buffer.ts'
import { type FairQueue, QueueNode } from './send-queue.ts'
import { StreamError } from './stream-error.ts'
import type { StreamEvents, StreamStats } from './stream-events.ts'

/** Something with a few frames about one stream to send. */
export interface ControlWriter {
  /** Writes what fits; true when nothing is left to write. */
  writeControl(packet: PacketWriter): boolean
}

/** What a sending half needs of its connection. */
export interface SendHost {
  readonly limits: ConnectionLimits
  readonly budget: SendBudget
  readonly events: StreamEvents
  readonly stats: StreamStats
  readonly control: FairQueue<ControlWriter>
  /** Needs no connection credit: lost data, a lone FIN. */
  readonly repairs: FairQueue<SendStream>
  /** New data. */
  readonly fresh: FairQueue<SendStream>
  wake(): void
  /** Nothing more will come of it: forget it. */
  sendEnded(stream: SendStream): void
}

/** RFC 9000 figure 2. */
type SendState = 'ready' | 'send' | 'data-sent' | 'data-received' | 'reset-sent' | 'reset-received'

/** A shorter piece of more data is not worth its header; it waits for the next packet. */
const MIN_PIECE = 24
/** Type and three varints. */
const CONTROL_ROOM = 25
/** Beyond the 0 and 1 (FIN) of STREAM frames, in `SentFrame.d`. */
const RESET = 2
const BLOCKED = 3

export class SendStream implements FrameOwner, ControlWriter {
  readonly id: number
  readonly window: SendWindow
  readonly #host: SendHost
  readonly #buffer: SendBuffer
  readonly #controlNode: QueueNode<ControlWriter>
  readonly #repairNode: QueueNode<SendStream>
  readonly #freshNode: QueueNode<SendStream>
  #state: SendState
  #finished: boolean
  /** FIN waits to be sent, for the first time or again. */
  #finPending: boolean
  #finAcked: boolean
  #wantsWritable: boolean
  /** The application knows the stream. */
  #accepted: boolean
  #code: number
  /** Code of the peer's STOP_SENDING, -1 none. */
  #stopCode: number
  #resetPending: boolean
  #blockedPending: boolean

  /** `limit`: the peer's first MAX_STREAM_DATA. `accepted`: false when the peer opened it and the application has not taken it. */
  constructor(id: number, limit: number, accepted: boolean, host: SendHost) {
    this.id = id
    this.window = new SendWindow(limit)
    this.#host = host
    this.#buffer = new SendBuffer(host.budget)
    this.#controlNode = new QueueNode<ControlWriter>(this)
    this.#repairNode = new QueueNode<SendStream>(this)
    this.#freshNode = new QueueNode<SendStream>(this)
    this.#state = 'ready'
    this.#finished = false
    this.#finPending = false
    this.#finAcked = false
    this.#wantsWritable = false
    this.#accepted = accepted
    this.#code = 0
    this.#stopCode = -1
    this.#resetPending = false
    this.#blockedPending = false
  }

  get #isOpen(): boolean {
    return this.#state === 'ready' || this.#state === 'send' || this.#state === 'data-sent'
  }

  // The application's verbs.

  /** Copies what there is room for; returns the bytes taken. A short count promises a `writable`. */
  append(data: Uint8Array, start: number, end: number): number {
    this.#mustBeWritable()
    const taken = this.#buffer.write(data, start, end)
    this.#wantsWritable = taken < end - start
    if (taken > 0) this.#schedule()
    return taken
  }

  finish(): void {
    this.#mustBeWritable()
    this.#finished = true
    this.#finPending = true
    this.#wantsWritable = false
    this.#schedule()
  }

  /** No effect when it is reset already. */
  reset(code: number): void {
    if (!this.#isOpen) return
    // RFC 9000 §3.1: from any open state; what was not sent never will be.
    this.#state = 'reset-sent'
    this.#code = code
    this.#drop()
    this.#resetPending = true
    this.#host.control.add(this.#controlNode)
    this.#host.wake()
  }

  setPriority(priority: number): void {
    this.#requeue(this.#host.repairs, this.#repairNode, priority)
    this.#requeue(this.#host.fresh, this.#freshNode, priority)
  }

  /** The application takes the stream: it hears now what was held back. */
  accept(): void {
    this.#accepted = true
    if (this.#stopCode >= 0) this.#host.events.stopped(this.id, this.#stopCode)
    if (this.#state === 'reset-received') this.#host.sendEnded(this)
  }

  #mustBeWritable(): void {
    if (this.#stopCode >= 0) {
      throw new StreamError(
        'STREAM_STOPPED',
        this.id,
        `the peer stopped reading, code ${this.#stopCode}`,
        this.#stopCode,
      )
    }
    if (this.#state === 'reset-sent' || this.#state === 'reset-received') {
      throw new StreamError('STREAM_RESET', this.id, 'it was reset')
    }
    if (this.#finished) throw new StreamError('STREAM_FINISHED', this.id, 'it was finished')
  }

  // What the peer says.

  receiveStopSending(code: number): void {
    if (!this.#isOpen) return
    this.#stopCode = code
    // RFC 9000 §3.5: answered with RESET_STREAM and the same code; also after all was sent, to spare retransmissions.
    this.reset(code)
    if (this.#accepted) this.#host.events.stopped(this.id, code)
  }

  receiveLimit(limit: number): void {
    if (this.window.raise(limit) && this.#isOpen && this.#buffer.unsent > 0) this.#schedule()
  }

  // Frames out.

  /** One STREAM frame, when it fits: what was lost first, then new data as far as the credit goes. True while more waits. */
  write(packet: PacketWriter): boolean {
    const buffer = this.#buffer
    const credit = this.#host.limits.send
    const isRepair = buffer.hasLost
    const start = isRepair ? buffer.lostStart : buffer.sent
    const wanted = isRepair
      ? buffer.lostEnd - start
      : Math.min(buffer.unsent, this.window.limit - this.window.used, credit.limit - credit.used)
    if (wanted === 0 && !(this.#finPending && buffer.unsent === 0)) return this.#waits
    const room = packet.room - streamFrameOverhead(this.id, start, -1)
    if (room < 0) return true
    let length = wanted
    let lengthField = -1
    if (wanted >= room) length = room
    else {
      // It does not fill the packet, so it needs a Length; where that makes it too long, it gives up some bytes.
      if (wanted + varintLength(wanted) > room) length = room - varintLength(wanted)
      lengthField = length
    }
    if (length < wanted && length < MIN_PIECE) return true
    const end = start + length
    const fin = this.#finished && end === buffer.end
    writeStreamHeader(packet, this.id, start, lengthField, fin)
    if (length > 0) {
      buffer.copyOut(start, length, packet.bytes, packet.position)
      packet.position += length
    }
    packet.hasApplicationData = true
    packet.record(this, this.id, start, end, fin ? 1 : 0)
    this.#sent(start, end, fin, isRepair)
    return this.#waits
  }

  #sent(start: number, end: number, fin: boolean, isRepair: boolean): void {
    const length = end - start
    if (isRepair) {
      this.#buffer.repaired(start, end)
      this.#host.stats.retransmittedBytes += length
    } else {
      this.#buffer.sent = end
      this.window.used = end
      // RFC 9000 §4.1: the connection's credit is for new bytes only.
      this.#host.limits.send.used += length
      this.#host.stats.bytesSent += length
    }
    if (fin) {
      this.#finPending = false
      this.#state = 'data-sent'
    } else if (this.#state === 'ready') this.#state = 'send'
    this.#schedule(true)
  }

  writeControl(packet: PacketWriter): boolean {
    if (packet.room < CONTROL_ROOM) return false
    if (this.#resetPending) {
      this.#resetPending = false
      // RFC 9000 §4.5: the final size is what was sent, not what was written.
      writeResetStream(packet, this.id, this.#code, this.#buffer.sent)
      packet.record(this, this.id, 0, 0, RESET)
      return true
    }
    const isBlocked = this.#blockedPending && this.window.isBlockedAt(this.window.limit)
    this.#blockedPending = false
    if (!isBlocked) return true
    writeStreamDataBlocked(packet, this.id, this.window.limit)
    packet.record(this, this.id, this.window.limit, 0, BLOCKED)
    if (this.#state === 'ready') this.#state = 'send'
    return true
  }

  acked(frame: SentFrame): void {
    if (frame.d >= RESET) {
      if (frame.d === RESET) this.#resetAcked()
      return
    }
    if (!this.#isOpen) return
    const freed = this.#buffer.acked(frame.b, frame.c)
    if (frame.d === 1) {
      this.#finAcked = true
      this.#finPending = false
    }
    if (this.#finAcked && this.#buffer.held === 0) {
      this.#state = 'data-received'
      this.#drop()
      this.#host.events.finished(this.id)
      this.#host.sendEnded(this)
      return
    }
    if (this.#repairNode.isQueued) this.#schedule()
    if (freed > 0 && this.#wantsWritable && this.#host.budget.isWorthWaking(this.#buffer.held)) {
      this.#wantsWritable = false
      this.#host.events.writable(this.id)
    }
  }

  #resetAcked(): void {
    if (this.#state !== 'reset-sent') return
    this.#state = 'reset-received'
    this.#drop()
    if (this.#accepted) this.#host.sendEnded(this)
  }

  lost(frame: SentFrame): void {
    if (frame.d >= RESET) {
      this.#controlLost(frame)
      return
    }
    if (!this.#isOpen) return
    this.#buffer.lost(frame.b, frame.c)
    if (frame.d === 1 && !this.#finAcked) this.#finPending = true
    this.#schedule()
  }

  #controlLost(frame: SentFrame): void {
    if (frame.d === RESET) this.#resetPending = this.#state === 'reset-sent'
    else this.#blockedPending = this.#isOpen && this.#buffer.unsent > 0 && this.window.isBlockedAt(frame.b)
    if (!this.#resetPending && !this.#blockedPending) return
    this.#host.control.add(this.#controlNode)
    this.#host.wake()
  }

  /** The connection ended: whoever waits is told. */
  close(): void {
    if (this.#wantsWritable) this.#host.events.writable(this.id)
    this.#drop()
    this.#state = 'reset-received'
  }

  // Queues.

  get #waits(): boolean {
    return this.#repairNode.isQueued || this.#freshNode.isQueued
  }

  /** Puts the stream into the queues it belongs to and takes it out of the others. */
  #schedule(turnOver = false): void {
    const buffer = this.#buffer
    const hasNew = buffer.unsent > 0
    const isBlocked = this.window.used >= this.window.limit
    if (hasNew && isBlocked && this.window.takeBlockedReport()) {
      this.#blockedPending = true
      this.#host.control.add(this.#controlNode)
    }
    const repairs = buffer.hasLost || (this.#finPending && !hasNew)
    this.#place(this.#host.repairs, this.#repairNode, repairs, turnOver)
    this.#place(this.#host.fresh, this.#freshNode, hasNew && !isBlocked, turnOver)
    if (!turnOver) this.#host.wake()
  }

  #place(queue: FairQueue<SendStream>, node: QueueNode<SendStream>, belongs: boolean, turnOver: boolean): void {
    if (!belongs) queue.remove(node)
    else if (!node.isQueued) queue.add(node)
    else if (turnOver) queue.rotate(node)
  }

  #requeue(queue: FairQueue<SendStream>, node: QueueNode<SendStream>, priority: number): void {
    const isQueued = node.isQueued
    queue.remove(node)
    node.priority = priority
    if (isQueued) queue.add(node)
  }

  #drop(): void {
    this.#host.repairs.remove(this.#repairNode)
    this.#host.fresh.remove(this.#freshNode)
    this.#host.control.remove(this.#controlNode)
    this.#resetPending = false
    this.#blockedPending = false
    this.#finPending = false
    this.#wantsWritable = false
    this.#buffer.clear()
  }
}
