/**
 * When received packets are acknowledged: at once, with the next packet, or after a delay. What was received is received-packets.ts's
 * business. RFC 9000 §13.2.1, §13.2.2; draft-ietf-quic-ack-frequency (spec/quic.md §6.4).
 */
import type { ReceivedPackets } from './received-packets.ts'

export interface AckSettings {
  /** Initial and Handshake packets are acknowledged at once. */
  readonly immediate: boolean
  readonly maxAckDelayMs: number
  /** An ACK is due with this many ack-eliciting packets. Default 2: every second one. */
  readonly elicitingThreshold: number
}

export interface AckFrequency {
  /** As on the wire: ack-eliciting packets that may arrive without an acknowledgement; 0 = every one is acknowledged. */
  readonly threshold: number
  readonly maxAckDelayMs: number
  /** 0: reordering never matters. 1: RFC 9000. More: packet numbers by which a missing packet must lag. */
  readonly reorderingThreshold: number
}

/** Packets nobody needs acknowledged, after which an ACK rides along all the same: it lets the peer forget ranges (spec/quic.md §6.4). */
const LAZY_ACK_PACKETS = 10

export class AckPolicy {
  /** Longest an ack-eliciting packet waits, ms. */
  maxAckDelayMs: number
  readonly #received: ReceivedPackets | undefined
  readonly #always: boolean
  #threshold: number
  #reorderingThreshold: number
  /** Since the last ACK we sent. */
  #eliciting: number
  #other: number
  /** When the first unacknowledged ack-eliciting packet arrived, ms. */
  #firstAt: number
  #due: boolean
  /** A packet since the last ACK came out of order, or after a gap. */
  #disordered: boolean
  /** Highest ack-eliciting number, -1 before the first. */
  #largestEliciting: number
  /** Largest number in the last ACK we sent, -1 before the first. */
  #largestReported: number

  /** Without `received`, reordering thresholds above 1 act like 1. */
  constructor(settings: AckSettings, received?: ReceivedPackets) {
    this.maxAckDelayMs = settings.maxAckDelayMs
    this.#received = received
    this.#always = settings.immediate
    this.#threshold = settings.elicitingThreshold - 1
    this.#reorderingThreshold = 1
    this.#eliciting = 0
    this.#other = 0
    this.#firstAt = 0
    this.#due = false
    this.#disordered = false
    this.#largestEliciting = -1
    this.#largestReported = -1
  }

  /**
   * A new packet, already in the received ranges. `largestBefore`: the highest number received before it, -1 for none. `hadGap`: numbers
   * are missing below the highest one (`ReceivedPackets.hasGaps`).
   */
  received(packetNumber: number, ackEliciting: boolean, largestBefore: number, now: number, hadGap: boolean): void {
    if (packetNumber !== largestBefore + 1) this.#disordered = true
    if (!ackEliciting) {
      this.#other++
      return
    }
    if (this.#eliciting === 0) this.#firstAt = now
    this.#eliciting++
    if (packetNumber > this.#largestEliciting) this.#largestEliciting = packetNumber
    if (this.#always || this.#eliciting > this.#threshold || this.#isReordered(hadGap)) this.#due = true
  }

  #isReordered(hadGap: boolean): boolean {
    const threshold = this.#reorderingThreshold
    if (threshold === 0) return false
    // RFC 9000 §13.2.1: out of order or after a gap, so at once.
    if (threshold === 1 || this.#received === undefined) return this.#disordered
    if (!hadGap) return false
    // ack-frequency §6.2: what the last ACK let the peer declare lost has been reported.
    const missing = this.#received.firstMissing(
      Math.max(this.#largestReported - threshold + 1, 0),
      this.#largestEliciting - threshold,
    )
    return missing >= 0
  }

  /** The peer asked for an ACK now (IMMEDIATE_ACK). */
  immediate(): void {
    this.#due = true
  }

  /** When an ACK must go, ms: in the past when it is due already, Infinity when none is wanted. */
  deadline(): number {
    if (this.#due) return this.#eliciting > 0 ? this.#firstAt : 0
    return this.#eliciting > 0 ? this.#firstAt + this.maxAckDelayMs : Number.POSITIVE_INFINITY
  }

  isDue(now: number): boolean {
    return this.#due || (this.#eliciting > 0 && this.#firstAt + this.maxAckDelayMs <= now)
  }

  /** An ACK is worth adding to a packet that goes anyway. Never a reason to send one: that is `isDue`. */
  get hasPending(): boolean {
    return this.#due || this.#eliciting > 0 || this.#other >= LAZY_ACK_PACKETS
  }

  /** An ACK of everything received went out. */
  sentAck(): void {
    this.#eliciting = 0
    this.#other = 0
    this.#due = false
    this.#disordered = false
    if (this.#received !== undefined) this.#largestReported = this.#received.largest
  }

  /** ACK_FREQUENCY; the caller has checked its sequence number and the least delay. */
  applyFrequency(frequency: AckFrequency): void {
    this.#threshold = frequency.threshold
    this.maxAckDelayMs = frequency.maxAckDelayMs
    this.#reorderingThreshold = frequency.reorderingThreshold
    if (this.#eliciting > this.#threshold) this.#due = true
  }
}
