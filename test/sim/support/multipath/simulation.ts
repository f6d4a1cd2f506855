/**
 * Two nodes with several ways between them, in virtual time: connections are dialled, paths opened, ways cut and healed as the test says, and
 * at the end nothing may be left. Real drivers and engines; the same name gives the same run.
 */
import type { Incoming, QuicSettings, Role, Route, TraceSink } from '../../../../src/quic/index.ts'
import { AmplificationWatch } from '../amplification.ts'
import { VirtualClock } from '../clock.ts'
import { Nat, Network } from '../network.ts'
import { SimNode } from '../node.ts'
import { SimRandom } from '../random.ts'
import { Pair, type Side } from './pair.ts'
import { Talker } from './talker.ts'
import { Way, type WaySpec } from './way.ts'

const PORT = 4433
/** Events at one instant that mean a loop which never ends. */
const MOST_AT_ONCE = 50_000
/** Longest that `until` waits, ms of virtual time. */
const PATIENCE_MS = 120_000
/** Longest that a closed connection may take to be drained, ms. */
const DRAIN_MS = 60_000

export interface MultipathOptions {
  /** Also the seed. */
  readonly name: string
  readonly ways: readonly WaySpec[]
  readonly client?: Partial<QuicSettings>
  readonly server?: Partial<QuicSettings>
  readonly timerGrainMs?: number
  readonly slots?: number
  readonly trace?: (site: string, role: Role, originalDestinationId: string) => TraceSink | undefined
}

export class MultipathSimulation {
  readonly clock = new VirtualClock()
  readonly network: Network
  readonly ways: readonly Way[]
  readonly random: SimRandom
  readonly clientNode: SimNode
  readonly serverNode: SimNode
  readonly violations: string[] = []
  readonly pairs: Pair[] = []
  readonly #options: MultipathOptions
  readonly #watch = new AmplificationWatch()
  /** Public addresses that NATs have moved to. */
  #hosts = 0

  constructor(options: MultipathOptions) {
    this.#options = options
    this.random = new SimRandom(options.name)
    this.network = new Network(this.clock)
    const ways: Way[] = []
    for (const [index, spec] of options.ways.entries()) {
      const nat = spec.nat === true ? new Nat(`198.51.100.${index + 1}`) : undefined
      const shared = spec.sharesServer === undefined ? undefined : ways[spec.sharesServer]
      const way = new Way(index, spec, nat, shared)
      way.connect(this.network, this.random.fork(`way ${index}`))
      ways.push(way)
    }
    this.ways = ways
    this.network.watchers.push(this.#watch)
    this.clientNode = this.#makeNode('client')
    this.serverNode = this.#makeNode('server')
  }

  #makeNode(site: 'client' | 'server'): SimNode {
    const { timerGrainMs, slots, trace } = this.#options
    const host = (way: Way) => (site === 'client' ? way.clientHost : way.serverHost)
    return new SimNode({
      clock: this.clock,
      network: this.network,
      random: this.random.fork(site),
      site,
      hosts: [...new Set(this.ways.map(host))],
      relays: new Set(
        this.ways.flatMap(({ isRelay, clientHost, serverHost }) => (isRelay ? [clientHost, serverHost] : [])),
      ),
      port: PORT,
      secretKey: this.random.fork(`key ${site}`).bytes(32),
      timerGrainMs: timerGrainMs ?? 0,
      slots: slots ?? 256,
      pace: (local) => this.ways.find((way) => host(way) === local)?.pace,
      alpns: () => this.pairs.map(({ alpn }) => alpn),
      onIncoming: (node, incoming) => this.#accept(node, incoming),
      trace,
    })
  }

  get now(): number {
    return this.clock.now
  }

  // connections

  /** The client's route over a way. */
  route(index: number): Route {
    const way = this.ways[index]!
    const { driver, sockets, site } = this.clientNode
    const socket = sockets.find(({ host }) => host === way.clientHost)!
    this.#watch.dialled(site, { host: way.serverHost, port: PORT })
    return driver.route(way.serverHost, PORT, socket)!
  }

