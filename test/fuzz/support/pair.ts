/**
 * Two engines and nothing between them: datagrams are handed over by the test, which may look at them, change them, keep them and send
 * them again. Time is a number. Below the driver, so that an exception of the engine is an exception here.
 */
import type { CryptoProvider } from '../../../src/crypto/index.ts'
import { seededKeyExchange } from '../../../src/crypto/index.ts'
import { createNodeCrypto, type NodeCrypto } from '../../../src/crypto/node/index.ts'
import { SlotPool } from '../../../src/driver/slot-pool.ts'
import {
  type Connection,
  type ConnectionEvent,
  Engine,
  type QuicSettings,
  type Route,
  type RouteInfo,
  Transmit,
} from '../../../src/quic/index.ts'
import type { SimRandom } from '../../sim/support/random.ts'

const ALPN = new TextEncoder().encode('fuzz/1')
/** Datagrams in answer to one, beyond which something runs wild: a window full and a few more. */
const MOST_ANSWERS = 3000
/** As the first route of either side. */
export const GENUINE_ROUTE: Route = 0
/** Where further paths are opened; what is in neither is a stranger. */
export const FURTHER_ROUTES: readonly Route[] = [64, 80, 96]

const ROUTES: RouteInfo = {
  maxDatagramSize: () => 1452,
  sameHost: (left, right) => left >> 4 === right >> 4,
  address: (route) => ({ ip: Uint8Array.of(10, 0, route >> 8, route & 0xff), port: 4000 + (route & 15) }),
}

export interface Flying {
  readonly to: 'client' | 'server'
  readonly bytes: Uint8Array
  readonly route: Route
}

export class End {
  readonly name: 'client' | 'server'
  readonly engine: Engine
  readonly slots = new SlotPool({ count: 16 })
  readonly crypto: NodeCrypto
  readonly events = new Map<Connection, ConnectionEvent[]>()
  readonly connections: Connection[] = []
  readonly #out = new Transmit()

  constructor(name: 'client' | 'server', random: SimRandom, wrap?: (crypto: CryptoProvider) => CryptoProvider) {
    this.name = name
    this.crypto = createNodeCrypto()
    const seeded = seededKeyExchange(this.crypto, random)
    this.engine = new Engine({
      crypto: wrap === undefined ? seeded : wrap(seeded),
      random,
      slots: this.slots,
      routes: ROUTES,
      secretKey: random.bytes(32),
      // Not for the client: its own first packet, thrown back at it, would be answered, and the answer, thrown back as well, would end the dial.
      ...(name === 'server' ? { server: { alpns: () => [ALPN] } } : {}),
      retryThreshold: 64,
    })
  }

  adopt(connection: Connection): Connection {
    this.connections.push(connection)
    this.events.set(connection, [])
    return connection
  }

  receive(bytes: Uint8Array, route: Route, now: number): void {
    const slot = this.slots.acquire()
    this.slots.bytes.set(bytes, this.slots.offset(slot))
    this.engine.receive(slot, bytes.length, route, now)
    this.slots.release(slot)
  }

  /** Everything that wants to be sent now, events taken out of the queues. */
  drain(now: number, take: (bytes: Uint8Array, route: Route) => void): void {
    const out = this.#out
    let count = 0
    const pass = () => {
      if (++count > MOST_ANSWERS) throw new Error(`${this.name} sends without end`)
      const at = this.slots.offset(out.slot)
      take(this.slots.bytes.slice(at, at + out.length), out.route)
      this.slots.release(out.slot)
    }
    while (this.engine.poll(now, out)) pass()
    for (const connection of this.engine.connections) {
      while (connection.poll(now, out)) pass()
    }
    for (const [connection, events] of this.events) {
      for (let event = connection.nextEvent(); event !== undefined; event = connection.nextEvent()) events.push(event)
    }
  }

  get deadline(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const connection of this.engine.connections) earliest = Math.min(earliest, connection.deadline())
    return earliest
  }

  tick(now: number): void {
    for (const connection of [...this.engine.connections]) if (connection.deadline() <= now) connection.tick(now)
  }
}

