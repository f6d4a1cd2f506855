/**
 * One connection as the application sees it: streams, datagrams, paths, closing. Translates between QUIC's events and promises; packets
 * are `quic/`'s, sockets the driver's.
 */
import type { ConnectionHandler, Driver } from '../driver/index.ts'
import type { ConnectionWatch } from '../holepunch/index.ts'
import { EndpointId } from '../identity/index.ts'
import type {
  CloseReason,
  ConnectionEvent,
  ConnectionStats,
  Connection as QuicConnection,
  Role,
  Streams,
} from '../quic/index.ts'
import { type ConnectionClosedError, connectionClosed, handshakeFailed } from './errors.ts'
import { type PathEvent, PathEventBuffer, type PathInfo } from './path-info.ts'
import { RecvStream } from './receive-stream.ts'
import { SendStream } from './send-stream.ts'
import type { StreamHost } from './stream-host.ts'
import { Settled, type WaitOptions, WaitQueue } from './wait.ts'

export interface BiStream {
  readonly send: SendStream
  readonly recv: RecvStream
}

/** What `Endpoint` tells a new connection. Internal. */
export interface ConnectionSetup {
  readonly driver: Driver
  /** Makes the QUIC connection; its events go to the handler, never before this returned. */
  readonly start: (handler: ConnectionHandler) => QuicConnection
  /** Who was dialled; undefined for an incoming connection. */
  readonly dialled?: EndpointId
  /** Addresses that were dialled, as text. */
  readonly tried: readonly string[]
  /** Absent: nobody looks after the paths. */
  readonly watch?: (quic: QuicConnection) => ConnectionWatch
  readonly onDrained: (connection: Connection) => void
}

export class Connection {
  /** 'client' dialled, 'server' accepted. */
  readonly side: Role
  /**
   * Resolves with the reason once the connection ended, whoever ended it; never rejects. A peer that vanished is noticed after the
   * idle timeout (default 30 s).
   */
  readonly closed: Promise<ConnectionClosedError>
  /** Resolves when the handshake is complete, rejects with ConnectError. Internal: `connect` and `accept` wait for it. */
  readonly established: Promise<void>
  readonly #driver: Driver
  readonly #onDrained: (connection: Connection) => void
  readonly #quic: QuicConnection
  readonly #watch: ConnectionWatch | undefined
  readonly #established = new Settled<void>()
  readonly #closed = new Settled<ConnectionClosedError>()
  /** Made for the first stream, as the maps are: an idle connection has none. */
  #host: StreamHost | undefined = undefined
  #sends: Map<number, SendStream> | undefined = undefined
  #receives: Map<number, RecvStream> | undefined = undefined
  readonly #incoming: readonly [WaitQueue, WaitQueue] = [new WaitQueue(), new WaitQueue()]
  readonly #available: readonly [WaitQueue, WaitQueue] = [new WaitQueue(), new WaitQueue()]
  readonly #datagram = new WaitQueue()
  readonly #datagramWritable = new WaitQueue()
  #pathReaders: Set<PathEventBuffer> | undefined = undefined
  #remoteId: EndpointId | undefined
  /** Addresses that were dialled, while the handshake may still fail. */
  #tried: readonly string[]
  #isEstablished = false
  #closeError: ConnectionClosedError | undefined = undefined

  /** Made by `Endpoint`. */
  constructor(setup: ConnectionSetup) {
    this.#driver = setup.driver
    this.#onDrained = setup.onDrained
    this.#remoteId = setup.dialled
    this.#tried = setup.tried
    this.closed = this.#closed.promise
    this.established = this.#established.promise
    this.#quic = setup.start({ onEvent: (event) => this.#onEvent(event) })
    this.#watch = setup.watch?.(this.#quic)
    this.side = this.#quic.role
  }

