/** `GossipTopic`: one subscription of a topic as the application has it (spec/gossip.md §8). */
import type { ConnectTarget } from '../../endpoint/index.ts'
import type { EndpointId } from '../../identity/index.ts'
import { GossipError } from '../errors.ts'
import type { TopicId } from '../topic-id.ts'
import type { GossipNode } from './node.ts'
import type { Subscription } from './subscription.ts'
import { targetKeys } from './targets.ts'
import type { Audience, Topic } from './topic.ts'
import type { GossipEvent, JoinedOptions } from './types.ts'

/** spec/gossip.md §11.2 N8: a peer that has not subscribed does not answer at all. */
const JOINED_TIMEOUT_MS = 30_000
const DONE = Promise.resolve()

export class GossipTopic implements AsyncIterable<GossipEvent> {
  readonly #node: GossipNode
  readonly #topic: Topic
  readonly #subscription: Subscription
  #closing: Promise<void> | undefined = undefined

  /** Made by `Gossip.subscribe`. */
  constructor(node: GossipNode, topic: Topic, subscription: Subscription) {
    this.#node = node
    this.#topic = topic
    this.#subscription = subscription
  }

  get id(): TopicId {
    return this.#topic.id
  }

  /** This subscription was closed, or the whole gossip. */
  get isClosed(): boolean {
    return this.#closing !== undefined || this.#topic.isClosed
  }

  /**
   * Sends to the whole swarm, as far as it is connected now: who joins later gets nothing, and without neighbours nobody does. Equal bytes are one message,
   * so add a nonce where that matters. Resolves when there is room for the next; a peer that takes nothing does not count. Neither this node's subscriptions nor anybody's word
   * tells whether it arrived. Throws GossipError: MESSAGE_TOO_LARGE, TOPIC_CLOSED, GOSSIP_CLOSED.
   */
  broadcast(content: Uint8Array): Promise<void> {
    return this.#send(content, 'swarm')
  }

  /** Sends to our neighbours, who pass it no further. Otherwise as `broadcast`. */
  broadcastNeighbors(content: Uint8Array): Promise<void> {
    return this.#send(content, 'neighbors')
  }

  /** Sends to one neighbour, which passes it no further and cannot tell it from `broadcastNeighbors`. Who is no neighbour now gets nothing. Otherwise as `broadcast`. */
  sendToNeighbor(neighbor: EndpointId, content: Uint8Array): Promise<void> {
    return this.#send(content, neighbor)
  }

  /** Asks peers to let us in, besides those of `bootstrap`. Throws GossipError: INVALID_OPTION, TOPIC_CLOSED, GOSSIP_CLOSED. */
  joinPeers(targets: readonly ConnectTarget[]): void {
    this.#mustBeOpen()
    this.#topic.join(targetKeys(targets, this.#node))
  }

  /** Who is connected to us in this topic now. */
  neighbors(): EndpointId[] {
    return this.isClosed ? [] : this.#topic.neighbors.map((key) => this.#node.idOf(key))
  }

  /**
   * Resolves while there is at least one neighbour; takes no event from those who read. Throws GossipError JOIN_TIMEOUT after `timeoutMs` (default 30 s) with what was tried,
   * TOPIC_CLOSED or GOSSIP_CLOSED when that comes first, or the signal's reason. Joining goes on all the same.
   */
  async joined({ signal, timeoutMs = JOINED_TIMEOUT_MS }: JoinedOptions = {}): Promise<void> {
    if (!(timeoutMs > 0)) throw new GossipError('INVALID_OPTION', 'timeoutMs is a number of milliseconds above 0')
    this.#mustBeOpen()
    await this.#topic.joined(signal, timeoutMs)
  }

  /**
   * Ends this subscription; the last one of a topic leaves it, and resolves when the neighbours know, at most after 5 s. What was broadcast before is still
   * sent. Events that came before can still be read. Never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Events from the subscription on, existing neighbours first; ends when the topic is closed. Leaving the loop keeps the subscription. Several loops share the events: for each its own,
   * subscribe again.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<GossipEvent, undefined> {
    return this.#subscription.iterate()
  }

  #send(content: Uint8Array, to: Audience): Promise<void> {
    try {
      this.#mustBeOpen()
      return this.#topic.say(content, to) ?? DONE
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #close(): Promise<void> {
    this.#subscription.end()
    this.#topic.subscriptions.delete(this.#subscription)
    if (this.#topic.subscriptions.size === 0) await this.#node.leave(this.#topic)
  }

  #mustBeOpen(): void {
    this.#node.mustBeOpen()
    if (this.#closing === undefined) return
    const text = `this subscription of ${this.id.toShortString()} was closed; subscribe again`
    throw new GossipError('TOPIC_CLOSED', text)
  }
}
