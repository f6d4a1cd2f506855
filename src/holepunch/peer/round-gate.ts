/**
 * When the next punching round begins (spec/endpoint.md §3.3), and more often than iroh does while nothing direct is found: a round costs a peer nine small packets for each address. Pure; it is told the
 * time and the addresses of both sides.
 */

/** So many rounds may begin within so long, ms, whatever news there is: a peer decides how often its addresses change. A few come one upon the other at the start. Guesses. */
const MOST_ROUNDS = 4
const WITHIN_MS = 1_000
/** Pauses between rounds without new addresses while nothing is direct, ms. The first is iroh's; it goes on with 60 s. */
const PAUSES_MS: readonly number[] = [5_000, 5_000, 5_000, 10_000, 20_000, 40_000]
/** The last pause, and the one to a better path when there is a direct one, ms (spec/endpoint.md §3.3). */
const LONG_PAUSE_MS = 60_000

export class RoundGate {
  #lastAt = Number.NEGATIVE_INFINITY
  /** When the last rounds began, the newest last. */
  #recent: number[] = []
  #known = new Set<string>()
  /** Rounds since something changed. */
  #tries = 0
  #isUrgent = false

  /**
   * When a round may begin, ms. `addresses`: those of both sides as text. An address that was not there in the last round is news, one that went is not.
   */
  next(now: number, addresses: readonly string[], isDirect: boolean): number {
    if (this.hasNews(addresses)) return this.#soonest(now)
    const pause = isDirect ? LONG_PAUSE_MS : (PAUSES_MS[this.#tries - 1] ?? LONG_PAUSE_MS)
    return Math.max(now, this.#lastAt + pause)
  }

  begin(now: number, addresses: readonly string[]): void {
    if (this.hasNews(addresses)) this.#tries = 0
    this.#tries++
    this.#lastAt = now
    this.#recent = [...this.#recent, now].slice(-MOST_ROUNDS)
    this.#known = new Set(addresses)
    this.#isUrgent = false
  }

  /** Something has changed since the last round: the next is due however good what we have is. */
  hasNews(addresses: readonly string[]): boolean {
    return this.#isUrgent || addresses.some((address) => !this.#known.has(address))
  }

  #soonest(now: number): number {
    const [first] = this.#recent
    return this.#recent.length < MOST_ROUNDS ? now : Math.max(now, first! + WITHIN_MS)
  }

  /** A direct path was lost, or the network is another one: all begins anew. */
  reset(): void {
    this.#isUrgent = true
  }
}
