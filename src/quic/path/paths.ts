/**
 * All paths of a connection: opening, validation, doubt, what the handshake tells of them (draft-ietf-quic-multipath; spec/quic.md §5.4). How they end is
 * path-retirement.ts's business, what is preferred path-statuses.ts's, which path carries what path-scheduler.ts's, and which ids there are path-ids.ts's.
 */
import { MAX_ACK_DELAY_MS, MIN_DATAGRAM } from '../config.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import type { EventQueue } from '../events.ts'
import { Level } from '../level.ts'
import type { AckFrequency } from '../recovery/ack-policy.ts'
import type { PacketWriter, SentFramePool } from '../recovery/frame-owner.ts'
import type { LinkRecovery } from '../recovery/link-recovery.ts'
import { LossDetection } from '../recovery/loss-detection.ts'
import { PacketSpace } from '../recovery/packet-space.ts'
import { takenOverWindow } from '../recovery/window-bounds.ts'
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
import { PathRetirement } from './path-retirement.ts'
import { PathSet } from './path-set.ts'
import { PathStatuses } from './path-statuses.ts'
import { PathWatching } from './path-watching.ts'
import type { Route } from './route.ts'

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

export class Paths extends PathSet {
  /** Path 0, also when it is gone: the handshake stands on it. */
  readonly first: Path
  /** Our connection id in the handshake. */
  readonly sourceId: Uint8Array
  readonly control: PathControl
  readonly reports: AddressReports
  readonly watching: PathWatching
  readonly #resources: Resources
  readonly #pool: SentFramePool
  readonly #events: EventQueue
  readonly #host: PathsHost
  readonly #ids: PathIds
  readonly #statuses: PathStatuses
  readonly #retirement: PathRetirement
  /** The preferred path as far as the application was told. */
  #noted: Path
  #peerUdpPayload = MIN_DATAGRAM
  #peerMaxAckDelayMs = MAX_ACK_DELAY_MS
  #reporting = false
  #ackFrequency: AckFrequency | undefined = undefined

