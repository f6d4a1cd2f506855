/**
 * One node of a simulated swarm: the topic machine of production with its effects turned into events of the network (spec/gossip.md §12.8 S1). A node that comes back
 * has a new machine and a new epoch; what was meant for the old one is dropped.
 */
import type { Dice, TopicEffects, TopicEvent, TopicTimer } from '../../../../src/gossip/proto/effects.ts'
import type { Message } from '../../../../src/gossip/proto/messages.ts'
import type { TopicState } from '../../../../src/gossip/proto/topic-state.ts'
import type { SimRandom } from '../../support/random.ts'

/** What a node asks of the network. */
export interface NodeHost {
  send(from: SimNode, to: number, message: Message<number>): void
  /** After the input that is being handled. */
  release(from: SimNode, to: number): void
  schedule(node: SimNode, timer: TopicTimer<number>, afterMs: number): void
  emit(node: SimNode, event: TopicEvent<number>): void
  roundTripMs(node: SimNode, peer: number): number | undefined
}

export class SimNode implements TopicEffects<number>, Dice {
  readonly id: number
  /** Others it has a connection with: so few that a list is faster than a set. */
  readonly links: number[] = []
  /** Undefined: it is not there. */
  topic: TopicState<number> | undefined
  /** How often it came to life. */
  epoch = 0
  readonly #host: NodeHost
  readonly #random: SimRandom

  constructor(id: number, host: NodeHost, random: SimRandom) {
    this.id = id
    this.#host = host
    this.#random = random
  }

  isLinked(peer: number): boolean {
    return this.links.indexOf(peer) >= 0
  }

  unlink(peer: number): void {
    const index = this.links.indexOf(peer)
    if (index < 0) return
    const last = this.links.pop()!
    if (index < this.links.length) this.links[index] = last
  }

  below(limit: number): number {
    return Math.floor(this.#random.unit() * limit)
  }

  send(peer: number, message: Message<number>): void {
    this.#host.send(this, peer, message)
  }

  release(peer: number): void {
    this.#host.release(this, peer)
  }

  schedule(timer: TopicTimer<number>, afterMs: number): void {
    this.#host.schedule(this, timer, afterMs)
  }

  emit(event: TopicEvent<number>): void {
    this.#host.emit(this, event)
  }

  learned(): void {}

  roundTripMs(peer: number): number | undefined {
    return this.#host.roundTripMs(this, peer)
  }
}
