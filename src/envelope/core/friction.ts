/**
 * Messages of authors that send faster than they may: they wait for their turn, in order, instead of being lost, as far as there is room (lock 5: growing friction, never a block). Who
 * may how much, the budgets say.
 */
import type { Envelope, PeerKey } from '../wire/envelope.ts'
import type { Context } from './context.ts'

export interface Arrival {
  readonly envelope: Envelope
  /** Bytes of the frame. */
  readonly length: number
  /** Who brought it. */
  readonly link: PeerKey
}

export class Friction {
  readonly #context: Context
  readonly #admit: (arrival: Arrival) => void
  /** By author, each in the order of arrival. */
  readonly #held = new Map<PeerKey, Arrival[]>()
  #count = 0
  #bytes = 0
  #dueAt = Number.POSITIVE_INFINITY

  /** `admit` is called for each arrival when its turn has come, never for one that was refused. */
  constructor(context: Context, admit: (arrival: Arrival) => void) {
    this.#context = context
    this.#admit = admit
  }

  get size(): number {
    return this.#count
  }

  /** Admits now, or later, or not at all: then it is counted. */
  receive(arrival: Arrival): void {
    const { id, from } = arrival.envelope
    const held = this.#held.get(from)
    // one that waits already takes no second place
    if (held?.some(({ envelope }) => envelope.id === id) === true) {
      this.#context.counters.duplicates++
      return
    }
    if (held === undefined && this.#maySend(arrival.envelope)) this.#admit(arrival)
    else if (this.#hasRoom(arrival, held)) this.#hold(arrival, held)
    else this.#context.refuse(arrival.link, 'SENDER_FLOOD')
  }

  deadline(): number {
    return this.#dueAt
  }

  tick(): void {
    const { clock, settings } = this.#context
    if (clock.now < this.#dueAt) return
    for (const [from, held] of this.#held) {
      let taken = 0
      while (taken < held.length && this.#maySend(held[taken]!.envelope)) this.#let(held[taken++]!)
      held.splice(0, taken)
      if (held.length === 0) this.#held.delete(from)
    }
    this.#dueAt = this.#held.size === 0 ? Number.POSITIVE_INFINITY : clock.now + settings.frictionTickMs
  }

  #let(arrival: Arrival): void {
    this.#count--
    this.#bytes -= arrival.length
    this.#admit(arrival)
  }

  #maySend({ from, type }: Envelope): boolean {
    const { budgets, peers, clock, trusts } = this.#context
    return trusts(from) || budgets.maySend(from, type, peers.score(from, clock.now), clock.now)
  }

  #hasRoom({ length }: Arrival, held: readonly Arrival[] = []): boolean {
    const { maxHeld, maxHeldBytes, maxHeldPerSender } = this.#context.settings
    return this.#count < maxHeld && this.#bytes + length <= maxHeldBytes && held.length < maxHeldPerSender
  }

  #hold(arrival: Arrival, held: Arrival[] | undefined): void {
    const { clock, settings } = this.#context
    if (held === undefined) this.#held.set(arrival.envelope.from, [arrival])
    else held.push(arrival)
    this.#count++
    this.#bytes += arrival.length
    this.#dueAt = Math.min(this.#dueAt, clock.now + settings.frictionTickMs)
  }
}
