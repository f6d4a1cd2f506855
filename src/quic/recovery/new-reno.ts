/**
 * NewReno congestion control as RFC 9002 §7 and appendix B describe it, with an undo for losses that turned out wrong. The plain
 * alternative to Cubic, and the yardstick for tests.
 */
import type { CongestionController } from './congestion.ts'
import type { RttEstimator } from './rtt.ts'
import { initialWindow, minimumWindow } from './window-bounds.ts'

/** RFC 9002 §7.3.2: what is kept of the window after a loss. */
const LOSS_REDUCTION = 0.5

interface Saved {
  readonly window: number
  readonly threshold: number
  readonly recoveryStart: number
}

export class NewReno implements CongestionController {
  readonly name = 'new-reno'
  window: number
  #mtu: number
  #threshold: number
  /** Packets sent up to here were sent before the last reduction, ms. */
  #recoveryStart: number
  #saved: Saved | undefined

  constructor(mtu: number) {
    this.window = initialWindow(mtu)
    this.#mtu = mtu
    this.#threshold = Number.POSITIVE_INFINITY
    this.#recoveryStart = Number.NEGATIVE_INFINITY
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
    _now: number,
    _rtt: RttEstimator,
    appLimited: boolean,
  ): void {
    // RFC 9002 §7.8: a window that is not used says nothing about a larger one.
    if (appLimited || sentAt <= this.#recoveryStart) return
    if (this.slowStart) this.window += bytes
    else this.window += (this.#mtu * bytes) / this.window
  }

  lost(_bytes: number, largestLostSentAt: number, now: number, persistent: boolean): void {
    if (largestLostSentAt > this.#recoveryStart) {
      this.#saved = { window: this.window, threshold: this.#threshold, recoveryStart: this.#recoveryStart }
      this.#recoveryStart = now
      this.window = Math.max(this.window * LOSS_REDUCTION, minimumWindow(this.#mtu))
      this.#threshold = this.window
    }
    if (persistent) {
      // RFC 9002 §7.6.2: start over from the minimum, and let the next ack count at once.
      this.#saved = undefined
      this.#recoveryStart = Number.NEGATIVE_INFINITY
      this.window = minimumWindow(this.#mtu)
    }
  }

  spurious(): void {
    const saved = this.#saved
    if (saved === undefined) return
    this.#saved = undefined
    if (saved.window <= this.window) return
    this.window = saved.window
    this.#threshold = saved.threshold
    this.#recoveryStart = saved.recoveryStart
  }

  startFrom(bytes: number): void {
    this.window = Math.max(this.window, bytes)
  }

  setMtu(bytes: number): void {
    this.#mtu = bytes
    this.window = Math.max(this.window, minimumWindow(bytes))
  }

  fresh(): NewReno {
    return new NewReno(this.#mtu)
  }
}
