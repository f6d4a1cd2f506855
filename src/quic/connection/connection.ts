/**
 * One QUIC connection, sans-I/O: the calls of the driver (poll, deadline, tick, events) and the verbs of the application. It owns
 * the parts and joins them; what a packet goes through stands in receive.ts and transmit.ts.
 *
 * Order of use after any call that changes something: `poll` until false, `nextEvent` until undefined, then `deadline`.
 */
import { encodeHex } from '../../bytes/index.ts'
import type { Signer } from '../../crypto/index.ts'
import type { AddressBytes } from '../../platform/index.ts'
import { type CloseReason, errorCodeName, TransportError } from '../errors.ts'
import { type ConnectionEvent, EventQueue } from '../events.ts'
import type { Role } from '../level.ts'
import type { PathStatus } from '../path/path.ts'
import { Paths } from '../path/paths.ts'
import type { Route } from '../path/route.ts'
import { SentFramePool } from '../recovery/frame-owner.ts'
import type { Resources } from '../resources.ts'
import type { Transmit } from '../slots.ts'
import { Datagrams } from '../streams/datagrams.ts'
import { Streams } from '../streams/streams.ts'
import { Messages } from '../traversal/messages.ts'
import { NatTraversal } from '../traversal/nat-traversal.ts'
import type { TransportParameters } from '../wire/transport-parameters.ts'
import { type ConnectionOptions, handshakeOptions } from './connection-options.ts'
import { allPathStats, type ConnectionStats, connectionStats, type PathStats } from './connection-stats.ts'
import { Control } from './control.ts'
import { earliestDeadline, tickPaths } from './deadlines.ts'
import { Handshake } from './handshake.ts'
import { Lifecycle } from './lifecycle.ts'
import { migrate } from './migration.ts'
import { assembleParts, type Parts, Pending } from './parts.ts'
import { Receive } from './receive.ts'
import { streamEvents, streamSettings } from './stream-wiring.ts'
import { Transmitter } from './transmit.ts'

/** What the engine hears directly: only it must know. */
export interface ConnectionHost {
  /** Ids lead nowhere any more; nothing will be received or sent again. */
  drained(connection: Connection): void
  /** Server: the client's address is proved or the handshake failed; it no longer counts as half open. */
  handshakeSettled(connection: Connection): void
}

export class Connection {
  readonly role: Role
  /** A small integer, unique in the engine. */
  readonly handle: number
  readonly streams: Streams
  readonly datagrams: Datagrams
  readonly #host: ConnectionHost
  readonly #parts: Parts
  readonly #receive: Receive
  readonly #transmit: Transmitter
  #settled = false
  /** Handshake keys go once the datagram that confirmed the handshake is dealt with. */
  #mustConfirm = false
  #released = false
  /** Of the last call that brought the time: for traces. */
  #now: number
  /** A server's NEW_TOKEN for its client, made by the engine. */
  #tokenToIssue: Uint8Array | undefined = undefined

