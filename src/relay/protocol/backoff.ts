/** How long a client waits before it dials a relay again (spec/relay.md §5.3). When to wait and when to reset is the owner's. */
import { type RandomSource, uniform } from '../../platform/index.ts'

const FIRST_BASE_MS = 10
const LAST_BASE_MS = 16_000

export class Backoff {
  #baseMs: number

  constructor() {
    this.#baseMs = FIRST_BASE_MS
  }

  /** The next wait, ms: a base that doubles from 10 ms to 16 s, plus up to as much again at random. */
  next(random: RandomSource): number {
    const baseMs = this.#baseMs
    this.#baseMs = Math.min(2 * baseMs, LAST_BASE_MS)
    return baseMs * (1 + uniform(random))
  }

  /** The connection had been established: the next wait is a short one again. */
  reset(): void {
    this.#baseMs = FIRST_BASE_MS
  }
}
