/** Members of a mixed swarm, ours and native behind one face: what they are told to do, and what they received. */
import { onTestFinished } from 'vitest'
import { CuttablePlatform } from '../../bench/gossip/cuttable-platform.ts'
import { Endpoint, type NodeEndpointOptions } from '../../src/endpoint/node.ts'
import { Gossip, type GossipMetrics, type GossipOptions, type GossipTopic } from '../../src/gossip/index.ts'
import { NET_SETTINGS, type NetSettings } from '../../src/gossip/net/settings.ts'
import type { Connection, SecretKey } from '../../src/index.ts'
import { GOSSIP_ALPN } from './raw-peer.ts'
import type { SwarmEvent, SwarmProgram } from './swarm-program.ts'

export interface Received {
  /** Bytes. */
  readonly size: number
  /** The content, where it has at most 256 bytes. */
  readonly hex: string | undefined
  readonly from: string
  readonly scope: 'swarm' | 'neighbors'
  readonly round: number | undefined
}

export interface Member {
  readonly kind: 'ours' | 'native'
  /** 64 hex digits. */
  readonly id: string
  readonly ticket: string
  /** `bootstrap`: tickets. */
  subscribe(topic: string, bootstrap?: readonly string[]): Promise<void>
  joinPeers(topic: string, bootstrap: readonly string[]): Promise<void>
  leave(topic: string): Promise<void>
  broadcast(topic: string, content: Uint8Array, neighbors?: boolean): Promise<void>
  /** Ids. */
  neighbors(topic: string): Promise<readonly string[]>
  /** Everything since the first subscription, in order. */
  received(topic: string): readonly Received[]
  /** `up` and `down` with the id of the peer, in order. */
  turns(topic: string): readonly string[]
  /** Without a word to anybody. */
  kill(): Promise<void>
  /** After `kill`: the same key, no topics. */
  restart(): Promise<void>
}

interface Log {
  readonly received: Received[]
  readonly turns: string[]
}

class Logs {
  readonly #logs = new Map<string, Log>()

  of(topic: string): Log {
    let log = this.#logs.get(topic)
    if (log === undefined) {
      log = { received: [], turns: [] }
      this.#logs.set(topic, log)
    }
    return log
  }
}

/** Contents are printed up to so many bytes. */
const PRINTED = 256

/** Members in a native process, node by node. */
export function nativeMembers(swarm: SwarmProgram): Member[] {
  const members = swarm.nodes.map((_, index) => new NativeMember(swarm, index))
  swarm.listen((event) => {
    if ('node' in event) members[event.node]!.onEvent(event)
  })
  return members
}

class NativeMember implements Member {
  readonly kind = 'native'
  readonly #swarm: SwarmProgram
  readonly #index: number
  readonly #logs = new Logs()

  constructor(swarm: SwarmProgram, index: number) {
    this.#swarm = swarm
    this.#index = index
  }

  get id(): string {
    return this.#swarm.nodes[this.#index]!.id
  }

  get ticket(): string {
    return this.#swarm.nodes[this.#index]!.ticket
  }

  subscribe(topic: string, bootstrap: readonly string[] = []): Promise<void> {
    return this.#swarm.subscribe(this.#index, topic, bootstrap)
  }

  joinPeers(topic: string, bootstrap: readonly string[]): Promise<void> {
    return this.#swarm.joinPeers(this.#index, topic, bootstrap)
  }

  leave(topic: string): Promise<void> {
    return this.#swarm.leave(this.#index, topic)
  }

  broadcast(topic: string, content: Uint8Array, neighbors = false): Promise<void> {
    return this.#swarm.broadcast(this.#index, topic, content, neighbors)
  }

  neighbors(topic: string): Promise<readonly string[]> {
    return this.#swarm.neighbors(this.#index, topic)
  }

  received(topic: string): readonly Received[] {
    return this.#logs.of(topic).received
  }

  turns(topic: string): readonly string[] {
    return this.#logs.of(topic).turns
  }

  kill(): Promise<void> {
    return this.#swarm.kill(this.#index)
  }

  async restart(): Promise<void> {
    await this.#swarm.restart(this.#index)
  }

  onEvent(event: Extract<SwarmEvent, { node: number }>): void {
    const log = this.#logs.of(event.topic)
    switch (event.event) {
      case 'received': {
        const { size, hex, from, scope, round } = event
        log.received.push({ size, hex, from, scope, round })
        return
      }
      case 'neighbor-up':
        log.turns.push(`up ${event.peer}`)
        return
      case 'neighbor-down':
        log.turns.push(`down ${event.peer}`)
        return
    }
  }
}

export interface OurOptions extends Omit<GossipOptions, 'onError'> {
  readonly settings?: Partial<NetSettings>
  readonly endpoint?: NodeEndpointOptions
}

