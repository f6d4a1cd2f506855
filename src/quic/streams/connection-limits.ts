/**
 * The limits that belong to the connection and not to one stream: its two byte windows and the numbers of streams, with the frames that
 * move or report them. Streams and their windows are elsewhere. RFC 9000 §4.1, §4.6, §13.3, §19.9, §19.11, §19.12, §19.14.
 */
import { ErrorCode, TransportError } from '../errors.ts'
import type { FrameOwner, PacketWriter, SentFrame } from '../recovery/frame-owner.ts'
import { writeDataBlocked, writeMaxData, writeMaxStreams, writeStreamsBlocked } from '../wire/limit-frames.ts'
import { ReceiveWindow, SendWindow } from './flow-control.ts'
import type { StreamSettings } from './stream-events.ts'
import { StreamKind } from './stream-id.ts'

/** Connection window in terms of one stream's, so that one stream cannot fill it alone. */
const CONNECTION_FACTOR = 1.5
/** Type and one varint. */
const FRAME_ROOM = 9

const MAX_DATA = 1
const DATA_BLOCKED = 2
/** And the next bit, for unidirectional streams. */
const MAX_STREAMS = 4
const STREAMS_BLOCKED = 16

export class ConnectionLimits implements FrameOwner {
  /** Stream data we may send. */
  readonly send: SendWindow
  /** Stream data the peer may send. */
  readonly receive: ReceiveWindow
  /** By StreamKind: streams we may open. */
  readonly ours: readonly [SendWindow, SendWindow]
  /** By StreamKind: streams the peer may open; `consumed` counts those that are over. */
  readonly theirs: readonly [ReceiveWindow, ReceiveWindow]
  readonly #wake: () => void
  /** Sum of the highest offsets of all streams. */
  #received: number
  #pending: number
  #closed: boolean

  constructor(settings: StreamSettings, wake: () => void) {
    const { maxStreamsBidi, maxStreamsUni } = settings
    this.send = new SendWindow(0)
    this.receive = new ReceiveWindow(settings.initialMaxData, settings.maxReceiveWindow * CONNECTION_FACTOR)
    this.ours = [new SendWindow(0), new SendWindow(0)]
    const { MAX_SAFE_INTEGER } = Number
    this.theirs = [
      new ReceiveWindow(maxStreamsBidi, MAX_SAFE_INTEGER),
      new ReceiveWindow(maxStreamsUni, MAX_SAFE_INTEGER),
    ]
    this.#wake = wake
    this.#received = 0
    this.#pending = 0
    this.#closed = false
  }

  get hasPending(): boolean {
    return this.#pending !== 0
  }

  /** A stream's highest offset grew by `count`. */
  charge(count: number, frameType: number): void {
    const received = this.#received + count
    if (received > this.receive.limit) {
      throw new TransportError(
        ErrorCode.FLOW_CONTROL_ERROR,
        frameType,
        `connection: ${received} bytes beyond limit ${this.receive.limit}`,
      )
    }
    this.#received = received
  }

  /** `count` bytes left our memory. */
  consume(count: number): void {
    this.receive.consumed += count
    if (this.receive.isDue) this.#want(MAX_DATA)
  }

  /** A stream's window grew to `size`. */
  streamWindowGrew(size: number): void {
    if (this.receive.growTo(size * CONNECTION_FACTOR) && this.receive.isDue) this.#want(MAX_DATA)
  }

  /** A stream of the peer is over in both directions. */
  streamEnded(kind: StreamKind): void {
    this.theirs[kind].consumed++
    if (this.theirs[kind].isDue) this.#want(MAX_STREAMS << kind)
  }

  /** The peer may have `count` streams open at once; it never becomes fewer. */
  allowStreams(kind: StreamKind, count: number): void {
    if (this.theirs[kind].growTo(count) && this.theirs[kind].isDue) this.#want(MAX_STREAMS << kind)
  }

  /** There is new stream data and no credit for it: says so once per limit. */
  reportDataBlocked(): void {
    if (this.send.takeBlockedReport()) this.#want(DATA_BLOCKED)
  }

  /** The application wants one more stream than the peer allows. */
  reportStreamsBlocked(kind: StreamKind): void {
    if (this.ours[kind].takeBlockedReport()) this.#want(STREAMS_BLOCKED << kind)
  }

  /** The connection ended: nothing is said any more. */
  close(): void {
    this.#closed = true
    this.#pending = 0
  }

  #want(flag: number): void {
    if (this.#closed) return
    this.#pending |= flag
    this.#wake()
  }

  write(packet: PacketWriter): boolean {
    for (let flag = MAX_DATA; this.#pending !== 0 && flag <= STREAMS_BLOCKED << 1; flag <<= 1) {
      if ((this.#pending & flag) === 0) continue
      if (packet.room < FRAME_ROOM) return true
      this.#pending &= ~flag
      packet.record(this, flag, this.#writeFrame(packet, flag))
    }
    return false
  }

  #writeFrame(packet: PacketWriter, flag: number): number {
    const value = this.#value(flag)
    if (flag === MAX_DATA) writeMaxData(packet, value)
    else if (flag === DATA_BLOCKED) writeDataBlocked(packet, value)
    else if (flag < STREAMS_BLOCKED) writeMaxStreams(packet, flag === MAX_STREAMS, value)
    else writeStreamsBlocked(packet, flag === STREAMS_BLOCKED, value)
    return value
  }

  #value(flag: number): number {
    if (flag === MAX_DATA) return this.receive.advance()
    if (flag === DATA_BLOCKED) return this.send.limit
    if (flag < STREAMS_BLOCKED) return this.theirs[kindOfFlag(flag, MAX_STREAMS)].advance()
    return this.ours[kindOfFlag(flag, STREAMS_BLOCKED)].limit
  }

  acked(_frame: SentFrame): void {}

  /** RFC 9000 §13.3: only what is still the newest is said again, and a report of being blocked only while it is true. */
  lost(frame: SentFrame): void {
    const flag = frame.a
    const value = frame.b
    if (flag === MAX_DATA) {
      if (value === this.receive.limit) this.#want(flag)
    } else if (flag === DATA_BLOCKED) {
      if (this.send.isBlockedAt(value)) this.#want(flag)
    } else if (flag < STREAMS_BLOCKED) {
      if (value === this.theirs[kindOfFlag(flag, MAX_STREAMS)].limit) this.#want(flag)
    } else if (this.ours[kindOfFlag(flag, STREAMS_BLOCKED)].isBlockedAt(value)) this.#want(flag)
  }
}

function kindOfFlag(flag: number, first: number): StreamKind {
  return flag === first ? StreamKind.Bidirectional : StreamKind.Unidirectional
}