  /** Dials over a way, and waits until both ends are confirmed and what follows is said. */
  connect(index = 0, settings: Partial<QuicSettings> = {}): Pair {
    const pair = new Pair(this, this.pairs.length, (handlerOf) => {
      const { driver } = this.clientNode
      return (handler) =>
        driver.connect(
          {
            peer: this.serverNode.driver.engine.publicKey,
            alpns: [handlerOf.alpn],
            routes: [this.route(index)],
            settings: { ...this.#options.client, ...settings },
          },
          handler,
        )
    })
    this.until(() => pair.client.isConfirmed && pair.hasServer && pair.server.isConfirmed)
    this.run(500)
    return pair
  }

  #accept(node: SimNode, incoming: Incoming): void {
    // Dials are never under way together, so the newest pair lacks its server.
    const pair = this.pairs.findLast(({ hasServer }) => !hasServer)
    if (pair === undefined) {
      this.violation('a connection that nobody dialled')
      incoming.ignore()
      return
    }
    pair.accepted(
      new Talker(
        node,
        pair.transfers,
        (text) => this.violation(text),
        (handler) => node.driver.accept(incoming, handler, this.#options.server),
      ),
    )
  }

  /** The NAT of the way forgets its mapping: the next datagram of the client comes from another port, or from another address. */
  rebind(index: number, newHost = false): void {
    const { nat } = this.ways[index]!
    if (nat === undefined) throw new Error(`way ${index} has no NAT`)
    nat.rebind(newHost ? `198.51.${101 + this.#hosts++}.${index + 1}` : nat.host)
  }

  /** `host port` of the client as the server sees it on a way. */
  publicAddress(index: number): string {
    const way = this.ways[index]!
    return way.publicAddress(this.clientNode.sockets.find(({ host }) => host === way.clientHost)!)
  }

  violation(text: string): void {
    this.violations.push(`${this.now.toFixed(1)} ms: ${text}`)
  }

  // time

  /** All that happens in the next `ms`. */
  run(ms: number): void {
    const end = this.now + ms
    let instant = -1
    let atOnce = 0
    while (this.clock.step(end)) {
      if (this.now !== instant) {
        instant = this.now
        atOnce = 0
      } else if (++atOnce > MOST_AT_ONCE) throw new Error(`time stands still at ${this.now} ms: a loop without end`)
    }
    this.clock.now = Math.max(this.now, end)
  }

  /** Until `done`; throws with where things stand after `limitMs`. */
  until(done: () => boolean, limitMs = PATIENCE_MS): void {
    const end = this.now + limitMs
    while (!done()) {
      if (this.clock.step(end)) continue
      throw new Error([`not done after ${limitMs} ms, at ${this.now.toFixed(0)} ms`, ...this.describe()].join('\n'))
    }
  }

  describe(): string[] {
    return [...this.check(), ...this.pairs.flatMap((pair) => pair.describe())]
  }

  // the end

  /** What is wrong while things go on; empty is good. */
  check(): string[] {
    for (const node of [this.clientNode, this.serverNode])
      for (const fault of node.faults.splice(0))
        this.violation(`${node.site}: ${fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)}`)
    for (const text of this.#watch.violations.splice(0)) this.violation(text)
    for (const pair of this.pairs) pair.check()
    return this.violations
  }

  /** Closes what is open, waits until all is drained, and looks for what is left. Returns all that was wrong. */
  finish(by: Side = 'client'): string[] {
    for (const pair of this.pairs) {
      const end = pair.hasServer ? pair.end(by) : pair.client
      if (!end.isClosed) end.node.driver.closeConnection(end.connection, 0, 'finished')
    }
    const ends = this.pairs.flatMap(({ ends: both }) => both)
    const deadline = this.now + DRAIN_MS
    while (!ends.every(({ isDrained }) => isDrained) && this.clock.step(deadline));
    this.check()
    for (const end of ends) if (!end.isDrained) this.violation(`${end.side} is not drained: ${end.describe()}`)
    for (const node of [this.clientNode, this.serverNode]) this.violations.push(...node.leftovers(), ...node.powerOff())
    if (this.network.openSockets > 0) this.violation(`${this.network.openSockets} sockets are open`)
    return [...new Set(this.violations)]
  }
}
