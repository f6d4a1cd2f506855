/**
 * Messages of ours to nodes of the Rust stack, which refuse what one author sends faster than they allow, and say nothing: they wait here for their turn instead of being sent again
 * after half a minute (spec/envelope.md §5.2, W12). Nodes of ours let them wait at their end.
 */
import { RateBuckets } from '../routing/rate-buckets.ts'
import type { PeerKey } from '../wire/envelope.ts'
import type { Context } from './context.ts'
import type { Outcome } from './transmissions.ts'

interface Waiting {
  readonly id: string
  /** Who gets the frame: the recipient, or the first hop. */
  readonly next: PeerKey
  readonly frame: Uint8Array
  /** What the transport says. */
  readonly settle: Outcome
  /** The transport was not asked: it has too much already, or nobody needs the message any more. */
  readonly notAsked: () => void
}

export class Pace {
  readonly #context: Context
  /** By recipient, each in its order. */
  readonly #waiting = new Map<PeerKey, Waiting[]>()
  readonly #ids = new Set<string>()
  readonly #sent: RateBuckets
  #dueAt = Number.POSITIVE_INFINITY

  constructor(context: Context) {
    this.#context = context
    this.#sent = new RateBuckets(context.settings.pacedPeers)
  }

  isWaiting(id: string): boolean {
    return this.#ids.has(id)
  }

  /** A message of ours for `to`, which is not waiting: now, or when its turn has come. */
  send(to: PeerKey, waiting: Waiting): void {
    const queue = this.#waiting.get(to)
    if (queue === undefined && this.#maySend(to)) {
      this.#transmit(waiting)
      return
    }
    const { clock, settings, tracker } = this.#context
    const queued = queue ?? []
    queued.push(waiting)
    this.#ids.add(waiting.id)
    tracker.postpone(waiting.id, clock.now + (queued.length * 1_000) / settings.pacePerSecond)
    if (queue !== undefined) return
    this.#waiting.set(to, queued)
    this.#arm()
  }

  deadline(): number {
    return this.#dueAt
  }

  tick(): void {
    if (this.#context.clock.now < this.#dueAt) return
    this.#dueAt = Number.POSITIVE_INFINITY
    for (const [to, queue] of this.#waiting) {
      let gone = 0
      while (gone < queue.length && this.#letGo(to, queue[gone]!)) gone++
      queue.splice(0, gone)
      if (queue.length === 0) this.#waiting.delete(to)
    }
    if (this.#waiting.size > 0) this.#arm()
  }

  /** False: it is not its turn. */
  #letGo(to: PeerKey, waiting: Waiting): boolean {
    const { key, mailbox } = this.#context
    // brought by somebody else, and acknowledged; or its day is over
    const isWanted = mailbox.has(waiting.id, key)
    if (isWanted && !this.#maySend(to)) return false
    this.#ids.delete(waiting.id)
    if (isWanted) this.#transmit(waiting)
    else waiting.notAsked()
    return true
  }

  #maySend(to: PeerKey): boolean {
    const { clock, peers, settings } = this.#context
    return !peers.isForeign(to) || this.#sent.take(to, settings.pacePerSecond, settings.paceBurst, clock.now)
  }

  #transmit({ next, frame, settle, notAsked }: Waiting): void {
    if (!this.#context.transmissions.send(next, frame, settle)) notAsked()
  }

  #arm(): void {
    const { clock, settings } = this.#context
    this.#dueAt = clock.now + 1_000 / settings.pacePerSecond
  }
}
