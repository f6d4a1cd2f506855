/**
 * What one peer is to get on one topic, in order: a bounded queue of frames, and the stream they leave by (spec/gossip.md §3.4). All frames of a turn of the event
 * loop share one write, and the header goes with the first. Which connection is used is the link's business.
 *
 * A peer that does not take what it is sent costs nobody else anything (§3.9, §11.2 N3). Beyond `maxQueued…` payloads to it are dropped: announcements of others repair
 * that. When the queue is twice as long, or is full and nothing was taken for `dropAfterMs`, the peer is given up in this topic: the stream is reset, and a Disconnect goes on a new one.
 */
import type { Connection, SendStream, SendStreamEnd } from '../../endpoint/index.ts'
import type { TimerOwner } from './deadlines.ts'
import type { Frame } from './frame.ts'
import { FrameQueue } from './frame-queue.ts'
import type { Counters } from './metrics.ts'
import type { NetSettings } from './settings.ts'

/** One write, bytes; a single frame may be longer. */
const CHUNK = 32_768
/** Below this part of the high-water mark a queue has room again. */
const LOW_PART = 4

/** What an outbox needs of the node. */
export interface OutboxHost {
  readonly settings: NetSettings
  readonly counters: Counters
  now(): number
  /** Calls `flush` before the turn of the event loop ends. */
  flushLater(outbox: Outbox): void
  schedule<T>(at: number, owner: TimerOwner<T>, what: T): void
  /** `isFull` or `isPressing` is another one now. */
  pressureChanged(outbox: Outbox): void
  /** Something that was to be sent is, or its end is acknowledged. */
  settled(): void
  /** The peer does not take what it is sent: it is no neighbour in this topic any more. */
  gaveUp(outbox: Outbox): void
}

/** What an outbox needs of the link to its peer. */
export interface OutboxPeer {
  readonly key: string
  /** Where to send: the newest connection that lives. */
  readonly connection: Connection | undefined
  /** Bytes that wait on all topics. */
  queuedBytes: number
  /** A stream of ours: the connection stays until its end is settled. */
  track(stream: SendStream): void
}

/** One stream of ours, from its opening to the acknowledgement of its end. */
interface Sending {
  readonly connection: Connection
  readonly abort: AbortController
  /** Undefined while it is being opened. */
  stream: SendStream | undefined
  /** Nothing was written: the header is still due. */
  isFresh: boolean
  isWriting: boolean
  /** Bytes of frames in the write that is under way. */
  writing: number
  /** FIN was written: the next stream waits until the peer has this one, or the two could be read in the wrong order (spec/gossip.md §3.8 C9). */
  isEnding: boolean
}

export class Outbox implements TimerOwner<Sending> {
  /** 64 hex digits. */
  readonly topic: string
  readonly peer: OutboxPeer
  /** Waits to be flushed. Written by the host. */
  isDirty = false
  readonly #header: Uint8Array
  readonly #host: OutboxHost
  readonly #queue = new FrameQueue()
  #sending: Sending | undefined = undefined
  /** The topic has let go of the peer: the stream ends when nothing waits, for the peer grants only so many. */
  #isLeaving = false
  #isFull = false
  /** How long the peer has taken nothing while the queue was full, ms: checks are counted, so that a pause of our own process is none of the peer's. */
  #idleMs = 0
  #isStalled = false

  constructor(topic: string, header: Uint8Array, peer: OutboxPeer, host: OutboxHost) {
    this.topic = topic
    this.#header = header
    this.peer = peer
    this.#host = host
  }

  /** Everything was written. */
  get isEmpty(): boolean {
    return this.#queue.length === 0 && this.#sending?.isWriting !== true
  }

  /** Everything was written, and no stream waits for the acknowledgement of its end. */
  get isSettled(): boolean {
    return this.isEmpty && this.#sending?.isEnding !== true
  }

  /** Nothing is held: the next frame can as well begin with a new outbox. */
  get isUnused(): boolean {
    return this.#queue.length === 0 && this.#sending === undefined
  }

  /** Above the high-water mark: `check` is to be called. */
  get isFull(): boolean {
    return this.#isFull
  }

  /** Whoever makes more should wait. Not for a stalled peer. */
  get isPressing(): boolean {
    return this.#isFull && !this.#isStalled
  }

  push(frame: Frame): void {
    const { settings, counters } = this.#host
    const { length } = frame.bytes
    const bytes = this.#queue.bytes + length
    const messages = this.#queue.length + 1
    const fill = Math.max(
      bytes / settings.maxQueuedBytes,
      messages / settings.maxQueuedMessages,
      (this.peer.queuedBytes + length) / settings.maxQueuedBytesPerPeer,
    )
    if (fill > 1) {
      if (frame.isPayload || fill > 2) counters.dropped++
      if (frame.isPayload) return
      if (fill > 2) {
        this.giveUp()
        return
      }
    }
    this.#isLeaving = false
    this.#queue.push(frame)
    this.peer.queuedBytes += length
    if (!this.#isFull && (bytes > settings.highWaterBytes || messages > settings.highWaterMessages)) {
      this.#isFull = true
      this.#idleMs = 0
      this.#host.pressureChanged(this)
    }
    this.#host.flushLater(this)
  }

