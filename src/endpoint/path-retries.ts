/** One timer for all connections that lack a path they would like to have. */
import type { Platform, Timer } from '../platform/index.ts'
import type { ConnectionPaths } from './connection-paths.ts'

export class PathRetries {
  readonly #platform: Platform
  readonly #timer: Timer
  readonly #waiting = new Set<ConnectionPaths>()

  constructor(platform: Platform) {
    this.#platform = platform
    this.#timer = platform.createTimer(() => this.#tick())
  }

  /** `paths.retryAt` was set. */
  readonly add = (paths: ConnectionPaths): void => {
    this.#waiting.add(paths)
    this.#arm()
  }

  /** A relay is connected (again) or was lost: who wants a path there looks at once at what there is. */
  relayChanged(url: string, all: Iterable<ConnectionPaths>): void {
    for (const paths of all) if (paths.wants(url)) paths.retry(true)
  }

  close(): void {
    this.#waiting.clear()
    this.#timer.cancel()
  }

  #tick(): void {
    const now = this.#platform.now()
    for (const paths of [...this.#waiting]) {
      if (paths.isClosed) this.#waiting.delete(paths)
      if (paths.isClosed || paths.retryAt > now) continue
      this.#waiting.delete(paths)
      paths.retry(false)
    }
    this.#arm()
  }

  #arm(): void {
    let earliest = Number.POSITIVE_INFINITY
    for (const { retryAt } of this.#waiting) earliest = Math.min(earliest, retryAt)
    if (earliest === Number.POSITIVE_INFINITY) this.#timer.cancel()
    else this.#timer.arm(earliest)
  }
}
