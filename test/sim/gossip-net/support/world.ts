/** Real endpoints with real gossip on the simulated network, in virtual time: peers that come, go, die and are born again, and peers made by hand. */
import { seededKeyExchange } from '../../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../../src/crypto/node/index.ts'
import { type Connection, type ConnectTarget, Endpoint } from '../../../../src/endpoint/index.ts'
import {
  Gossip,
  type GossipEvent,
  type GossipOptions,
  type GossipTopic,
  type NeighborDownReason,
  TopicId,
} from '../../../../src/gossip/index.ts'
import { NET_SETTINGS, type NetSettings } from '../../../../src/gossip/net/settings.ts'
import { SecretKey } from '../../../../src/identity/index.ts'
import type { QuicSettings } from '../../../../src/quic/index.ts'
import { RelayWorld } from '../../support/relay/world.ts'
import { HandPeer } from './hand-peer.ts'

export const GOSSIP_ALPN = '/iroh-gossip/1'
export const TOPIC = TopicId.fromName('simulated')
export const OTHER_TOPIC = TopicId.fromName('another one')
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (content: Uint8Array): string => new TextDecoder().decode(content)

export interface Birth {
  /** Default: one of its own, drawn from the seed and the name. */
  readonly secretKey?: SecretKey
  /** `ip:port`; default: one nobody has had. */
  readonly address?: string
  readonly options?: GossipOptions
  readonly settings?: Partial<NetSettings>
  readonly quic?: Partial<QuicSettings>
}

/** The events of one subscription and when they came. */
export class Ear {
  readonly topic: GossipTopic
  readonly events: (GossipEvent & { readonly at: number })[] = []
  isEnded = false

  constructor(topic: GossipTopic, now: () => number) {
    this.topic = topic
    this.#listen(now)
  }

  get texts(): string[] {
    return this.events.flatMap((event) => (event.kind === 'received' ? [text(event.content)] : []))
  }

  /** Hex ids, sorted. */
  get neighbors(): string[] {
    return this.topic
      .neighbors()
      .map((id) => id.toString())
      .sort()
  }

  hears(what: string): boolean {
    return this.events.some((event) => event.kind === 'received' && text(event.content) === what)
  }

  ups(): string[] {
    return this.events.flatMap((event) => (event.kind === 'neighbor-up' ? [event.peer.toString()] : []))
  }

  downs(): NeighborDownReason[] {
    return this.events.flatMap((event) => (event.kind === 'neighbor-down' ? [event.reason] : []))
  }

  async #listen(now: () => number): Promise<void> {
    for await (const event of this.topic) this.events.push({ ...event, at: now() })
    this.isEnded = true
  }
}

export class Peer {
  readonly name: string
  readonly endpoint: Endpoint
  readonly gossip: Gossip
  readonly secretKey: SecretKey
  readonly faults: unknown[]
  readonly id: string
  /** All that were accepted, in order. */
  readonly accepted: Connection[] = []
  readonly #now: () => number

  constructor(parts: {
    name: string
    endpoint: Endpoint
    gossip: Gossip
    secretKey: SecretKey
    faults: unknown[]
    now: () => number
  }) {
    this.name = parts.name
    this.endpoint = parts.endpoint
    this.gossip = parts.gossip
    this.secretKey = parts.secretKey
    this.faults = parts.faults
    this.id = parts.endpoint.id.toString()
    this.#now = parts.now
    this.#accept()
  }

  /** Connections that others dialled and that live. */
  get openAccepted(): number {
    return this.accepted.filter(({ closeReason }) => closeReason === undefined).length
  }

  /** By hand instead of the router, so that connections can be counted. */
  async #accept(): Promise<void> {
    for (;;) {
      const connection = await this.endpoint.accept()
      if (connection === undefined) return
      this.accepted.push(connection)
      this.gossip.handleConnection(connection)
    }
  }

  subscribe(bootstrap: readonly (Peer | ConnectTarget)[] = [], topic: TopicId = TOPIC): Ear {
    const targets = bootstrap.map((target) => (target instanceof Peer ? target.endpoint.addr() : target))
    return new Ear(this.gossip.subscribe(topic, { bootstrap: targets }), this.#now)
  }
}

export class GossipWorld extends RelayWorld {
  readonly peers: Peer[] = []
  #endpoints: Endpoint[] = []
  #births = 0

  /** A name is a site of the network: `wire`, `network.silence`. */
  async peer(name: string, birth: Birth = {}): Promise<Peer> {
    const { secretKey = SecretKey.generate(this.random.fork(`key of ${name}`)), options = {}, settings = {} } = birth
    const faults: unknown[] = []
    const onError = (error: unknown): void => {
      faults.push(error)
    }
    const alpns = options.alpns?.map(String) ?? [GOSSIP_ALPN]
    const endpoint = await this.#bind(name, secretKey, onError, alpns, birth)
    const gossip = new Gossip(endpoint, { onError, accept: false, ...options }, { ...NET_SETTINGS, ...settings })
    const peer = new Peer({ name, endpoint, gossip, secretKey, faults, now: () => this.now })
    this.peers.push(peer)
    return peer
  }

  /** A peer without gossip, whose frames a test writes itself. */
  async hand(name: string, birth: Birth = {}): Promise<HandPeer> {
    const { secretKey = SecretKey.generate(this.random.fork(`key of ${name}`)) } = birth
    return new HandPeer(await this.#bind(name, secretKey, () => {}, [GOSSIP_ALPN], birth), () => this.now)
  }

  /** Its cable is pulled for ever: nobody hears that it is gone. */
  kill(peer: Peer | HandPeer, name = (peer as Peer).name): void {
    this.network.silence(name)
    const index = this.peers.indexOf(peer as Peer)
    if (index >= 0) this.peers.splice(index, 1)
  }

  async #bind(
    name: string,
    secretKey: SecretKey,
    onError: (error: unknown) => void,
    alpns: readonly string[],
    { address, quic = {} }: Birth = {},
  ): Promise<Endpoint> {
    const birth = this.#births++
    const platform = this.host(name)
    const endpoint = await Endpoint.bind({
      secretKey,
      alpns,
      bind: [address ?? `10.1.${birth >> 8}.${birth & 255}:4433`],
      networkMonitor: false,
      settings: quic,
      onError,
      runtime: {
        platform,
        crypto: seededKeyExchange(createNodeCrypto(), this.random.fork(`handshakes of ${name} ${birth}`)),
      },
    })
    this.#endpoints.push(endpoint)
    return endpoint
  }

  /** All of these have each other as the only neighbours, or hear each other at least. */
  async meet(ears: readonly Ear[], ms = 5_000): Promise<void> {
    await this.until(() => ears.every(({ neighbors }) => neighbors.length > 0), ms, 'a neighbour for everybody')
  }

  /** What one says all others hear, and nothing else is needed. */
  async expectHeard(from: Ear, to: readonly Ear[], what: string, ms = 5_000): Promise<void> {
    await this.value(from.topic.broadcast(bytes(what)), ms, `broadcast of ${what}`)
    await this.until(() => to.every((ear) => ear.hears(what)), ms, `${what} for all`)
  }

  override async close(): Promise<void> {
    await this.value(Promise.all(this.#endpoints.map((endpoint) => endpoint.close())), 60_000, 'closing')
    this.#endpoints = []
  }
}
