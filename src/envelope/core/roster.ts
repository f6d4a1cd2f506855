/**
 * Who is there, handed from neighbour to neighbour: each node keeps the signed announcements of those who are online and offers a new neighbour what it has; the neighbour asks for what
 * it lacks, and offers that to its own neighbours in turn. So a newcomer knows the swarm after a round trip, and two halves that meet know each other, without anybody's having
 * to announce itself again; the announcements prove themselves, whoever brings them (spec/envelope.md §5.4, W10).
 */
import { type RandomSource, uniform } from '../../platform/index.ts'
import { RateBuckets } from '../routing/rate-buckets.ts'
import type { PeerKey } from '../wire/envelope.ts'
import {
  decodeRosterMessage,
  encodeOffer,
  encodeWant,
  ROSTER_AT_ONCE,
  type RosterEntry,
  type ShortKey,
  shortOf,
} from '../wire/roster-codec.ts'
import type { Context } from './context.ts'

interface Kept {
  readonly peer: PeerKey
  /** The envelope. */
  readonly wire: Uint8Array
  /** When it was made, ms since 1970. */
  readonly timestamp: number
}

export class Roster {
  readonly #context: Context
  readonly #random: RandomSource
  /** The one heard last is the last. */
  readonly #kept = new Map<ShortKey, Kept>()
  /** What somebody was asked for a moment ago, and when: others who offer the same are not asked. The latest last. */
  readonly #asked = new Map<ShortKey, number>()
  /** What neighbours handed to us, and we have not offered on. */
  #news: Kept[] = []
  #newsAt = Number.POSITIVE_INFINITY
  readonly #budgets: RateBuckets

  constructor(context: Context, random: RandomSource) {
    this.#context = context
    this.#random = random
    this.#budgets = new RateBuckets(context.settings.handOnLinks)
  }

  get size(): number {
    return this.#kept.size
  }

  /** A verified announcement, or our own; `isHandedOn`: it did not come through the swarm, so our neighbours may lack it as well. */
  keep(peer: PeerKey, wire: Uint8Array, timestamp: number, isHandedOn = false): void {
    const short = shortOf(peer)
    const known = this.#kept.get(short)
    if (known !== undefined && known.timestamp >= timestamp) return
    this.#asked.delete(short)
    this.#kept.delete(short)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size >= this.#context.settings.rosterSize) this.#kept.delete(oldest!)
    // gossip's content may be a piece of something larger
    const kept = { peer, wire: wire.slice(), timestamp }
    this.#kept.set(short, kept)
    if (!isHandedOn) return
    this.#news.push(kept)
    this.#newsAt = Math.min(this.#newsAt, this.#context.clock.now + this.#context.settings.newsAfterMs)
  }

  /** It is gone, as far as we know. */
  forget(peer: PeerKey): void {
    this.#kept.delete(shortOf(peer))
  }

  /** To a new neighbour: what it may lack, of large swarms some at random. */
  offerTo(neighbor: PeerKey): void {
    const { offerAtMost } = this.#context.settings
    const kept = [...this.#kept.values()].filter((one) => one.peer !== neighbor && this.#isPresent(one))
    const first = kept.length > offerAtMost ? Math.floor(uniform(this.#random) * kept.length) : 0
    this.#offer([...kept.slice(first), ...kept.slice(0, first)].slice(0, offerAtMost), neighbor)
  }

  /** What the neighbour `link` said to us, or to all its neighbours. Throws EnvelopeError. */
  receive(content: Uint8Array, link: PeerKey): void {
    const message = decodeRosterMessage(content)
    if (message.kind === 'offer') this.#onOffer(message.entries, link)
    else this.#onWant(message.shorts, link)
  }

  deadline(): number {
    return this.#newsAt
  }

  tick(): void {
    if (this.#context.clock.now < this.#newsAt) return
    const news = this.#news
    this.#news = []
    this.#newsAt = Number.POSITIVE_INFINITY
    this.#offer(news.filter((one) => this.#isPresent(one)))
  }

  /** To `neighbor`, or to all of them. */
  #offer(offered: readonly Kept[], neighbor?: PeerKey): void {
    for (let first = 0; first < offered.length; first += ROSTER_AT_ONCE) {
      const entries = offered
        .slice(first, first + ROSTER_AT_ONCE)
        .map(({ peer, timestamp }) => ({ short: shortOf(peer), timestamp }))
      this.#context.world.tellNeighbors(encodeOffer(entries), neighbor)
    }
  }

  #onOffer(entries: readonly RosterEntry[], link: PeerKey): void {
    const { key, clock, settings, world } = this.#context
    for (const [short, at] of this.#asked) {
      if (clock.now - at < settings.askAgainMs) break
      this.#asked.delete(short)
    }
    const wanted: ShortKey[] = []
    for (const { short, timestamp } of entries) {
      if (short === shortOf(key) || this.#asked.has(short) || !this.#lacks(short, timestamp)) continue
      if (this.#asked.size >= settings.rosterSize) break
      this.#asked.set(short, clock.now)
      wanted.push(short)
    }
    if (wanted.length > 0) world.tellNeighbors(encodeWant(wanted), link)
  }

  #onWant(shorts: readonly ShortKey[], link: PeerKey): void {
    const { clock, counters, settings, world } = this.#context
    for (const short of shorts) {
      const kept = this.#kept.get(short)
      if (kept === undefined) continue
      if (!this.#budgets.take(link, settings.handOnPerSecond, settings.handOnBurst, clock.now)) return
      world.tellNeighbors(kept.wire, link)
      counters.handedOn++
    }
  }

  /** We have none, and room for it; or ours is so much older that we have missed one. */
  #lacks(short: ShortKey, timestamp: number): boolean {
    const { peers, settings } = this.#context
    const known = this.#kept.get(short)
    if (known === undefined) return this.#kept.size < settings.rosterSize
    return timestamp - known.timestamp > peers.intervalMs
  }

  /** Said a short time ago by its author's clock: else a rumour about somebody gone would keep itself alive. */
  #isPresent({ peer, timestamp }: Kept): boolean {
    const { key, clock, peers } = this.#context
    if (timestamp < clock.wall - peers.staleAfterMs) return false
    return peer === key || peers.livenessOf(peer) === 'online'
  }
}
