/**
 * Our node below its public face: a bare driver with as many sockets as wanted, whose connections have QUIC's own verbs, events and frames beside the
 * public ones. For what the public face does not offer: paths, migration, key updates.
 */
import { onTestFinished } from 'vitest'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { type ConnectionHandler, Driver } from '../../src/driver/index.ts'
import { Connection } from '../../src/endpoint/connection.ts'
import { EndpointId, SecretKey } from '../../src/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'
import {
  type ConnectionEvent,
  Engine,
  type PathStats,
  type Connection as QuicConnection,
  type QuicSettings,
} from '../../src/quic/index.ts'
import { FrameLog } from './frame-log.ts'
import { ALPNS, portOf, serve, v4 } from './our-node.ts'
import type { ReferencePeer } from './reference-peer.ts'

/** A wait that takes longer has failed, ms. */
const WAIT_LIMIT_MS = 10_000

type Found<T extends ConnectionEvent['type']> = Extract<ConnectionEvent, { type: T }>

export class LowConnection {
  readonly node: LowNode
  /** The public face. */
  readonly connection: Connection
  readonly quic: QuicConnection
  /** All events of QUIC so far. */
  readonly events: ConnectionEvent[]
  readonly frames: FrameLog
  readonly #waiting = new Set<(event: ConnectionEvent) => void>()

  constructor(
    node: LowNode,
    dialled: EndpointId | undefined,
    start: (handler: ConnectionHandler) => QuicConnection,
    takeFrames: () => FrameLog,
  ) {
    this.node = node
    this.events = []
    let quic: QuicConnection | undefined
    this.connection = new Connection({
      driver: node.driver,
      ...(dialled === undefined ? {} : { dialled }),
      tried: [],
      start: (handler) => {
        quic = start({
          onEvent: (event) => {
            this.events.push(event)
            for (const waiting of [...this.#waiting]) waiting(event)
            handler.onEvent(event)
          },
        })
        return quic
      },
      onDrained: () => {},
    })
    this.quic = quic!
    this.frames = takeFrames()
  }

  /** The first event, past or to come, that matches. */
  waitFor<T extends ConnectionEvent['type']>(
    type: T,
    matches: (event: Found<T>) => boolean = () => true,
  ): Promise<Found<T>> {
    const isIt = (event: ConnectionEvent): boolean => event.type === type && matches(event as Found<T>)
    const past = this.events.find(isIt)
    if (past !== undefined) return Promise.resolve(past as Found<T>)
    return new Promise((resolve, reject) => {
      const waiting = (event: ConnectionEvent): void => {
        if (!isIt(event)) return
        clearTimeout(timer)
        this.#waiting.delete(waiting)
        resolve(event as Found<T>)
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting)
        reject(new Error(`no ${type} event in time; there were ${this.events.map((event) => event.type).join(', ')}`))
      }, WAIT_LIMIT_MS)
      this.#waiting.add(waiting)
    })
  }

  /** A verb of QUIC; the driver then looks whether there is something to send. */
  act<T>(verb: (quic: QuicConnection, now: number) => T): T {
    const result = verb(this.quic, this.node.platform.now())
    this.node.driver.touch(this.quic)
    return result
  }

  /** Opens a path to `address`, `127.0.0.1:port`, from one of our sockets; its id once it is validated. Waits where ids are short. */
  async openPath(address: string, socket = 0, status: 'available' | 'backup' = 'available'): Promise<number> {
    await this.waitFor('confirmed')
    const route = this.node.driver.route('127.0.0.1', portOf(address), this.node.driver.sockets[socket])!
    for (;;) {
      const seen = this.events.length
      const id = this.act((quic, now) => quic.openPath(route, status, now))
      if (id === undefined) {
        await this.waitFor('paths-available', (event) => this.events.indexOf(event) >= seen)
        continue
      }
      await this.waitFor('path-validated', ({ path }) => path === id)
      return id
    }
  }

  /** Its counters; fails when it is gone. */
  path(id: number): PathStats {
    const found = this.quic.paths().find((path) => path.id === id)
    if (found === undefined) throw new Error(`there is no path ${id}`)
    return found
  }

  /** Ids of the paths that data may go on. */
  get openPaths(): number[] {
    return this.quic
      .paths()
      .filter(({ state }) => state === 'open')
      .map(({ id }) => id)
  }
}

export class LowNode {
  readonly driver: Driver
  readonly platform: NodePlatform
  readonly accepted: LowConnection[]
  /** Of the connection that the engine made last. */
  #frames = new FrameLog()

  private constructor(settings: Partial<QuicSettings>) {
    this.platform = new NodePlatform()
    this.accepted = []
    const { random } = this.platform
    this.driver = new Driver({
      platform: this.platform,
      createEngine: (slots, routes) =>
        new Engine({
          crypto: createNodeCrypto(),
          random,
          slots,
          routes,
          settings,
          secretKey: SecretKey.generate(random).toBytes(),
          server: { alpns: () => ALPNS.map((alpn) => new TextEncoder().encode(alpn)) },
          trace: () => {
            this.#frames = new FrameLog()
            return this.#frames
          },
        }),
      onIncoming: (incoming) => {
        const low = this.#connection(undefined, (handler) => this.driver.accept(incoming, handler))
        low.connection.established.then(
          () => {
            this.accepted.push(low)
            return serve(low.connection)
          },
          // one that fails is the dialling side's to report
          () => {},
        )
      },
      onFault: (error) => {
        throw error
      },
    })
  }

  /** Closed with the test. */
  static async open(settings: Partial<QuicSettings> = {}, sockets = 1): Promise<LowNode> {
    const node = await LowNode.bind(settings, sockets)
    onTestFinished(() => node.close())
    return node
  }

  /** To be closed by whoever asked for it. */
  static async bind(settings: Partial<QuicSettings> = {}, sockets = 1): Promise<LowNode> {
    const node = new LowNode(settings)
    for (let index = 0; index < sockets; index++) await node.addSocket()
    return node
  }

  get id(): string {
    return String(EndpointId.fromBytes(this.driver.engine.publicKey))
  }

  get addrs(): string[] {
    return this.driver.sockets.map(({ port }) => `127.0.0.1:${port}`)
  }

  async addSocket(): Promise<void> {
    this.driver.addSocket(await this.platform.bindUdp({ host: '127.0.0.1', port: 0 }))
  }

  async connect(
    peer: Pick<ReferencePeer, 'id' | 'addrs'>,
    alpn: string,
    address: string = v4(peer.addrs),
  ): Promise<LowConnection> {
    const id = EndpointId.parse(peer.id)
    const alpns = [new TextEncoder().encode(alpn)]
    const routes = [this.driver.route('127.0.0.1', portOf(address))!]
    const low = this.#connection(id, (handler) => this.driver.connect({ peer: id.toBytes(), alpns, routes }, handler))
    await low.connection.established
    return low
  }

  /** The first connection that somebody dials, or the `index`th. */
  async nextAccepted(index = 0): Promise<LowConnection> {
    const end = performance.now() + WAIT_LIMIT_MS
    while (this.accepted.length <= index) {
      if (performance.now() > end) throw new Error('nobody came')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    return this.accepted[index]!
  }

  async close(): Promise<void> {
    for (const connection of this.driver.engine.connections) this.driver.closeConnection(connection, 0, '')
    await new Promise((resolve) => setTimeout(resolve, 20))
    await this.driver.close()
  }

  #connection(dialled: EndpointId | undefined, start: (handler: ConnectionHandler) => QuicConnection): LowConnection {
    return new LowConnection(this, dialled, start, () => this.#frames)
  }
}
