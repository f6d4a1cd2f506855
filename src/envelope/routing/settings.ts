/** Every number of routing with its unit and where it comes from (spec/envelope.md §4, §5.2). Not options of the public face: tests shorten them. */
import { CLOCK_SKEW_MS, LIFETIME_MS } from '../wire/envelope.ts'

export interface RouterSettings {
  /** RTR-4: whether envelopes that neither end here nor name us in `via` are passed on. Whoever turns it on also looks whether `to` is a peer of ours. */
  readonly forwardsForStrangers: boolean
  /** RTR-11: messages the application has had, and how long they are remembered after their timestamp, ms. */
  readonly maxDelivered: number
  readonly deliveredMs: number
  /** RTR-7: envelopes passed on; as long as those delivered. The number is upstream's for delivered ones (spec/envelope.md §4.2). */
  readonly maxForwarded: number
  readonly forwardedMs: number
  /** Acks and receipts acted upon, for each of their three kinds, and for how long, ms (spec/envelope.md §4.2). */
  readonly maxActed: number
  readonly actedMs: number
  /** Messages that wait for the application; beyond, the oldest is only known to whoever queued it. */
  readonly maxWaiting: number
  /** ACK-4: the same message is not acknowledged again before, ms. A guess: less than any sender waits for an ack. */
  readonly ackAgainAfterMs: number
  /** ACK-4: repeated acks to one author each second and at once: what he may send us at the least (spec/envelope.md §5.2). */
  readonly acksAgainPerSecond: number
  readonly acksAgainBurst: number
  /** Authors whose repeated acks are counted. As the buckets of §5.2. */
  readonly maxAuthors: number
  /** RTR-7: an author sends the same envelope again after 30 s, and it must get through (§4.5); replays must not. So it passes again after this, ms, twice, and then each time after twice as long: 13 times in a day. A guess. */
  readonly forwardAgainAfterMs: number
  /** A receipt's time is at most so long ago, ms (spec/envelope.md §4.1, step 3). */
  readonly maxReadAgeMs: number
}

export const ROUTER_SETTINGS: RouterSettings = {
  forwardsForStrangers: false,
  maxDelivered: 100_000,
  deliveredMs: LIFETIME_MS + CLOCK_SKEW_MS,
  maxForwarded: 10_000,
  forwardedMs: LIFETIME_MS + CLOCK_SKEW_MS,
  maxActed: 10_000,
  actedMs: 300_000,
  maxWaiting: 10_000,
  ackAgainAfterMs: 5_000,
  acksAgainPerSecond: 10,
  acksAgainBurst: 20,
  maxAuthors: 10_000,
  forwardAgainAfterMs: 20_000,
  maxReadAgeMs: 7 * LIFETIME_MS,
}

/** All from spec/envelope.md §4.5 unless said otherwise. */
export interface TrackerSettings {
  readonly maxTracked: number
  /** The ack is waited for so long once the transport took the bytes, ms. */
  readonly ackTimeoutMs: number
  /** And so long in all, counted from when the transport was asked: upstream looks every 5 s, which makes its 90 s up to 105 s. */
  readonly roundMs: number
  /** The same envelope again, so many times. */
  readonly retries: number
}

export const TRACKER_SETTINGS: TrackerSettings = {
  maxTracked: 10_000,
  ackTimeoutMs: 30_000,
  roundMs: 35_000,
  retries: 2,
}

export interface BudgetSettings {
  /** Envelopes of any kind over the connections of one peer, each second and at once: it may be a hop for many, or bring us a day's mail. One costs some 0.2 ms of verification. Guesses. */
  readonly linkPerSecond: number
  readonly linkBurst: number
  /** `base + range · score / (score + half)` messages a second for one author, and at once the same of so many seconds (spec/envelope.md §5.2). */
  readonly base: number
  readonly range: number
  readonly half: number
  readonly burstSeconds: number
  /** Peers counted of each kind; beyond, the one heard of least recently starts anew (spec/envelope.md §5.2). */
  readonly maxPeers: number
}

export const BUDGET_SETTINGS: BudgetSettings = {
  linkPerSecond: 500,
  linkBurst: 1_000,
  base: 10,
  range: 40,
  half: 10,
  burstSeconds: 2,
  maxPeers: 10_000,
}
