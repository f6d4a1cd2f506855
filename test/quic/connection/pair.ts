/**
 * Two real engines, a wire that keeps every datagram in sight, and a clock that only moves when told. Datagrams arrive after `delayMs` in the
 * order they were sent; a test may drop, change, add or redirect them.
 */

import { seededKeyExchange } from '../../../src/crypto/index.ts'
import { createNodeCrypto, type NodeCrypto } from '../../../src/crypto/node/index.ts'
import { SlotPool } from '../../../src/driver/slot-pool.ts'
import type { RandomSource } from '../../../src/platform/platform.ts'
import {
  type Connection,
  type ConnectionEvent,
  describeFrames,
  Engine,
  type Incoming,
  type Level,
  type QuicSettings,
  type Route,
  type TraceSink,
  Transmit,
} from '../../../src/quic/index.ts'

export const ALPN = new TextEncoder().encode('test/1')

/** xorshift32: small, and the same on every machine. */
export class SeededRandom implements RandomSource {
  #state: number
  constructor(seed: number) {
    this.#state = seed | 1
  }
  next(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }
  fill(out: Uint8Array): void {
    for (let index = 0; index < out.length; index++) out[index] = this.next() >>> 11
  }
}

/** A packet as its sender sealed it, or as its receiver opened it. */
export interface TracedPacket {
  readonly level: Level
  readonly pathId: number
  readonly packetNumber: number
  /** As qlog has them: `frame_type` and fields. */
  readonly frames: Record<string, unknown>[]
  /** Bytes of the packet, tag included. */
  readonly size: number
}

/** Keeps what a connection tells. */
class Tap implements TraceSink {
  readonly sent: TracedPacket[] = []
  readonly received: TracedPacket[] = []
  readonly dropped: string[] = []
  packetSent(...[, level, pathId, packetNumber, size, bytes, start, end]: Parameters<TraceSink['packetSent']>): void {
    this.sent.push({ level, pathId, packetNumber, size, frames: describeFrames(bytes, start, end) })
  }
  packetReceived(
    ...[, level, pathId, packetNumber, size, bytes, start, end]: Parameters<TraceSink['packetReceived']>
  ): void {
    this.received.push({ level, pathId, packetNumber, size, frames: describeFrames(bytes, start, end) })
  }
  packetDropped(_now: number, _size: number, reason: string): void {
    this.dropped.push(reason)
  }
  metrics(): void {}
  event(): void {}
}

/** Names of all frames in packets, in order. */
export function frameTypes(packets: readonly TracedPacket[]): string[] {
  return packets.flatMap(({ frames }) => frames.map((frame) => String(frame.frame_type)))
}

export interface Datagram {
  readonly from: 'client' | 'server'
  readonly bytes: Uint8Array
  /** What its sender put into it; empty for answers of the engine and for copies over further routes. */
  readonly packets: readonly TracedPacket[]
  /** The sender's route; the receiver sees the same number. */
  route: Route
  readonly sentAt: number
}

interface NodeOptions {
  server: boolean
  settings?: Partial<QuicSettings> | undefined
  retryThreshold?: number | undefined
  alpns?: Uint8Array[] | undefined
  slots?: number | undefined
  relays?: readonly Route[] | undefined
  trace?: ((role: 'client' | 'server', originalDestinationId: string) => TraceSink | undefined) | undefined
}

export class Node {
  readonly engine: Engine
  readonly slots: SlotPool
  readonly events: ConnectionEvent[] = []
  readonly keyLog: string[] = []
  readonly tap = new Tap()
  connection: Connection | undefined = undefined

  constructor(crypto: NodeCrypto, seed: number, secret: number, options: NodeOptions) {
    const random = new SeededRandom(seed)
    this.slots = new SlotPool({ count: options.slots ?? 128 })
    this.engine = new Engine({
      crypto: seededKeyExchange(crypto, random),
      random,
      slots: this.slots,
      routes: {
        maxDatagramSize: () => 1452,
        // routes of the same hundred are ports of one host
        sameHost: (left, right) => Math.floor(left / 100) === Math.floor(right / 100),
        address: (route) =>
          options.relays?.includes(route) === true
            ? undefined
            : { ip: Uint8Array.of(10, 0, 0, Math.floor(route / 100)), port: route },
      },
      secretKey: new Uint8Array(32).fill(secret),
      keyLog: (line) => this.keyLog.push(line),
      trace: options.trace ?? (() => this.tap),
      // most rules are about one path: multipath has tests of its own
      settings: { maxPathId: undefined, ...options.settings },
      ...(options.retryThreshold === undefined ? {} : { retryThreshold: options.retryThreshold }),
      ...(options.server ? { server: { alpns: () => options.alpns ?? [ALPN] } } : {}),
    })
  }