  /** The peer's key, proved by the handshake. */
  get remoteId(): EndpointId {
    if (this.#remoteId === undefined) throw new Error('the peer is not known before the handshake is complete')
    return this.#remoteId
  }

  /** The protocol both sides agreed on. */
  get alpn(): Uint8Array {
    const { alpn } = this.#quic
    if (alpn === undefined) throw new Error('the ALPN is not known before the handshake is complete')
    return alpn
  }

  /** `alpn` as text, for the many that are. */
  get alpnText(): string {
    return new TextDecoder().decode(this.alpn)
  }

  /** The handshake was completed, whatever came then. */
  get isEstablished(): boolean {
    return this.#isEstablished
  }

  /** Undefined while the connection lives. */
  get closeReason(): ConnectionClosedError | undefined {
    return this.#closeError
  }

  /**
   * A new stream both ways. The peer sees it with the first write or `finish`, not before. Waits while the peer allows no more streams
   * (iroh: 100 at once). Throws ConnectionClosedError.
   */
  async openBi({ signal }: WaitOptions = {}): Promise<BiStream> {
    return this.#bi(await this.#open(true, signal))
  }

  /** A new stream to the peer only; otherwise as `openBi`. */
  async openUni({ signal }: WaitOptions = {}): Promise<SendStream> {
    return this.#send(await this.#open(false, signal))
  }

  /** The next stream both ways that the peer opened, in the order of its opening. Waits; throws ConnectionClosedError when the connection ends. */
  async acceptBi({ signal }: WaitOptions = {}): Promise<BiStream> {
    return this.#bi(await this.#accept(true, signal))
  }

  /** The next stream from the peer only; otherwise as `acceptBi`. */
  async acceptUni({ signal }: WaitOptions = {}): Promise<RecvStream> {
    return this.#receive(await this.#accept(false, signal))
  }

  /** The peer may have `count` streams to us open at once (`acceptUni`), from now on; it never becomes fewer. Default: `settings.maxStreamsUni`, 100. */
  allowIncomingUni(count: number): void {
    if (this.#closeError !== undefined) return
    this.#quic.streams.allowTheirs(false, count)
    this.#touch()
  }

  /**
   * Writes wait once so many bytes of all streams are not acknowledged. Default: `settings.sendBuffer`, 10 MB; less means that a slow peer is felt sooner, and that no more than
   * this is delivered each round trip.
   */
  limitSendBuffer(bytes: number): void {
    if (!(bytes > 0)) throw new RangeError('a send buffer has some bytes')
    this.#quic.streams.limitSendBuffer(bytes)
  }

  /**
   * Sends a datagram: one packet, not repeated when lost, not ordered (RFC 9221). A full queue (default 1 MiB) drops its oldest ones. Throws
   * DatagramError (DATAGRAM_TOO_LARGE, DATAGRAM_UNSUPPORTED) or ConnectionClosedError.
   */
  sendDatagram(bytes: Uint8Array): void {
    if (this.#closeError !== undefined) throw this.#closeError
    this.#quic.datagrams.send(bytes)
    this.#touch()
  }

  /** As `sendDatagram`, but waits for room instead of dropping the oldest. */
  async sendDatagramWait(bytes: Uint8Array, { signal }: WaitOptions = {}): Promise<void> {
    for (;;) {
      signal?.throwIfAborted()
      if (this.#closeError !== undefined) throw this.#closeError
      const result = this.#quic.datagrams.send(bytes, false)
      this.#touch()
      if (result !== 'full') return
      await this.#datagramWritable.wait(signal)
    }
  }

  /** The oldest datagram that arrived; waits for one. Beyond 1.25 MB unread ones the oldest are dropped. Throws ConnectionClosedError. */
  async readDatagram({ signal }: WaitOptions = {}): Promise<Uint8Array> {
    for (;;) {
      signal?.throwIfAborted()
      const bytes = this.#quic.datagrams.read()
      if (bytes !== undefined) return bytes
      if (this.#closeError !== undefined) throw this.#closeError
      await this.#datagram.wait(signal)
    }
  }

  /** Largest datagram that can be sent now, bytes; undefined when the peer takes none. Grows with the path's MTU. */
  get maxDatagramSize(): number | undefined {
    const size = this.#quic.maxDatagramSize
    return size > 0 ? size : undefined
  }

  /** Smoothed round trip of the path in use, ms. */
  rtt(): number {
    return this.#quic.rttMs
  }

  /** Counters since the start. */
  stats(): ConnectionStats {
    return this.#quic.stats()
  }

  /** The open paths. */
  paths(): PathInfo[] {
    const open = this.#quic.paths().filter(({ state, validated }) => state === 'open' && validated)
    return open.map((stats) => ({
      id: stats.id,
      ...this.#describe(stats.route),
      rttMs: stats.rttMs,
      mtu: stats.mtu,
      selected: stats.preferred,
      stats,
    }))
  }

  /** Changes of paths from now on; ends with the connection. Nothing is replayed: subscribe, then read `paths()`. */
  pathEvents(): AsyncIterableIterator<PathEvent> {
    const buffer = new PathEventBuffer()
    if (this.#closeError !== undefined) buffer.end()
    else {
      this.#pathReaders ??= new Set()
      this.#pathReaders.add(buffer)
    }
    return this.#readPathEvents(buffer)
  }

  /** Bytes that both sides can compute and nobody else (RFC 8446 §7.5). */
  exportKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array {
    return this.#quic.exportKeyingMaterial(label, context, length)
  }

  /**
   * Ends the connection now: what was not delivered is lost on both sides, so let the receiver of the last byte close. `code` (default 0) is below 2^62 and means
   * what the two applications agreed on; `reason` is cut to what fits a packet. No effect on a connection that ended.
   */
  close(code = 0, reason: string | Uint8Array = ''): void {
    if (!Number.isSafeInteger(code) || code < 0) throw new RangeError('a close code is an integer from 0 to 2^53 - 1')
    if (this.#closeError !== undefined) return
    this.#driver.closeConnection(this.#quic, code, reason)
  }

  // streams

  async #open(bidirectional: boolean, signal: AbortSignal | undefined): Promise<number> {
    for (;;) {
      signal?.throwIfAborted()
      if (this.#closeError !== undefined) throw this.#closeError
      const id = this.#quic.streams.open(bidirectional)
      // Refused, too, has something to say: STREAMS_BLOCKED.
      this.#touch()
      if (id >= 0) return id
      await this.#available[bidirectional ? 0 : 1].wait(signal)
    }
  }

  async #accept(bidirectional: boolean, signal: AbortSignal | undefined): Promise<number> {
    for (;;) {
      signal?.throwIfAborted()
      const id = this.#quic.streams.accept(bidirectional)
      if (id >= 0) return id
      if (this.#closeError !== undefined) throw this.#closeError
      await this.#incoming[bidirectional ? 0 : 1].wait(signal)
    }
  }

  #bi(id: number): BiStream {
    return { send: this.#send(id), recv: this.#receive(id) }
  }

  #send(id: number): SendStream {
    const stream = new SendStream(id, this.#streamHost)
    // Stopped between its acceptance and now: the first write will say so.
    this.#sends ??= new Map()
    this.#sends.set(id, stream)
    if (this.#closeError !== undefined) stream.end({ kind: 'connection-closed', error: this.#closeError })
    return stream
  }

  #receive(id: number): RecvStream {
    const stream = new RecvStream(id, this.#streamHost)
    this.#receives ??= new Map()
    this.#receives.set(id, stream)
    return stream
  }

  get #streamHost(): StreamHost {
    this.#host ??= new Host(this, this.#quic, this.#driver, (id, isSend) => {
      if (isSend) this.#sends?.delete(id)
      else this.#receives?.delete(id)
    })
    return this.#host
  }

  #touch(): void {
    this.#driver.touch(this.#quic)
  }

  #describe(route: number): { kind: 'direct' | 'relay'; remote: string } {
    const { kind = 'direct', remote = 'unknown' } = this.#driver.routes.entry(route) ?? {}
    return { kind, remote }
  }

  // events

  #onEvent(event: ConnectionEvent): void {
    switch (event.type) {
      case 'stream-readable':
        this.#receives?.get(event.id)?.onReadable()
        break
      case 'stream-writable':
        this.#sends?.get(event.id)?.onWritable()
        break
      case 'stream-incoming':
        this.#incoming[event.bidirectional ? 0 : 1].wake()
        break
      case 'stream-available':
        this.#available[event.bidirectional ? 0 : 1].wake()
        break
      case 'stream-stopped':
        this.#sends?.get(event.id)?.end({ kind: 'stopped', code: event.code })
        break
      case 'stream-finished':
        this.#sends?.get(event.id)?.end({ kind: 'finished' })
        break
      case 'datagram':
        this.#datagram.wake()
        break
      case 'datagram-writable':
        this.#datagramWritable.wake()
        break
      case 'connected':
        this.#onConnected()
        this.#watch?.onEvent(event)
        break
      case 'path-validated':
        // path 0 is open from the start; it is validated again after each move
        if (event.path > 0) this.#onPath('opened', event.path, event.route)
        this.#watch?.onEvent(event)
        break
      case 'path-preferred':
        this.#onPath('selected', event.path, event.route)
        break
      case 'path-migrated':
        this.#onPath('selected', event.path, event.route)
        this.#watch?.onEvent(event)
        break
      case 'path-abandoned':
        this.#onPath('closed', event.path, event.route)
        this.#watch?.onEvent(event)
        break
      case 'confirmed':
      case 'path-suspect':
      case 'path-dead':
      case 'paths-available':
      case 'remote-candidates':
      case 'reach-out':
      case 'probe-answered':
      case 'message':
        this.#watch?.onEvent(event)
        break
      case 'closed':
        this.#watch?.onEvent(event)
        this.#onClosed(event.reason)
        break
      // nothing will be sent any more, so that the endpoint may close its sockets
      case 'close-answered':
      case 'drained':
        this.#onDrained(this)
        break
      default:
    }
  }

  #onConnected(): void {
    // Who was dialled has proved to be who he is; nobody else gets here.
    this.#remoteId ??= EndpointId.fromVerifiedKey(this.#quic.peerKey!)
    this.#isEstablished = true
    this.#tried = []
    this.#established.resolve()
  }

  #onPath(type: 'opened' | 'selected' | 'closed', id: number, route: number): void {
    const event: PathEvent = { type, id, ...this.#describe(route) }
    for (const reader of this.#pathReaders ?? []) reader.push(event)
  }

  #onClosed(reason: CloseReason): void {
    const error = connectionClosed(reason, this.#remoteId)
    this.#closeError = error
    if (!this.#isEstablished) this.#established.reject(handshakeFailed(reason, this.#remoteId, this.#tried))
    for (const stream of [...(this.#sends?.values() ?? [])]) stream.end({ kind: 'connection-closed', error })
    for (const stream of [...(this.#receives?.values() ?? [])]) stream.onReadable()
    // What had arrived can still be read, so those who wait look once more and then meet the error.
    for (const queue of [...this.#incoming, ...this.#available, this.#datagram, this.#datagramWritable]) queue.wake()
    for (const { id, state, route } of this.#quic.paths()) if (state === 'open') this.#onPath('closed', id, route)
    for (const reader of this.#pathReaders ?? []) reader.end()
    this.#pathReaders = undefined
    this.#closed.resolve(error)
  }

  async *#readPathEvents(buffer: PathEventBuffer): AsyncGenerator<PathEvent, void, undefined> {
    try {
      for (;;) {
        const event = buffer.take()
        if (event !== undefined) yield event
        else if (buffer.isEnded) return
        else await buffer.wait()
      }
    } finally {
      this.#pathReaders?.delete(buffer)
    }
  }
}

/** What the streams of a connection are given of it. */
class Host implements StreamHost {
  readonly streams: Streams
  readonly #connection: Connection
  readonly #quic: QuicConnection
  readonly #driver: Driver
  readonly #over: (id: number, isSend: boolean) => void

  constructor(
    connection: Connection,
    quic: QuicConnection,
    driver: Driver,
    over: (id: number, isSend: boolean) => void,
  ) {
    this.streams = quic.streams
    this.#connection = connection
    this.#quic = quic
    this.#driver = driver
    this.#over = over
  }

  get remoteId(): EndpointId {
    return this.#connection.remoteId
  }

  get closeError(): ConnectionClosedError | undefined {
    return this.#connection.closeReason
  }

  touch(): void {
    this.#driver.touch(this.#quic)
  }

  defer(callback: () => void): void {
    this.#driver.defer(callback)
  }

  sendOver(id: number): void {
    this.#over(id, true)
  }

  receiveOver(id: number): void {
    this.#over(id, false)
  }
}
