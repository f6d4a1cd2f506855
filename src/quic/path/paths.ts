/**
 * All paths of a connection: which ids may be used, opening, abandoning, giving ids back, and the connection ids of paths that are not open
 * yet (draft-ietf-quic-multipath; spec/quic.md §4.3, §4.6, §5.4, §5.5). Which path carries what is path-scheduler.ts's business.
 */
import { MAX_ACK_DELAY_MS, MIN_DATAGRAM } from '../config.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import type { EventQueue } from '../events.ts'
import { Level } from '../level.ts'
import type { AckFrequency } from '../recovery/ack-policy.ts'
import type { PacketWriter, SentFramePool } from '../recovery/frame-owner.ts'
import { LossDetection } from '../recovery/loss-detection.ts'
import { PacketSpace } from '../recovery/packet-space.ts'
import type { Resources } from '../resources.ts'
import { FrameType } from '../wire/frame-types.ts'
import type { NewConnectionIdFrame, RetireConnectionIdFrame } from '../wire/id-frames.ts'
import {
  HIGHEST_PATH_ID,
  type PathAbandonFrame,
  type PathCidsBlockedFrame,
  PathErrorCode,
  type PathStatusFrame,
} from '../wire/path-frames.ts'
import type { TransportParameters } from '../wire/transport-parameters.ts'
import { LocalIds } from './local-ids.ts'
import { makeLink, mtuLimit } from './make-link.ts'
import { AddressReports, sendsReports } from './observed-address.ts'
import { Path, type PathStatus } from './path.ts'
import { PathControl } from './path-control.ts'
import type { PathLink } from './path-link.ts'
import { hasAlternative, preferredPath } from './path-scheduler.ts'
import { PeerIds } from './peer-ids.ts'
import type { Route } from './route.ts'

/** Ids that we issue for a path that nobody uses yet: one to open it with, one to migrate to (spec/quic.md §7.4). */
const IDS_IN_ADVANCE = 2
/** A client never goes back to an id below those it used, so what lies further below than reordering explains is given up. */
const REORDERING = 64
/** An abandoned path whose peer does not answer with PATH_ABANDON of its own is forgotten after this, ms. A guess: several probe timeouts of a slow path. */
const ABANDON_WAIT_MS = 10_000
/** RFC 9002 §6.2.1 with RTTs of `initialRttMs`, three times: how long a server waits for a new path when the peer abandons the last (spec/quic.md §5.5). */
const NO_PATH_PTOS = 3
const NEVER = Number.POSITIVE_INFINITY

/** Bits of `wake`: which of the frame owners in here has something to say. */
export interface PathsHost {
  wakeIds(): void
  wakePaths(): void
}

export interface FirstPath {
  readonly route: Route
  /** The id of the peer's first packet, or a client's random choice. */
  readonly peerId: Uint8Array
  /** The peer is known to receive there. */
  readonly validated: boolean
}

export class Paths {
  /** Open and abandoned ones, in order of their ids. Never empty. */
  readonly live: Path[] = []
  /** Path 0, also when it is gone: the handshake stands on it. */
  readonly first: Path
  /** Our connection id in the handshake. */
  readonly sourceId: Uint8Array
  readonly control: PathControl
  readonly reports: AddressReports
  /** Both sides advertised initial_max_path_id. */
  multipath = false
  /** When a connection without a path ends, ms. */
  noPathAt = NEVER
  readonly #resources: Resources
  readonly #pool: SentFramePool
  readonly #events: EventQueue
  readonly #host: PathsHost
  /** By path id, also of paths that are not open. */
  readonly #localIds = new Map<number, LocalIds>()
  readonly #peerIds = new Map<number, PeerIds>()
  /** Highest path id the peer may use, and we. */
  #localMax = -1
  #peerMax = -1
  /** Ids below are issued for, in both senses: the smaller of the two maxima, plus one. */
  #issuedBelow = 1
  /** Highest path id ever used or abandoned. */
  #highest = 0
  /** Abandoned and discarded ids: all below `#goneBelow` that are not live, and these. */
  readonly #gone = new Set<number>()
  #goneBelow = 0
  #peerUdpPayload = MIN_DATAGRAM
  #peerMaxAckDelayMs = MAX_ACK_DELAY_MS
  #peerIdLimit = 2
  #reporting = false
  #ackFrequency: AckFrequency | undefined = undefined