  /** Events of one kind so far. */
  of<T extends ConnectionEvent['type']>(type: T): Extract<ConnectionEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<ConnectionEvent, { type: T }> => event.type === type)
  }
}

export interface PairOptions {
  seed?: number
  delayMs?: number
  client?: Partial<QuicSettings>
  server?: Partial<QuicSettings>
  retryThreshold?: number
  serverAlpns?: Uint8Array[]
  clientAlpns?: Uint8Array[]
  /** Slots of each node. Default 128. */
  slots?: number
  /** Routes that lead over relays: they have no address. */
  relays?: readonly Route[]
  /** Instead of the tap: the log's datagrams then have no packets. */
  trace?: NodeOptions['trace']
  /** Dial this key instead of the server's. */
  peer?: Uint8Array
  routes?: Route[]
  /** Looks at each datagram as it is sent; returns what arrives instead (none = lost). */
  wire?: (datagram: Datagram) => Datagram[]
  onIncoming?: (incoming: Incoming, pair: Pair) => void
}

export class Pair {
  now = 0
  readonly crypto = createNodeCrypto()
  readonly client: Node
  readonly server: Node
  /** Every datagram ever sent. */
  readonly log: Datagram[] = []
  wire: (datagram: Datagram) => Datagram[]
  readonly #delayMs: number
  readonly #onIncoming: ((incoming: Incoming, pair: Pair) => void) | undefined
  readonly #inFlight: { datagram: Datagram; at: number }[] = []
  readonly #out = new Transmit()

  constructor(options: PairOptions = {}) {
    const seed = options.seed ?? 1
    this.#delayMs = options.delayMs ?? 10
    this.wire = options.wire ?? ((datagram) => [datagram])
    this.#onIncoming = options.onIncoming
    const { slots, trace, retryThreshold, relays } = options
    this.client = new Node(this.crypto, seed * 2 + 1, 1, {
      server: false,
      settings: options.client,
      slots,
      relays,
      trace,
    })
    this.server = new Node(this.crypto, seed * 7 + 5, 2, {
      server: true,
      settings: options.server,
      retryThreshold,
      alpns: options.serverAlpns,
      slots,
      relays,
      trace,
    })
    this.dial(options)
  }

  /** Another connection of the client; it takes the place of the one before. */
  dial(options: Pick<PairOptions, 'routes' | 'peer' | 'clientAlpns'> & { token?: Uint8Array } = {}): void {
    const routes = options.routes ?? [100]
    this.client.connection = this.client.engine.connect({
      peer: options.peer ?? this.server.engine.publicKey,
      alpns: options.clientAlpns ?? [ALPN],
      route: routes[0]!,
      routes,
      now: this.now,
      ...(options.token === undefined ? {} : { token: options.token }),
    })
  }

