/**
 * Many short waits on one timer of the platform: the probes' delays and limits. Holds nothing once all have fired, were cancelled, or `clear`
 * was called.
 */
import type { Platform, Timer } from '../../platform/index.ts'

interface Alarm {
  readonly at: number
  readonly callback: () => void
}

/** Cancels the wait; without effect after it. */
export type CancelAlarm = () => void

export class Alarms {
  readonly #platform: Pick<Platform, 'now' | 'createTimer'>
  readonly #timer: Timer
  /** A report has some tens, so they are looked through. Those of one time fire in the order they were made. */
  readonly #waiting = new Set<Alarm>()

  constructor(platform: Pick<Platform, 'now' | 'createTimer'>) {
    this.#platform = platform
    this.#timer = platform.createTimer(() => this.#fire())
  }

  /** Calls `callback` once, `delayMs` from now, and never from inside this call. */
  after(delayMs: number, callback: () => void): CancelAlarm {
    const alarm: Alarm = { at: this.#platform.now() + delayMs, callback }
    this.#waiting.add(alarm)
    this.#arm()
    return () => {
      if (this.#waiting.delete(alarm)) this.#arm()
    }
  }

  clear(): void {
    this.#waiting.clear()
    this.#timer.cancel()
  }

  #next(): Alarm | undefined {
    let next: Alarm | undefined
    for (const alarm of this.#waiting) if (next === undefined || alarm.at < next.at) next = alarm
    return next
  }

  #arm(): void {
    const next = this.#next()
    if (next === undefined) this.#timer.cancel()
    else this.#timer.arm(next.at)
  }

  #fire(): void {
    const now = this.#platform.now()
    // What a callback asks for waits for another turn, even when it is due at once.
    const due = [...this.#waiting].filter(({ at }) => at <= now).sort((left, right) => left.at - right.at)
    for (const alarm of due) if (this.#waiting.delete(alarm)) alarm.callback()
    this.#arm()
  }
}
