/**
 * One path id and all its state: packet number space, connection ids both ways, loss detection, and the link it stands on. Path 0 is a
 * path like any other; a path is created on first use.
 */
import type { LossDetection } from '../recovery/loss-detection.ts'
import type { PacketSpace } from '../recovery/packet-space.ts'
import type { LocalIds } from './local-ids.ts'
import type { PathLink } from './path-link.ts'
import type { PeerIds } from './peer-ids.ts'
import type { Route } from './route.ts'

/** Answers that wait for one datagram each; more are dropped, as an attacker's would be (RFC 9000 §8.2.2 asks for one per challenge). */
const MAX_RESPONSES = 16

/** A PATH_CHALLENGE to answer on the route it came from. */
export interface PendingResponse {
  readonly route: Route
  readonly data: Uint8Array
  /** Bytes of the datagram that held it: an unvalidated address gets no more than three times that. */
  readonly received: number
}

export class Path {
  readonly id: number
  /** 1-RTT packet numbers. */
  readonly space: PacketSpace
  readonly detection: LossDetection
  readonly localIds: LocalIds
  readonly peerIds: PeerIds
  link: PathLink
  /** The link before a migration, until the new one is validated (RFC 9000 §9.3.2). */
  previous: PathLink | undefined = undefined
  /** Lowest packet number received in the current key phase, -1 when none was (RFC 9001 §6.5). */
  receivePhaseStart = -1
  /** First packet number sent in the current key phase. */
  sendPhaseStart = 0
  /** When pacing lets the next datagram go, ms; Infinity when nothing waits for that. */
  pacedUntil = Number.POSITIVE_INFINITY
  readonly responses: PendingResponse[] = []
  datagramsSent = 0
  datagramsReceived = 0
  bytesSent = 0
  bytesReceived = 0

  constructor(
    id: number,
    space: PacketSpace,
    detection: LossDetection,
    localIds: LocalIds,
    peerIds: PeerIds,
    link: PathLink,
  ) {
    this.id = id
    this.space = space
    this.detection = detection
    this.localIds = localIds
    this.peerIds = peerIds
    this.link = link
  }

  queueResponse(route: Route, data: Uint8Array, received: number): void {
    if (this.responses.length < MAX_RESPONSES) this.responses.push({ route, data, received })
  }

  /** We began a key update: what is sent from now on belongs to the new phase, of which nothing has arrived yet. */
  phaseStarted(): void {
    this.sendPhaseStart = this.space.nextPacketNumber
    this.receivePhaseStart = -1
  }

  /** The link that stands on `route`, if any. */
  linkOn(route: Route): PathLink | undefined {
    if (this.link.route === route) return this.link
    return this.previous?.route === route ? this.previous : undefined
  }
}
