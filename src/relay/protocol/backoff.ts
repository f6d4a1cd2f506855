/** How long a client waits before it dials a relay again (spec/relay.md §5.3). When to wait and when to reset is the owner's. */
import type { RandomSource } from '../../platform/index.ts'

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
    const drawn = new Uint8Array(4)
    random.fill(drawn)
    return baseMs * (1 + new DataView(drawn.buffer).getUint32(0) / 2 ** 32)
  }

  /** The connection had been established: the next wait is a short one again. */
  reset(): void {
    this.#baseMs = FIRST_BASE_MS
  }
}