  /** Sends what is pending on both sides, hands out events, delivers nothing. */
  flush(): void {
    for (const from of ['client', 'server'] as const) {
      const node = this[from]
      const traced = node.tap.sent
      let seen = traced.length
      const take = (poll: (now: number, out: Transmit) => boolean) => {
        while (poll(this.now, this.#out)) {
          const start = node.slots.offset(this.#out.slot)
          const bytes = node.slots.bytes.slice(start, start + this.#out.length)
          node.slots.release(this.#out.slot)
          this.#send({ from, bytes, packets: traced.slice(seen), route: this.#out.route, sentAt: this.now })
          seen = traced.length
        }
      }
      take((now, out) => node.engine.poll(now, out))
      for (const connection of [...node.engine.connections]) take((now, out) => connection.poll(now, out))
      this.#drain(node)
    }
  }

  #drain(node: Node): void {
    for (;;) {
      const event = node.connection?.nextEvent()
      if (event === undefined) return
      node.events.push(event)
    }
  }

  #send(datagram: Datagram): void {
    this.log.push(datagram)
    for (const arriving of this.wire(datagram))
      this.#inFlight.push({ datagram: arriving, at: this.now + this.#delayMs })
  }

  /** Gives a datagram to a node at once. */
  deliver(to: 'client' | 'server', bytes: Uint8Array, route: Route): void {
    const node = this[to]
    const slot = node.slots.acquire()
    node.slots.bytes.set(bytes, node.slots.offset(slot))
    node.engine.receive(slot, bytes.length, route, this.now)
    node.slots.release(slot)
    for (;;) {
      const incoming = node.engine.nextIncoming()
      if (incoming === undefined) break
      if (this.#onIncoming !== undefined) this.#onIncoming(incoming, this)
      else this.server.connection = incoming.accept(this.now)
    }
    this.#drain(node)
  }

  /** The next thing that happens: a datagram arrives or a deadline passes. False when nothing is left to happen. */
  step(): boolean {
    this.flush()
    const connections = [...this.client.engine.connections, ...this.server.engine.connections]
    const deadline = Math.min(...connections.map((connection) => connection.deadline()))
    const arrival = this.#inFlight.length > 0 ? this.#inFlight[0]!.at : Number.POSITIVE_INFINITY
    const at = Math.min(deadline, arrival)
    if (at === Number.POSITIVE_INFINITY) return false
    this.now = Math.max(this.now, at)
    if (arrival <= deadline) {
      const { datagram } = this.#inFlight.shift()!
      this.deliver(datagram.from === 'client' ? 'server' : 'client', datagram.bytes, datagram.route)
    } else for (const connection of connections) if (connection.deadline() <= this.now) connection.tick(this.now)
    this.flush()
    return true
  }

  /** Steps until `done`; throws when that takes more than `limit` steps or nothing is left to happen. */
  until(done: () => boolean, limit = 20_000): void {
    for (let steps = 0; !done(); steps++) {
      if (steps >= limit) throw new Error(`not done after ${limit} steps, at ${this.now} ms`)
      if (!this.step() && !done()) throw new Error(`nothing is left to happen, at ${this.now} ms`)
    }
  }

  /** Everything up to `ms` from now happens. */
  run(ms: number): void {
    const end = this.now + ms
    for (let steps = 0; steps < 100_000; steps++) {
      this.flush()
      const connections = [...this.client.engine.connections, ...this.server.engine.connections]
      const next = Math.min(
        ...connections.map((connection) => connection.deadline()),
        this.#inFlight[0]?.at ?? Number.POSITIVE_INFINITY,
      )
      if (next > end) break
      this.step()
    }
    this.now = Math.max(this.now, end)
  }

  /** From now on nothing arrives but what the test delivers; what was under way is lost. */
  cut(): this {
    this.flush()
    this.wire = () => []
    this.#inFlight.length = 0
    return this
  }

  /** Datagrams of one side, from the `index`-th entry of the log on. */
  sentBy(from: 'client' | 'server', index = 0): Datagram[] {
    return this.log.slice(index).filter((datagram) => datagram.from === from)
  }

  /** Both sides confirmed. */
  connect(): this {
    this.until(() => this.client.of('confirmed').length > 0 && this.server.of('confirmed').length > 0)
    return this
  }

  /** Do `length` bytes on a new stream arrive as they were sent? */
  carries(length: number): boolean {
    const data = pattern(length)
    return Buffer.from(this.transfer(data)).equals(data)
  }

  /** Sends `data` on a new client stream and reads it at the server; returns what arrived. */
  transfer(data: Uint8Array, bidirectional = true): Uint8Array {
    const from = this.client.connection!
    const id = from.streams.open(bidirectional)
    let sent = 0
    const received: Uint8Array[] = []
    let ended = false
    this.until(() => {
      if (sent < data.length) {
        sent += from.streams.write(id, data, sent, data.length)
        if (sent === data.length) from.streams.finish(id)
      }
      const to = this.server.connection!
      while (to.streams.accept(bidirectional) !== -1);
      for (;;) {
        const result = readOr(to, id)
        if (result === 'empty') break
        if (result === 'fin') {
          ended = true
          break
        }
        if (result.kind === 'reset') throw new Error('the stream was reset')
        received.push(result.bytes)
      }
      return ended
    })
    const joined = new Uint8Array(received.reduce((sum, piece) => sum + piece.length, 0))
    let at = 0
    for (const piece of received) {
      joined.set(piece, at)
      at += piece.length
    }
    return joined
  }
}

/** A stream the peer has not opened yet reads as empty. */
function readOr(connection: Connection, id: number) {
  try {
    return connection.streams.read(id, 65_536)
  } catch {
    return 'empty' as const
  }
}

export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index++) bytes[index] = (index * 31 + (index >>> 8)) & 0xff
  return bytes
}