  constructor(resources: Resources, pool: SentFramePool, events: EventQueue, host: PathsHost, first: FirstPath) {
    this.#resources = resources
    this.#pool = pool
    this.#events = events
    this.#host = host
    const wakePaths = () => host.wakePaths()
    this.control = new PathControl(wakePaths)
    this.reports = new AddressReports(resources.routes, (id) => this.find(id), wakePaths)
    const peerIds = new PeerIds(resources.registry, 0, first.peerId, resources.settings.activeConnectionIdLimit, () =>
      host.wakeIds(),
    )
    this.#peerIds.set(0, peerIds)
    const link = makeLink(resources, first.route, MIN_DATAGRAM)
    link.validated = first.validated
    this.first = this.#assemble(0, link, peerIds)
    this.sourceId = this.first.localIds.first()
  }

  find(id: number): Path | undefined {
    for (const path of this.live) if (path.id === id) return path
    return undefined
  }

  /** Where data goes first. */
  get preferred(): Path {
    return this.live.length === 1 ? this.live[0]! : preferredPath(this.live)
  }

  /** Probe timeout of the slowest path, ms. */
  get largestPtoMs(): number {
    let largest = 0
    for (const path of this.live) largest = Math.max(largest, path.detection.ptoMs())
    return largest
  }

  get openCount(): number {
    let count = 0
    for (const path of this.live) if (path.isOpen) count++
    return count
  }

  /** Could another path take over from this one? */
  hasAlternative(path: Path): boolean {
    return this.live.length > 1 && hasAlternative(this.live, path)
  }

  /** Bytes in flight on all paths. */
  get bytesInFlight(): number {
    let bytes = 0
    for (const path of this.live) bytes += path.link.recovery.bytesInFlight
    return bytes
  }

  // what the handshake tells

