/**
 * All streams of a connection: which exist, who may open more, when one is forgotten, and whose frames go next. What happens inside a half is
 * `send-stream.ts` and `receive-stream.ts`; packets, acknowledgements and timers are elsewhere. RFC 9000 §2, §3, §4.6, §19.8 to §19.14.
 *
 * Memory a peer can cost: the connection receive window (about twice, see `reassembly.ts`), the halves of as many streams as were allowed, and
 * `MAX_RANGES` ranges of bookkeeping.
 */
import { ErrorCode, TransportError } from '../errors.ts'
import type { Role } from '../level.ts'
import type { FrameOwner, PacketWriter } from '../recovery/frame-owner.ts'
import { FrameType, frameName } from '../wire/frame-types.ts'
import type { TransportParameters } from '../wire/transport-parameters.ts'
import { ConnectionLimits } from './connection-limits.ts'
import { RepeatedSource } from './copy.ts'
import { type ReceiveHost, ReceiveStream } from './receive-stream.ts'
import { SendBudget } from './send-budget.ts'
import { FairQueue } from './send-queue.ts'
import { type ControlWriter, type SendHost, SendStream } from './send-stream.ts'
import { StreamError } from './stream-error.ts'
import { type ReadResult, type StreamEvents, type StreamSettings, StreamStats } from './stream-events.ts'
import { isBidirectional, kindOf, makeStreamId, openerOf, StreamKind, streamIndex } from './stream-id.ts'
import { StreamTable } from './stream-table.ts'
import { WriteOnlyOwner } from './write-only-owner.ts'

export type { ReadResult, StreamEvents, StreamSettings } from './stream-events.ts'

/** Ranges beyond gaps on all streams together; thousands of lossy streams stay far below. */
const MAX_RANGES = 65_536

export class Streams {
  /** Only `write` is called: each frame's own owner hears what became of it. */
  readonly frames: FrameOwner
  readonly stats: StreamStats
  /** Smoothed round trip, set by the connection; 0 while not known. */
  rttMs: number
  readonly #role: Role
  readonly #settings: StreamSettings
  readonly #events: StreamEvents
  readonly #limits: ConnectionLimits
  readonly #budget: SendBudget
  readonly #control: FairQueue<ControlWriter>
  readonly #repairs: FairQueue<SendStream>
  readonly #fresh: FairQueue<SendStream>
  readonly #sends: StreamTable<SendStream>
  readonly #receives: StreamTable<ReceiveStream>
  /** `wake` of the connection, when something can be sent. */
  readonly #wake: () => void
  /** Made for the first stream. */
  #sendHost: SendHost | undefined
  #receiveHost: ReceiveHost | undefined
  /** By StreamKind, of streams the peer opened. */
  readonly #theirsOpened: [number, number]
  readonly #theirsAccepted: [number, number]
  readonly #wantsIncoming: [boolean, boolean]
  readonly #wantsAvailable: [boolean, boolean]
  #parameters: TransportParameters | undefined
  #rangeCount: number
  #openCount: number
  #closed: boolean

  constructor(role: Role, settings: StreamSettings, events: StreamEvents, wake: () => void) {
    this.frames = new WriteOnlyOwner((packet) => this.#write(packet))
    this.stats = new StreamStats()
    this.rttMs = 0
    this.#role = role
    this.#settings = settings
    this.#events = events
    this.#wake = () => {
      this.#reportBlocked()
      if (this.hasPending) wake()
    }
    this.#limits = new ConnectionLimits(settings, wake)
    this.#budget = new SendBudget(settings.sendBuffer)
    this.#control = new FairQueue()
    this.#repairs = new FairQueue()
    this.#fresh = new FairQueue()
    this.#sends = new StreamTable()
    this.#receives = new StreamTable()
    this.#sendHost = undefined
    this.#receiveHost = undefined
    this.#theirsOpened = [0, 0]
    this.#theirsAccepted = [0, 0]
    this.#wantsIncoming = [true, true]
    this.#wantsAvailable = [false, false]
    this.#parameters = undefined
    this.#rangeCount = 0
    this.#openCount = 0
    this.#closed = false
  }

