/**
 * One gossip node of the worker: an endpoint with a UDP socket of its own, its topics, and what was received. Tells of neighbours and contents as events; knows no
 * lines and no other node.
 */
import { decodeHex, encodeHex } from '../../src/bytes/index.ts'
import { Endpoint } from '../../src/endpoint/node.ts'
import { Gossip, type GossipEvent, type GossipTopic } from '../../src/gossip/index.ts'
import { SecretKey } from '../../src/identity/index.ts'
import { latencyUs, wallUs, writeTimed } from './content.ts'
import { CuttablePlatform } from './cuttable-platform.ts'

export interface NodeOptions {
  /** `ip:port`. */
  readonly bind: string
  readonly relay?: string | undefined
  readonly maxMessageSize?: number | undefined
  readonly alpn?: string | undefined
}

export type Tell = (event: Readonly<Record<string, unknown>>) => void

/** Contents are printed up to so many bytes. */
const SHOWN_BYTES = 256
/** After so many broadcasts in a row sockets and timers get their turn, as in any application that does more than broadcast. */
const TURN = 64

interface Subscription {
  readonly topic: GossipTopic
  /** Received contents are only counted. */
  readonly isQuiet: boolean
  received: number
  lagged: number
  latenciesUs: number[]
}

export interface Counts {
  readonly received: number
  readonly lagged: number
  readonly latenciesUs: readonly number[]
}

export class WorkerNode {
  readonly index: number
  readonly #options: NodeOptions
  readonly #tell: Tell
  readonly #subscriptions: Map<string, Subscription>
  #secretKey: SecretKey
  #platform: CuttablePlatform | undefined
  #endpoint: Endpoint | undefined
  #gossip: Gossip | undefined
  #sequence: number
  /** Contents delivered, and of them and their copies those that were counted already: since the last bind. */
  #delivered: number
  #copiesCounted: number

  constructor(index: number, options: NodeOptions, tell: Tell) {
    this.index = index
    this.#options = options
    this.#tell = tell
    this.#subscriptions = new Map()
    this.#secretKey = SecretKey.generate()
    this.#sequence = 0
    this.#delivered = 0
    this.#copiesCounted = 0
  }

