/**
 * What a topic's messages tell about its tree: how deep it is, how long a hop takes, and how many other messages are on their way at the same time. The repaired
 * profile derives from it when to ask for a payload (spec/gossip.md §7.3, §11.1 P9) and which messages may change the tree.
 *
 * Depth and hops instead of plain delays: a delay is long, too, when somebody on the way waited for a timeout, and timeouts learned from such delays grow without
 * end when messages overlap.
 */
import type { MessageId } from './messages.ts'

/** The greatest depth fades by this part with each message. */
const DEPTH_FADE = 1 / 32
/** Part of a new sample in the smoothed hop. */
const HOP_GAIN = 1 / 8
/** Messages before the tree counts as known. */
const ENOUGH = 3
/** One message in so many spans changes the tree. In simulations with 10 messages a second, 1 gives the tree no rest, and with 8 circles live on for long. */
const OVERLAP = 3

export interface TempoSettings {
  /** How long a message is taken to travel while nothing is known, ms. */
  readonly initialMs: number
  /** At least this, and at most, whatever rounds peers claim, ms. */
  readonly minMs: number
  readonly maxMs: number
}

export class TreeTempo {
  readonly #settings: TempoSettings
  #arrivals = 0
  #depth = 0
  #hopMs = 0
  /** Messages of the last `spanMs`, older ones fading. */
  #load = 0
  #loadAt = 0

  constructor(settings: TempoSettings) {
    this.#settings = settings
  }

  /** Nothing below means anything before. */
  get isKnown(): boolean {
    return this.#arrivals >= ENOUGH && this.#hopMs > 0
  }

  /** Hops that a payload may need to us. */
  get depth(): number {
    return this.#depth
  }

  /** One hop, ms: half a round trip. */
  get hopMs(): number {
    return this.#hopMs
  }

  /** A message's way through the tree, ms. */
  get spanMs(): number {
    const { initialMs, minMs, maxMs } = this.#settings
    return this.isKnown ? Math.min(Math.max(this.#depth * this.#hopMs, minMs), maxMs) : initialMs
  }

  /** A payload came for the first time, `round` hops away from its author, over a link with this round trip (undefined: not known). */
  arrived(round: number, roundTripMs: number | undefined, now: number): void {
    this.#arrivals++
    if (roundTripMs !== undefined) this.#sampleHop(roundTripMs / 2)
    // a round is a claim: one lie must not count for hundreds of messages
    const hops = this.#hopMs > 0 ? Math.min(round, this.#settings.maxMs / this.#hopMs) : 0
    if (hops >= this.#depth) this.#depth = hops
    else this.#depth += (hops - this.#depth) * DEPTH_FADE
    this.sent(now)
  }

  /** One more message is on its way. */
  sent(now: number): void {
    this.#fade(now)
    this.#load++
  }

  /**
   * May this message change the tree? Every node answers the same, more or less. Two messages that travel at once from different authors see the same circle of links
   * and cut it at two places, which costs a timeout and new circles, for ever; a single one cuts each circle once.
   */
  mayReshape(id: MessageId, now: number): boolean {
    this.#fade(now)
    return drawOf(id) * (1 + OVERLAP * (this.#load - 1)) < 1
  }

  #fade(now: number): void {
    if (now > this.#loadAt) this.#load *= Math.exp((this.#loadAt - now) / this.spanMs)
    this.#loadAt = now
  }

  #sampleHop(ms: number): void {
    this.#hopMs = this.#hopMs === 0 ? ms : this.#hopMs + (ms - this.#hopMs) * HOP_GAIN
  }
}

/** A number in [0, 1) that belongs to the id: FNV-1a, and the finaliser of MurmurHash3 for ids that differ in one character only. */
function drawOf(id: MessageId): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x100000000
}
