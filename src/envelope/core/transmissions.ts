/** Frames on their way to the transport, each with what follows when it was taken or could not be sent. */
import type { PeerKey } from '../wire/envelope.ts'
import type { MessengerWorld } from './world.ts'

/** Called once, when the transport has taken the frame or given it up. */
export type Outcome = (isAccepted: boolean) => void

export class Transmissions {
  readonly #world: MessengerWorld
  readonly #limit: number
  readonly #waiting = new Map<number, Outcome | undefined>()
  #next = 1

  constructor(world: MessengerWorld, limit: number) {
    this.#world = world
    this.#limit = limit
  }

  get size(): number {
    return this.#waiting.size
  }

  /** False when too much is on its way already: nothing was sent, and `outcome` is not called. */
  send(peer: PeerKey, frame: Uint8Array, outcome?: Outcome): boolean {
    if (this.#waiting.size >= this.#limit) return false
    const ticket = this.#next++
    this.#waiting.set(ticket, outcome)
    this.#world.transmit(peer, frame, ticket)
    return true
  }

  /** No effect for a ticket that is not waiting. */
  settle(ticket: number, isAccepted: boolean): void {
    const outcome = this.#waiting.get(ticket)
    if (this.#waiting.delete(ticket)) outcome?.(isAccepted)
  }
}
