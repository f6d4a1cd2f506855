/** Who got which broadcast, when and over how many hops (spec/gossip.md §12.3). Passive: the swarm tells it what happens. */
import type { Delivery } from '../../../../src/gossip/proto/effects.ts'
import type { Payloads } from './payloads.ts'

export interface Broadcast {
  readonly author: number
  readonly sentUs: number
  /** Nodes that could get it: all that were there at the time, but the author. */
  readonly expected: number
  /** First receptions by nodes. */
  delivered: number
  /** Receptions the application should never have seen: the same bytes twice. */
  repeated: number
  lastUs: number
  /** The largest round number of a first reception: hops − 1 (LDH); −1 before the first. */
  lastHop: number
  /** Gossip messages that carried it. */
  copies: number
  /** By node: 1 for those that have it. */
  readonly holders: Uint8Array
}

export class Ledger {
  readonly #payloads: Payloads
  /** By the number of the payload. */
  readonly broadcasts: Broadcast[] = []
  /** First receptions of all broadcasts. */
  delivered = 0

  constructor(payloads: Payloads) {
    this.#payloads = payloads
  }

  /** A payload that `author` is about to send to `expected` others. `nodes`: all there ever were. */
  open(author: number, expected: number, nodes: number, nowUs: number): Uint8Array {
    const content = this.#payloads.next()
    const holders = new Uint8Array(nodes)
    holders[author] = 1
    this.broadcasts.push({
      author,
      sentUs: nowUs,
      expected,
      delivered: 0,
      repeated: 0,
      lastUs: nowUs,
      lastHop: -1,
      copies: 0,
      holders,
    })
    return content
  }

  sent(content: Uint8Array): void {
    this.broadcasts[this.#payloads.numberOf(content)]!.copies++
  }

  received(node: number, delivery: Delivery<number>, nowUs: number): void {
    const broadcast = this.broadcasts[this.#payloads.numberOf(delivery.content)]!
    if (broadcast.holders[node] === 1) {
      broadcast.repeated++
      return
    }
    // one that came later than the broadcast may get it, and does not count
    if (node >= broadcast.holders.length) return
    broadcast.holders[node] = 1
    broadcast.delivered++
    broadcast.lastUs = nowUs
    if (delivery.round !== undefined && delivery.round > broadcast.lastHop) broadcast.lastHop = delivery.round
    this.delivered++
  }
}