  /** Writes what waits, unless a write is under way: then that goes on by itself. */
  flush(): void {
    const { connection } = this.peer
    if (this.#isLeaving) this.finish()
    if (this.#queue.length === 0 || connection === undefined || connection.closeReason !== undefined) return
    const sending = this.#sending
    if (sending === undefined) this.#open(connection)
    else if (sending.isEnding || sending.isWriting || sending.stream === undefined) return
    else if (sending.connection !== connection) this.connectionChanged()
    else this.#write(sending, sending.stream)
  }

  /** The peer has another newest connection: what is sent from now on goes there (spec/gossip.md §3.8 C2, C7). */
  connectionChanged(): void {
    const sending = this.#sending
    if (sending !== undefined && sending.connection !== this.peer.connection && !sending.isEnding) {
      this.#letGo(sending)
      sending.stream?.finish().catch(ignore)
    }
    this.flush()
  }

  /** Ends the stream, if there is one and nothing waits. The next frame begins a new one. */
  finish(): void {
    const sending = this.#sending
    if (sending?.stream === undefined || sending.isEnding || !this.isEmpty) return
    this.#finish(sending, sending.stream)
  }

  /** `finish` as soon as nothing waits, unless there is something to say before that. */
  finishSoon(): void {
    this.#isLeaving = true
    this.#host.flushLater(this)
  }

  /** Forgets what waits: there is nobody to send it to. */
  clear(): void {
    this.peer.queuedBytes -= this.#queue.bytes
    this.#queue.clear()
    if (this.#sending !== undefined) this.#letGo(this.#sending)
    this.#notFull()
    this.#host.settled()
  }

  /** The peer is given up in this topic. */
  giveUp(): void {
    const stream = this.#sending?.stream
    this.clear()
    // it does not read anyway, and what was written for it is memory
    stream?.reset(0)
    this.#host.gaveUp(this)
  }

  /** To be called every `stallCheckMs` while `isFull`. */
  check(): void {
    if (!this.#isFull) return
    const { stallCheckMs, stalledAfterMs, dropAfterMs } = this.#host.settings
    this.#idleMs += stallCheckMs
    if (this.#idleMs >= dropAfterMs) this.giveUp()
    else if (this.#idleMs >= stalledAfterMs && !this.#isStalled) {
      this.#isStalled = true
      this.#host.pressureChanged(this)
    }
  }

  /** The end of the stream took too long to be acknowledged: on without. */
  fire(sending: Sending): void {
    if (this.#sending === sending) this.#over(sending)
  }

  #open(connection: Connection): void {
    const sending: Sending = {
      connection,
      abort: new AbortController(),
      stream: undefined,
      isFresh: true,
      isWriting: false,
      writing: 0,
      isEnding: false,
    }
    this.#sending = sending
    connection.openUni({ signal: sending.abort.signal }).then(
      (stream) => this.#opened(sending, stream),
      () => this.#over(sending),
    )
  }

  #opened(sending: Sending, stream: SendStream): void {
    this.peer.track(stream)
    stream.closed.then((end) => this.#ended(sending, end))
    if (this.#sending !== sending) {
      // Too late. Upstream reads a stream's header before anything else on the connection, so that it must not stay away (spec/gossip.md §3.6).
      stream.write(this.#header).catch(ignore)
      stream.finish().catch(ignore)
      return
    }
    sending.stream = stream
    this.#write(sending, stream)
  }

  #write(sending: Sending, stream: SendStream): void {
    const { bytes, payload, isLast } = this.#queue.take(sending.isFresh ? this.#header : undefined, CHUNK)
    sending.isFresh = false
    sending.isWriting = true
    sending.writing = payload
    stream.write(bytes).then(
      () => this.#written(sending),
      () => this.#over(sending),
    )
    if (isLast) this.#finish(sending, stream)
  }

  #finish(sending: Sending, stream: SendStream): void {
    sending.isEnding = true
    stream.finish().catch(ignore)
    this.#host.schedule(this.#host.now() + this.#host.settings.ackTimeoutMs, this, sending)
  }

  #written(sending: Sending): void {
    if (this.#sending !== sending) return
    this.#release(sending)
    if (this.#isFull) this.#took()
    if (this.#queue.length > 0 || this.#isLeaving) this.flush()
    if (this.isEmpty) this.#host.settled()
  }

  #ended(sending: Sending, end: SendStreamEnd): void {
    if (end.kind === 'stopped') this.#host.counters.streamsStopped++
    this.#over(sending)
    this.#host.settled()
  }

  /** The stream can take nothing more; what was in it is lost unless the peer acknowledged it. */
  #over(sending: Sending): void {
    if (this.#sending !== sending) return
    this.#letGo(sending)
    this.flush()
  }

  #letGo(sending: Sending): void {
    this.#sending = undefined
    this.#release(sending)
    if (sending.stream === undefined) sending.abort.abort()
  }

  /** The write is over, one way or another. */
  #release(sending: Sending): void {
    this.peer.queuedBytes -= sending.writing
    sending.writing = 0
    sending.isWriting = false
  }

  #took(): void {
    const { settings } = this.#host
    this.#idleMs = 0
    const isLow =
      this.#queue.bytes * LOW_PART <= settings.highWaterBytes &&
      this.#queue.length * LOW_PART <= settings.highWaterMessages
    if (isLow) this.#notFull()
    else if (this.#isStalled) {
      this.#isStalled = false
      this.#host.pressureChanged(this)
    }
  }

  #notFull(): void {
    if (!this.#isFull) return
    this.#isFull = false
    this.#isStalled = false
    this.#host.pressureChanged(this)
  }
}

function ignore(): void {
  // whoever needs to know hears it from the stream's `closed`
}
