/**
 * Endpoints, relays and a network between them in virtual time. These are the real `Endpoint`, relay client and relay hub; promises settle between two
 * events of the clock, so a run is repeated by its seed.
 */

import { encodeHex } from '../../../../src/bytes/index.ts'
import { seededKeyExchange } from '../../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../../src/crypto/node/index.ts'
import { Endpoint, type EndpointOptions } from '../../../../src/endpoint/index.ts'
import { SecretKey } from '../../../../src/identity/index.ts'
import { type RelayStatus, RelayTransport } from '../../../../src/relay/index.ts'
import type { AccessControl, RelayLimits } from '../../../../src/relay/server/hub/index.ts'
import { VirtualClock } from '../clock.ts'
import { Delay, Link, type LinkPart } from '../link-parts.ts'
import { Network } from '../network.ts'
import { SimPlatform } from '../platform.ts'
import { SimRandom } from '../random.ts'
import type { LinkShape, SimLink } from './link.ts'
import { SimRelay } from './sim-relay.ts'
import { SimWeb } from './web.ts'

/** Events at one moment; more is a loop. */
const MAX_STANDING = 100_000

export const ALPN = 'sim/1'

class WebPlatform extends SimPlatform {
  web: SimWeb | undefined = undefined
}

export interface NodeShape {
  /** One way to the relays, ms, by host name or for all. */
  readonly relayMs?: number | Readonly<Record<string, number>>
  /** Of the way to the relays, bytes a millisecond. */
  readonly rate?: number
}

export class SimEndpoint {
  readonly endpoint: Endpoint
  readonly web: SimWeb
  readonly platform: SimPlatform
  readonly faults: unknown[]

  constructor(endpoint: Endpoint, web: SimWeb, platform: SimPlatform, faults: unknown[]) {
    this.endpoint = endpoint
    this.web = web
    this.platform = platform
    this.faults = faults
  }
}

/** Numbers sent from one raw client to another, and when each came. */
export class RawClient {
  readonly id: Uint8Array
  readonly web: SimWeb
  readonly transport: RelayTransport
  /** By the first byte of the sender's id and the number in the datagram: when it was sent, and when it came, ms. */
  readonly arrivals: {
    readonly from: string
    readonly number: number
    readonly at: number
    readonly afterMs: number
  }[] = []
  readonly statuses: RelayStatus['state'][] = []
  readonly #platform: SimPlatform
  readonly #relay: SimRelay
  #sent = 0

  constructor(platform: SimPlatform, web: SimWeb, secretKey: SecretKey, relay: SimRelay) {
    this.id = secretKey.id.toBytes()
    this.web = web
    this.#platform = platform
    this.#relay = relay
    this.transport = new RelayTransport({
      platform,
      crypto: createNodeCrypto(),
      secretKey,
      relays: [],
      handler: {
        onDatagram: (_url, peer, data) => this.#receive(peer, data),
        onPeerGone: () => {},
        onStatus: (_url, { state }) => this.statuses.push(state),
        onBlockedChange: () => {},
      },
    })
    this.transport.setHome(relay.url)
  }

