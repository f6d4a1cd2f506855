/**
 * Runs one QUIC engine over UDP sockets and relays: datagrams in and out, one timer for all deadlines, events to whoever owns the connection. It is
 * synchronous and makes no promises, so the simulator runs this very class over a virtual platform; policy is the endpoint's.
 */
import { messageOf } from '../bytes/index.ts'
import type { Platform, Timer, UdpSocket } from '../platform/index.ts'
import {
  type CloseReason,
  type Connection,
  type ConnectionEvent,
  type DatagramSlots,
  type DialledPeer,
  type Engine,
  ErrorCode,
  type Incoming,
  type QuicSettings,
  type Route,
  type RouteInfo,
  Transmit,
} from '../quic/index.ts'
import { type ConnectionHandler, ConnectionRecord } from './connection-record.ts'
import { DeadlineHeap } from './deadline-heap.ts'
import { type DriverStats, noStats } from './driver-stats.ts'
import { type ForeignPacket, foreignKind } from './foreign.ts'
import { type RelayCarrier, RelayRouteEntry, type RouteEntry } from './route-entry.ts'
import { RouteTable, type SocketRoutes } from './route-table.ts'
import { SlotPool, type SlotPoolOptions } from './slot-pool.ts'

/** Datagrams of one connection in one round; then the event loop turns, so that acks get in (spec/fast-path.md §4). */
const BURST = 64
/** Bytes of one connection in one round: large datagrams fill a receive buffer sooner. */
const BURST_BYTES = 256 * 1024
/** QUIC's minimum, RFC 9000 §14. */
const MIN_DATAGRAM = 1200
/** A connection whose deadline stays in the past is looked at again after this, ms: it waits for a slot, or is wrong. */
const OVERDUE_RETRY_MS = 1

export interface DriverOptions {
  readonly platform: Platform
  /** Makes the engine over the driver's slots and routes. */
  readonly createEngine: (slots: DatagramSlots, routes: RouteInfo) => Engine
  readonly slots?: SlotPoolOptions
  /** Takes datagrams to relays. Default: none, so there are no relay routes. */
  readonly relays?: RelayCarrier | undefined
  /** Somebody dials us. Answer with `accept`, `refuse`, `retry` or `ignore`, now or later. */
  readonly onIncoming: (incoming: Incoming) => void
  /** STUN or disco came in on one of the sockets. Default: dropped. */
  readonly onForeign?: ((packet: ForeignPacket) => void) | undefined
  /** The socket broke and was taken out. */
  readonly onSocketError?: (socket: UdpSocket, error: Error) => void
  /** A defect: a handler or the engine threw. The driver goes on without that connection. */
  readonly onFault?: (error: unknown) => void
}

/** Whom, by key or by name (see the engine's `connect`), and how. */
export type DialOptions = DialledPeer & {
  readonly alpns: readonly Uint8Array[]
  /** At least one; the first flight goes to each. */
  readonly routes: readonly Route[]
  readonly settings?: Partial<QuicSettings>
  readonly token?: Uint8Array
}

export class Driver {
  readonly engine: Engine
  readonly slots: SlotPool
  readonly routes: RouteTable
  readonly stats: DriverStats
  readonly #platform: Platform
  readonly #options: DriverOptions
  readonly #timer: Timer
  readonly #sockets = new Map<UdpSocket, SocketRoutes>()
  readonly #records = new Map<number, ConnectionRecord>()
  readonly #heap = new DeadlineHeap<ConnectionRecord>()
  readonly #out = new Transmit()
  /** Received datagrams always find this one, even when all others wait in a send queue. */
  readonly #receiveSlot: number
  /** One per slot, made once: `done` of a send. */
  readonly #releasers: (() => void)[] = []
  /** To be serviced in the coming round; the two arrays take turns. */
  #touched: ConnectionRecord[] = []
  #servicing: ConnectionRecord[] = []
  /** Connections that found no slot, and those that a full socket stopped. */
  readonly #starved = new Set<ConnectionRecord>()
  readonly #blocked = new Map<ConnectionRecord, Set<Route>>()
  /** A round comes in the next turn of the event loop. */
  #isScheduled = false
  /** A round comes in this turn, when no promise reaction waits any more. */
  #isFlushScheduled = false
  /** When the first of the datagrams that wait for the coming round was read, ms; -1 when there are none. */
  #batchAt = -1
  #isSending = false
  /** Something was handed to a relay in this round. */
  #hasRelayed = false
  #isClosed = false

