/** `Gossip`: broadcast in swarms over an endpoint, wire compatible with iroh-gossip 0.101 (spec/gossip.md §8). The work is done by `node.ts` and below. */

import { messageOf, sameBytes } from '../../bytes/index.ts'
import type { Alpn, Connection, Endpoint } from '../../endpoint/index.ts'
import { GossipError } from '../errors.ts'
import { DEFAULT_GOSSIP_PROFILE, DEFAULT_MESSAGE_SIZE, MIN_MESSAGE_SIZE } from '../proto/settings.ts'
import { TopicId } from '../topic-id.ts'
import { GossipTopic } from './gossip-topic.ts'
import type { GossipMetrics } from './metrics.ts'
import { GossipNode } from './node.ts'
import { NET_SETTINGS, type NetSettings } from './settings.ts'
import { targetKeys } from './targets.ts'
import type { GossipOptions, SubscribeOptions, TopicName } from './types.ts'

export { GossipTopic } from './gossip-topic.ts'
export type { GossipMetrics } from './metrics.ts'
export { GossipPeerError, type GossipPeerErrorCode } from './peer-error.ts'
export type { GossipEvent, GossipOptions, JoinedOptions, SubscribeOptions, TopicName } from './types.ts'

/** iroh-gossip 0.90 to 0.101 (spec/gossip.md §3.1). */
const DEFAULT_ALPN = '/iroh-gossip/1'
/** Events a slow reader may fall behind (iroh-gossip). */
const MAX_BUFFERED_EVENTS = 2_048
const MAX_MESSAGE_SIZE = 2 ** 24

export class Gossip {
  /** Largest message with its envelope, bytes; the same in the whole swarm. `broadcast` takes 39 bytes less. */
  readonly maxMessageSize: number
  readonly #node: GossipNode
  /** Gives the ALPNs back to the router. */
  readonly #unaccept: () => void
  #closing: Promise<void> | undefined = undefined

  /** Gossip on this endpoint, any number of topics. Throws GossipError: INVALID_OPTION (also for an ALPN that has a handler already), GOSSIP_CLOSED. */
  static on(endpoint: Endpoint, options: GossipOptions = {}): Gossip {
    return new Gossip(endpoint, options)
  }

  /** Use `Gossip.on`; `settings` is for tests. */
  constructor(endpoint: Endpoint, options: GossipOptions, settings: NetSettings = NET_SETTINGS) {
    const {
      maxMessageSize = DEFAULT_MESSAGE_SIZE,
      profile = DEFAULT_GOSSIP_PROFILE,
      accept = true,
      onError = (error) => endpoint.reportError(error),
    } = options
    if (!Number.isInteger(maxMessageSize) || maxMessageSize < MIN_MESSAGE_SIZE || maxMessageSize > MAX_MESSAGE_SIZE) {
      const text = `maxMessageSize is a number of bytes from ${MIN_MESSAGE_SIZE} to ${MAX_MESSAGE_SIZE}`
      throw new GossipError('INVALID_OPTION', text)
    }
    const alpns = toBytes(options.alpns ?? [DEFAULT_ALPN])
    if (endpoint.isClosed) throw new GossipError('GOSSIP_CLOSED', 'the endpoint is closed; bind a new one')
    this.#unaccept = accept ? this.#accept(endpoint, alpns) : () => {}
    this.maxMessageSize = maxMessageSize
    this.#node = new GossipNode({ endpoint, profile, alpns, maxMessageSize, settings, onError })
  }

  /**
   * Takes part in a topic, at once: events come from now on, peers of `bootstrap` are joined in the background. Several subscriptions of one topic share everything but their events.
   * Throws GossipError: INVALID_OPTION, GOSSIP_CLOSED.
   */
  subscribe(topic: TopicName, options: SubscribeOptions = {}): GossipTopic {
    const { bootstrap = [], maxBufferedEvents = MAX_BUFFERED_EVENTS } = options
    this.#node.mustBeOpen()
    if (!Number.isInteger(maxBufferedEvents) || maxBufferedEvents < 1)
      throw new GossipError('INVALID_OPTION', 'maxBufferedEvents is a whole number above 0')
    const id = toTopicId(topic)
    const keys = targetKeys(bootstrap, this.#node)
    const opened = this.#node.openTopic(id)
    const subscription = opened.subscribe(maxBufferedEvents)
    opened.join(keys)
    return new GossipTopic(this.#node, opened, subscription)
  }

  /** For `accept: false`: takes a connection whose ALPN is one of ours. Resolves when it ended; never rejects. */
  handleConnection(connection: Connection): Promise<void> {
    return this.#node.accept(connection)
  }

  /** Counters since the start, over all topics, and what there is now. */
  metrics(): GossipMetrics {
    return this.#node.metrics()
  }

  get isClosed(): boolean {
    return this.#node.isClosed
  }

  /**
   * Leaves all topics, waits until the peers have what was sent (at most 5 s), and closes the connections. The endpoint stays open. Never rejects
   * (spec/gossip.md §3.8 C8).
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#unaccept()
    await this.#node.close()
  }

  #accept(endpoint: Endpoint, alpns: readonly Uint8Array[]): () => void {
    const router = endpoint.router()
    const taken: Uint8Array[] = []
    const giveBack = (): void => {
      for (const alpn of taken) router.remove(alpn)
    }
    for (const alpn of alpns) {
      try {
        router.accept(alpn, (connection) => this.handleConnection(connection))
        taken.push(alpn)
      } catch (error) {
        giveBack()
        throw new GossipError('INVALID_OPTION', `alpns: ${messageOf(error)}`, { cause: error })
      }
    }
    return giveBack
  }
}

function toTopicId(topic: TopicName): TopicId {
  if (topic instanceof TopicId) return topic
  return typeof topic === 'string' ? TopicId.parse(topic) : TopicId.fromBytes(topic)
}

function toBytes(alpns: readonly Alpn[]): Uint8Array[] {
  const checked: Uint8Array[] = []
  for (const alpn of alpns) {
    const bytes = typeof alpn === 'string' ? new TextEncoder().encode(alpn) : Uint8Array.from(alpn)
    if (bytes.length < 1 || bytes.length > 255) throw new GossipError('INVALID_OPTION', 'an ALPN has 1 to 255 bytes')
    if (!checked.some((known) => sameBytes(known, bytes))) checked.push(bytes)
  }
  if (checked.length === 0) throw new GossipError('INVALID_OPTION', 'alpns: name at least one')
  return checked
}
