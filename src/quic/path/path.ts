/**
 * One path id and all its state: packet number space, connection ids both ways, loss detection, status, clocks, and the link it stands on.
 * Path 0 is a path like any other. Opening, abandoning and the ids that exist are paths.ts's business (draft-ietf-quic-multipath, spec/quic.md §5).
 */
import type { LinkRecovery } from '../recovery/link-recovery.ts'
import type { LossDetection, LossEvents } from '../recovery/loss-detection.ts'
import type { PacketSpace } from '../recovery/packet-space.ts'
import type { LocalIds } from './local-ids.ts'
import type { PathLink } from './path-link.ts'
import type { PathLiveness } from './path-liveness.ts'
import type { PeerIds } from './peer-ids.ts'
import type { Route } from './route.ts'

/** Answers that wait for one datagram each; more are dropped, as an attacker's would be (RFC 9000 §8.2.2 asks for one per challenge). */
const MAX_RESPONSES = 16
/** Probe timeouts in a row without an answer after which data goes another way, if there is one. A guess: one may be chance. */
const SUSPECT_PTOS = 2
const NEVER = Number.POSITIVE_INFINITY

/** What one side prefers to send on (spec/quic.md §5.6). */
export type PathStatus = 'available' | 'backup'

/**
 * `open`: packets go both ways. `abandoned`: we said PATH_ABANDON, or answered the peer's; nothing is sent any more, late packets are still
 * acknowledged elsewhere. `discarded`: the id leads nowhere.
 */
export type PathState = 'open' | 'abandoned' | 'discarded'

/** A PATH_CHALLENGE to answer on the route it came from. */
export interface PendingResponse {
  readonly route: Route
  readonly data: Uint8Array
  /** Bytes of the datagram that held it: an unvalidated address gets no more than three times that. */
  readonly received: number
}

export interface PathParts {
  readonly id: number
  /** 1-RTT packet numbers. */
  readonly space: PacketSpace
  readonly localIds: LocalIds
  readonly peerIds: PeerIds
  readonly link: PathLink
  /** A PING is sent on the path when nothing else asked the peer for an answer there for so long, ms; 0 = never. */
  readonly keepAliveMs: number
  /** Silence after which the path is abandoned, unless it is the last, ms; 0 = never. */
  readonly idleMs: number
}

export class Path implements LossEvents {
  readonly id: number
  readonly space: PacketSpace
  /** Set right after construction: it reports to this path. */
  detection!: LossDetection
  readonly localIds: LocalIds
  readonly peerIds: PeerIds
  link: PathLink
  /** The link before a migration, until the new one is validated (RFC 9000 §9.3.2). */
  previous: PathLink | undefined = undefined
  state: PathState = 'open'
  /** What we prefer, and the number of times we said so. */
  status: PathStatus = 'available'
  statusSequence = 0
  /** What the peer prefers, and the highest sequence it said so with; 0 before the first. */
  peerStatus: PathStatus = 'available'
  peerStatusSequence = 0
  /** The peer's PATH_ABANDON arrived. */
  peerAbandoned = false
  /** Abandoned when no other path was known to work: the word of it may go over this one as well. */
  carriesLastWord = false
  /** When what is left of an abandoned path goes, ms. */
  discardAt = NEVER
  /** Lowest packet number received in the current key phase, -1 when none was (RFC 9001 §6.5). */
  receivePhaseStart = -1
  /** First packet number sent in the current key phase. */
  sendPhaseStart = 0
  /** When pacing lets the next datagram go, ms; Infinity when nothing waits for that. */
  pacedUntil = NEVER
  /** A PING is due on this very path. */
  pingPending = false
  /** An OBSERVED_ADDRESS is due on this very path. */
  reportPending = false
  /** Highest sequence of the peer's OBSERVED_ADDRESS frames on this path, -1 before the first. */
  observedSequence = -1
  readonly responses: PendingResponse[] = []
  /** While paths are watched. */
  liveness: PathLiveness | undefined = undefined
  datagramsSent = 0
  datagramsReceived = 0
  bytesSent = 0
  bytesReceived = 0
  #keepAliveMs: number
  #idleMs: number
  #keepAliveAt = NEVER
  #idleAt = NEVER
  /** RFC 9000 §10.1, per path: the timer restarts on the first ack-eliciting packet sent since the last receipt. */
  #sentSinceReceived = false
  /** Since the last probe timeout. */
  #answered = true
  #suspect = false
  #doubted = false
  #suspicionTold = false

  constructor(parts: PathParts) {
    this.id = parts.id
    this.space = parts.space
    this.localIds = parts.localIds
    this.peerIds = parts.peerIds
    this.link = parts.link
    this.#keepAliveMs = parts.keepAliveMs
    this.#idleMs = parts.idleMs
  }

  get isOpen(): boolean {
    return this.state === 'open'
  }

  /**
   * No answer to several probes in a row, or word that the peer is not there: data goes another way while there is one. On a path that is watched silence
   * alone does not move data: `liveness` tells a dead path from a bad moment.
   */
  get isSuspect(): boolean {
    return this.#doubted || (this.liveness === undefined && this.#isSilent)
  }

