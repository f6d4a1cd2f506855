/**
 * The seams over Node: UDP sockets, HTTP and WebSockets, `performance.now`, one lazily re-armed timeout per timer, `setImmediate`, the system's random
 * source and interface list. Holds no state but what its sockets and timers own.
 */
import { networkInterfaces } from 'node:os'
import { LazyTimer } from '../lazy-timer.ts'
import type {
  DefaultRoutes,
  Gateway,
  InterfaceAddress,
  Platform,
  RandomSource,
  Timer,
  TimerOptions,
  UdpSocket,
  UdpSocketOptions,
  WebClient,
} from '../platform.ts'
import { DefaultRouteReader } from './default-routes.ts'
import { findGateway } from './gateway.ts'
import { NodeWebClient } from './node-web-client.ts'
import { PooledRandom } from './pooled-random.ts'
import { bindNodeUdp } from './udp-socket.ts'

const SETTLED = Promise.resolve()

export interface NodePlatformOptions {
  /** PEM certificates trusted for https and wss instead of Node's list. */
  readonly ca?: readonly string[]
  /**
   * Proxy for https and wss (HTTP CONNECT), for example `http://user:password@proxy.example:3128`; null: none. Default: from `https_proxy`,
   * `HTTPS_PROXY`, `all_proxy` or `ALL_PROXY`, heeding `no_proxy`.
   */
  readonly proxy?: string | null
}

export class NodePlatform implements Platform {
  readonly random: RandomSource = new PooledRandom()
  readonly web: WebClient
  /**
   * Linux sets "don't fragment" itself for datagrams that fit the interface, so probing up to 1,452 bytes (IPv6 over Ethernet) is sound
   * there. Node cannot set it elsewhere: QUIC's minimum of 1,200 bytes it is (spec/fast-path.md §4).
   */
  readonly maxDatagramSize: number = process.platform === 'linux' ? 1452 : 1200
  /** Nothing fragments on the way to ourselves; larger ones gain little and burst a receive buffer sooner (spec/fast-path.md §1, §4). */
  readonly maxLoopbackDatagramSize: number = 16_000
  readonly #defaultRoutes = new DefaultRouteReader(this.now)

  /** Throws WebError WEB_PROXY for a proxy that is no URL of an HTTP proxy. */
  constructor(options: NodePlatformOptions = {}) {
    this.web = new NodeWebClient(options)
  }

  now(): number {
    return performance.now()
  }

  wallClock(): number {
    return Date.now()
  }

  createTimer(callback: () => void, options?: TimerOptions): Timer {
    return new LazyTimer(this.now, this.defer, callback, options)
  }

  defer(callback: () => void): void {
    setImmediate(callback)
  }

  /** A tick asked for by a promise reaction runs after all other reactions; one asked for by anything else would run before them. */
  afterReactions(callback: () => void): void {
    SETTLED.then(() => process.nextTick(callback))
  }

  bindUdp(options: UdpSocketOptions): Promise<UdpSocket> {
    return bindNodeUdp(options)
  }

  interfaces(): InterfaceAddress[] {
    const found: InterfaceAddress[] = []
    for (const [name, addresses] of Object.entries(networkInterfaces())) {
      for (const address of addresses ?? []) {
        const family = address.family === 'IPv6' ? 6 : 4
        found.push({ name, host: address.address, family, internal: address.internal })
      }
    }
    return found
  }

  defaultRoutes(): DefaultRoutes | undefined {
    return process.platform === 'linux' ? this.#defaultRoutes.routes() : undefined
  }

  gateway(): Promise<Gateway | undefined> {
    return findGateway()
  }
}