  get isOnline(): boolean {
    return this.transport.status(this.#relay.url)?.state === 'connected'
  }

  get sent(): number {
    return this.#sent
  }

  /** Our ends of the links that were opened, the last one last. */
  get link(): SimLink {
    return this.web.opened.at(-1)!.link
  }

  /** One datagram of `size` bytes with the next number. */
  send(to: RawClient, size = 200): void {
    const data = new Uint8Array(size)
    const view = new DataView(data.buffer)
    view.setUint32(0, this.#sent++)
    view.setFloat64(4, this.#platform.now())
    this.transport.send(this.#relay.url, to.id, data)
    this.transport.flush()
  }

  arrivalsFrom(other: RawClient): RawClient['arrivals'] {
    const id = encodeHex(other.id)
    return this.arrivals.filter(({ from }) => from === id)
  }

  #receive(peer: Uint8Array, data: Uint8Array): void {
    const view = new DataView(data.buffer, data.byteOffset)
    const at = this.#platform.now()
    this.arrivals.push({ from: encodeHex(peer), number: view.getUint32(0), at, afterMs: at - view.getFloat64(4) })
  }
}

export class RelayWorld {
  readonly clock = new VirtualClock()
  readonly network = new Network(this.clock)
  readonly random: SimRandom
  readonly relays = new Map<string, SimRelay>()
  readonly nodes: SimEndpoint[] = []
  #isDirectCut = false
  #standsAt = 0
  #standing = 0

  constructor(seed: string) {
    this.random = new SimRandom(seed)
  }

  get now(): number {
    return this.clock.now
  }

  /** A host of its own, with the way to the relays of `shape`. */
  host(site: string, shape: NodeShape = {}): SimPlatform {
    const platform = this.#platform(site)
    platform.web = this.#web(shape)
    return platform
  }

  #platform(site: string): WebPlatform {
    return new WebPlatform({
      clock: this.clock,
      network: this.network,
      random: this.random.fork(site),
      site,
      timerGrainMs: 0,
    })
  }

  relay(name: string, limits?: Partial<RelayLimits>, access?: AccessControl): SimRelay {
    const relay = new SimRelay(`${name}.example`, this.#platform(`relay-${name}`), limits, access)
    this.relays.set(`${name}.example`, relay)
    return relay
  }

  /** `directMs`: one way between any two nodes over UDP; undefined: UDP is dropped. */
  async node(name: string, options: Partial<EndpointOptions> & NodeShape = {}): Promise<SimEndpoint> {
    const { relayMs, rate, ...rest } = options
    const platform = this.#platform(name)
    const web = this.#web({ ...(relayMs === undefined ? {} : { relayMs }), ...(rate === undefined ? {} : { rate }) })
    platform.web = web
    const faults: unknown[] = []
    const random = this.random.fork(`keys ${name}`)
    const endpoint = await Endpoint.bind({
      secretKey: SecretKey.generate(random),
      alpns: [ALPN],
      bind: [`10.0.${this.nodes.length}.1:4433`],
      onError: (error) => faults.push(error),
      runtime: { platform, crypto: seededKeyExchange(createNodeCrypto(), random) },
      ...rest,
    })
    const node = new SimEndpoint(endpoint, web, platform, faults)
    this.nodes.push(node)
    return node
  }

  /** A relay client without an endpoint on it, at home on `relay`. */
  client(name: string, relay: SimRelay, shape: NodeShape = {}): RawClient {
    const platform = this.#platform(name)
    const web = this.#web(shape)
    platform.web = web
    return new RawClient(platform, web, SecretKey.generate(this.random.fork(`key ${name}`)), relay)
  }

  #web({ relayMs = 10, rate = 10_000 }: NodeShape): SimWeb {
    const shape = (host: string): LinkShape => ({
      delayMs: typeof relayMs === 'number' ? relayMs : (relayMs[host.split('.')[0]!] ?? 10),
      rate,
    })
    return new SimWeb(this.clock, this.relays, { shape })
  }

  /** The way between two nodes over UDP, both directions; no parts: nothing arrives. */
  wire(left: string, right: string, parts: readonly LinkPart[] = [new Delay(5)]): void {
    this.network.setLink(left, right, 4, new Link([...parts, this.#cutter()]))
    this.network.setLink(right, left, 4, new Link([...parts, this.#cutter()]))
  }

  #cutter(): LinkPart {
    return { pass: (parcel, next) => (this.#isDirectCut ? undefined : next(parcel)) }
  }

  /** UDP between nodes is dropped from now on, or passes again. */
  cutDirect(isCut: boolean): void {
    this.#isDirectCut = isCut
  }

  /** Runs until `done`, at most `ms`; throws when it is not done by then. */
  async until(done: () => boolean, ms: number, what = 'that'): Promise<void> {
    const end = this.clock.now + ms
    await settled()
    while (!done()) {
      if (!this.clock.step(end)) throw new Error(`${what} did not happen within ${ms} ms`)
      await this.#pause()
    }
  }

  /** Promises settle. Throws when time stands still: somebody wakes himself for ever. */
  async #pause(): Promise<void> {
    if (this.clock.now > this.#standsAt) {
      this.#standsAt = this.clock.now
      this.#standing = 0
    } else if (this.#standing++ > MAX_STANDING) throw new Error(`time stands still at ${this.clock.now} ms`)
    await settled()
  }

  async run(ms: number): Promise<void> {
    const end = this.clock.now + ms
    await settled()
    while (this.clock.step(end)) await this.#pause()
    this.clock.now = Math.max(this.clock.now, end)
  }

  /** Runs until the promise settles, and gives what it gave. */
  async value<T>(promise: Promise<T>, ms: number, what = 'the promise'): Promise<T> {
    let outcome: { value: T } | { error: unknown } | undefined
    promise.then(
      (value) => {
        outcome = { value }
      },
      (error: unknown) => {
        outcome = { error }
      },
    )
    await this.until(() => outcome !== undefined, ms, what)
    if (outcome !== undefined && 'error' in outcome) throw outcome.error
    return (outcome as { value: T }).value
  }

  /** Closes all; nothing may be left that would still happen. */
  async close(): Promise<void> {
    await this.value(Promise.all(this.nodes.map(({ endpoint }) => endpoint.close())), 60_000, 'closing')
  }
}

/** All promise reactions have run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
