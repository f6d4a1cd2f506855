/**
 * Whether a link is read from: not while its rate limit (spec/relay.md §4.3) or the turn of others (`read-turns.ts`) forbids it. Nothing is dropped: TCP slows
 * the client down. Made only for links that need one.
 */
import type { WebSocketLink } from '../../../platform/index.ts'
import { TokenBucket } from '../../protocol/index.ts'
import type { RelayCounters } from './counters.ts'
import type { HubDeadlined, HubDeadlines } from './deadlines.ts'
import type { RelayRateLimit } from './limits.ts'

const NEVER = Number.POSITIVE_INFINITY

export class ReadGate implements HubDeadlined {
  deadline: number
  heapIndex: number
  /** Set by the owner: the link has to wait for its rate limit, for the first time. */
  onFirstLimit: (() => void) | undefined
  readonly #link: WebSocketLink
  readonly #deadlines: HubDeadlines
  readonly #counters: RelayCounters
  #bucket: TokenBucket | undefined
  #isThrottled: boolean
  #isTurnOver: boolean
  #wasThrottled: boolean
  #isEnded: boolean

  constructor(link: WebSocketLink, deadlines: HubDeadlines, counters: RelayCounters) {
    this.deadline = NEVER
    this.heapIndex = -1
    this.onFirstLimit = undefined
    this.#link = link
    this.#deadlines = deadlines
    this.#counters = counters
    this.#bucket = undefined
    this.#isThrottled = false
    this.#isTurnOver = false
    this.#wasThrottled = false
    this.#isEnded = false
  }

  /** Whether the rate limit keeps the link from being read now. */
  get isThrottled(): boolean {
    return this.#isThrottled
  }

  /** Whether it ever did. */
  get wasThrottled(): boolean {
    return this.#wasThrottled
  }

  /** A new limit begins with a full bucket; undefined: none. What waits for the old one may go on. */
  setRate(rate: RelayRateLimit | undefined, now: number): void {
    this.#bucket = rate === undefined ? undefined : new TokenBucket(rate.bytesPerSecond, rate.maxBurstBytes, now)
    this.#unthrottle()
    this.#deadlines.set(this, NEVER)
  }

  /** `bytes` were read from the link. */
  take(bytes: number, now: number): void {
    const bucket = this.#bucket
    if (bucket === undefined) return
    const until = bucket.take(bytes, now)
    if (until <= now) return
    this.#counters.bytes_rx_ratelimited_total += bytes
    if (!this.#isThrottled) {
      this.#isThrottled = true
      if (!this.#isTurnOver) this.#link.pause()
    }
    this.#deadlines.set(this, until)
    if (this.#wasThrottled) return
    this.#wasThrottled = true
    this.#counters.conns_rx_ratelimited_total++
    this.onFirstLimit?.()
  }

  /** Called by `ReadTurns` only. False when it was closed for this turn already, or is no longer needed. */
  closeForTurn(): boolean {
    if (this.#isTurnOver || this.#isEnded) return false
    this.#isTurnOver = true
    if (!this.#isThrottled) this.#link.pause()
    return true
  }

  /** Called by `ReadTurns` only. */
  openForTurn(): void {
    if (!this.#isTurnOver) return
    this.#isTurnOver = false
    if (!this.#isThrottled) this.#link.resume()
  }

  /** The link is done: it is read from now, for its Close, and nothing stops it any more. */
  end(): void {
    if (this.#isThrottled || this.#isTurnOver) this.#link.resume()
    this.#isEnded = true
    this.#isThrottled = false
    this.#isTurnOver = false
    this.#bucket = undefined
    this.onFirstLimit = undefined
    this.#deadlines.set(this, NEVER)
  }

  onDeadline(): void {
    this.#unthrottle()
  }

  #unthrottle(): void {
    if (!this.#isThrottled) return
    this.#isThrottled = false
    if (!this.#isTurnOver) this.#link.resume()
  }
}
