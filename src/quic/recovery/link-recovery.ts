/**
 * What recovery knows of one path on one route: RTT, congestion window, pacing and bytes in flight. Packets remember their link, so after
 * a migration acknowledgements and losses are charged where the packets went. RFC 9002 §5, §7; RFC 9000 §9.4.
 */
import type { CongestionController } from './congestion.ts'
import { Pacer } from './pacer.ts'
import { RttEstimator } from './rtt.ts'

export class LinkRecovery {
  readonly rtt: RttEstimator
  readonly congestion: CongestionController
  readonly pacer: Pacer
  /** Bytes of packets that count in flight and are neither acknowledged nor lost (RFC 9002 §2). */
  bytesInFlight: number
  /** The sender ran out of data, not of window (RFC 9002 §7.8). */
  appLimited: boolean
  /** Datagram size in use, bytes. */
  mtu: number
  /** When the first RTT sample was known, ms; Infinity before. */
  firstSampleAt: number
  /** When the last reduction of the window began, ms. */
  #reducedAt: number
  /** Packets lost since then that have not turned up after all. */
  #missing: number

  constructor(congestion: CongestionController, initialRttMs: number, mtu: number) {
    this.rtt = new RttEstimator(initialRttMs)
    this.congestion = congestion
    this.pacer = new Pacer(mtu)
    this.bytesInFlight = 0
    this.appLimited = false
    this.mtu = mtu
    this.firstSampleAt = Number.POSITIVE_INFINITY
    this.#reducedAt = Number.NEGATIVE_INFINITY
    this.#missing = 0
  }

  setMtu(mtu: number): void {
    this.mtu = mtu
    this.congestion.setMtu(mtu)
    this.pacer.setMtu(mtu)
  }

  /** A batch of `count` packets that the congestion controller must hear of was declared lost. */
  lost(count: number, bytes: number, largestLostSentAt: number, now: number, persistent: boolean): void {
    if (largestLostSentAt > this.#reducedAt) {
      this.#reducedAt = now
      this.#missing = count
    } else {
      this.#missing += count
    }
    this.congestion.lost(bytes, largestLostSentAt, now, persistent)
    if (persistent) this.rtt.forgetMin()
  }

  /** A packet declared lost at `lostAt` was acknowledged. RFC 9438 §4.9.2: a reduction is undone when all its losses were wrong. */
  foundAgain(lostAt: number, now: number): void {
    if (lostAt < this.#reducedAt || this.#missing === 0) return
    if (--this.#missing > 0) return
    this.#reducedAt = Number.NEGATIVE_INFINITY
    this.congestion.spurious(now)
  }
}
