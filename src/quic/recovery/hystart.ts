/**
 * HyStart++: finds the moment to leave the first slow start by watching the round-trip time rise, before packets are lost. Only says by
 * what to divide growth and when to stop; the window belongs to the controller. RFC 9406 §4.
 *
 * Rounds are told apart by send time where the RFC takes sequence numbers, since one link carries up to three packet number spaces.
 */
import type { RttEstimator } from './rtt.ts'

const MIN_RTT_THRESHOLD_MS = 4
const MAX_RTT_THRESHOLD_MS = 16
const MIN_RTT_DIVISOR = 8
/** RTT samples a round needs before it is judged. */
const SAMPLES = 8
const CONSERVATIVE_GROWTH_DIVISOR = 4
const CONSERVATIVE_ROUNDS = 5

export class HyStart {
  /** 1 in slow start, 4 in conservative slow start: the window grows by acknowledged bytes over this. */
  growthDivisor: number
  /** Packets sent from here on end the round when acknowledged, ms. */
  #roundStart: number
  #lastRoundMin: number
  #roundMin: number
  #roundSamples: number
  #seenSamples: number
  /** Smallest RTT of the round that raised suspicion; Infinity in plain slow start. */
  #baseline: number
  #conservativeRounds: number

  constructor() {
    this.growthDivisor = 1
    this.#roundStart = Number.NEGATIVE_INFINITY
    this.#lastRoundMin = Number.POSITIVE_INFINITY
    this.#roundMin = Number.POSITIVE_INFINITY
    this.#roundSamples = 0
    this.#seenSamples = 0
    this.#baseline = Number.POSITIVE_INFINITY
    this.#conservativeRounds = 0
  }

  /** A packet was acknowledged in slow start. True: slow start is over, the window is the threshold. */
  acked(sentAt: number, now: number, rtt: RttEstimator): boolean {
    if (sentAt >= this.#roundStart && this.#endRound(now)) return true
    // One sample per acknowledgement, however many packets it covers.
    if (rtt.samples === this.#seenSamples) return false
    this.#seenSamples = rtt.samples
    this.#roundSamples++
    if (rtt.latest < this.#roundMin) this.#roundMin = rtt.latest
    if (this.#roundSamples >= SAMPLES) this.#judge()
    return false
  }

  /** RFC 9406 §4.2: a partial round in conservative slow start counts as one. */
  #endRound(now: number): boolean {
    this.#roundStart = now
    this.#lastRoundMin = this.#roundMin
    this.#roundMin = Number.POSITIVE_INFINITY
    this.#roundSamples = 0
    if (this.growthDivisor === 1) return false
    return ++this.#conservativeRounds >= CONSERVATIVE_ROUNDS
  }

  #judge(): void {
    if (this.growthDivisor !== 1) {
      // RFC 9406 §4.2: the rise was noise, so back to full speed.
      if (this.#roundMin < this.#baseline) {
        this.#baseline = Number.POSITIVE_INFINITY
        this.growthDivisor = 1
      }
      return
    }
    if (this.#lastRoundMin === Number.POSITIVE_INFINITY) return
    const threshold = Math.max(
      MIN_RTT_THRESHOLD_MS,
      Math.min(this.#lastRoundMin / MIN_RTT_DIVISOR, MAX_RTT_THRESHOLD_MS),
    )
    if (this.#roundMin < this.#lastRoundMin + threshold) return
    this.#baseline = this.#roundMin
    this.growthDivisor = CONSERVATIVE_GROWTH_DIVISOR
    this.#conservativeRounds = 0
  }
}