  async open(): Promise<void> {
    const { bind, relay, maxMessageSize, alpn } = this.#options
    this.#platform = new CuttablePlatform()
    const endpoint = await Endpoint.bind({
      secretKey: this.#secretKey,
      bind: [bind],
      runtime: { platform: this.#platform },
      ...(relay === undefined ? {} : { relays: [{ url: relay, quicPort: null }] }),
    })
    this.#endpoint = endpoint
    this.#delivered = 0
    this.#copiesCounted = 0
    this.#gossip = Gossip.on(endpoint, {
      ...(maxMessageSize === undefined ? {} : { maxMessageSize }),
      ...(alpn === undefined ? {} : { alpns: [alpn] }),
    })
    if (relay !== undefined) await endpoint.online()
  }

  get id(): string {
    return String(this.#open().id)
  }

  get ticket(): string {
    return String(this.#open().ticket())
  }

  subscribe(topic: string, bootstrap: readonly string[], isQuiet: boolean): void {
    if (this.#subscriptions.has(topic)) throw new Error(`node ${this.index} has subscribed to this topic`)
    this.#open()
    const subscription: Subscription = {
      topic: this.#gossip!.subscribe(decodeHex(topic), { bootstrap }),
      isQuiet,
      received: 0,
      lagged: 0,
      latenciesUs: [],
    }
    this.#subscriptions.set(topic, subscription)
    void this.#listen(topic, subscription)
  }

  joinPeers(topic: string, bootstrap: readonly string[]): void {
    this.#of(topic).topic.joinPeers(bootstrap)
  }

  async leave(topic: string): Promise<void> {
    const subscription = this.#of(topic)
    this.#subscriptions.delete(topic)
    await subscription.topic.close()
  }

  neighbors(topic: string): string[] {
    return this.#of(topic).topic.neighbors().map(String)
  }

  async broadcast(topic: string, content: Uint8Array, isForNeighbors: boolean): Promise<void> {
    const subscription = this.#of(topic)
    await (isForNeighbors ? subscription.topic.broadcastNeighbors(content) : subscription.topic.broadcast(content))
  }

  /** Timed contents of `size` bytes. */
  async broadcastTimed(topic: string, size: number, count: number, isForNeighbors: boolean): Promise<void> {
    for (let sent = 0; sent < count; sent++) {
      await this.broadcast(topic, writeTimed(size, wallUs(), this.index, this.#sequence++), isForNeighbors)
      if (sent % TURN === TURN - 1) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Since it was last asked. */
  collect(topic: string): Counts {
    const subscription = this.#subscriptions.get(topic)
    if (subscription === undefined) return { received: 0, lagged: 0, latenciesUs: [] }
    const { received, lagged, latenciesUs } = subscription
    subscription.received = 0
    subscription.lagged = 0
    subscription.latenciesUs = []
    return { received, lagged, latenciesUs }
  }

  /** Payloads that came although they were there, of all topics, since it was last asked. */
  duplicates(): number {
    if (this.#gossip === undefined) return 0
    const copies = this.#gossip.metrics().msgsDataRecv - this.#delivered
    const fresh = copies - this.#copiesCounted
    this.#copiesCounted = copies
    return fresh
  }

  /** Gone without a word. */
  kill(): void {
    this.#platform?.cut()
    void this.#forget()
  }

  /** After `kill` or while it lives; the topics are left either way. */
  async restart(keepKey: boolean): Promise<void> {
    await this.#forget()
    if (!keepKey) this.#secretKey = SecretKey.generate()
    await this.open()
  }

  async #forget(): Promise<void> {
    const endpoint = this.#endpoint
    this.#endpoint = undefined
    this.#gossip = undefined
    this.#subscriptions.clear()
    await endpoint?.close().catch(() => {})
  }

  async #listen(topic: string, subscription: Subscription): Promise<void> {
    for await (const event of subscription.topic) {
      if (event.kind === 'received' && subscription.isQuiet) this.#count(subscription, event.content)
      else this.#onEvent(topic, subscription, event)
    }
  }

  #count(subscription: Subscription, content: Uint8Array): void {
    const latency = latencyUs(content, wallUs())
    subscription.received++
    this.#delivered++
    if (latency !== undefined) subscription.latenciesUs.push(latency)
  }

  #onEvent(topic: string, subscription: Subscription, event: GossipEvent): void {
    const { index: node } = this
    switch (event.kind) {
      case 'received': {
        this.#count(subscription, event.content)
        const { content, deliveredFrom, scope, round } = event
        const hex = encodeHex(content.subarray(0, SHOWN_BYTES))
        const from = String(deliveredFrom)
        this.#tell({ event: 'received', node, topic, from, scope, round, size: content.length, hex })
        return
      }
      case 'lagged':
        subscription.lagged += event.missed
        this.#tell({ event: 'lagged', node, topic })
        return
      case 'join-failed':
        this.#tell({ event: 'join-failed', node, topic, peer: String(event.peer) })
        return
      case 'neighbor-up':
        this.#tell({ event: 'neighbor-up', node, topic, peer: String(event.peer) })
        return
      case 'neighbor-down':
        this.#tell({ event: 'neighbor-down', node, topic, peer: String(event.peer), reason: event.reason })
        return
    }
  }

  #open(): Endpoint {
    if (this.#endpoint === undefined) throw new Error(`node ${this.index} was killed: restart it first`)
    return this.#endpoint
  }

  #of(topic: string): Subscription {
    const subscription = this.#subscriptions.get(topic)
    if (subscription === undefined) throw new Error(`node ${this.index} has not subscribed to this topic`)
    return subscription
  }
}
