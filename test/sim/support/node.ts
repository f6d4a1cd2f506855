/** One node of a simulation: the real driver and engine over the virtual platform, with keys that are counted. */
import { seededKeyExchange } from '../../../src/crypto/index.ts'
import { createNodeCrypto, type NodeCrypto } from '../../../src/crypto/node/index.ts'
import { Driver } from '../../../src/driver/index.ts'
import { UdpRouteEntry } from '../../../src/driver/route-entry.ts'
import {
  type Connection,
  type ConnectOptions,
  Engine,
  type EngineConfig,
  type Incoming,
  MIN_DATAGRAM,
  type QuicSettings,
  type Role,
  type Route,
  type RouteInfo,
  type TraceSink,
} from '../../../src/quic/index.ts'
import type { VirtualClock } from './clock.ts'
import type { Network, SimSocket, SocketPace } from './network.ts'
import { SimPlatform } from './platform.ts'
import type { SimRandom } from './random.ts'
import { guardWakes } from './wake-guard.ts'

export interface SimNodeOptions {
  readonly clock: VirtualClock
  readonly network: Network
  readonly random: SimRandom
  readonly site: string
  readonly hosts: readonly string[]
  /** Which of them are not addresses but relays: no address, another kind of host than any, 1,200 bytes. */
  readonly relays?: ReadonlySet<string>
  readonly port: number
  /** 32 bytes; also what stateless resets are derived from, as they have to outlive a restart. */
  readonly secretKey: Uint8Array
  readonly timerGrainMs: number
  /** Of the socket on a host. */
  readonly pace?: ((host: string) => SocketPace | undefined) | undefined
  readonly slots: number
  /** Key exchange pairs by the provider's own generator: faster, but no two runs are alike. */
  readonly freshKeys?: boolean
  readonly alpns: () => readonly Uint8Array[]
  readonly onIncoming: (node: SimNode, incoming: Incoming) => void
  readonly trace?: ((site: string, role: Role, originalDestinationId: string) => TraceSink | undefined) | undefined
}

/** The engine, with an eye on when its connections want to be woken. */
class GuardedEngine extends Engine {
  readonly #guard: (connection: Connection) => Connection

  constructor(config: EngineConfig, report: (fault: string) => void) {
    super(config)
    this.#guard = (connection) => guardWakes(connection, config.slots, report)
  }

  override connect(options: ConnectOptions): Connection {
    return this.#guard(super.connect(options))
  }

  override accept(incoming: Incoming, now: number, settings?: Partial<QuicSettings>): Connection {
    return this.#guard(super.accept(incoming, now, settings))
  }
}

export class SimNode {
  readonly site: string
  readonly driver: Driver
  readonly platform: SimPlatform
  readonly crypto: NodeCrypto
  readonly sockets: readonly SimSocket[]
  /** Everything it ever had, to be examined when all is over. */
  readonly connections: Connection[] = []
  /** What the driver reports as defects. */
  readonly faults: unknown[] = []
  isOff = false

  constructor(options: SimNodeOptions) {
    const { clock, network, random, site, trace } = options
    this.site = site
    this.crypto = createNodeCrypto()
    this.platform = new SimPlatform({
      clock,
      network,
      random,
      site,
      timerGrainMs: options.timerGrainMs,
      pace: options.pace,
    })
    const crypto = options.freshKeys === true ? this.crypto : seededKeyExchange(this.crypto, random)
    this.driver = new Driver({
      platform: this.platform,
      slots: { count: options.slots, size: 2048 },
      createEngine: (slots, routes) =>
        new GuardedEngine(
          {
            crypto,
            random,
            slots,
            routes: options.relays === undefined ? routes : this.#withRelays(routes, options.relays),
            secretKey: options.secretKey,
            resetKey: options.secretKey,
            server: { alpns: options.alpns },
            ...(trace === undefined ? {} : { trace: (role, id) => trace(site, role, id) }),
          },
          (fault) => this.faults.push(fault),
        ),
      onIncoming: (incoming) => options.onIncoming(this, incoming),
      onFault: (error) => this.faults.push(error),
    })
    this.sockets = options.hosts.map((host) => this.platform.open(host, options.port))
    for (const socket of this.sockets) this.driver.addSocket(socket)
  }

  /** What QUIC is told of routes that stand for relays here: sockets and addresses, but small datagrams and no address. */
  #withRelays(routes: RouteInfo, relays: ReadonlySet<string>): RouteInfo {
    const isRelay = (route: Route) => {
      const entry = this.driver.routes.entry(route)
      return entry instanceof UdpRouteEntry && relays.has(entry.host)
    }
    return {
      maxDatagramSize: (route) => (isRelay(route) ? MIN_DATAGRAM : routes.maxDatagramSize(route)),
      maxBytesInFlight: (route) => routes.maxBytesInFlight?.(route) ?? Number.POSITIVE_INFINITY,
      sameHost: (left, right) => !isRelay(left) && !isRelay(right) && routes.sameHost(left, right),
      address: (route) => (isRelay(route) ? undefined : routes.address(route)),
    }
  }

  /** What must be nothing once all connections are drained; each line is a leak. */
  leftovers(): string[] {
    const { driver } = this
    const found: string[] = []
    const expect = (what: string, value: number, wanted: number) => {
      if (value !== wanted) found.push(`${this.site}: ${what} is ${value}, not ${wanted}`)
    }
    if (!this.isOff) {
      expect('driver.connectionCount', driver.connectionCount, 0)
      expect('slots in use', driver.slots.inUse, 1)
    }
    expect('engine.connections', driver.engine.connections.size, 0)
    expect('engine.leftovers', driver.engine.leftovers, 0)
    expect('armed timers', this.platform.armedTimers, 0)
    for (const [index, connection] of this.connections.entries()) {
      for (const [what, value] of Object.entries(connection.leftovers()))
        expect(`connection ${index} ${what}`, value, 0)
      if (connection.deadline() !== Number.POSITIVE_INFINITY)
        found.push(`${this.site}: connection ${index} has a deadline`)
    }
    return found
  }

  /** Power off: nobody is told. Returns what should be gone and is not. */
  powerOff(): string[] {
    if (this.isOff) return []
    this.isOff = true
    void this.driver.close()
    const found: string[] = []
    if (this.driver.slots.inUse !== 0) found.push(`${this.site}: ${this.driver.slots.inUse} slots in use after close`)
    if (this.crypto.liveKeys !== 0) found.push(`${this.site}: ${this.crypto.liveKeys} key handles live after close`)
    return [...found, ...this.leftovers()]
  }
}
