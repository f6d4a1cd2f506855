/**
 * Requests to be neighbours that have no answer yet, each with a serial number so that a timer only hits the request it was set for
 * (spec/gossip.md §11.1 P1, P7). Bounded: whoever lets walks end here cannot make us dial without end.
 */
import type { PeerKey } from './messages.ts'

export interface Request<P extends PeerKey> {
  readonly peer: P
  readonly serial: number
  /** We took a newcomer at the end of its walk: its answer gets a place even when there is none left. */
  readonly isOffer: boolean
  /** The answer is late: somebody else is asked meanwhile. */
  isLate: boolean
}

export class Requests<P extends PeerKey> {
  readonly #requests: Request<P>[] = []
  readonly #capacity: number
  #lastSerial = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get peers(): readonly P[] {
    return this.#requests.map(({ peer }) => peer)
  }

  get isFull(): boolean {
    return this.#requests.length >= this.#capacity
  }

  /** Places in the active view that are as good as taken: late answers are not waited for. */
  get slots(): number {
    let slots = 0
    for (const request of this.#requests) if (!request.isLate) slots++
    return slots
  }

  get(peer: P): Request<P> | undefined {
    for (const request of this.#requests) if (request.peer === peer) return request
    return undefined
  }

  /** Only when there is none to this peer, and room. */
  add(peer: P, isOffer: boolean): Request<P> {
    const request = { peer, serial: ++this.#lastSerial, isOffer, isLate: false }
    this.#requests.push(request)
    return request
  }

  take(peer: P): Request<P> | undefined {
    for (let index = 0; index < this.#requests.length; index++) {
      const request = this.#requests[index]!
      if (request.peer !== peer) continue
      const last = this.#requests.pop()!
      if (last !== request) this.#requests[index] = last
      return request
    }
    return undefined
  }
}