export interface PairOptions {
  readonly wrap?: {
    readonly client?: (c: CryptoProvider) => CryptoProvider
    readonly server?: (c: CryptoProvider) => CryptoProvider
  }
  readonly settings?: Partial<QuicSettings>
}

export class Pair {
  now = 1000
  readonly client: End
  readonly server: End
  readonly random: SimRandom
  /** On their way. */
  readonly flying: Flying[] = []
  /**
   * All genuine datagrams so far, for replays and mutations. Version negotiation is left out: nothing protects it, so a changed one may end
   * a dial (RFC 9000 §6.2), and a test could not tell.
   */
  readonly corpus: Flying[] = []
  readonly #settings: Partial<QuicSettings>
  accepts = true

  constructor(random: SimRandom, options: PairOptions = {}) {
    this.random = random
    this.client = new End('client', random.fork('client'), options.wrap?.client)
    this.server = new End('server', random.fork('server'), options.wrap?.server)
    this.#settings = options.settings ?? {}
  }

  dial(): Connection {
    const connection = this.client.engine.connect({
      peer: this.server.engine.publicKey,
      alpns: [ALPN],
      route: GENUINE_ROUTE,
      settings: this.#settings,
      now: this.now,
    })
    return this.client.adopt(connection)
  }

  /** Takes what both ends want to send; what goes to strangers is gone. */
  collect(): void {
    do
      for (const end of [this.client, this.server]) {
        const to = end === this.client ? 'server' : 'client'
        end.drain(this.now, (bytes, route) => {
          if (route !== GENUINE_ROUTE && !FURTHER_ROUTES.includes(route)) return
          const flying: Flying = { to, bytes, route }
          this.flying.push(flying)
          if (!isVersionNegotiation(bytes)) this.corpus.push(flying)
        })
      }
    while (this.#decide())
  }

  /** Accepts whoever is there; true when there was somebody. */
  #decide(): boolean {
    if (!this.accepts) return false
    let found = false
    for (const end of [this.client, this.server])
      for (let incoming = end.engine.nextIncoming(); incoming !== undefined; incoming = end.engine.nextIncoming()) {
        end.adopt(incoming.accept(this.now, this.#settings))
        found = true
      }
    return found
  }

  /** Delivers what is on its way, `rounds` times back and forth. */
  exchange(rounds: number): void {
    for (let round = 0; round < rounds; round++) {
      this.collect()
      if (this.flying.length === 0) return
      this.now += 5
      for (const { to, bytes, route } of this.flying.splice(0)) this[to].receive(bytes, route, this.now)
    }
    this.collect()
  }

  /** Has the client open a path on each of the first `count` further routes. */
  openPaths(count: number): void {
    const [connection] = this.client.connections
    for (const route of FURTHER_ROUTES.slice(0, count)) connection?.openPath(route, 'available', this.now)
  }

  /** As time goes by: delivers and ticks until `until` ms have passed or nothing is left to happen. */
  pass(ms: number): void {
    const end = this.now + ms
    for (let steps = 0; this.now < end; steps++) {
      if (steps > 20_000) throw new Error('time passes without end')
      this.exchange(50)
      const next = Math.min(this.client.deadline, this.server.deadline)
      if (next >= end) break
      this.now = Math.max(next, this.now)
      this.client.tick(this.now)
      this.server.tick(this.now)
      if (next <= this.now) this.now += 0.5
    }
    this.now = Math.max(this.now, end)
  }

  /** Everything that is not zero and should be, after all connections are drained; closes the engines. */
  leftovers(): string[] {
    const found: string[] = []
    for (const end of [this.client, this.server]) {
      const check = (what: string, value: number) => {
        if (value !== 0) found.push(`${end.name}: ${what} ${value}`)
      }
      check('connections', end.engine.connections.size)
      end.engine.close()
      check('engine leftovers', end.engine.leftovers)
      check('slots', end.slots.inUse)
      check('keys', end.crypto.liveKeys)
      for (const connection of end.connections)
        for (const [what, value] of Object.entries(connection.leftovers())) check(what, value)
    }
    return found
  }
}

function isVersionNegotiation(bytes: Uint8Array): boolean {
  return (bytes[0]! & 0x80) !== 0 && bytes[1] === 0 && bytes[2] === 0 && bytes[3] === 0 && bytes[4] === 0
}
