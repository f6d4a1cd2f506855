/**
 * Cubic congestion control in bytes: concave and convex growth around the last maximum, the Reno-friendly region, fast convergence, and
 * the undo of reductions whose losses turned out wrong. RFC 9438; the first slow start ends by HyStart++ (hystart.ts).
 */
import type { CongestionController } from './congestion.ts'
import { HyStart } from './hystart.ts'
import type { RttEstimator } from './rtt.ts'
import { initialWindow, minimumWindow } from './window-bounds.ts'

/** RFC 9438 §5: segments per second cubed. */
const C = 0.4
/** RFC 9438 §4.6: what is kept of the window after a loss. */
const BETA = 0.7
/** RFC 9438 §4.3: growth per round trip that makes Reno with our beta as fast as Reno with its own. */
const RENO_ALPHA = (3 * (1 - BETA)) / (1 + BETA)

interface Saved {
  readonly window: number
  readonly threshold: number
  readonly recoveryStart: number
  readonly maximum: number
  readonly before: number
  readonly k: number
  readonly epochStart: number
  readonly renoWindow: number
  readonly hyStart: HyStart | undefined
}

export class Cubic implements CongestionController {
  readonly name = 'cubic'
  window: number
  #mtu: number
  #threshold: number
  /** Packets sent up to here were sent before the last reduction, ms. */
  #recoveryStart: number
  /** W_max: the window the cubic function plateaus at, bytes; 0 when undefined. */
  #maximum: number
  /** cwnd_prior: the window at the last reduction, bytes. */
  #before: number
  /** Seconds from the start of the epoch to the plateau. */
  #k: number
  /** Start of the current congestion avoidance stage, ms; NaN when none has begun. */
  #epochStart: number
  /** W_est: what Reno would have, bytes. */
  #renoWindow: number
  /** Since when acknowledgements have come for an unused window, ms; NaN when it is used. */
  #limitedSince: number
  #hyStart: HyStart | undefined
  #saved: Saved | undefined

  constructor(mtu: number) {
    this.window = initialWindow(mtu)
    this.#mtu = mtu
    this.#threshold = Number.POSITIVE_INFINITY
    this.#recoveryStart = Number.NEGATIVE_INFINITY
    this.#maximum = 0
    this.#before = 0
    this.#k = 0
    this.#epochStart = Number.NaN
    this.#renoWindow = 0
    this.#limitedSince = Number.NaN
    this.#hyStart = new HyStart()
    this.#saved = undefined
  }

  get slowStart(): boolean {
    return this.window < this.#threshold
  }

  sent(): void {}

