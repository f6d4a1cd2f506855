/**
 * Round-trip time of one link: latest, smallest, smoothed and its variation. Does not decide which acknowledgement makes a sample; loss
 * detection does. RFC 9002 §5, and the base of the probe timeout of §6.2.1.
 */

/** Timer granularity, ms (RFC 9002 §6.1.2). */
export const GRANULARITY_MS = 1

export class RttEstimator {
  /** Newest sample, ms; 0 before the first. */
  latest: number
  /** Exponentially weighted average, ms. */
  smoothed: number
  /** Mean deviation, ms. */
  variance: number
  /** Smallest sample seen, ms; 0 before the first. */
  min: number
  /** Samples so far. */
  samples: number
  #minForgotten: boolean

  /** `initialRttMs` stands in until the first sample (RFC 9002 §6.2.2; 333 ms by default). */
  constructor(initialRttMs: number) {
    this.latest = 0
    this.smoothed = initialRttMs
    this.variance = initialRttMs / 2
    this.min = 0
    this.samples = 0
    this.#minForgotten = true
  }

  get hasSample(): boolean {
    return this.samples > 0
  }

  /** `sampleMs`: send to ack. `ackDelayMs`: what the peer says it waited, already scaled; 0 for Initial packets (RFC 9002 §5.3). */
  update(sampleMs: number, ackDelayMs: number, handshakeConfirmed: boolean, maxAckDelayMs: number): void {
    this.latest = sampleMs
    if (this.#minForgotten || sampleMs < this.min) {
      this.min = sampleMs
      this.#minForgotten = false
    }
    this.samples++
    if (this.samples === 1) {
      // RFC 9002 §5.3: the first sample replaces the guess, and no delay is taken off it.
      this.smoothed = sampleMs
      this.variance = sampleMs / 2
      return
    }
    // RFC 9002 §5.3: a peer may exceed its max_ack_delay before the handshake is confirmed, not after.
    const delay = handshakeConfirmed ? Math.min(ackDelayMs, maxAckDelayMs) : ackDelayMs
    // RFC 9002 §5.3: a claimed delay must not push the sample below the smallest one seen.
    const adjusted = sampleMs - delay >= this.min ? sampleMs - delay : sampleMs
    this.variance += (Math.abs(this.smoothed - adjusted) - this.variance) / 4
    this.smoothed += (adjusted - this.smoothed) / 8
  }

  /** RFC 9002 §5.2: after persistent congestion the next sample is the new minimum. */
  forgetMin(): void {
    this.#minForgotten = true
  }

  /** Probe timeout without ack delay and back-off, ms (RFC 9002 §6.2.1). */
  get ptoBase(): number {
    return this.smoothed + Math.max(4 * this.variance, GRANULARITY_MS)
  }
}
