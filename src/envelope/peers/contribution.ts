/**
 * What one node has done for others, by our own measurement, and the score that follows (spec/envelope.md §5.2, ROL-2, L4). No announced score, and nothing a
 * node sends on its own behalf, ever enters.
 */

const HOUR_MS = 3_600_000
const MEBIBYTE = 1_048_576
/** Of the score, an hour, continuously (spec/envelope.md §5.2). */
const DECAY_PER_HOUR = 0.05
/** How much of the latest attempt goes into `success`: the last eight or so count. A guess. */
const NEWEST_SHARE = 1 / 8
/** What is believed of a node nobody has tried. */
export const UNKNOWN_SUCCESS = 0.5
/** Nobody's chance becomes zero (L4). */
const LEAST_SUCCESS = 0.01

/** Two counters of attempts, and a share of successes with a short memory beside them: the score rewards what was done in total, the choice of a hop asks how it is now. */
export class Contribution {
  #forwarded = 0
  #failed = 0
  #activeMs = 0
  #forwardedBytes = 0
  #receivedBytes = 0
  /** NaN before the first attempt. */
  #lastAt = Number.NaN
  #success = UNKNOWN_SUCCESS
  /** By the score of this node as we measured it; set by who evaluates it. */
  isRelay = false

  get attempts(): number {
    return this.#forwarded + this.#failed
  }

  /** One message was passed on. */
  forwarded(bytes: number, now: number): void {
    this.#attempted(1, now)
    this.#forwarded++
    this.#forwardedBytes += bytes
  }

  /** One message was not. */
  failed(now: number): void {
    this.#attempted(0, now)
    this.#failed++
  }

  /** Bytes it was given to pass on; no activity in itself. */
  received(bytes: number): void {
    this.#receivedBytes += bytes
  }

  /**
   * R·1 + S·5 + U·0.5 + M·0.2 + Q·1.5, less 5 % for each hour without activity: continuous, and above 0 for ever once something was forwarded
   * (spec/envelope.md §5.2, L4a).
   */
  score(now: number): number {
    const attempts = this.attempts
    if (attempts === 0) return 0
    const raw =
      this.#forwarded +
      (this.#forwarded / attempts) * 5 +
      (this.#activeMs / HOUR_MS) * 0.5 +
      (this.#forwardedBytes / MEBIBYTE) * 0.2 +
      this.#givenPerTaken() * 1.5
    return raw * this.#fade(now)
  }

  /** The share of attempts that lately went well, from 0.01 to 1; without recent ones it goes back to 0.5, good or bad (L4b). */
  success(now: number): number {
    return Math.max(LEAST_SUCCESS, UNKNOWN_SUCCESS + (this.#success - UNKNOWN_SUCCESS) * this.#fade(now))
  }

  #givenPerTaken(): number {
    if (this.#receivedBytes > 0) return this.#forwardedBytes / this.#receivedBytes
    return this.#forwardedBytes > 0 ? 1 : 0
  }

  #attempted(outcome: 0 | 1, now: number): void {
    const success = this.success(now)
    this.#success = success + (outcome - success) * NEWEST_SHARE
    if (!Number.isNaN(this.#lastAt)) this.#activeMs += now - this.#lastAt
    this.#lastAt = now
  }

  #fade(now: number): number {
    return this.attempts === 0 ? 1 : Math.exp((-DECAY_PER_HOUR * (now - this.#lastAt)) / HOUR_MS)
  }
}
