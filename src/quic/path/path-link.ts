/**
 * One path on one route: validation and its challenges (RFC 9000 §8.2), the amplification limit (§8.1), RTT, congestion, pacing and
 * MTU. A migration makes a new link and keeps the old until it is sure (§9.4).
 */
import { MIN_DATAGRAM } from '../config.ts'
import type { LinkRecovery } from '../recovery/link-recovery.ts'
import type { MtuDiscovery } from './mtu-discovery.ts'
import { NO_ROUTE, type Route, type RouteInfo } from './route.ts'

interface Challenge {
  readonly data: Uint8Array
  readonly sentAt: number
  /** Its datagram had 1200 bytes. */
  readonly full: boolean
}

/** Challenges whose answers are still good; older ones are forgotten. */
const MAX_OUTSTANDING = 8

export class PathLink {
  route: Route
  readonly recovery: LinkRecovery
  readonly mtu: MtuDiscovery
  /** The peer is known to receive at this address. */
  validated: boolean
  /** Bytes from and to this address while it is not validated, for the amplification limit. */
  bytesReceived = 0
  bytesSent = 0
  /** A PATH_CHALLENGE is due now. */
  challengePending = false
  /** When an unanswered challenge is repeated, ms; Infinity when none is out. */
  challengeAt = Number.POSITIVE_INFINITY
  /** When validation is given up, ms (RFC 9000 §8.2.4). */
  giveUpAt = Number.POSITIVE_INFINITY
  challengesSent = 0
  /** When the newest challenge that was answered had gone out, ms; -Infinity before the first. */
  answeredSentAt = Number.NEGATIVE_INFINITY
  #boundRoute: Route = NO_ROUTE
  #flightBound = Number.POSITIVE_INFINITY
  #outstanding: Challenge[] = []

  constructor(route: Route, recovery: LinkRecovery, mtu: MtuDiscovery, validated: boolean) {
    this.route = route
    this.recovery = recovery
    this.mtu = mtu
    this.validated = validated
  }

  /** RFC 9000 §8.1: bytes that may go to an address not validated; Infinity afterwards. */
  get amplificationBudget(): number {
    return this.validated ? Number.POSITIVE_INFINITY : 3 * this.bytesReceived - this.bytesSent
  }

  /** Most that may be in flight whatever congestion control says, bytes: what the driver knows of the route. */
  flightBound(routes: RouteInfo): number {
    if (this.#boundRoute !== this.route) {
      this.#boundRoute = this.route
      this.#flightBound = routes.maxBytesInFlight?.(this.route) ?? Number.POSITIVE_INFINITY
    }
    return this.#flightBound
  }

  /** Begins (or begins again) to prove that the peer receives here. `giveUpAt` in ms. */
  startValidation(giveUpAt: number): void {
    this.challengePending = true
    this.challengesSent = 0
    this.giveUpAt = giveUpAt
    this.#outstanding = []
  }

  /** A challenge with fresh data went out in a datagram of `size` bytes; repeat it after `repeatMs`, doubling, at most 2 s. */
  challengeSent(data: Uint8Array, size: number, now: number, repeatMs: number): void {
    this.challengePending = false
    this.#outstanding.push({ data, sentAt: now, full: size >= MIN_DATAGRAM })
    if (this.#outstanding.length > MAX_OUTSTANDING) this.#outstanding.shift()
    this.challengeAt = now + Math.min(repeatMs * 2 ** this.challengesSent, Math.max(repeatMs, 2000))
    this.challengesSent++
  }

  /** True when `data` answers one of our challenges: the address is validated. The delay of the answer seeds the first RTT. */
  receiveResponse(data: Uint8Array, now: number): boolean {
    const match = this.#outstanding.find((challenge) => challenge.data.every((byte, index) => byte === data[index]))
    if (match === undefined) return false
    const { giveUpAt } = this
    this.answeredSentAt = Math.max(this.answeredSentAt, match.sentAt)
    this.validated = true
    this.stopValidation()
    // RFC 9000 §8.2.1: a challenge cut short by the amplification limit says nothing about 1200 bytes, so once more in full
    if (!match.full) this.startValidation(giveUpAt)
    if (!this.recovery.rtt.hasSample) this.recovery.rtt.update(Math.max(now - match.sentAt, 0.001), 0, true, 0)
    return true
  }

  stopValidation(): void {
    this.challengePending = false
    this.challengeAt = Number.POSITIVE_INFINITY
    this.giveUpAt = Number.POSITIVE_INFINITY
    this.#outstanding = []
  }

  get deadline(): number {
    return Math.min(this.challengeAt, this.giveUpAt)
  }

  /** `failed` when validation was given up. */
  tick(now: number): 'failed' | 'idle' {
    if (now >= this.giveUpAt) {
      this.stopValidation()
      return 'failed'
    }
    if (now >= this.challengeAt) {
      this.challengeAt = Number.POSITIVE_INFINITY
      this.challengePending = true
    }
    return 'idle'
  }
}
