/**
 * Endpoints, relays and a network between them in virtual time. These are the real `Endpoint`, relay client and relay hub; promises settle between two
 * events of the clock, so a run is repeated by its seed.
 */

import { seededKeyExchange } from '../../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../../src/crypto/node/index.ts'
import { Endpoint, type EndpointOptions } from '../../../../src/endpoint/index.ts'
import { SecretKey } from '../../../../src/identity/index.ts'
import type { RelayLimits } from '../../../../src/relay/server/hub/index.ts'
import { VirtualClock } from '../clock.ts'
import { Delay, Link, type LinkPart } from '../link-parts.ts'
import { Network } from '../network.ts'
import { SimPlatform } from '../platform.ts'
import { SimRandom } from '../random.ts'
import type { LinkShape } from './link.ts'
import { SimRelay } from './sim-relay.ts'
import { SimWeb } from './web.ts'

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

export class RelayWorld {
  readonly clock = new VirtualClock()
  readonly network = new Network(this.clock)
  readonly random: SimRandom
  readonly relays = new Map<string, SimRelay>()
  readonly nodes: SimEndpoint[] = []
  #isDirectCut = false

  constructor(seed: string) {
    this.random = new SimRandom(seed)
  }

  get now(): number {
    return this.clock.now
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

  relay(name: string, limits?: Partial<RelayLimits>): SimRelay {
    const relay = new SimRelay(`${name}.example`, this.#platform(`relay-${name}`), limits)
    this.relays.set(`${name}.example`, relay)
    return relay
  }

  /** `directMs`: one way between any two nodes over UDP; undefined: UDP is dropped. */
  async node(name: string, options: Partial<EndpointOptions> & NodeShape = {}): Promise<SimEndpoint> {
    const { relayMs = 10, rate = 10_000, ...rest } = options
    const platform = this.#platform(name)
    const shape = (host: string): LinkShape => ({
      delayMs: typeof relayMs === 'number' ? relayMs : (relayMs[host.split('.')[0]!] ?? 10),
      rate,
    })
    const web = new SimWeb(this.clock, this.relays, { shape })
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
      await settled()
    }
  }

  async run(ms: number): Promise<void> {
    const end = this.clock.now + ms
    await settled()
    while (this.clock.step(end)) await settled()
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
