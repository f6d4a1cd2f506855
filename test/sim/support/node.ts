/** One node of a simulation: the real driver and engine over the virtual platform, with keys that are counted. */
import { seededKeyExchange } from '../../../src/crypto/index.ts'
import { createNodeCrypto, type NodeCrypto } from '../../../src/crypto/node/index.ts'
import { Driver } from '../../../src/driver/index.ts'
import { type Connection, Engine, type Incoming, type Role, type TraceSink } from '../../../src/quic/index.ts'
import type { VirtualClock } from './clock.ts'
import type { Network, SimSocket, SocketPace } from './network.ts'
import { SimPlatform } from './platform.ts'
import type { SimRandom } from './random.ts'

export interface SimNodeOptions {
  readonly clock: VirtualClock
  readonly network: Network
  readonly random: SimRandom
  readonly site: string
  readonly hosts: readonly string[]
  readonly port: number
  /** 32 bytes; also what stateless resets are derived from, as they have to outlive a restart. */
  readonly secretKey: Uint8Array
  readonly timerGrainMs: number
  readonly pace?: SocketPace | undefined
  readonly slots: number
  /** Key exchange pairs by the provider's own generator: faster, but no two runs are alike. */
  readonly freshKeys?: boolean
  readonly alpns: () => readonly Uint8Array[]
  readonly onIncoming: (node: SimNode, incoming: Incoming) => void
  readonly trace?: ((site: string, role: Role, originalDestinationId: string) => TraceSink | undefined) | undefined
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
        new Engine({
          crypto,
          random,
          slots,
          routes,
          secretKey: options.secretKey,
          resetKey: options.secretKey,
          server: { alpns: options.alpns },
          ...(trace === undefined ? {} : { trace: (role, id) => trace(site, role, id) }),
        }),
      onIncoming: (incoming) => options.onIncoming(this, incoming),
      onFault: (error) => this.faults.push(error),
    })
    this.sockets = options.hosts.map((host) => this.platform.open(host, options.port))
    for (const socket of this.sockets) this.driver.addSocket(socket)
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