  constructor(resources: Resources, pool: SentFramePool, events: EventQueue, host: PathsHost, first: FirstPath) {
    super()
    this.#resources = resources
    this.#pool = pool
    this.#events = events
    this.#host = host
    const wakePaths = () => host.wakePaths()
    this.control = new PathControl(wakePaths, () => this.#retirement.giveBack())
    this.reports = new AddressReports(resources.routes, (id) => this.find(id), wakePaths)
    this.#ids = new PathIds(resources, first.peerId, () => host.wakeIds())
    this.watching = new PathWatching(this, events, (path, now) => this.#ask(path, now))
    this.#statuses = new PathStatuses(this, this.control, events)
    const { initialRttMs } = resources.settings
    this.#retirement = new PathRetirement(this, this.#ids, this.control, this.#statuses, events, initialRttMs)
    const link = makeLink(resources, first.route, MIN_DATAGRAM)
    link.validated = first.validated
    this.first = this.#assemble(0, link)
    this.sourceId = this.first.localIds.first()
    this.#noted = this.first
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
    this.#renew(this.first, this.first.link.recovery)
  }

  /** Datagram sizes are looked for afresh; RTT and congestion are learnt afresh unless they are given. */
  #renew(path: Path, recovery?: LinkRecovery): void {
    const { link, detection } = path
    const renewed = makeLink(this.#resources, link.route, this.#peerUdpPayload, recovery)
    renewed.validated = link.validated
    renewed.bytesReceived = link.bytesReceived
    renewed.bytesSent = link.bytesSent
    path.link = renewed
    detection.link = renewed.recovery
    path.pacedUntil = NEVER
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
    this.watching.equip(path)
    this.insert(path)
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
    this.#retirement.opened(now)
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
    this.#takeOver(path)
    path.link.validated = true
    // what waits on a way that seems dead, or was never proved to be one, has somewhere to go now
    for (const other of this.live) {
      const isDoubtful = other.isSuspect || !other.link.validated
      if (other !== path && other.isOpen && isDoubtful) other.detection.resendElsewhere(other.space)
    }
    this.#events.push({ type: 'path-validated', path: path.id, route: path.link.route })
    if (path.id === 0) return
    path.restartClocks(now)
    this.#statuses.say(path)
  }

  /** A new path begins with a window that fits what is being sent to the peer already. */
  #takeOver({ link }: Path): void {
    const { recovery } = this.preferred.link
    const { congestion, rtt, bytesInFlight, mtu } = link.recovery
    if (recovery === link.recovery || !rtt.hasSample || !recovery.rtt.hasSample || bytesInFlight > 0) return
    congestion.startFrom(takenOverWindow(recovery.bytesInFlight, recovery.rtt.smoothed, rtt.smoothed, mtu))
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
    this.#statuses.appeared(path)
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
    this.#statuses.set(id, status)
  }

  receiveStatus(frame: PathStatusFrame, type: number): void {
    this.#ids.check(frame.pathId, type)
    this.#statuses.receive(frame, this.mayAppear(frame.pathId))
  }

  /** As `Path.setClocks`. Throws for a path that is not open. */
  setClocks(id: number, keepAliveMs: number, idleMs: number, now: number): void {
    this.findOpen(id).setClocks(keepAliveMs, idleMs, now)
  }

  // abandoning

  /**
   * Gives up a path: PATH_ABANDON with `code` (a `PathErrorCode`, or the application's, below 2^62). What was under way goes again elsewhere.
   * Throws for the last open path and for ids that are not open.
   */
  abandon(id: number, code: number, now: number): void {
    this.#retirement.abandon(id, code, now)
  }

  receiveAbandon(frame: PathAbandonFrame, now: number): void {
    this.#retirement.receive(frame, now)
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

  /** When a connection without a path ends, ms. */
  get noPathAt(): number {
    return this.#retirement.noPathAt
  }

  /** When `tick` has something to do for an abandoned path, ms. */
  get deadline(): number {
    return this.#retirement.deadline
  }

  /** Discards what has drained. True when the connection has been without a path for too long. */
  tick(now: number): boolean {
    return this.#retirement.tick(now)
  }

  /**
   * A path that did not validate, or was silent for too long: given up unless it is the last that may still work. When all are silent the peer may
   * have heard last of another one, and give up the rest.
   */
  giveUp(path: Path, now: number): void {
    if (this.multipath && path.isOpen && this.hasAlternative(path)) {
      this.#retirement.leave(path, PathErrorCode.UNSTABLE_OR_POOR, false, now)
      return
    }
    path.postponeIdle(now)
    if (!path.link.validated) this.#validate(path, now)
  }

  /** Throws for a path that is not open. */
  challenge(id: number, now: number): void {
    this.#ask(this.findOpen(id), now)
  }

  /** A challenge on the path now, whether or not it is being asked already. */
  #ask(path: Path, now: number): void {
    const { link } = path
    if (link.deadline === NEVER && !link.challengePending) this.#validate(path, now)
    else link.challengePending = true
  }

  /** Our network may be another one (spec/endpoint.md §5.3). */
  networkChanged(now: number): void {
    for (const path of this.live) {
      if (!path.isOpen) continue
      path.detection.ptoCount = 0
      path.pingPending = true
      this.watching.equip(path)
      // a relay route has no address, and the relay's client sees to it
      if (!path.detection.handshakeConfirmed || this.#resources.routes.address(path.link.route) === undefined) continue
      this.#renew(path)
      // RFC 9000 §9.5: perhaps another address, so another id, where the peer gave us one
      path.peerIds.advance()
      this.#validate(path, now)
      this.moved(path)
    }
  }

  /** Watches all paths from now on, those to come included; 0: none. */
  watch(minMs: number): void {
    if (this.watching.minMs === minMs) return
    this.watching.minMs = minMs
    for (const path of this.live) this.watching.equip(path)
  }

  /** The peer answered on `path` what was sent there at `sentAt`: an acknowledgement, wherever it came, or PATH_RESPONSE. */
  answered(path: Path, sentAt: number, now: number): void {
    if (this.watching.minMs > 0) this.watching.answered(path, sentAt, now)
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
      pathFrames: this.control.pendingCount + this.#statuses.earlyCount,
    }
  }

  /** No id leads here any more. */
  release(): void {
    this.#ids.release()
    this.#retirement.release()
  }
}