/** In this process; closed with the test. */
export class OurMember implements Member {
  readonly kind = 'ours'
  /** What the endpoint and gossip reported, since the first start. */
  readonly errors: unknown[] = []
  readonly #options: OurOptions
  readonly #logs = new Logs()
  readonly #topics = new Map<string, GossipTopic>()
  readonly #connections = new Set<Connection>()
  #platform = new CuttablePlatform()
  #endpoint: Endpoint | undefined = undefined
  #gossip: Gossip | undefined = undefined
  /** The key of one that was killed. */
  #killed: SecretKey | undefined = undefined

  private constructor(options: OurOptions) {
    this.#options = options
  }

  static async start(options: OurOptions = {}): Promise<OurMember> {
    const member = new OurMember(options)
    onTestFinished(() => member.#endpoint?.close())
    await member.#open(undefined)
    return member
  }

  get endpoint(): Endpoint {
    if (this.#endpoint === undefined) throw new Error('it was killed')
    return this.#endpoint
  }

  get metrics(): GossipMetrics {
    return this.#gossip!.metrics()
  }

  /** Connections with anybody at present. */
  get openConnections(): number {
    return this.#connections.size
  }

  get id(): string {
    return String(this.endpoint.id)
  }

  get ticket(): string {
    return String(this.endpoint.ticket())
  }

  async subscribe(topic: string, bootstrap: readonly string[] = []): Promise<void> {
    const subscription = this.#gossip!.subscribe(topic, { bootstrap })
    this.#topics.set(topic, subscription)
    this.#read(subscription, this.#logs.of(topic)).catch((error: unknown) => this.errors.push(error))
  }

  async joinPeers(topic: string, bootstrap: readonly string[]): Promise<void> {
    this.#topic(topic).joinPeers(bootstrap)
  }

  async leave(topic: string): Promise<void> {
    const subscription = this.#topic(topic)
    this.#topics.delete(topic)
    await subscription.close()
  }

  async broadcast(topic: string, content: Uint8Array, neighbors = false): Promise<void> {
    const subscription = this.#topic(topic)
    await (neighbors ? subscription.broadcastNeighbors(content) : subscription.broadcast(content))
  }

  async neighbors(topic: string): Promise<readonly string[]> {
    return this.#topic(topic).neighbors().map(String)
  }

  received(topic: string): readonly Received[] {
    return this.#logs.of(topic).received
  }

  turns(topic: string): readonly string[] {
    return this.#logs.of(topic).turns
  }

  async kill(): Promise<void> {
    this.#platform.cut()
    this.#topics.clear()
    this.#killed = this.endpoint.secretKey
    const endpoint = this.endpoint
    this.#endpoint = undefined
    this.#gossip = undefined
    // it waits for answers that do not come
    endpoint.close().catch((error: unknown) => this.errors.push(error))
  }

  async restart(): Promise<void> {
    this.#platform = new CuttablePlatform()
    await this.#open(this.#killed)
  }

  async #open(secretKey: SecretKey | undefined): Promise<void> {
    const { settings, endpoint: endpointOptions, ...options } = this.#options
    const onError = (error: unknown): void => {
      this.errors.push(error)
    }
    const endpoint = await Endpoint.bind({
      bind: ['127.0.0.1:0'],
      networkMonitor: false,
      onError,
      ...endpointOptions,
      ...(secretKey === undefined ? {} : { secretKey }),
      runtime: { platform: this.#platform },
    })
    const gossip = new Gossip(endpoint, { onError, ...options, accept: false }, { ...NET_SETTINGS, ...settings })
    const track = (connection: Connection): Connection => {
      this.#connections.add(connection)
      connection.closed.then(() => this.#connections.delete(connection))
      return connection
    }
    for (const alpn of options.alpns ?? [GOSSIP_ALPN])
      endpoint.router().accept(alpn, (connection) => gossip.handleConnection(track(connection)))
    const connect = endpoint.connect.bind(endpoint)
    endpoint.connect = async (...args) => track(await connect(...args))
    this.#endpoint = endpoint
    this.#gossip = gossip
  }

  async #read(subscription: GossipTopic, log: Log): Promise<void> {
    for await (const event of subscription) {
      switch (event.kind) {
        case 'received': {
          const { content, deliveredFrom, scope, round } = event
          const hex = content.length <= PRINTED ? Buffer.from(content).toString('hex') : undefined
          const isSwarm = scope === 'swarm'
          log.received.push({
            size: content.length,
            hex,
            from: String(deliveredFrom),
            scope,
            round: isSwarm ? round : undefined,
          })
          break
        }
        case 'neighbor-up':
          log.turns.push(`up ${event.peer}`)
          break
        case 'neighbor-down':
          log.turns.push(`down ${event.peer}`)
          break
        case 'lagged':
          this.errors.push(new Error(`lagged: ${event.missed} events`))
      }
    }
  }

  #topic(topic: string): GossipTopic {
    const subscription = this.#topics.get(topic)
    if (subscription === undefined) throw new Error('not subscribed')
    return subscription
  }
}