  get #isSilent(): boolean {
    return this.#suspect && this.detection.ptoCount >= SUSPECT_PTOS
  }

  /** Somebody who may know says that the peer is not to be reached here; until the next answer that is believed. */
  doubt(): void {
    this.#doubted = true
  }

  /** A probe timeout has passed: in vain, unless there was an answer since the last. */
  probeTimedOut(): void {
    this.#suspect = !this.#answered
    this.#answered = false
  }

  /** True the first time it is asked of a path that is suspect, or would be if it were not watched, until the next answer. */
  takeSuspicion(): boolean {
    if (!(this.#doubted || this.#isSilent) || this.#suspicionTold) return false
    this.#suspicionTold = true
    return true
  }

  /** PATH_RESPONSE came on the path, or an acknowledgement of one of its packets on any. */
  answered(now: number): void {
    if (this.liveness !== undefined) this.#heard(this.liveness, now)
    this.#answered = true
    this.#suspect = false
    this.#doubted = false
    this.#suspicionTold = false
  }

  queueResponse(route: Route, data: Uint8Array, received: number): void {
    if (this.responses.length < MAX_RESPONSES) this.responses.push({ route, data, received })
  }

  /** An address report can be written now: not before the peer is known to receive there. */
  get wantsReport(): boolean {
    return this.reportPending && this.link.validated
  }

  get wantsValidation(): boolean {
    return this.responses.length > 0 || this.link.challengePending || this.previous?.challengePending === true
  }

  /** A key update: what is sent from now on belongs to the new phase, of which nothing has arrived yet. */
  phaseStarted(): void {
    this.sendPhaseStart = this.space.nextPacketNumber
    this.receivePhaseStart = -1
  }

  /** The link that stands on `route`, if any. */
  linkOn(route: Route): PathLink | undefined {
    if (this.link.route === route) return this.link
    return this.previous?.route === route ? this.previous : undefined
  }

  // clocks

  /** Other clocks than the settings' for this path; 0 = never. A relay path may be silent for longer (spec/quic.md §5.7). */
  setClocks(keepAliveMs: number, idleMs: number, now: number): void {
    this.#keepAliveMs = keepAliveMs
    this.#idleMs = idleMs
    this.restartClocks(now)
  }

  /** The path is in use from now on. */
  restartClocks(now: number): void {
    this.#restartKeepAlive(now)
    this.#sentSinceReceived = false
    this.#restartIdle(now)
  }

  /**
   * An authenticated packet arrived on the path, by its own route. `isAnswered`: we answer here, so the peer will hear from us, and NATs see that the path is in use. One side's
   * keep-alive does for both.
   */
  received(now: number, isAnswered: boolean): void {
    this.#sentSinceReceived = false
    this.#restartIdle(now)
    if (isAnswered) this.#restartKeepAlive(now)
    if (this.liveness !== undefined) this.#heard(this.liveness, now)
  }

  /**
   * A packet of this path was acknowledged, perhaps on another one: to the peer, PATH_ACK is as good there, so that a path that it does not
   * prefer may never bring anything but PATH_RESPONSE.
   */
  acknowledged(now: number): void {
    this.answered(now)
    this.#restartIdle(now)
  }

  #heard(liveness: PathLiveness, now: number): void {
    liveness.answered(now, this.space.sent.eliciting > 0)
  }

  #restartKeepAlive(now: number): void {
    this.#keepAliveAt = this.#keepAliveMs === 0 ? NEVER : now + this.#keepAliveMs
  }

  #restartIdle(now: number): void {
    // never less than three PTOs (spec/quic.md §5.7)
    this.#idleAt = this.#idleMs === 0 ? NEVER : now + Math.max(this.#idleMs, 3 * this.detection.ptoMs())
  }

  /** What was sent on the path asks for an answer: the peer hears from us here, and no PING is needed for a while. */
  sentEliciting(now: number): void {
    this.liveness?.sent(now)
    this.#restartKeepAlive(now)
    if (this.#sentSinceReceived) return
    this.#sentSinceReceived = true
    this.#restartIdle(now)
  }

  /** A PATH_CHALLENGE went out on the path's link: it asks for an answer as well. */
  challenged(now: number): void {
    this.liveness?.sent(now)
    this.liveness?.challenged(now)
  }

  stopClocks(): void {
    this.#keepAliveAt = NEVER
    this.#idleAt = NEVER
    this.pingPending = false
  }

  /** When the keep-alive is due, ms. */
  get keepAliveAt(): number {
    return this.#keepAliveAt
  }

  /** When silence has lasted too long, ms. */
  get idleAt(): number {
    return this.#idleAt
  }

  /** The keep-alive went off: a PING is due, and the next one later. */
  keepAlive(now: number): void {
    this.#keepAliveAt = now + this.#keepAliveMs
    // what is not acknowledged yet is probed for anyway, and one more packet would put that off each time (RFC 9002 §6.2.1)
    if (this.space.sent.eliciting === 0) this.pingPending = true
  }

  /** The last path has no idle clock: the connection's decides (spec/quic.md §5.7). Looks again in a while. */
  postponeIdle(now: number): void {
    this.#restartIdle(now)
  }

  // LossEvents

  mtuProbeAcked(size: number, link: LinkRecovery): void {
    if (this.link.recovery === link && this.link.mtu.probeAcked(size)) link.setMtu(this.link.mtu.current)
  }

  mtuProbeLost(size: number, link: LinkRecovery): void {
    if (this.link.recovery === link) this.link.mtu.probeLost(size)
  }

  packetAcked(size: number, link: LinkRecovery): void {
    if (this.link.recovery === link) this.link.mtu.acked(size)
  }

  packetLost(size: number, link: LinkRecovery): void {
    // the size is what matters: the clock only starts a pause of a minute, so the last receipt is exact enough
    if (this.link.recovery === link && this.link.mtu.lost(size, this.space.received.largestAt))
      link.setMtu(this.link.mtu.current)
  }
}
