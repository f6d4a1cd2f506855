/**
 * Spreads packets over the round trip: a token bucket filled at 1.25 times the window per smoothed round trip. Says when bytes may go;
 * who sends what is not its business. RFC 9002 §7.7, bursts by spec/quic.md §6.2 and spec/fast-path.md §4.
 */

/** RFC 9002 §7.7: a little above the window, so that pacing never limits throughput. */
const GAIN = 1.25
/** Platform timers have 1 ms; what comes due meanwhile must not be lost. */
const BURST_MS = 2
const MIN_BURST_PACKETS = 10
/** A default kernel buffer keeps 92 packets of one burst, or a dozen of 16,000 bytes (spec/fast-path.md §4). */
const MAX_BURST_PACKETS = 64
const MAX_BURST_BYTES = MAX_BURST_PACKETS * 1452
/** Keeps the rate finite on loopback. */
const MIN_RTT_MS = 0.01

export class Pacer {
  #mtu: number
  /** Bytes that may go now. Negative after packets that pacing does not hold back. */
  #tokens: number
  #filledAt: number

  constructor(mtu: number) {
    this.#mtu = mtu
    this.#tokens = MIN_BURST_PACKETS * mtu
    this.#filledAt = Number.NEGATIVE_INFINITY
  }

  /** Earliest time `bytes` may go, ms; `now` when they may go now. */
  readyAt(bytes: number, window: number, smoothedRtt: number, now: number): number {
    const rate = (GAIN * window) / Math.max(smoothedRtt, MIN_RTT_MS)
    this.#fill(rate, now)
    // Half a byte of slack: rounding must not leave a wait of nothing.
    const missing = Math.min(bytes, MIN_BURST_PACKETS * this.#mtu) - this.#tokens
    return missing <= 0.5 ? now : now + missing / rate
  }

  /** `bytes` went out. Allowed at any time: probes do not wait, but what they take is paid back. */
  spend(bytes: number, window: number, smoothedRtt: number, now: number): void {
    this.#fill((GAIN * window) / Math.max(smoothedRtt, MIN_RTT_MS), now)
    this.#tokens = Math.max(this.#tokens - bytes, -this.#maxBurst)
  }

  setMtu(bytes: number): void {
    this.#mtu = bytes
  }

  /** Bytes that may go at once. */
  get #maxBurst(): number {
    return Math.max(MIN_BURST_PACKETS * this.#mtu, Math.min(MAX_BURST_PACKETS * this.#mtu, MAX_BURST_BYTES))
  }

  /** `rate` in bytes per ms. */
  #fill(rate: number, now: number): void {
    const capacity = Math.min(Math.max(rate * BURST_MS, MIN_BURST_PACKETS * this.#mtu), this.#maxBurst)
    const tokens = now > this.#filledAt ? this.#tokens + rate * (now - this.#filledAt) : this.#tokens
    this.#tokens = Math.min(tokens, capacity)
    this.#filledAt = Math.max(now, this.#filledAt)
  }
}
