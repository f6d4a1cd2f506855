/**
 * All paths of a connection: opening, status, abandoning, draining (draft-ietf-quic-multipath; spec/quic.md §5.4 to §5.6). Which path carries
 * what is path-scheduler.ts's business, and which ids there are path-ids.ts's.
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
  type PathAbandonFrame,
  type PathCidsBlockedFrame,
  PathErrorCode,
  type PathStatusFrame,
} from '../wire/path-frames.ts'
import type { TransportParameters } from '../wire/transport-parameters.ts'
import { makeLink } from './make-link.ts'
import { AddressReports, sendsReports } from './observed-address.ts'
import { Path, type PathStatus } from './path.ts'
import { PathControl } from './path-control.ts'
import { PathIds } from './path-ids.ts'
import type { PathLink } from './path-link.ts'
import { hasAlternative, preferredPath } from './path-scheduler.ts'
import type { Route } from './route.ts'

/** An abandoned path whose peer does not answer with PATH_ABANDON of its own is forgotten after this, ms. A guess: several probe timeouts of a slow path. */
const ABANDON_WAIT_MS = 10_000
/** RFC 9002 §6.2.1 with RTTs of `initialRttMs`, three times: how long a server waits for a new path when the peer abandons the last (spec/quic.md §5.5). */
const NO_PATH_PTOS = 3
/** With more PATH_ABANDON frames than this unacknowledged, no path ids are given back: who uses them up has to listen, too. */
const MAX_UNHEARD = 16
/** PATH_STATUS frames kept for paths that have not appeared yet: a client opens a few at once. */
const MAX_EARLY = 8
const NEVER = Number.POSITIVE_INFINITY

/** Called when a frame owner in here has something to say. */
export interface PathsHost {
  /** Connection ids. */
  wakeIds(): void
  /** Path management and address reports. */
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
  readonly #ids: PathIds
  /** The preferred path as far as the application was told. */
  #noted: Path
  #peerUdpPayload = MIN_DATAGRAM
  #peerMaxAckDelayMs = MAX_ACK_DELAY_MS
  #reporting = false
  /** Server: PATH_STATUS frames that overtook the first packet of their path, by its id. */
  readonly #early = new Map<number, PathStatusFrame>()
  #ackFrequency: AckFrequency | undefined = undefined
  #blocked: Set<Route> | undefined = undefined

  constructor(resources: Resources, pool: SentFramePool, events: EventQueue, host: PathsHost, first: FirstPath) {
    this.#resources = resources
    this.#pool = pool
    this.#events = events
    this.#host = host
    const wakePaths = () => host.wakePaths()
    this.control = new PathControl(wakePaths, () => this.#giveBack())
    this.reports = new AddressReports(resources.routes, (id) => this.find(id), wakePaths)
    this.#ids = new PathIds(resources, first.peerId, () => host.wakeIds())
    const link = makeLink(resources, first.route, MIN_DATAGRAM)
    link.validated = first.validated
    this.first = this.#assemble(0, link)
    this.sourceId = this.first.localIds.first()
    this.#noted = this.first
  }

  find(id: number): Path | undefined {
    for (const path of this.live) if (path.id === id) return path
    return undefined
  }

  #openPath(id: number): Path {
    const path = this.find(id)
    if (path === undefined || !path.isOpen) throw new RangeError(`there is no open path ${id}`)
    return path
  }

  /** Where data goes first. */
  get preferred(): Path {
    return this.live.length === 1 ? this.live[0]! : preferredPath(this.live)
  }