  /** `handle` is unique in the engine; `signer` is our identity. */
  constructor(resources: Resources, host: ConnectionHost, options: ConnectionOptions, handle: number, signer: Signer) {
    const { role, settings, registry } = resources
    this.role = role
    this.handle = handle
    this.#host = host
    this.#now = options.now
    const pool = new SentFramePool()
    const events = new EventQueue()
    const wake = (bit: number) => () => {
      parts.pending |= bit
    }
    const nothing = () => {}
    const isClient = role === 'client'
    const paths = new Paths(
      resources,
      pool,
      events,
      { wakeIds: wake(Pending.Ids), wakePaths: wake(Pending.Paths) },
      {
        route: options.route,
        peerId: options.peerSourceId ?? options.retrySourceId ?? options.originalDestinationId,
        validated: isClient || options.validated === true,
      },
    )
    const { sourceId, first } = paths
    const { detection } = first
    const streamConfig = streamSettings(settings)
    const calls = streamEvents(events)
    this.streams = new Streams(role, streamConfig, calls, nothing)
    this.datagrams = new Datagrams(streamConfig, calls, nothing)
    const resetToken = isClient ? undefined : registry.resetToken(sourceId)
    const handshake = new Handshake(
      resources,
      pool,
      {
        peerParameters: (parameters) => this.#peerParameters(parameters),
        handshakeComplete: () => this.#handshakeComplete(),
      },
      handshakeOptions(options, signer, sourceId, resetToken),
    )
    const parts = assembleParts(resources, {
      pool,
      events,
      lifecycle: new Lifecycle(options.now, settings.maxIdleTimeoutMs, settings.handshakeTimeoutMs),
      handshake,
      paths,
      streams: this.streams,
      datagrams: this.datagrams,
      control: new Control(wake(Pending.Control)),
      traversal: new NatTraversal(resources, events, wake(Pending.Traversal)),
      messages: new Messages(wake(Pending.Messages)),
      fail: (code, frameType, reason, now) => this.#fail(code, frameType, reason, now),
      confirm: () => {
        this.#mustConfirm = true
      },
      peerClosed: (application, code, frameType, reason, now) =>
        this.#peerClosed(application, code, frameType, reason, now),
    })
    this.#parts = parts
    detection.setSpace(handshake.initialSpace!)
    detection.setSpace(handshake.handshakeSpace!)
    detection.setPeerValidated(!isClient)
    this.#receive = new Receive(parts, {
      retried: (route) => {
        // RFC 9000 §8.1.4: the token is good for the address it was given to, and for no other
        first.link.route = route
        this.#transmit.stopFanOut()
        detection.requeue(handshake.initialSpace!)
      },
      versionsOffered: (versions) => this.#vanish({ kind: 'version-negotiation', versions }),
      firstHandshakePacket: () => {
        first.link.validated = true
        detection.atAmplificationLimit = false
        this.#discardInitial()
        this.#settle()
      },
      answered: (route) => {
        first.link.route = route
        this.#transmit.stopFanOut()
      },
    })
    this.#transmit = new Transmitter(parts, { firstHandshakePacketSent: () => this.#discardInitial() })
    const { route: firstRoute } = options
    if (options.routes !== undefined) this.#transmit.setFanOut(options.routes.filter((route) => route !== firstRoute))
    resources.trace?.event(options.now, 'connectivity:connection_started', {
      src_cid: encodeHex(sourceId),
      dst_cid: encodeHex(options.originalDestinationId),
    })
    if (isClient) handshake.tls.start()
  }

  // the driver's calls

  /** A datagram for this connection; `pathId` and `sequence` are those of the connection id it was sent to. False when nothing in it was authentic. */
  receive(
    bytes: Uint8Array,
    start: number,
    length: number,
    route: Route,
    pathId: number,
    sequence: number,
    now: number,
  ): boolean {
    this.#now = now
    const authentic = this.#receive.datagram(bytes, start, length, route, pathId, sequence, now)
    const { handshake, lifecycle, paths } = this.#parts
    if (handshake.isComplete && lifecycle.state === 'handshake') lifecycle.opened(now, paths.largestPtoMs)
    if (this.#mustConfirm) this.#confirm(now)
    if (lifecycle.isEnded) return authentic
    const preferred = paths.notePreferred()
    this.streams.rttMs = preferred.link.recovery.rtt.smoothed
    // before the application hears of what came
    this.#transmit.measureRoom(preferred)
    return authentic
  }

  /** Fills `out` with the next datagram to send; false when there is none now. */
  poll(now: number, out: Transmit): boolean {
    try {
      return this.#transmit.poll(now, out)
    } catch (error) {
      if (!(error instanceof TransportError)) throw error
      this.#fail(error.code, error.frameType, error.message, now)
      return this.#transmit.poll(now, out)
    }
  }

  /** When `tick` must be called, ms; Infinity when there is nothing to wait for. */
  deadline(): number {
    return earliestDeadline(this.#parts)
  }

  /** Time passed. What is due becomes pending; `poll` sends it. */
  tick(now: number): void {
    this.#now = now
    const { lifecycle } = this.#parts
    switch (lifecycle.tick(now)) {
      case 'drained':
        this.#release()
        return
      case 'idle-timeout':
        this.#vanish({ kind: 'idle-timeout' })
        return
      case 'handshake-timeout':
        this.#vanish({ kind: 'handshake-timeout' })
        return
      default:
    }
    if (lifecycle.isEnded) return
    const reason = tickPaths(this.#parts, now)
    if (reason !== undefined) this.#vanish(reason)
    else this.#parts.paths.notePreferred()
  }

  nextEvent(): ConnectionEvent | undefined {
    return this.#parts.events.take()
  }

  /** The driver cannot send on `route` for now: nothing goes there until `writable`, other paths go on. */
  blocked(route: Route): void {
    this.#parts.paths.setBlocked(route, true)
  }

  writable(route: Route): void {
    this.#parts.paths.setBlocked(route, false)
  }

  /**
   * Somebody who may know says that the peer is not to be reached on `route` any more (a relay that lost it, or that we lost): other paths take over, and an
   * answer on the path ends the doubt. Together with `blocked` where nothing can be sent there either.
   */
  doubt(route: Route, now: number): void {
    if (!this.isClosed) this.#parts.paths.doubt(route, now)
  }

  // the application's verbs

  get peerKey(): Uint8Array | undefined {
    return this.#parts.handshake.tls.peerKey
  }

  /** Dialled by X.509: the certificates of the server in DER, its own first, once they were checked. */
  get peerCertificates(): readonly Uint8Array[] | undefined {
    return this.#parts.handshake.tls.peerCertificates
  }

  /** Client: the name that was dialled by X.509. Server: the host name that the client asked for (SNI), lower case. */
  get serverName(): string | undefined {
    return this.#parts.handshake.tls.serverName
  }

  get alpn(): Uint8Array | undefined {
    return this.#parts.handshake.tls.alpn
  }

  get isHandshakeComplete(): boolean {
    return this.#parts.handshake.isComplete
  }

  /** RFC 9001 §4.1.2: the peer, too, has finished. */
  get isConfirmed(): boolean {
    return this.#parts.handshake.isConfirmed
  }

  /** Closing, draining or drained. */
  get isClosed(): boolean {
    return this.#parts.lifecycle.isEnded
  }

  get isDrained(): boolean {
    return this.#parts.lifecycle.state === 'drained'
  }

  get closeReason(): CloseReason | undefined {
    return this.#parts.lifecycle.reason
  }

  /** Smoothed, ms; the initial guess before the first sample. */
  get rttMs(): number {
    return this.#parts.paths.preferred.link.recovery.rtt.smoothed
  }

  /** Where datagrams go now. */
  get route(): Route {
    return this.#parts.paths.preferred.link.route
  }

  /** Ends the connection with the application's code (below 2^62) and reason, cut to what fits a packet. Without effect when it already ended. */
  close(code: number, reason: string | Uint8Array, now: number): void {
    const bytes = typeof reason === 'string' ? new TextEncoder().encode(reason) : reason
    const text = typeof reason === 'string' ? reason : new TextDecoder().decode(reason)
    this.#close(
      { application: true, code, frameType: 0, reason: bytes },
      { kind: 'local-application', code, reason: text },
      now,
    )
  }

  /** RFC 9001 §6.1. False when the last update is not yet complete, or the handshake not confirmed. */
  updateKeys(_now: number): boolean {
    const { handshake, paths } = this.#parts
    if (!handshake.isConfirmed || handshake.oneRtt === undefined || this.isClosed) return false
    if (!handshake.oneRtt.initiate()) return false
    paths.phaseStarted()
    // the peer follows the update when it sees a packet of the new phase
    this.#parts.control.ping()
    return true
  }

  /** A PING at the next poll. */
  ping(): void {
    if (!this.isClosed) this.#parts.control.ping()
  }

  /** Client: moves the connection to another route (RFC 9000 §9.2). Throws before the handshake is confirmed, for servers, when the peer forbade it, and while it has left us no spare connection id. */
  migrate(route: Route, now: number): void {
    const { handshake, paths } = this.#parts
    const path = paths.preferred
    if (this.role !== 'client') throw new Error('only the client of a connection can migrate it')
    if (!handshake.isConfirmed) throw new Error('migration has to wait until the handshake is confirmed')
    if (handshake.peerParameters?.disableActiveMigration === true)
      throw new Error('the server does not allow migration')
    if (this.isClosed || path.link.route === route) return
    // RFC 9000 §9.5: an id is not used from two addresses
    if (!path.peerIds.hasSpare) throw new Error('the server has not yet given us a spare connection id')
    migrate(this.#parts, path, route, now)
  }

  /** Both sides know multipath: paths beside the first may be opened. Known once the peer's transport parameters are. */
  get isMultipath(): boolean {
    return this.#parts.paths.multipath
  }

  /**
   * Client: opens a path on `route`; `path-validated` tells when it carries data. Its id, or undefined while the peer allows no further path or has
   * issued no connection id for it: `paths-available` tells when to try again. Throws for servers, without multipath, and before `confirmed`.
   */
  openPath(route: Route, status: PathStatus, now: number): number | undefined {
    if (!this.#parts.handshake.isConfirmed) throw new Error('a path can be opened once the handshake is confirmed')
    return this.isClosed ? undefined : this.#parts.paths.open(route, status, now)
  }

  /** Gives up a path with a `PathErrorCode` or a code of the application, below 2^62. Throws for the last open path and for one that is not open. */
  abandonPath(id: number, code: number, now: number): void {
    if (this.isClosed) return
    this.#parts.paths.abandon(id, code, now)
    this.#parts.paths.notePreferred()
  }

  /** What we prefer of a path; the peer is told. Data goes over `backup` paths only when no other can carry it. Throws for a path that is not open. */
  setPathStatus(id: number, status: PathStatus): void {
    if (this.isClosed) return
    this.#parts.paths.setStatus(id, status)
    this.#parts.paths.notePreferred()
  }

  /** Silence after which a path is pinged and, if there is another, abandoned, ms; 0 = never. Throws for a path that is not open. */
  setPathClocks(id: number, keepAliveMs: number, idleMs: number, now: number): void {
    this.#parts.paths.setClocks(id, keepAliveMs, idleMs, now)
  }

  /** Asks on a path whether the peer still receives there (PATH_CHALLENGE); `watchPaths` and the path's clocks judge the answer. Throws for a path that is not open. */
  challengePath(id: number, now: number): void {
    if (!this.isClosed) this.#parts.paths.challenge(id, now)
  }

  /**
   * Our network may be another one: on every open path the probe timeout starts afresh, a PING goes out, and direct paths are measured and validated
   * anew. spec/endpoint.md §5.3.
   */
  networkChanged(now: number): void {
    if (!this.isClosed) this.#parts.paths.networkChanged(now)
  }

  /**
   * Watches paths: `path-dead` for one that stays silent for `minMs`, or three probe timeouts if that is longer, while another answers. Meanwhile mere
   * silence moves no data to other paths. For peers that watch theirs, too; 0 ends it.
   */
  watchPaths(minMs: number): void {
    if (!this.isClosed) this.#parts.paths.watch(minMs)
  }

  // NAT traversal (spec/quic.md §5.8): what it takes; when to do what is decided elsewhere

  /** Both sides offered NAT traversal, and multipath. Known once the peer's transport parameters are. */
  get canTraverse(): boolean {
    return this.#parts.traversal.isNegotiated
  }

  /** The peer's `tomCapabilities`; 0 when one of the two sides did not send any. */
  get peerCapabilities(): number {
    return this.#parts.messages.peerCapabilities
  }

  /** Server: our addresses, most wanted first; the client hears what changed, of as many as it holds. May come before the handshake is over. Throws for clients. */
  setLocalCandidates(addresses: readonly AddressBytes[]): void {
    if (!this.isClosed) this.#parts.traversal.setLocalCandidates(addresses)
  }

  /** Client: the addresses that the server says it has, at most `natTraversalAddresses`; IPv4 as 4 bytes. Empty for servers. */
  remoteCandidates(): readonly AddressBytes[] {
    return this.#parts.traversal.remoteCandidates()
  }

  /** Server: the addresses of the client's newest round, at most `natTraversalAddresses`; IPv4 as 4 bytes. Empty for clients. */
  reachOuts(): readonly AddressBytes[] {
    return this.#parts.traversal.reachOuts()
  }

  /** Client: the next round begins, with our addresses, most wanted first (as many as the server holds are told). Probes of the last are forgotten. Throws for servers. */
  startRound(local: readonly AddressBytes[], _now: number): void {
    if (!this.isClosed) this.#parts.traversal.startRound(local)
  }

  /**
   * Probes a route: up to nine packets within about four seconds, until one is answered or the next round begins; once a round. False when it is
   * refused: not negotiated, 32 routes in this round already, or too many probes in too little time (576, and 60 more each second).
   */
  probe(route: Route, now: number): boolean {
    return !this.isClosed && this.#parts.traversal.probe(route, now)
  }

  /**
   * A message to a peer that has `peerCapabilities`: resent until it is acknowledged, in no order, and seldom twice. Throws RangeError beyond 256 bytes,
   * and while 16 are not acknowledged; Error for other peers.
   */
  sendMessage(payload: Uint8Array): void {
    if (!this.isClosed) this.#parts.messages.send(payload)
  }

  /** RFC 8446 §7.5: `length` bytes both sides can compute; once the handshake is complete. */
  exportKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array {
    return this.#parts.handshake.tls.exportKeyingMaterial(label, context, length)
  }

  /** Largest payload of a DATAGRAM frame now, bytes; 0 when the peer takes none. */
  get maxDatagramSize(): number {
    return this.datagrams.maxSize(this.datagrams.packetRoom)
  }

  paths(): PathStats[] {
    return allPathStats(this.#parts.paths)
  }

  stats(): ConnectionStats {
    return connectionStats(this.#parts)
  }

  /** Things that must be zero once the connection is drained. */
  leftovers(): { frames: number; bytesInFlight: number; bufferedBytes: number } {
    return {
      frames: this.#parts.pool.live,
      bytesInFlight: this.#parts.paths.bytesInFlight,
      bufferedBytes: this.streams.bufferedBytes,
    }
  }

  // called by the engine

  /** A stateless reset for one of our peer ids arrived (RFC 9000 §10.3.1). */
  reset(): void {
    this.#vanish({ kind: 'stateless-reset' })
  }

  /** Server: a token to hand the client once the handshake is confirmed. */
  offerToken(token: Uint8Array): void {
    this.#tokenToIssue = token
  }

  /** The engine goes away: silence. */
  abandon(): void {
    this.#vanish({ kind: 'local-application', code: 0, reason: 'the endpoint was closed' })
    // it may have ended before and not be drained yet
    this.#parts.lifecycle.forget()
    this.#release()
  }

  // what the parts tell

  #peerParameters(parameters: TransportParameters): void {
    const { lifecycle, paths } = this.#parts
    this.streams.applyPeerParameters(parameters)
    this.datagrams.applyPeerParameters(parameters)
    lifecycle.setPeerIdle(parameters.maxIdleTimeout)
    paths.peerParameters(parameters)
    this.#parts.traversal.peerParameters(parameters, paths.multipath)
    this.#parts.messages.negotiate(this.#parts.settings.tomCapabilities, parameters.tomCapabilities)
  }

  #handshakeComplete(): void {
    const parts = this.#parts
    parts.events.push({ type: 'connected' })
    parts.paths.handshakeComplete(parts.handshake.peerParameters!.activeConnectionIdLimit, this.#now)
    if (this.role === 'server') {
      // RFC 9001 §4.1.2: for a server, complete is confirmed
      this.#mustConfirm = true
      parts.control.handshakeDone()
      if (this.#tokenToIssue !== undefined) parts.control.newToken(this.#tokenToIssue)
    }
  }

  #confirm(now: number): void {
    this.#mustConfirm = false
    const parts = this.#parts
    const { paths, handshake, lifecycle } = parts
    const { detection } = paths.first
    if (handshake.isConfirmed || lifecycle.isEnded) return
    handshake.isConfirmed = true
    handshake.oneRtt?.prepare()
    detection.handshakeConfirmed = true
    detection.setPeerValidated(true)
    this.#discardInitial()
    if (handshake.handshakeSpace !== undefined) detection.discard(handshake.handshakeSpace)
    handshake.discardHandshake()
    paths.confirmed()
    parts.events.push({ type: 'confirmed' })
    parts.trace?.event(now, 'connectivity:connection_state_updated', { new: 'handshake_confirmed' })
    this.#settle()
  }

  #discardInitial(): void {
    const { handshake, paths } = this.#parts
    if (handshake.initialKeys === undefined) return
    if (handshake.initialSpace !== undefined) paths.first.detection.discard(handshake.initialSpace)
    handshake.discardInitial()
  }

  #fail(code: number, frameType: number, reason: string, now: number): void {
    this.#close(
      { application: false, code, frameType, reason: new TextEncoder().encode(reason) },
      { kind: 'local-transport', code, frameType, reason: `${errorCodeName(code)}: ${reason}` },
      now,
    )
  }

  #close(
    frame: { application: boolean; code: number; frameType: number; reason: Uint8Array },
    reason: CloseReason,
    now: number,
  ): void {
    const { lifecycle, paths } = this.#parts
    if (lifecycle.close(frame, reason, now, paths.largestPtoMs)) this.#ended(reason, now)
  }

  #peerClosed(application: boolean, code: number, frameType: number, reason: string, now: number): void {
    const { lifecycle, paths } = this.#parts
    const why: CloseReason = application
      ? { kind: 'peer-application', code, reason }
      : { kind: 'peer-transport', code, frameType, reason }
    if (lifecycle.peerClosed(why, now, paths.largestPtoMs)) this.#ended(why, now)
  }

  #vanish(reason: CloseReason): void {
    if (!this.#parts.lifecycle.vanish(reason)) return
    this.#ended(reason, this.#now)
    this.#release()
  }

  /** No data moves any more; keys stay for the CONNECTION_CLOSE. */
  #ended(reason: CloseReason, now: number): void {
    const { events, paths, traversal, trace } = this.#parts
    paths.clear()
    traversal.clear()
    this.streams.close()
    this.datagrams.close()
    this.#receive.release()
    events.push({ type: 'closed', reason })
    trace?.event(now, 'connectivity:connection_closed', { ...reason })
    this.#settle()
  }

  #settle(): void {
    if (this.#settled) return
    this.#settled = true
    this.#host.handshakeSettled(this)
  }

  #release(): void {
    if (this.#released) return
    this.#released = true
    const { handshake, paths, events } = this.#parts
    handshake.release()
    paths.release()
    this.#transmit.stopFanOut()
    events.push({ type: 'drained' })
    this.#host.drained(this)
  }
}
