/**
 * How often a node of a swarm of a given size says that it is there, which is also the measure of when its silence means something. Both sides, `Presence` and
 * `PeerTable`, take it from here (spec/envelope.md §5.4, §5.6).
 */
import type { AnnounceRate } from './settings.ts'

/** In a swarm of `count` peers, ms. By default 10 s up to 50, 20 s at 100, 33 min at 10,000. */
export function announceIntervalMs(rate: AnnounceRate, count: number): number {
  return Math.max(rate.leastIntervalMs, count * rate.intervalPerPeerMs)
}

/**
 * Follows the size of the swarm: up at once, down slowly. Peers that still go by the longer interval need one of those until they speak again; were they
 * given up at once when a part of the swarm leaves, the count would fall further, and with it the interval, until nobody is left.
 */
export class AnnounceInterval {
  readonly #rate: AnnounceRate
  #ms: number
  #at = 0

  constructor(rate: AnnounceRate) {
    this.#rate = rate
    this.#ms = rate.leastIntervalMs
  }

  get ms(): number {
    return this.#ms
  }

  /** Falls by a quarter of the time that passes: of a peer that goes by an interval I, which has two to be heard again, 1.5 I are left when it speaks. */
  update(count: number, now: number): void {
    this.#ms = Math.max(announceIntervalMs(this.#rate, count), this.#ms - (now - this.#at) / 4)
    this.#at = now
  }
}