  /** The preferred path; tells when that is another one than before. Call after anything that may have changed it. */
  notePreferred(): Path {
    const { preferred } = this
    if (preferred !== this.#noted) {
      this.#noted = preferred
      this.#events.push({ type: 'path-preferred', path: preferred.id, route: preferred.link.route })
    }
    return preferred
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

  /** The driver can send nothing more on `route` for now, or it can again. */
  setBlocked(route: Route, isBlocked: boolean): void {
    if (isBlocked) {
      this.#blocked ??= new Set()
      this.#blocked.add(route)
      return
    }
    this.#blocked?.delete(route)
    if (this.#blocked?.size === 0) this.#blocked = undefined
  }

  isBlocked(route: Route): boolean {
    return this.#blocked?.has(route) === true
  }

  /**
   * The driver has heard that the peer is not to be reached on `route`: data goes elsewhere if it can, and the peer is asked whether that is so. Its
   * answer ends the doubt.
   */
  doubt(route: Route, now: number): void {
    for (const path of this.live) {
      if (!path.isOpen || path.link.route !== route) continue
      path.doubt()
      if (!this.hasAlternative(path)) continue
      path.detection.resendElsewhere(path.space)
      this.#askAgain(path, now)
    }
    this.notePreferred()
  }

  /** Nothing can go out on the path, however due it is: abandoned, waiting for something to come in (RFC 9000 §8.1), or for room in the driver. */
  isMute(path: Path): boolean {
    return !path.isOpen || path.detection.atAmplificationLimit || this.isBlocked(path.link.route)
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
    this.first.detection.peerMaxAckDelayMs = parameters.maxAckDelay
    if (parameters.statelessResetToken !== undefined)
      this.first.peerIds.setFirstResetToken(parameters.statelessResetToken)
    this.#reporting = sendsReports(settings.observedAddressRole, parameters.observedAddressRole)
    if (settings.maxPathId === undefined || parameters.initialMaxPathId === undefined) return
    // spec/quic.md §2.3: the path of a packet is known by its connection id
    if (parameters.initialSourceConnectionId?.length === 0)
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, 0, 'multipath must not use zero-length connection ids')
    this.multipath = true
    this.#ids.start(settings.maxPathId, parameters.initialMaxPathId)
  }

  /** `peerIdLimit` is the peer's active_connection_id_limit. */
  handshakeComplete(peerIdLimit: number, now: number): void {
    this.#ids.fill(peerIdLimit)
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

  #assemble(id: number, link: PathLink): Path {
    const { settings } = this.#resources
    const space = new PacketSpace(Level.OneRtt, id, this.#pool, {
      immediate: false,
      maxAckDelayMs: MAX_ACK_DELAY_MS,
      elicitingThreshold: 2,
    })
    const path = new Path({
      id,
      space,
      localIds: this.#ids.local(id),
      peerIds: this.#ids.peer(id),
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
    const { highest, localMax, peerMax } = this.#ids
    const id = highest + 1
    if (id > Math.min(localMax, peerMax)) {
      this.control.pathsBlocked(peerMax)
      return undefined
    }
    if (!this.#ids.peer(id).open()) {
      this.control.cidsBlocked(id, 0)
      return undefined
    }
    const path = this.#open(id, route, now)
    path.status = status
    // we know that this address is ours: the amplification limit is for servers
    path.link.bytesReceived = Number.MAX_SAFE_INTEGER
    return id
  }

  #open(id: number, route: Route, now: number): Path {
    const { trace } = this.#resources
    const link = makeLink(this.#resources, route, this.#peerUdpPayload)
    const path = this.#assemble(id, link)
    path.detection.handshakeConfirmed = true
    this.#ids.use(id)
    if (this.noPathAt !== NEVER) {
      this.noPathAt = NEVER
      for (const other of this.live) if (!other.isOpen) other.discardAt = now + 3 * this.largestPtoMs
    }
    this.#events.push({ type: 'path-opened', path: id, route })
    // spec/quic.md §5.4: who has proved an address need not prove it again for another path
    if (this.live.some((other) => other !== path && other.isOpen && other.linkOn(route)?.validated === true)) {
      this.validated(path, now)
      // nothing to ask there, but the server has yet to hear of the path
      path.pingPending = this.#resources.role === 'client'
    } else this.#validate(path, now)
    path.restartClocks(now)
    if (this.#reporting) this.#report(path)
    trace?.event(now, 'connectivity:path_assigned', { path_id: id, route })
    return path
  }

  /** Asks whether the peer receives there; noq goes on asking until the path has been idle for too long. */
  #validate(path: Path, now: number): void {
    path.link.startValidation(now + Math.max(this.#resources.settings.pathIdleTimeoutMs, 3 * path.detection.ptoMs()))
  }

  /**
   * A probe timeout has passed. Where there are several paths, the peer may acknowledge on one that is dead (noq does so on the one it prefers): PATH_CHALLENGE,
   * which is answered on the path itself (spec/quic.md §5.4), tells which of them live.
   */
  probeTimedOut(path: Path, now: number): void {
    path.probeTimedOut()
    if (path.takeSuspicion()) this.#events.replace({ type: 'path-suspect', path: path.id, route: path.link.route })
    if (this.openCount > 1) this.#askAgain(path, now)
  }

  /** Does the peer still receive there? Unless it is being asked, or was never known to. */
  #askAgain(path: Path, now: number): void {
    const { link } = path
    if (link.validated && link.deadline === NEVER && !link.challengePending) this.#validate(path, now)
  }

  /** The address of the path's link is proved. */
  validated(path: Path, now: number): void {
    path.link.validated = true
    // what waits on a way that seems dead, or was never proved to be one, has somewhere to go now
    for (const other of this.live) {
      const isDoubtful = other.isSuspect || !other.link.validated
      if (other !== path && other.isOpen && isDoubtful) other.detection.resendElsewhere(other.space)
    }
    this.#events.push({ type: 'path-validated', path: path.id, route: path.link.route })
    if (path.id === 0) return
    path.restartClocks(now)
    this.#say(path)
  }

  /** Is a packet on path `id` from a peer that has not used it before something to look at? A server creates the path when it proves authentic. */
  mayAppear(id: number): boolean {
    return this.#resources.role === 'server' && this.multipath && id <= this.#ids.localMax && !this.#ids.isSpent(id)
  }

  /** Server: an authentic packet of `length` datagram bytes came on a path that did not exist (spec/quic.md §5.4). */
  appeared(id: number, route: Route, length: number, now: number): Path | undefined {
    // without an id of the peer's for this path nothing could be answered
    if (!this.#ids.peer(id).open()) return undefined
    const path = this.#open(id, route, now)
    path.link.bytesReceived = length
    const early = this.#early.get(id)
    if (early !== undefined) this.#setPeerStatus(path, early)
    this.#early.delete(id)
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

  // status

  /** Throws for a path that is not open. */
  setStatus(id: number, status: PathStatus): void {
    const path = this.#openPath(id)
    if (path.status === status) return
    path.status = status
    // spec/quic.md §5.4: of a new path the peer hears once it is validated
    if (path.link.validated || path.id === 0 || path.statusSequence > 0) this.#say(path)
  }

  #say(path: Path): void {
    if (!this.multipath) return
    path.statusSequence++
    this.control.status(path)
  }

  receiveStatus(frame: PathStatusFrame, type: number): void {
    this.#ids.check(frame.pathId, type)
    const path = this.find(frame.pathId)
    if (path !== undefined) this.#setPeerStatus(path, frame)
    else if (this.mayAppear(frame.pathId) && (this.#early.size < MAX_EARLY || this.#early.has(frame.pathId))) {
      if (frame.sequence > (this.#early.get(frame.pathId)?.sequence ?? 0)) this.#early.set(frame.pathId, frame)
    }
  }

  #setPeerStatus(path: Path, frame: PathStatusFrame): void {
    if (!path.isOpen || frame.sequence <= path.peerStatusSequence) return
    path.peerStatusSequence = frame.sequence
    const status = frame.backup ? 'backup' : 'available'
    if (path.peerStatus === status) return
    path.peerStatus = status
    this.#events.replace({ type: 'path-status', path: path.id, status })
  }

  /** As `Path.setClocks`. Throws for a path that is not open. */
  setClocks(id: number, keepAliveMs: number, idleMs: number, now: number): void {
    this.#openPath(id).setClocks(keepAliveMs, idleMs, now)
  }

  // abandoning

  /**
   * Gives up a path: PATH_ABANDON with `code` (a `PathErrorCode`, or the application's, below 2^62). What was under way goes again elsewhere.
   * Throws for the last open path and for ids that are not open.
   */
  abandon(id: number, code: number, now: number): void {
    const path = this.#openPath(id)
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
    path.carriesLastWord = !this.hasAlternative(path)
    // spec/quic.md §5.5: the peer's ids count as retired
    path.peerIds.release()
    if (this.openCount === 0)
      this.noPathAt = now + NO_PATH_PTOS * (3 * this.#resources.settings.initialRttMs + this.#peerMaxAckDelayMs)
    this.control.abandon(path.id, code)
    this.#events.push({ type: 'path-abandoned', path: path.id, route: path.link.route, code, byPeer })
  }

  receiveAbandon(frame: PathAbandonFrame, now: number): void {
    const { pathId, errorCode } = frame
    this.#ids.check(pathId, FrameType.PATH_ABANDON)
    if (this.#ids.isSpent(pathId)) return
    const path = this.find(pathId)
    if (path === undefined) {
      // never used: the id is spent all the same, and the peer gets another for it
      this.control.abandon(pathId, errorCode)
      this.#spend(pathId)
      return
    }
    if (path.peerAbandoned) return
    path.peerAbandoned = true
    if (path.isOpen) this.#leave(path, errorCode, true, now)
    path.discardAt = Math.min(path.discardAt, now + 3 * this.largestPtoMs)
  }

  /** The drain period is over: nothing leads to the path any more. The id is given back. */
  #discard(path: Path): void {
    path.state = 'discarded'
    path.discardAt = NEVER
    this.live.splice(this.live.indexOf(path), 1)
    // while it was the last there was, it carried what others must carry now
    path.detection.requeue(path.space)
    path.detection.clear()
    this.#events.push({ type: 'path-discarded', path: path.id })
    this.#spend(path.id)
  }

  #spend(id: number): void {
    this.control.forget(id)
    this.#early.delete(id)
    this.#ids.spend(id)
    this.#giveBack()
  }

  /** spec/quic.md §5.5: MAX_PATH_ID, or the peer runs out of path ids. */
  #giveBack(): void {
    if (this.control.unheard > MAX_UNHEARD) return
    const maximum = this.#ids.giveBack()
    if (maximum !== -1) this.control.maxPathId(maximum)
  }

  // ids and limits from the peer

  receiveNewId(frame: NewConnectionIdFrame, type: number): void {
    const { pathId } = frame
    if (pathId > 0) this.#ids.check(pathId, type)
    // spec/quic.md §4.3: of no use for an abandoned path
    if (this.#ids.isSpent(pathId) || this.find(pathId)?.isOpen === false) return
    this.#ids.receiveNew(frame, type)
    if (pathId === this.#ids.highest + 1) this.#unblock()
  }

  receiveRetire(frame: RetireConnectionIdFrame, type: number, usedPath: number, usedSequence: number): void {
    // draft-ietf-quic-multipath §3.2.2: ids of an abandoned path are not replaced, and all go with it
    if (this.find(frame.pathId)?.isOpen === false) return
    this.#ids.receiveRetire(frame, type, usedPath, usedSequence)
  }

  receiveMaxPathId(value: number): void {
    if (this.#ids.receiveMaximum(value)) this.#unblock()
  }

  #unblock(): void {
    if (!this.control.isBlocked) return
    this.control.unblock()
    this.#events.push({ type: 'paths-available' })
  }

  /** The peer would like to open more paths than it may: it may again once one is given back. */
  receivePathsBlocked(maximum: number): void {
    this.#ids.check(maximum, FrameType.PATHS_BLOCKED)
  }

  receiveCidsBlocked(frame: PathCidsBlockedFrame): void {
    this.#ids.receiveBlocked(frame)
  }

  /** An acknowledgement names path `id`: undefined when it is gone. Throws for one that never was. */
  acknowledged(id: number, type: number): Path | undefined {
    const path = this.find(id)
    if (path === undefined && !this.#ids.isSpent(id))
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
    return this.#ids.write(packet)
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
      if (path.discardAt > now) continue
      // the last one stays until it is clear that no other comes
      if (this.live.length === 1) path.discardAt = NEVER
      // who does not know yet may go on sending, and an id that is unknown here would be answered by a stateless reset
      else if (!path.peerAbandoned && !this.control.isHeard(path.id)) {
        path.detection.requeue(path.space)
        path.discardAt = now + ABANDON_WAIT_MS
      } else this.#discard(path)
    }
    return this.noPathAt <= now
  }

  /**
   * A path that did not validate, or was silent for too long: given up unless it is the last that may still work. When all are silent the peer may
   * have heard last of another one, and give up the rest.
   */
  giveUp(path: Path, now: number): void {
    if (this.multipath && path.isOpen && this.hasAlternative(path)) {
      this.#leave(path, PathErrorCode.UNSTABLE_OR_POOR, false, now)
      return
    }
    path.postponeIdle(now)
    if (!path.link.validated) this.#validate(path, now)
  }

  /** A new key phase: on every path the first packet of it is yet to come. */
  phaseStarted(): void {
    for (const path of this.live) path.phaseStarted()
  }

  /** The connection has ended: no packet is in flight, no frame pending. */
  clear(): void {
    for (const path of this.live) path.detection.clear()
  }

  /** What a peer can make grow, in entries: path ids, connection ids, and frames about paths that wait. */
  footprint(): { pathIds: number; connectionIds: number; pathFrames: number } {
    return {
      pathIds: this.#ids.count,
      connectionIds: this.#ids.connectionIdCount,
      pathFrames: this.control.pendingCount + this.#early.size,
    }
  }

  /** No id leads here any more. */
  release(): void {
    this.#ids.release()
    this.noPathAt = NEVER
    for (const path of this.live) path.discardAt = NEVER
  }
}