  constructor(options: DriverOptions) {
    this.#options = options
    this.#platform = options.platform
    this.slots = new SlotPool(options.slots)
    const remote = Math.max(MIN_DATAGRAM, options.platform.maxDatagramSize ?? MIN_DATAGRAM)
    this.routes = new RouteTable({ remote, loopback: Math.max(remote, options.platform.maxLoopbackDatagramSize ?? 0) })
    this.engine = options.createEngine(this.slots, this.routes)
    this.stats = noStats()
    this.#receiveSlot = this.slots.acquire()
    for (let slot = 0; slot < this.slots.count; slot++) {
      this.#releasers.push(() => {
        this.slots.release(slot)
        if (!this.#isSending) this.#onSlotFreed()
      })
    }
    this.#timer = options.platform.createTimer(() => this.#round())
  }

  get sockets(): readonly UdpSocket[] {
    return [...this.#sockets.keys()]
  }

  /** Connections that are not drained yet. */
  get connectionCount(): number {
    return this.#records.size
  }

  /** Starts to receive from `socket`; the driver closes it in `close`. */
  addSocket(socket: UdpSocket): void {
    const routes = this.routes.addSocket(socket)
    this.#sockets.set(socket, routes)
    socket.onMessage = (data, host, port) => this.#receiveUdp(routes, data, host, port)
    socket.onError = (error) => {
      this.removeSocket(socket)
      this.#options.onSocketError?.(socket, error)
    }
  }

  /** Takes the socket out and closes it; what goes to its routes is lost from now on. */
  removeSocket(socket: UdpSocket): Promise<void> {
    if (!this.#sockets.delete(socket)) return Promise.resolve()
    socket.onMessage = () => {}
    socket.onError = () => {}
    this.routes.removeSocket(socket)
    return socket.close()
  }

  /** The first socket of a family. */
  socketOf(family: 4 | 6): UdpSocket | undefined {
    for (const socket of this.#sockets.keys()) if (socket.family === family) return socket
    return undefined
  }

  /** Sends what is not QUIC from one of the sockets to a numeric address: STUN, disco. Copied, or out, before this returns. */
  sendForeign(socket: UdpSocket, bytes: Uint8Array, host: string, port: number): void {
    if (this.#isClosed || !this.#sockets.has(socket)) return
    this.stats.foreignSent++
    const copy = new Uint8Array(bytes)
    socket.send(copy, 0, copy.length, host, port, () => {})
  }

  /** The route to a numeric address from `from`, else from the first socket of its family; undefined when there is no such socket. */
  route(host: string, port: number, from?: UdpSocket): Route | undefined {
    if (from !== undefined) return this.#sockets.get(from)?.intern(host, port)
    const family = host.includes(':') ? 6 : 4
    for (const [socket, routes] of this.#sockets) if (socket.family === family) return routes.intern(host, port)
    return undefined
  }

  /** The route to `peer` (32 bytes of id) through a relay, by its URL. Throws where the driver was given no relays. */
  relayRoute(url: string, peer: Uint8Array): Route {
    const { relays } = this.#options
    if (relays === undefined) throw new RangeError('this driver has no relays')
    return this.routes.relay(url, relays).intern(peer)
  }

  /** A datagram that a relay brought from `peer`. Both are only read during the call. */
  receiveRelayed(url: string, peer: Uint8Array, datagram: Uint8Array): void {
    if (this.#isClosed) return
    this.#receive(datagram, this.relayRoute(url, peer))
  }

  /** The carrier can send through the relay again, or no longer. `isLost`: it has no connection, so what was sent may be gone, too. */
  relayChanged(url: string, isLost: boolean): void {
    const relay = this.routes.knownRelay(url)
    if (relay === undefined || this.#isClosed) return
    relay.isBlocked = isLost || relay.carrier.isBlocked(url)
    if (!relay.isBlocked) {
      this.#unblock()
      return
    }
    if (!isLost) return
    this.#doubt((entry) => entry instanceof RelayRouteEntry && entry.line === relay, true)
  }

  /** The relay says that `peer` has left it: a hint that other paths are better. */
  relayPeerGone(url: string, peer: Uint8Array): void {
    const route = this.routes.knownRelay(url)?.find(peer)
    if (route !== undefined && !this.#isClosed) this.#doubt((entry) => entry.route === route, false)
  }

  #doubt(concerns: (entry: RouteEntry) => boolean, isLost: boolean): void {
    const now = this.#platform.now()
    for (const record of this.#records.values()) {
      for (const route of record.routes) {
        const entry = this.routes.entry(route)
        if (entry === undefined || !concerns(entry)) continue
        if (isLost) this.#block(record, route)
        record.connection.doubt(route, now)
        this.#touchRecord(record)
      }
    }
  }

  connect(options: DialOptions, handler: ConnectionHandler): Connection {
    const { routes, ...rest } = options
    const [first] = routes
    if (first === undefined) throw new RangeError('no route to dial')
    const connection = this.engine.connect({ ...rest, route: first, routes, now: this.#platform.now() })
    const record = this.#register(connection, handler)
    for (const route of routes) this.#hold(record, route)
    return connection
  }

  accept(incoming: Incoming, handler: ConnectionHandler, settings?: Partial<QuicSettings>): Connection {
    const connection = incoming.accept(this.#platform.now(), settings)
    this.#hold(this.#register(connection, handler), incoming.route)
    this.routes.release(incoming.route)
    return connection
  }

  refuse(incoming: Incoming): void {
    incoming.refuse(this.#platform.now())
    this.#decided(incoming)
  }

  /** Throws when the address is validated already. */
  retry(incoming: Incoming): void {
    incoming.retry(this.#platform.now())
    this.#decided(incoming)
  }

  ignore(incoming: Incoming): void {
    incoming.ignore()
    this.#decided(incoming)
  }

  /** Something was done to `connection` that it may want to tell its peer. */
  touch(connection: Connection): void {
    const record = this.#records.get(connection.handle)
    if (record !== undefined && this.#mark(record)) this.#flush()
  }

  /** Runs `callback` when the datagrams that are here by then were taken in, a turn of the event loop later. */
  defer(callback: () => void): void {
    this.#platform.defer(callback)
  }

  /** Application close; the peer is told in the coming round. */
  closeConnection(connection: Connection, code: number, reason: string | Uint8Array): void {
    connection.close(code, reason, this.#platform.now())
    this.touch(connection)
  }

  /** Forgets everything at once, without telling any peer: close the connections first. Resolves when the sockets are closed. */
  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    this.#isClosed = true
    this.engine.close()
    this.#timer.cancel()
    this.#heap.clear()
    this.#records.clear()
    this.#touched.length = 0
    this.#starved.clear()
    this.#blocked.clear()
    this.slots.release(this.#receiveSlot)
    return Promise.all([...this.#sockets.keys()].map((socket) => this.removeSocket(socket))).then(() => undefined)
  }

  #register(connection: Connection, handler: ConnectionHandler): ConnectionRecord {
    const record = new ConnectionRecord(connection, handler)
    this.#records.set(connection.handle, record)
    if (this.#mark(record)) this.#flush()
    return record
  }

  #decided(incoming: Incoming): void {
    this.routes.release(incoming.route)
    this.#schedule()
  }

  #receiveUdp(routes: SocketRoutes, data: Uint8Array, host: string, port: number): void {
    if (this.#isClosed) return
    const kind = foreignKind(data)
    if (kind === undefined) this.#receive(data, routes.intern(host, port))
    else this.#receiveForeign({ kind, data, host, port, socket: routes.socket })
  }

  #receiveForeign(packet: ForeignPacket): void {
    this.stats.foreignReceived++
    try {
      this.#options.onForeign?.(packet)
    } catch (error) {
      this.#options.onFault?.(error)
    }
  }

  #receive(data: Uint8Array, route: Route): void {
    const { length } = data
    if (length === 0 || length > this.slots.slotSize) {
      this.stats.datagramsRefused++
      return
    }
    this.stats.datagramsReceived++
    this.stats.bytesReceived += length
    if (this.#batchAt < 0) this.#batchAt = this.#platform.now()
    const slot = this.#receiveSlot
    this.slots.bytes.set(data, this.slots.offset(slot))
    let connection: Connection | undefined
    try {
      connection = this.engine.receive(slot, length, route, this.#batchAt)
    } catch (error) {
      this.#options.onFault?.(error)
    }
    if (connection === undefined) {
      // A stateless answer may wait, or somebody new.
      this.#schedule()
      return
    }
    const record = this.#records.get(connection.handle)
    if (record !== undefined) this.#touchRecord(record)
  }

  /** Puts `record` on the list of the coming round; false when it is there already. Somebody must see to it that a round comes. */
  #mark(record: ConnectionRecord): boolean {
    if (record.isTouched || this.#isClosed) return false
    record.isTouched = true
    this.#touched.push(record)
    return true
  }

  #touchRecord(record: ConnectionRecord): void {
    if (this.#mark(record)) this.#schedule()
  }

  /**
   * A round one turn of the event loop later: all datagrams that are there now share it. From a socket's callback that is right after the
   * socket was read empty, 1 µs (spec/fast-path.md §5).
   */
  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return
    this.#isScheduled = true
    this.#platform.defer(this.#onDeferred)
  }

  /**
   * A round for what the application did: as soon as it has nothing more to do in this turn, so that an answer waits for no turn and
   * many writes share a packet. While a round is deferred anyway, that one serves: acks must get in between two bursts.
   */
  #flush(): void {
    if (this.#isScheduled || this.#isFlushScheduled || this.#isClosed) return
    if (this.#platform.afterReactions === undefined) {
      this.#schedule()
      return
    }
    this.#isFlushScheduled = true
    this.#platform.afterReactions(this.#onFlush)
  }

  readonly #onDeferred = (): void => {
    this.#isScheduled = false
    this.#round()
  }

  readonly #onFlush = (): void => {
    this.#isFlushScheduled = false
    this.#round()
  }

  /** Tick what is due, answer strangers, then for each connection with news: hand out events, and send. One clock reading. */
  #round(): void {
    if (this.#isClosed) return
    this.stats.rounds++
    const now = this.#platform.now()
    this.#batchAt = -1
    this.#tickDue(now)
    while (this.engine.poll(now, this.#out)) this.#send(this.#out)
    this.#takeIncoming()
    const servicing = this.#touched
    this.#touched = this.#servicing
    this.#servicing = servicing
    for (const record of servicing) this.#service(record, now)
    servicing.length = 0
    if (this.#isClosed) return
    if (this.#hasRelayed) {
      this.#hasRelayed = false
      this.#options.relays?.flush()
    }
    const { earliest } = this.#heap
    // What was cut short goes on in the round that is scheduled anyway.
    if ((this.#isScheduled || this.#isFlushScheduled) && earliest <= now) return
    if (earliest === Number.POSITIVE_INFINITY) this.#timer.cancel()
    else this.#timer.arm(earliest)
  }

  #tickDue(now: number): void {
    for (;;) {
      const record = this.#heap.peek()
      if (record === undefined || record.deadline > now) return
      this.#heap.set(record, Number.POSITIVE_INFINITY)
      try {
        record.connection.tick(now)
      } catch (error) {
        this.#abandon(record, error)
      }
      this.#mark(record)
    }
  }

  #takeIncoming(): void {
    for (;;) {
      const incoming = this.engine.nextIncoming()
      if (incoming === undefined) return
      this.routes.retain(incoming.route)
      try {
        this.#options.onIncoming(incoming)
      } catch (error) {
        this.#options.onFault?.(error)
      }
    }
  }

  #service(record: ConnectionRecord, now: number): void {
    record.isTouched = false
    if (record.isGone || this.#isClosed) return
    try {
      // What the application has to say to events travels with the acknowledgements, in one datagram where it can. The end of the handshake does not
      // wait for it: it might be a close, and then the peer would never hear that there was a connection.
      const hasAnswers = record.isOpen && !record.isHeard && this.#platform.afterReactions !== undefined
      if (hasAnswers && this.#handOut(record)) {
        if (record.isGone || this.#isClosed) return
        record.isHeard = true
        if (this.#mark(record)) this.#flush()
        return
      }
      record.isHeard = false
      const isCut = this.#pollBurst(record, now)
      this.#handOut(record)
      if (record.isGone || this.#isClosed) return
      const deadline = record.connection.deadline()
      if (deadline > now) this.#heap.set(record, deadline)
      else this.#heap.set(record, isCut ? now : now + OVERDUE_RETRY_MS)
    } catch (error) {
      this.#abandon(record, error)
    }
  }

  /** Sends what `record` has, up to a burst. True when it was cut: the rest goes after a turn of the event loop. */
  #pollBurst(record: ConnectionRecord, now: number): boolean {
    const { connection } = record
    const out = this.#out
    let count = 0
    let bytes = 0
    while (count < BURST && bytes < BURST_BYTES) {
      if (!connection.poll(now, out)) {
        if (this.slots.available === 0) this.#starved.add(record)
        return false
      }
      count++
      bytes += out.length
      this.#sendFor(record, out)
    }
    this.#touchRecord(record)
    return true
  }

  /** True when there was an event. */
  #handOut(record: ConnectionRecord): boolean {
    const { connection } = record
    for (let count = 0; ; count++) {
      const event = connection.nextEvent()
      if (event === undefined) return count > 0
      this.#deliver(record, event)
      if (record.isGone || this.#isClosed) return true
    }
  }

  #deliver(record: ConnectionRecord, event: ConnectionEvent): void {
    if (event.type === 'connected') record.isOpen = true
    if (event.type === 'closed') record.isClosed = true
    if (event.type === 'drained') this.#forget(record)
    try {
      record.handler.onEvent(event)
    } catch (error) {
      this.#options.onFault?.(error)
    }
  }

  #forget(record: ConnectionRecord): void {
    record.isGone = true
    this.#heap.set(record, Number.POSITIVE_INFINITY)
    this.#records.delete(record.connection.handle)
    this.#starved.delete(record)
    this.#blocked.delete(record)
    for (const route of record.routes) this.routes.release(route)
    record.routes = []
  }

  /** The engine threw: a defect of ours. The others go on; the owner of this connection hears that it ended. */
  #abandon(record: ConnectionRecord, error: unknown): void {
    this.#options.onFault?.(error)
    if (record.isGone) return
    const reason: CloseReason = {
      kind: 'local-transport',
      code: ErrorCode.INTERNAL_ERROR,
      frameType: 0,
      reason: `internal error: ${messageOf(error)}`,
    }
    if (!record.isClosed) this.#deliver(record, { type: 'closed', reason })
    this.#deliver(record, { type: 'drained' })
  }

  /** The route is the connection's from now on: it may send there, so the number stays what it is. */
  #hold(record: ConnectionRecord, route: Route): void {
    const dropped = record.hold(route)
    if (dropped === route) return
    this.routes.retain(route)
    if (dropped !== undefined) this.routes.release(dropped)
  }

  #sendFor(record: ConnectionRecord, out: Transmit): void {
    if (out.route !== record.lastRoute) {
      this.#hold(record, out.route)
      record.lastRoute = out.route
    }
    const entry = this.#send(out)
    // from now on it sends on its other paths only
    if (entry?.isFull === true) this.#block(record, out.route)
  }

  #block(record: ConnectionRecord, route: Route): void {
    let routes = this.#blocked.get(record)
    if (routes === undefined) {
      routes = new Set()
      this.#blocked.set(record, routes)
    }
    if (routes.has(route)) return
    routes.add(route)
    record.connection.blocked(route)
  }

  /** Sends and releases the slot, now or when nobody reads it any more. Returns the entry where the datagram may have had to wait. */
  #send(out: Transmit): RouteEntry | undefined {
    const entry = this.routes.entry(out.route)
    if (entry === undefined || entry.isDead) {
      this.stats.datagramsUnroutable++
      this.slots.release(out.slot)
      return undefined
    }
    this.stats.datagramsSent++
    this.stats.bytesSent += out.length
    const before = this.slots.inUse
    this.#isSending = true
    entry.send(this.slots.view(out.slot, out.length), this.#releasers[out.slot]!)
    this.#isSending = false
    if (entry.kind === 'relay') this.#hasRelayed = true
    else if (this.slots.inUse < before) return undefined
    return entry
  }

  #onSlotFreed(): void {
    if (this.#isClosed) return
    for (const record of this.#starved) this.#touchRecord(record)
    this.#starved.clear()
    this.#unblock()
  }

  #unblock(): void {
    for (const [record, routes] of this.#blocked) {
      for (const route of routes) {
        if (this.routes.entry(route)?.hasRoom === false) continue
        routes.delete(route)
        record.connection.writable(route)
        this.#touchRecord(record)
      }
      if (routes.size === 0) this.#blocked.delete(record)
    }
  }
}
