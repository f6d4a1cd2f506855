/**
 * When to tell the swarm that we are here: at the start, when there are new neighbours, when something about us changed, and at an interval that grows with the
 * swarm. Decides only when; what is said is the messenger's (spec/envelope.md §5.4).
 */
import { type RandomSource, uniform } from '../../platform/index.ts'
import { CLOCK_SKEW_MS } from '../wire/envelope.ts'
import { AnnounceInterval } from './announce-interval.ts'
import { PRESENCE_SETTINGS, type PresenceSettings } from './settings.ts'

const MAX_ANNOUNCE_AGE_MS = 60 * 60_000

/** Not older than an hour, not more than five minutes ahead of `wall`; all in ms since 1970 (spec/envelope.md §5.4). */
export function isTimelyAnnounce(timestamp: number, wall: number): boolean {
  return timestamp >= wall - MAX_ANNOUNCE_AGE_MS && timestamp <= wall + CLOCK_SKEW_MS
}

/**
 * Gossip brings each announcement to each member, so a node hears what all others say together. With the interval of `announceIntervalMs`, shortened by up to a
 * fifth, a swarm of more than 50 says 5 to 6 a second, whatever its size, and smaller ones less. Announcements that are asked for (a new neighbour, a change) come
 * one per interval at most after a first few: under the worst churn a node hears twice as many, and a newcomer adds four or five in all. The price is that big
 * swarms notice a silent peer late: after 45 s up to 50 peers, 2.5 h at 10,000; a failed dial says it sooner (`PeerTable.unreachable`). Upstream's nodes, which
 * give up on a peer after a fixed 45 s, keep us up to some 200 peers.
 */
export class Presence {
  readonly #random: RandomSource
  readonly #settings: PresenceSettings
  readonly #interval: AnnounceInterval
  #isStarted = false
  /** The one at the start is still to be made. */
  #isFirst = true
  /** The regular one is due at `#lastAt + #share · interval`. */
  #lastAt = 0
  #share = 0
  /** What has been asked for and not yet done: since when, and last; Infinity: nothing. */
  #firstAskAt = Number.POSITIVE_INFINITY
  #lastAskAt = Number.POSITIVE_INFINITY
  /** When the last one that was asked for was made, and until when the allowance is spent. */
  #askedAt = Number.NEGATIVE_INFINITY
  #spentUntil = Number.NEGATIVE_INFINITY

  constructor(setup: { readonly random: RandomSource; readonly settings?: Partial<PresenceSettings> }) {
    this.#random = setup.random
    this.#settings = { ...PRESENCE_SETTINGS, ...setup.settings }
    this.#interval = new AnnounceInterval(this.#settings)
  }

  /** The interval in force, ms. */
  get intervalMs(): number {
    return this.#interval.ms
  }

  /** Announces at once. Nobody may be there to hear it, so it does not delay the one for the first neighbour. Before it nothing is announced. */
  started(now: number): void {
    this.#isStarted = true
    this.#lastAt = now
    this.#interval.update(0, now)
  }

  /** Somebody who may never have heard of us. */
  neighborUp(now: number): void {
    this.#ask(now)
  }

  /** Name, role or address of ours. */
  changed(now: number): void {
    this.#ask(now)
  }

  /** Whether to announce now. `onlineCount`: the peers that are online as far as we know, our measure of the swarm. */
  tick(now: number, onlineCount: number): boolean {
    if (!this.#isStarted) return false
    this.#interval.update(onlineCount, now)
    const isRegular = this.#regularAt() <= now
    if (!isRegular && this.#askedDueAt() > now) return false
    const { leastShare, leastShareAfterAsked } = this.#settings
    const least = isRegular && !this.#isFirst ? leastShare : leastShareAfterAsked
    if (!isRegular) {
      this.#askedAt = now
      this.#spentUntil = Math.max(this.#spentUntil, now) + this.#interval.ms
    }
    this.#isFirst = false
    this.#firstAskAt = Number.POSITIVE_INFINITY
    this.#lastAskAt = Number.POSITIVE_INFINITY
    this.#lastAt = now
    this.#share = 1 - uniform(this.#random) * (1 - least)
    return true
  }

  /** When `tick` may have something to say; Infinity before the start. */
  deadline(): number {
    return this.#isStarted ? Math.min(this.#regularAt(), this.#askedDueAt()) : Number.POSITIVE_INFINITY
  }

  #ask(now: number): void {
    if (!this.#isStarted) return
    if (this.#firstAskAt === Number.POSITIVE_INFINITY) this.#firstAskAt = now
    this.#lastAskAt = now
  }

  #regularAt(): number {
    return this.#lastAt + this.#share * this.#interval.ms
  }

  #askedDueAt(): number {
    const { quietMs, maxGatherMs, minGapMs, askedInARow } = this.#settings
    const gathered = Math.min(this.#lastAskAt + quietMs, this.#firstAskAt + maxGatherMs)
    return Math.max(gathered, this.#askedAt + minGapMs, this.#spentUntil - (askedInARow - 1) * this.#interval.ms)
  }
}
