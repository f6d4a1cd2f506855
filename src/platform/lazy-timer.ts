/**
 * One re-armable timer over `setTimeout`: arming later than the running timeout costs nothing (it wakes early, sees that it is not
 * time yet and sleeps again), only an earlier time creates a new timeout. Knows no clock of its own; both platforms use it.
 */
import type { Timer, TimerOptions } from './platform.ts'

const NEVER = Number.POSITIVE_INFINITY

/** `setTimeout` takes at most 2^31 - 1 ms; longer waits are slept in pieces. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1

export class LazyTimer implements Timer {
  readonly #now: () => number
  readonly #defer: (callback: () => void) => void
  readonly #callback: () => void
  readonly #isBackground: boolean
  /** When the owner wants to be called; NEVER when cancelled. */
  #target = NEVER
  #timeout: ReturnType<typeof setTimeout> | undefined = undefined
  /** When the running timeout wakes, NEVER without one. */
  #wakesAt = NEVER
  #deferred = false

  /** `now` in ms; `defer` runs its argument one macrotask later. */
  constructor(
    now: () => number,
    defer: (callback: () => void) => void,
    callback: () => void,
    { isBackground = false }: TimerOptions = {},
  ) {
    this.#now = now
    this.#defer = defer
    this.#callback = callback
    this.#isBackground = isBackground
  }

  arm(at: number): void {
    this.#target = at
    if (this.#wakesAt <= at || this.#deferred) return
    this.#sleep(this.#now())
  }

  cancel(): void {
    this.#target = NEVER
    // Cleared and not just ignored: a sleeping timeout would keep the process alive.
    if (this.#timeout !== undefined) clearTimeout(this.#timeout)
    this.#timeout = undefined
    this.#wakesAt = NEVER
  }

  #sleep(now: number): void {
    if (this.#timeout !== undefined) clearTimeout(this.#timeout)
    this.#timeout = undefined
    this.#wakesAt = NEVER
    if (this.#target === NEVER) return
    if (this.#target <= now) {
      // A timeout of 0 would wait a whole millisecond.
      if (this.#deferred) return
      this.#deferred = true
      this.#defer(this.#onDeferred)
      return
    }
    const wait = Math.min(Math.ceil(this.#target - now), LONGEST_SLEEP_MS)
    this.#wakesAt = now + wait
    this.#timeout = setTimeout(this.#onTimeout, wait)
    // In browsers a timeout is a number: pages do not end that way.
    if (this.#isBackground && typeof this.#timeout === 'object') this.#timeout.unref()
  }

  readonly #onDeferred = (): void => {
    this.#deferred = false
    this.#wake()
  }

  readonly #onTimeout = (): void => {
    this.#timeout = undefined
    this.#wakesAt = NEVER
    this.#wake()
  }

  #wake(): void {
    const now = this.#now()
    if (now < this.#target) {
      this.#sleep(now)
      return
    }
    this.cancel()
    this.#callback()
  }
}