  /** Something can be sent now, as far as flow control is concerned. */
  get hasPending(): boolean {
    return (
      this.#limits.hasPending ||
      !this.#control.isEmpty ||
      !this.#repairs.isEmpty ||
      (!this.#fresh.isEmpty && this.#limits.send.room > 0)
    )
  }

  /** Streams with a half that is not over. */
  get openCount(): number {
    return this.#openCount
  }

  /** Bytes written by the application and not acknowledged. */
  get bufferedBytes(): number {
    return this.#budget.used
  }

  applyPeerParameters(parameters: TransportParameters): void {
    this.#parameters = parameters
    this.receiveMaxData(parameters.initialMaxData)
    this.receiveMaxStreams(true, parameters.initialMaxStreamsBidi)
    this.receiveMaxStreams(false, parameters.initialMaxStreamsUni)
  }

  // The application's verbs. StreamError on misuse.

  /** Id of a new stream, or -1: the peer allows no more now, `available` comes when it does. Nothing is sent before the first write. */
  open(bidirectional: boolean): number {
    const kind = bidirectional ? StreamKind.Bidirectional : StreamKind.Unidirectional
    const window = this.#limits.ours[kind]
    if (this.#closed) return -1
    if (window.room === 0) {
      this.#wantsAvailable[kind] = true
      // RFC 9000 §4.6, §19.14.
      if (this.#parameters !== undefined) this.#limits.reportStreamsBlocked(kind)
      return -1
    }
    const id = makeStreamId(this.#role, kind, window.used++)
    const { initialMaxStreamDataBidiRemote, initialMaxStreamDataUni } = this.#parameters!
    this.#addSend(id, bidirectional ? initialMaxStreamDataBidiRemote : initialMaxStreamDataUni, true)
    if (bidirectional) this.#addReceive(id, true)
    this.#openCount++
    this.stats.opened++
    return id
  }

  /** Id of the next stream that the peer opened, in order, or -1: `incoming` comes with the next. */
  accept(bidirectional: boolean): number {
    const kind = bidirectional ? StreamKind.Bidirectional : StreamKind.Unidirectional
    if (this.#closed || this.#theirsAccepted[kind] === this.#theirsOpened[kind]) {
      this.#wantsIncoming[kind] = true
      return -1
    }
    const id = makeStreamId(this.#peer, kind, this.#theirsAccepted[kind]++)
    this.stats.accepted++
    this.#sends.get(id)?.accept()
    this.#receives.get(id)?.accept()
    return id
  }

  /** The peer may have `count` streams open at once; what the settings allow, or an earlier call, is the least. */
  allowTheirs(bidirectional: boolean, count: number): void {
    if (this.#closed) return
    this.#limits.allowStreams(bidirectional ? StreamKind.Bidirectional : StreamKind.Unidirectional, count)
  }

  /** All sending halves together may hold so many bytes; those that hold more get no room until they are below. */
  limitSendBuffer(bytes: number): void {
    this.#budget.limit = bytes
  }

  /** Copies `data[start, end)` as far as there is room; returns the bytes taken. After a short count `writable` comes. */
  write(id: number, data: Uint8Array, start: number, end: number): number {
    return this.#sendHalf(id).append(data, start, end)
  }

  /** No more will be written; what was written is still sent. */
  finish(id: number): void {
    this.#sendHalf(id).finish()
  }

  /** Gives up sending; `code` is the application's. No effect when it was reset already. */
  reset(id: number, code: number): void {
    this.#sendHalf(id).reset(code)
  }

  /** Higher goes first; 0 from the start. Streams of one priority take turns. */
  setPriority(id: number, priority: number): void {
    this.#sendHalf(id).setPriority(priority)
  }

  /** At most `max` (> 0) bytes. After 'empty', `readable` comes; after 'fin' or 'reset' the half is gone. */
  read(id: number, max: number): ReadResult {
    if (!(max > 0)) throw new RangeError(`cannot read ${max} bytes`)
    const stream = this.#receives.get(id)
    if (stream === undefined) throw this.#unknown(id, 'nothing to read from')
    const result = stream.read(max)
    if (result === 'empty' && this.#closed) {
      this.#receives.delete(id)
      throw this.#unknown(id, 'nothing to read from')
    }
    return result
  }

  /** Bytes that `read` can hand out now; Infinity when nothing more will come: the end is here, or there is no such half. */
  waiting(id: number): number {
    return this.#closed ? Number.POSITIVE_INFINITY : (this.#receives.get(id)?.waiting ?? Number.POSITIVE_INFINITY)
  }

  /** Gives up reading and asks the peer to stop; `code` is the application's. No effect when called before. */
  stopSending(id: number, code: number): void {
    const stream = this.#receives.get(id)
    if (stream === undefined) throw this.#unknown(id, 'nothing to read from')
    if (this.#closed) this.#receives.delete(id)
    else stream.stopSending(code)
  }

  #sendHalf(id: number): SendStream {
    const stream = this.#sends.get(id)
    if (stream === undefined) throw this.#unknown(id, 'nothing to write to')
    return stream
  }

  #unknown(id: number, what: string): StreamError {
    if (this.#closed) return new StreamError('CONNECTION_CLOSED', id, 'the connection ended')
    return new StreamError('STREAM_UNKNOWN', id, `${what}: never opened, over, or the other direction`)
  }

  // Frames in. TransportError when the peer breaks RFC 9000 §3, §4 or §19.

  /** `now` in ms. The bytes are copied. */
  receiveStream(
    id: number,
    offset: number,
    bytes: Uint8Array,
    start: number,
    length: number,
    fin: boolean,
    now: number,
  ): void {
    if (this.#closed) return
    const stream = this.#receives.get(id) ?? this.#findReceive(id, FrameType.STREAM)
    if (stream !== undefined) stream.receive(offset, bytes, start, length, fin, now)
  }

  receiveReset(id: number, code: number, finalSize: number): void {
    this.#findReceive(id, FrameType.RESET_STREAM)?.receiveReset(code, finalSize)
  }

  receiveStopSending(id: number, code: number): void {
    this.#findSend(id, FrameType.STOP_SENDING)?.receiveStopSending(code)
  }

  receiveMaxData(limit: number): void {
    if (this.#limits.send.raise(limit)) this.#wake()
  }

  receiveMaxStreamData(id: number, limit: number): void {
    this.#findSend(id, FrameType.MAX_STREAM_DATA)?.receiveLimit(limit)
  }

  receiveMaxStreams(bidirectional: boolean, limit: number): void {
    const kind = bidirectional ? StreamKind.Bidirectional : StreamKind.Unidirectional
    if (!this.#limits.ours[kind].raise(limit) || !this.#wantsAvailable[kind]) return
    this.#wantsAvailable[kind] = false
    this.#events.available(bidirectional)
  }

  /** Nothing to do: limits are moved by what the application reads, and lost ones are sent again. */
  receiveDataBlocked(_limit: number): void {}

  receiveStreamDataBlocked(id: number, _limit: number): void {
    this.#findReceive(id, FrameType.STREAM_DATA_BLOCKED)
  }

  receiveStreamsBlocked(_bidirectional: boolean, _limit: number): void {}

  /** The half that a frame of the peer's sending side is for; undefined when it is over, and the frame is to be ignored. */
  #findReceive(id: number, frameType: number): ReceiveStream | undefined {
    if (this.#closed) return undefined
    // RFC 9000 §19.4, §19.8, §19.13: not on a stream where only we send.
    if (openerOf(id) === this.#role && !isBidirectional(id)) throw wrongState(id, frameType, 'it is send-only')
    this.#checkKnown(id, frameType)
    return this.#receives.get(id)
  }

  /** The half that a frame of the peer's receiving side is for. */
  #findSend(id: number, frameType: number): SendStream | undefined {
    if (this.#closed) return undefined
    // RFC 9000 §19.5, §19.10: not on a stream where only the peer sends.
    if (openerOf(id) !== this.#role && !isBidirectional(id)) throw wrongState(id, frameType, 'it is receive-only')
    this.#checkKnown(id, frameType)
    return this.#sends.get(id)
  }

  #checkKnown(id: number, frameType: number): void {
    const kind = kindOf(id)
    const index = streamIndex(id)
    if (openerOf(id) !== this.#role) this.#openTheirs(kind, index, frameType)
    else if (index >= this.#limits.ours[kind].used) throw wrongState(id, frameType, 'it was never opened')
  }

  /** RFC 9000 §2.1: a stream id opens all lower ones of its kind. */
  #openTheirs(kind: StreamKind, index: number, frameType: number): void {
    const opened = this.#theirsOpened[kind]
    if (index < opened) return
    const { limit } = this.#limits.theirs[kind]
    if (index >= limit) {
      const text = `${frameName(frameType)} opens stream ${index + 1} of at most ${limit}`
      throw new TransportError(ErrorCode.STREAM_LIMIT_ERROR, frameType, text)
    }
    for (let next = opened; next <= index; next++) {
      const id = makeStreamId(this.#peer, kind, next)
      if (kind === StreamKind.Bidirectional) this.#addSend(id, this.#parameters!.initialMaxStreamDataBidiLocal, false)
      this.#addReceive(id, false)
    }
    this.#openCount += index + 1 - opened
    this.#theirsOpened[kind] = index + 1
    if (!this.#wantsIncoming[kind]) return
    this.#wantsIncoming[kind] = false
    this.#events.incoming(kind === StreamKind.Bidirectional)
  }

  get #peer(): Role {
    return this.#role === 'client' ? 'server' : 'client'
  }

  #addSend(id: number, limit: number, accepted: boolean): void {
    this.#sendHost ??= this.#makeSendHost()
    this.#sends.add(new SendStream(id, limit, accepted, this.#sendHost))
  }

  #addReceive(id: number, accepted: boolean): void {
    const { streamReceiveWindow, maxReceiveWindow } = this.#settings
    this.#receiveHost ??= this.#makeReceiveHost()
    this.#receives.add(new ReceiveStream(id, streamReceiveWindow, maxReceiveWindow, accepted, this.#receiveHost))
  }

  #makeSendHost(): SendHost {
    return {
      limits: this.#limits,
      events: this.#events,
      stats: this.stats,
      control: this.#control,
      wake: this.#wake,
      budget: this.#budget,
      repairs: this.#repairs,
      fresh: this.#fresh,
      sendEnded: (stream) => {
        if (this.#sends.delete(stream.id)) this.#halfEnded(stream.id)
      },
    }
  }

  #makeReceiveHost(): ReceiveHost {
    return {
      limits: this.#limits,
      events: this.#events,
      stats: this.stats,
      control: this.#control,
      wake: this.#wake,
      timing: this,
      source: new RepeatedSource(),
      addRanges: (count) => this.#addRanges(count),
      receiveEnded: (stream) => {
        if (this.#receives.delete(stream.id)) this.#halfEnded(stream.id)
      },
    }
  }

  #halfEnded(id: number): void {
    if (this.#closed || this.#sends.has(id) || this.#receives.has(id)) return
    this.#openCount--
    // RFC 9000 §4.6: its place goes to another one.
    if (openerOf(id) !== this.#role) this.#limits.streamEnded(kindOf(id))
  }

  #addRanges(count: number): void {
    this.#rangeCount += count
    if (count > 0 && this.#rangeCount > MAX_RANGES) {
      const text = `${this.#rangeCount} gaps in all streams`
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, FrameType.STREAM, text)
    }
  }

  // Frames out.

  #write(packet: PacketWriter): boolean {
    if (this.#writeControl(packet) && this.#writeData(packet)) {
      this.#reportBlocked()
      this.#writeControl(packet)
    }
    return this.hasPending
  }

  /** False: no room for the next. */
  #writeControl(packet: PacketWriter): boolean {
    if (this.#limits.hasPending && this.#limits.write(packet)) return false
    for (let node = this.#control.first; node !== undefined; node = this.#control.first) {
      if (!node.item.writeControl(packet)) return false
      this.#control.remove(node)
    }
    return true
  }

  /** Streams take turns, a frame each; false: no room for the next. */
  #writeData(packet: PacketWriter): boolean {
    const credit = this.#limits.send
    for (;;) {
      const repair = this.#repairs.first
      const fresh = credit.used < credit.limit ? this.#fresh.first : undefined
      // RFC 9000 §13.3: lost data before new data, unless the application's priorities say otherwise.
      const node = repair === undefined || (fresh !== undefined && fresh.priority > repair.priority) ? fresh : repair
      if (node === undefined) return true
      const before = packet.position
      node.item.write(packet)
      if (packet.position === before) return false
    }
  }

  #reportBlocked(): void {
    if (this.#limits.send.room === 0 && !this.#fresh.isEmpty) this.#limits.reportDataBlocked()
  }

  /**
   * The connection ended. Nothing more is sent or taken, and whoever waits is told and then gets CONNECTION_CLOSED (`open` and `accept`:
   * -1). What had arrived stays readable, as a peer may close right after its last byte.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const stream of this.#sends.all()) stream.close()
    for (const stream of this.#receives.all()) if (!stream.close()) this.#receives.delete(stream.id)
    this.#sends.clear()
    this.#limits.close()
    this.#budget.clear()
    for (const kind of [StreamKind.Bidirectional, StreamKind.Unidirectional]) {
      const bidirectional = kind === StreamKind.Bidirectional
      if (this.#wantsIncoming[kind]) this.#events.incoming(bidirectional)
      if (this.#wantsAvailable[kind]) this.#events.available(bidirectional)
    }
    this.#openCount = 0
    this.#rangeCount = 0
  }
}

function wrongState(id: number, frameType: number, text: string): TransportError {
  return new TransportError(
    ErrorCode.STREAM_STATE_ERROR,
    frameType,
    `${frameName(frameType)} for stream ${id}: ${text}`,
  )
}
