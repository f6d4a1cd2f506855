/** One router, and the mapping of one local port on it: which protocols it speaks, and who of them gets the mapping. */
import type { Gateway, Platform } from '../../platform/index.ts'
import { uniform } from '../../platform/index.ts'
import type { Alarms } from '../net-report/alarms.ts'
import { GatewayLink } from './gateway-link.ts'
import { isPublicIpv4 } from './ip-scope.ts'
import type { Lease, MappingClient } from './mapping-client.ts'
import { NatPmpClient } from './nat-pmp-client.ts'
import { PcpClient } from './pcp-client.ts'
import { UpnpClient } from './upnp-client.ts'

/** How long a protocol that is there waits for a better one to show up, ms since all were asked: time for one lost packet. A guess. */
const PREFERENCE_MS = 500

export interface Held {
  readonly client: MappingClient
  readonly lease: Lease
}

export interface RouterOptions {
  readonly platform: Platform
  readonly alarms: Alarms
  readonly gateway: Gateway
  readonly localPort: number
  /** For PCP: 12 random bytes, the same whenever this port is mapped at this router. */
  readonly nonce: Uint8Array
}

export class Router {
  readonly gateway: Gateway
  /** The best protocol first (spec/disco-stun-nat.md §7.3). */
  readonly clients: readonly MappingClient[]
  readonly #alarms: Alarms
  readonly #link: GatewayLink

  private constructor({ platform, alarms, gateway, localPort, nonce }: RouterOptions, link: GatewayLink) {
    this.gateway = gateway
    this.#alarms = alarms
    this.#link = link
    const context = {
      alarms,
      gateway,
      localPort,
      now: () => platform.now(),
      uniform: () => uniform(platform.random),
    }
    this.clients = [
      new PcpClient(context, link, nonce),
      new NatPmpClient(context, link),
      new UpnpClient(context, platform),
    ]
  }

  /** Rejects when no socket can be bound. */
  static async open(options: RouterOptions): Promise<Router> {
    const { platform, alarms, gateway } = options
    const socket = await platform.bindUdp({ host: gateway.local, port: 0, receiveBufferSize: 0, sendBufferSize: 0 })
    return new Router(options, new GatewayLink(alarms, gateway, socket))
  }

  /** Should be opened anew. */
  get isBroken(): boolean {
    return this.#link.isBroken
  }

  /**
   * A mapping that others can use, by the best protocol that gives one; undefined when none does, or `signal` was aborted. A router that stands
   * behind another NAT gives none: what it maps is nobody's to use.
   */
  async acquire(signal: AbortSignal): Promise<Held | undefined> {
    const probes = new Probes(this.clients, this.#alarms, signal)
    try {
      for (;;) {
        const client = await probes.next()
        if (client === undefined) return undefined
        if (client.externalIp !== undefined && !isPublicIpv4(client.externalIp)) continue
        const lease = await client.map(signal, false)
        if (lease !== undefined && isPublicIpv4(lease.external.ip)) return { client, lease }
        // without an effect when `signal` was aborted: then all is deleted later
        await client.release(signal)
      }
    } finally {
      probes.stop()
      await probes.settled
    }
  }

  /** Deletes what the router may have of us. */
  async release(signal: AbortSignal): Promise<void> {
    await Promise.all(this.clients.map((client) => client.release(signal)))
  }

  /** Deletes nothing. */
  close(): Promise<void> {
    return this.#link.close()
  }
}

/** All protocols are asked at once whether they are there; they are handed out one after the other, the best first. */
class Probes {
  readonly #clients: readonly MappingClient[]
  readonly #controller = new AbortController()
  readonly #outer: AbortSignal
  readonly #cancelPreference: () => void
  /** Not answered yet; and there, but not handed out. */
  readonly #asked = new Set<MappingClient>()
  readonly #there = new Set<MappingClient>()
  #mayWait = true
  #wake: () => void = () => {}
  /** No probe is under way any more. */
  readonly settled: Promise<unknown>

  constructor(clients: readonly MappingClient[], alarms: Alarms, outer: AbortSignal) {
    this.#clients = clients
    this.#outer = outer
    outer.addEventListener('abort', this.stop)
    this.#cancelPreference = alarms.after(PREFERENCE_MS, () => {
      this.#mayWait = false
      this.#wake()
    })
    this.settled = Promise.all(clients.map((client) => this.#probe(client)))
    if (outer.aborted) this.stop()
  }

  async #probe(client: MappingClient): Promise<void> {
    this.#asked.add(client)
    const isThere = await client.probe(this.#controller.signal)
    this.#asked.delete(client)
    if (isThere) this.#there.add(client)
    this.#wake()
  }

  /** Undefined: no more. */
  async next(): Promise<MappingClient | undefined> {
    for (;;) {
      if (this.#controller.signal.aborted) return undefined
      const found = this.#clients.find(
        (client) => this.#there.has(client) || (this.#mayWait && this.#asked.has(client)),
      )
      if (found !== undefined && this.#there.delete(found)) return found
      if (this.#asked.size === 0) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  readonly stop = (): void => {
    this.#outer.removeEventListener('abort', this.stop)
    this.#cancelPreference()
    this.#controller.abort()
    this.#wake()
  }
}