  acked(
    _packetNumber: number,
    bytes: number,
    sentAt: number,
    now: number,
    rtt: RttEstimator,
    appLimited: boolean,
  ): void {
    if (sentAt <= this.#recoveryStart) return
    if (this.window < this.#threshold) this.#slowStartAcked(bytes, sentAt, now, rtt, appLimited)
    else if (appLimited) {
      if (Number.isNaN(this.#limitedSince)) this.#limitedSince = now
    } else this.#avoidanceAcked(bytes, now, rtt.smoothed)
  }

  #slowStartAcked(bytes: number, sentAt: number, now: number, rtt: RttEstimator, appLimited: boolean): void {
    const hyStart = this.#hyStart
    if (hyStart?.acked(sentAt, now, rtt)) {
      this.#threshold = this.window
      this.#hyStart = undefined
      return
    }
    // RFC 9438 §5.8, RFC 9002 §7.8: a window that is not used says nothing about a larger one.
    if (appLimited) return
    this.window += hyStart === undefined ? bytes : bytes / hyStart.growthDivisor
  }

  #avoidanceAcked(bytes: number, now: number, smoothedRtt: number): void {
    if (Number.isNaN(this.#epochStart)) this.#startEpoch(now)
    else if (!Number.isNaN(this.#limitedSince)) {
      // RFC 9438 §5.8: time spent with an unused window is no time to grow in.
      this.#epochStart += now - this.#limitedSince
    }
    this.#limitedSince = Number.NaN

    const window = this.window
    // RFC 9438 §4.3: once past the old maximum, grow as Reno itself does.
    const alpha = this.#renoWindow >= this.#before ? 1 : RENO_ALPHA
    this.#renoWindow += (alpha * bytes * this.#mtu) / window

    const elapsed = (now - this.#epochStart) / 1000
    if (this.#cubicWindow(elapsed) < this.#renoWindow) {
      this.window = Math.max(window, this.#renoWindow)
      return
    }
    // RFC 9438 §4.2: aim where the curve is one round trip ahead, at most half as much again.
    const target = this.#cubicWindow(elapsed + smoothedRtt / 1000)
    const bounded = Math.min(Math.max(target, window), 1.5 * window)
    this.window = window + ((bounded - window) * bytes) / window
  }

  #cubicWindow(seconds: number): number {
    const distance = seconds - this.#k
    return C * distance * distance * distance * this.#mtu + this.#maximum
  }

  #startEpoch(now: number): void {
    this.#epochStart = now
    this.#renoWindow = this.window
    if (this.#maximum === 0) {
      // RFC 9438 §4.10: slow start ended without a loss (or by §4.8), so the plateau is here.
      this.#maximum = this.window
      this.#before = this.window
    }
    const missing = (this.#maximum - this.window) / this.#mtu
    this.#k = missing > 0 ? Math.cbrt(missing / C) : 0
  }

  lost(_bytes: number, largestLostSentAt: number, now: number, persistent: boolean): void {
    if (largestLostSentAt > this.#recoveryStart) this.#reduce(now)
    if (persistent) {
      // RFC 9002 §7.6.2: start over from the minimum, and let the next ack count at once. RFC 9438 §4.8: no plateau is known then.
      this.#saved = undefined
      this.#recoveryStart = Number.NEGATIVE_INFINITY
      this.window = minimumWindow(this.#mtu)
      this.#maximum = 0
      this.#before = 0
      this.#epochStart = Number.NaN
      this.#hyStart = undefined
    }
  }

  #reduce(now: number): void {
    const window = this.window
    this.#saved = {
      window,
      threshold: this.#threshold,
      recoveryStart: this.#recoveryStart,
      maximum: this.#maximum,
      before: this.#before,
      k: this.#k,
      epochStart: this.#epochStart,
      renoWindow: this.#renoWindow,
      hyStart: this.#hyStart,
    }
    this.#recoveryStart = now
    // RFC 9438 §4.7: a maximum below the last one means that somebody else came, so make room faster.
    this.#maximum = window < this.#maximum ? (window * (1 + BETA)) / 2 : window
    this.#before = window
    this.window = Math.max(window * BETA, minimumWindow(this.#mtu))
    this.#threshold = this.window
    this.#epochStart = Number.NaN
    this.#limitedSince = Number.NaN
    // RFC 9406 §4.3: only the first slow start is guarded.
    this.#hyStart = undefined
  }

  /** RFC 9438 §4.9.2. */
  spurious(): void {
    const saved = this.#saved
    if (saved === undefined) return
    this.#saved = undefined
    if (saved.window <= this.window) return
    this.window = saved.window
    this.#threshold = saved.threshold
    this.#recoveryStart = saved.recoveryStart
    this.#maximum = saved.maximum
    this.#before = saved.before
    this.#k = saved.k
    this.#epochStart = saved.epochStart
    this.#renoWindow = saved.renoWindow
    this.#hyStart = saved.hyStart
  }

  startFrom(bytes: number): void {
    this.window = Math.max(this.window, bytes)
  }

  setMtu(bytes: number): void {
    this.#mtu = bytes
    this.window = Math.max(this.window, minimumWindow(bytes))
  }

  fresh(): Cubic {
    return new Cubic(this.#mtu)
  }
}