  peerParameters(parameters: TransportParameters): void {
    const { settings } = this.#resources
    this.#peerUdpPayload = parameters.maxUdpPayloadSize
    this.#peerMaxAckDelayMs = parameters.maxAckDelay
    this.#peerIdLimit = parameters.activeConnectionIdLimit
    this.first.detection.peerMaxAckDelayMs = parameters.maxAckDelay
    if (parameters.statelessResetToken !== undefined)
      this.first.peerIds.setFirstResetToken(parameters.statelessResetToken)
    this.#reporting = sendsReports(settings.observedAddressRole, parameters.observedAddressRole)
    if (settings.maxPathId === undefined || parameters.initialMaxPathId === undefined) return
    // spec/quic.md §2.3: the path of a packet is known by its connection id
    if (parameters.initialSourceConnectionId?.length === 0)
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, 0, 'multipath must not use zero-length connection ids')
    this.multipath = true
    this.#localMax = settings.maxPathId
    this.#peerMax = parameters.initialMaxPathId
  }

  handshakeComplete(now: number): void {
    this.first.localIds.fill(this.#peerIdLimit)
    this.#issue()
    this.first.restartClocks(now)
    if (this.#reporting) this.#report(this.first)
  }

  /** MTU discovery begins: the peer's limit is known, and the address settled. */
  confirmed(): void {
    const { link } = this.first
    const started = makeLink(this.#resources, link.route, this.#peerUdpPayload, link.recovery)
    started.validated = link.validated
    started.bytesReceived = link.bytesReceived
    started.bytesSent = link.bytesSent
    this.first.link = started
  }

  /** Connection ids for all path ids that both sides may use now (spec/quic.md §4.6). */
  #issue(): void {
    if (!this.multipath) return
    const below = Math.min(this.#localMax, this.#peerMax) + 1
    for (let id = this.#issuedBelow; id < below; id++) {
      if (!this.#isGone(id)) this.#localIdsOf(id).fill(Math.min(this.#peerIdLimit, IDS_IN_ADVANCE))
    }
    this.#issuedBelow = Math.max(this.#issuedBelow, below)
  }

  #localIdsOf(id: number): LocalIds {
    let ids = this.#localIds.get(id)
    if (ids === undefined) {
      ids = new LocalIds(this.#resources.registry, id, () => this.#host.wakeIds())
      this.#localIds.set(id, ids)
    }
    return ids
  }

  #peerIdsOf(id: number): PeerIds {
    let ids = this.#peerIds.get(id)
    if (ids === undefined) {
      const { registry, settings } = this.#resources
      ids = new PeerIds(registry, id, undefined, settings.activeConnectionIdLimit, () => this.#host.wakeIds())
      this.#peerIds.set(id, ids)
    }
    return ids
  }

  #assemble(id: number, link: PathLink, peerIds: PeerIds): Path {
    const { settings } = this.#resources
    const space = new PacketSpace(Level.OneRtt, id, this.#pool, {
      immediate: false,
      maxAckDelayMs: MAX_ACK_DELAY_MS,
      elicitingThreshold: 2,
    })
    const path = new Path({
      id,
      space,
      localIds: this.#localIdsOf(id),
      peerIds,
      link,
      keepAliveMs: settings.keepAliveMs,
      idleMs: settings.pathIdleTimeoutMs,
    })
    if (this.#ackFrequency !== undefined) space.ackPolicy.applyFrequency(this.#ackFrequency)
    path.detection = new LossDetection(this.#pool, path, { maxPtoMs: settings.maxPtoMs })
    path.detection.link = link.recovery
    path.detection.setSpace(space)
    path.detection.peerMaxAckDelayMs = this.#peerMaxAckDelayMs
    let at = this.live.length
    while (at > 0 && this.live[at - 1]!.id > id) at--
    this.live.splice(at, 0, path)
    return path
  }

  // opening

  /**
   * Client: opens the next path on `route`. Its id, or undefined while the peer allows no further path or has issued no connection id for
   * it: it is told, and `paths-available` says when to try again. Throws for servers, without multipath, and before the handshake is confirmed.
   */
  open(route: Route, status: PathStatus, now: number): number | undefined {
    const { role } = this.#resources
    if (role !== 'client') throw new Error('only the client of a connection can open paths')
    if (!this.multipath) throw new Error('the connection has one path only: multipath was not negotiated')
    const id = this.#highest + 1
    if (id > Math.min(this.#localMax, this.#peerMax)) {
      this.control.pathsBlocked(this.#peerMax)
      return undefined
    }
    const peerIds = this.#peerIdsOf(id)
    if (!peerIds.open()) {
      this.control.cidsBlocked(id, 0)
      return undefined
    }
    const path = this.#open(id, route, peerIds, now)
    path.status = status
    // we know that this address is ours: the amplification limit is for servers
    path.link.bytesReceived = Number.MAX_SAFE_INTEGER
    return id
  }

  #open(id: number, route: Route, peerIds: PeerIds, now: number): Path {
    const { trace, settings } = this.#resources
    const link = makeLink(this.#resources, route, this.#peerUdpPayload)
    const path = this.#assemble(id, link, peerIds)
    path.detection.handshakeConfirmed = true
    this.#highest = Math.max(this.#highest, id)
    this.#goneBelow = Math.max(this.#goneBelow, id - REORDERING)
    if (this.noPathAt !== NEVER) {
      this.noPathAt = NEVER
      for (const other of this.live) if (!other.isOpen) other.discardAt = now + 3 * this.largestPtoMs
    }
    // spec/quic.md §5.4: who has proved an address need not prove it again for another path
    if (this.live.some((other) => other !== path && other.isOpen && other.linkOn(route)?.validated === true))
      this.validated(path, now)
    // noq goes on asking until the path has been idle for too long
    else link.startValidation(now + Math.max(settings.pathIdleTimeoutMs, 3 * path.detection.ptoMs()))
    path.localIds.fill(this.#peerIdLimit)
    path.restartClocks(now)
    if (this.#reporting) this.#report(path)
    this.#events.push({ type: 'path-opened', path: id, route })
    trace?.event(now, 'connectivity:path_assigned', { path_id: id, route })
    return path
  }

  /** The address of the path's link is proved. */
  validated(path: Path, now: number): void {
    path.link.validated = true
    this.#events.push({ type: 'path-validated', path: path.id, route: path.link.route })
    if (path.id === 0) return
    path.restartClocks(now)
    this.#say(path)
  }

  /** Is a packet on path `id` from a peer that has not used it before something to look at? A server creates the path when it proves authentic. */
  mayAppear(id: number): boolean {
    return this.#resources.role === 'server' && this.multipath && id <= this.#localMax && !this.#isGone(id)
  }

  /** Server: an authentic packet of `length` datagram bytes came on a path that did not exist (spec/quic.md §5.4). */
  appeared(id: number, route: Route, length: number, now: number): Path | undefined {
    const peerIds = this.#peerIdsOf(id)
    // without an id of the peer's for this path nothing could be answered
    if (!peerIds.open()) return undefined
    const path = this.#open(id, route, peerIds, now)
    path.link.bytesReceived = length
    return path
  }

  #report(path: Path): void {
    path.reportPending = true
    this.#host.wakePaths()
  }

  /** The path stands on another link now. */
  moved(path: Path): void {
    if (this.#reporting) this.#report(path)
  }

  /** The peer's max_udp_payload_size allows so much on this route. */
  mtuLimitOn(route: Route): number {
    return mtuLimit(this.#resources, route, this.#peerUdpPayload)
  }

  // status

  /** Throws for a path that is not open. */
  setStatus(id: number, status: PathStatus): void {
    const path = this.find(id)
    if (path === undefined || !path.isOpen) throw new RangeError(`there is no open path ${id}`)
    if (path.status === status) return
    path.status = status
    if (path.link.validated) this.#say(path)
  }

  #say(path: Path): void {
    if (!this.multipath) return
    path.statusSequence++
    this.control.status(path)
  }

  receiveStatus(frame: PathStatusFrame, type: number): void {
    this.#checkId(frame.pathId, type)
    const path = this.find(frame.pathId)
    if (path === undefined || !path.isOpen || frame.sequence <= path.peerStatusSequence) return
    path.peerStatusSequence = frame.sequence
    const status = frame.backup ? 'backup' : 'available'
    if (path.peerStatus === status) return
    path.peerStatus = status
    this.#events.push({ type: 'path-status', path: path.id, status })
  }

  // abandoning

  /**
   * Gives up a path: PATH_ABANDON with `code` (a `PathErrorCode`, or the application's, below 2^62). What was under way goes again elsewhere.
   * Throws for the last open path and for ids that are not open.
   */
  abandon(id: number, code: number, now: number): void {
    const path = this.find(id)
    if (path === undefined || !path.isOpen) throw new RangeError(`there is no open path ${id}`)
    if (!this.multipath) throw new Error('the connection has one path only: close it instead')
    if (this.openCount === 1) throw new Error('the last path cannot be abandoned: close the connection instead')
    this.#leave(path, code, false, now)
  }

  #leave(path: Path, code: number, byPeer: boolean, now: number): void {
    path.state = 'abandoned'
    path.stopClocks()
    path.pacedUntil = NEVER
    path.responses.length = 0
    path.link.stopValidation()
    path.previous?.stopValidation()
    path.discardAt = now + Math.max(ABANDON_WAIT_MS, 3 * this.largestPtoMs)
    path.detection.requeue(path.space)
    // spec/quic.md §5.5: the peer's ids count as retired, unless the word of it can go no other way
    if (this.openCount > 0) path.peerIds.release()
    else this.noPathAt = now + NO_PATH_PTOS * (3 * this.#resources.settings.initialRttMs + this.#peerMaxAckDelayMs)
    this.control.abandon(path.id, code)
    this.#events.push({ type: 'path-abandoned', path: path.id, route: path.link.route, code, byPeer })
  }

  receiveAbandon(frame: PathAbandonFrame, now: number): void {
    const { pathId, errorCode } = frame
    this.#checkId(pathId, FrameType.PATH_ABANDON)
    if (this.#isGone(pathId)) return
    let path = this.find(pathId)
    if (path === undefined) {
      // never used: the id is spent all the same, and the peer gets another for it
      this.#highest = Math.max(this.#highest, pathId)
      this.control.abandon(pathId, errorCode)
      this.#forget(pathId)
      return
    }
    if (path.peerAbandoned) return
    path.peerAbandoned = true
    if (path.isOpen) this.#leave(path, errorCode, true, now)
    path = this.find(pathId)!
    path.discardAt = Math.min(path.discardAt, now + 3 * this.largestPtoMs)
  }

  /** The drain period is over: nothing leads to the path any more. The id is given back. */
  #discard(path: Path): void {
    path.state = 'discarded'
    path.discardAt = NEVER
    path.detection.clear()
    this.live.splice(this.live.indexOf(path), 1)
    this.#events.push({ type: 'path-discarded', path: path.id })
    this.#forget(path.id)
  }

  #forget(id: number): void {
    this.#localIds.get(id)?.release()
    this.#localIds.delete(id)
    this.#peerIds.get(id)?.release()
    this.#peerIds.delete(id)
    this.control.forget(id)
    this.#gone.add(id)
    this.#compact()
    if (this.#localMax >= HIGHEST_PATH_ID) return
    this.#localMax++
    this.control.maxPathId(this.#localMax)
    this.#issue()
  }

  #isGone(id: number): boolean {
    return this.#gone.has(id) || (id < this.#goneBelow && this.find(id) === undefined)
  }

  /** Ids that were never used and lie far below those that were go as well, so that the set stays small. */
  #compact(): void {
    for (const id of this.#gone) if (id < this.#goneBelow) this.#gone.delete(id)
    for (const [id, ids] of this.#localIds) {
      if (id >= this.#goneBelow || this.find(id) !== undefined) continue
      ids.release()
      this.#localIds.delete(id)
      this.#peerIds.get(id)?.release()
      this.#peerIds.delete(id)
    }
  }

  // ids and limits from the peer

  /** draft-ietf-quic-multipath §4: a path id beyond what we allow. */
  #checkId(id: number, type: number): void {
    if (id > this.#localMax)
      throw new TransportError(
        ErrorCode.PROTOCOL_VIOLATION,
        type,
        `path ${id} is beyond the limit of ${this.#localMax}`,
      )
  }

  receiveNewId(frame: NewConnectionIdFrame, type: number): void {
    const { pathId, id } = frame
    if (pathId > 0) this.#checkId(pathId, type)
    if (this.#isGone(pathId) || this.find(pathId)?.isOpen === false) return
    const ids = this.#peerIdsOf(pathId)
    for (const other of this.#peerIds.values()) {
      // one id leads to one path only
      if (other !== ids && other.holds(id))
        throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, 'a connection id was issued for two paths')
    }
    ids.receiveNew(frame.sequence, frame.retirePriorTo, id, frame.resetToken)
    if (pathId === this.#highest + 1) this.#unblock()
  }

  receiveRetire(frame: RetireConnectionIdFrame, type: number, usedPath: number, usedSequence: number): void {
    const { pathId, sequence } = frame
    if (pathId > 0) this.#checkId(pathId, type)
    if (this.#isGone(pathId)) return
    this.#localIdsOf(pathId).receiveRetire(sequence, pathId === usedPath ? usedSequence : -1)
  }

  receiveMaxPathId(value: number): void {
    if (value <= this.#peerMax) return
    this.#peerMax = value
    this.#issue()
    this.#unblock()
  }

  #unblock(): void {
    if (!this.control.isBlocked) return
    this.control.unblock()
    this.#events.push({ type: 'paths-available' })
  }

  /** The peer would like to open more paths than it may: it may again once one is given back. */
  receivePathsBlocked(maximum: number): void {
    this.#checkId(maximum, FrameType.PATHS_BLOCKED)
  }

  receiveCidsBlocked(frame: PathCidsBlockedFrame): void {
    this.#checkId(frame.pathId, FrameType.PATH_CIDS_BLOCKED)
    const issued = this.#localIds.get(frame.pathId)?.nextSequence ?? 0
    if (!this.#isGone(frame.pathId) && frame.nextSequence > issued)
      throw new TransportError(
        ErrorCode.PROTOCOL_VIOLATION,
        FrameType.PATH_CIDS_BLOCKED,
        `path ${frame.pathId} waits for connection id ${frame.nextSequence}, but only ${issued} were issued`,
      )
  }

  /** An acknowledgement names path `id`: undefined when it is gone. Throws for one that never was. */
  acknowledged(id: number, type: number): Path | undefined {
    const path = this.find(id)
    if (path === undefined && !this.#isGone(id))
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, `path ${id} never existed`)
    return path
  }

  /** ACK_FREQUENCY: for all paths, also those to come. */
  applyAckFrequency(frequency: AckFrequency): void {
    this.#ackFrequency = frequency
    for (const path of this.live) path.space.ackPolicy.applyFrequency(frequency)
  }

  // frames and clocks

  /** NEW_CONNECTION_ID and RETIRE_CONNECTION_ID of all paths; true while more wait. */
  writeIds(packet: PacketWriter): boolean {
    for (const ids of this.#peerIds.values()) if (ids.hasPending && ids.write(packet)) return true
    for (const ids of this.#localIds.values()) if (ids.hasPending && ids.write(packet)) return true
    return false
  }

  /** When `tick` has something to do for an abandoned path, ms. */
  get deadline(): number {
    let earliest = this.noPathAt
    for (const path of this.live) earliest = Math.min(earliest, path.discardAt)
    return earliest
  }

  /** Discards what has drained. True when the connection has been without a path for too long. */
  tick(now: number): boolean {
    for (let index = this.live.length - 1; index >= 0; index--) {
      const path = this.live[index]!
      // the last one stays until it is clear that no other comes
      if (path.discardAt <= now && this.live.length > 1) this.#discard(path)
      else if (path.discardAt <= now) path.discardAt = NEVER
    }
    return this.noPathAt <= now
  }

  /** A path that did not validate, or was silent for too long: given up unless it is the last. */
  giveUp(path: Path, now: number): void {
    if (this.multipath && path.isOpen && this.openCount > 1)
      this.#leave(path, PathErrorCode.UNSTABLE_OR_POOR, false, now)
    else path.postponeIdle(now)
  }

  /** A new key phase: on every path the first packet of it is yet to come. */
  phaseStarted(): void {
    for (const path of this.live) path.phaseStarted()
  }

  /** The connection has ended: no packet is in flight, no frame pending. */
  clear(): void {
    for (const path of this.live) path.detection.clear()
  }

  /** No id leads here any more. */
  release(): void {
    for (const ids of this.#localIds.values()) ids.release()
    for (const ids of this.#peerIds.values()) ids.release()
    this.noPathAt = NEVER
    for (const path of this.live) path.discardAt = NEVER
  }
}
