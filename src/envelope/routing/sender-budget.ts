/**
 * Growing friction instead of blocks (lock 5): what one peer may bring over its connections, whoever wrote it, and then what one author may send (spec/envelope.md §5.2,
 * L5, W12). Both remember a bounded number of peers.
 */
import type { PeerKey } from '../wire/envelope.ts'
import type { MessageType } from '../wire/message-type.ts'
import { RateBuckets } from './rate-buckets.ts'
import { BUDGET_SETTINGS, type BudgetSettings } from './settings.ts'

export class SenderBudgets {
  readonly #settings: BudgetSettings
  readonly #links: RateBuckets
  readonly #authors: RateBuckets

  constructor(settings: Partial<BudgetSettings> = {}) {
    this.#settings = { ...BUDGET_SETTINGS, ...settings }
    this.#links = new RateBuckets(this.#settings.maxPeers)
    this.#authors = new RateBuckets(this.#settings.maxPeers)
  }

  /** Messages a second that an author with this score may send: 10 at 0, 30 at 10, never 50 (L5a, L5b). */
  rateFor(score: number): number {
    const { base, range, half } = this.#settings
    // a score from elsewhere may be anything; only a good one helps
    return score > 0 ? base + range / (1 + half / score) : base
  }

  /** Asked for each frame before it is even decoded: `link` is who the connection belongs to. `now`: monotonic ms. */
  mayReceiveFrom(link: PeerKey, now: number): boolean {
    return this.#links.take(link, this.#settings.linkPerSecond, this.#settings.linkBurst, now)
  }

  /** Asked once the signature of `from` is verified, else anybody could use up another's budget. What others need from us is exempt. `now`: monotonic ms. */
  maySend(from: PeerKey, type: MessageType, score: number, now: number): boolean {
    if (type === 'Ack' || type === 'ReadReceipt' || type === 'Heartbeat') return true
    const rate = this.rateFor(score)
    return this.#authors.take(from, rate, rate * this.#settings.burstSeconds, now)
  }

  /** Peers counted. */
  get sizes(): { readonly links: number; readonly authors: number } {
    return { links: this.#links.size, authors: this.#authors.size }
  }
}
