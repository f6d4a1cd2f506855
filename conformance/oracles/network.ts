/**
 * The network between one server and its clients, as a UDP forwarder on loopback: links both ways with seeded loss and delay, a NAT that gives each client
 * an address of its own and can take it away, a black hole. It keeps every datagram with what became of it, for `dissect/`.
 */
import { createSocket, type Socket } from 'node:dgram'
import { SimRandom } from '../../test/sim/support/random.ts'
import { CrossTraffic } from './cross-traffic.ts'
import { type Fate, Link, type LinkSettings, USUAL_LINK } from './link.ts'

export interface NetworkSettings {
  readonly seed: string
  readonly link?: Partial<LinkSettings>
  /** The NAT forgets its clients so long after the first datagram, and then every so often, ms; `newHost`: its own address changes too. */
  readonly rebind?: { readonly firstMs: number; readonly everyMs: number; readonly newHost: boolean }
  /** Nothing passes from then on, ms after the first datagram, for so long. */
  readonly blackHole?: { readonly atMs: number; readonly lengthMs: number }
  /** Another transfer shares the way from the server to the clients, until the network is closed. */
  readonly crossTraffic?: boolean
}

export interface Datagram {
  /** When the sender handed it in, ms since the first. */
  readonly at: number
  readonly from: 'client' | 'server'
  /** The client's own address, `ip:port`. */
  readonly client: string
  /** As the server sees it. */
  readonly outside: string
  /** As it was sent. */
  readonly bytes: Uint8Array
  readonly fate: Fate
}

/** One client address and what the NAT made of it. */
interface Mapping {
  readonly client: string
  readonly clientPort: number
  readonly clientHost: string
  back: Socket
  outside: string
}

interface Delivery {
  readonly at: number
  readonly run: () => void
}

const LOOPBACK = '127.0.0.1'
/** Kernel buffers that hold a burst while this process is busy, bytes. */
const SOCKET_BUFFER = 1 << 20

async function bound(host: string, onMessage: (data: Buffer, host: string, port: number) => void): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.on('message', (data, { address, port }) => onMessage(data, address, port))
  // A datagram to a port that was just closed: lost, as on any network.
  socket.on('error', () => {})
  await new Promise<void>((resolve) => socket.bind(0, host, resolve))
  socket.setRecvBufferSize(SOCKET_BUFFER)
  return socket
}

export class Network {
  readonly datagrams: Datagram[] = []
  readonly #settings: NetworkSettings
  readonly #serverPort: number
  readonly #toServer: Link
  readonly #toClient: Link
  readonly #cross: CrossTraffic | undefined
  readonly #mappings = new Map<string, Promise<Mapping>>()
  readonly #sockets = new Set<Socket>()
  /** In order of time, later ones last. */
  readonly #deliveries: Delivery[] = []
  #timer: NodeJS.Timeout | undefined = undefined
  #rebinding: NodeJS.Timeout | undefined = undefined
  #front: Socket | undefined = undefined
  #startedAt: number | undefined = undefined
  #host = LOOPBACK
  #rebinds = 0
  #isClosed = false

  /** Between clients and a server on 127.0.0.1. */
  static async open(server: string, settings: NetworkSettings): Promise<Network> {
    const network = new Network(server, settings)
    network.#front = await network.#bind(LOOPBACK, (data, host, port) => network.#fromClient(data, host, port))
    return network
  }

  private constructor(server: string, settings: NetworkSettings) {
    const link = { ...USUAL_LINK, ...settings.link }
    this.#settings = settings
    this.#serverPort = Number(server.slice(server.lastIndexOf(':') + 1))
    const random = new SimRandom(settings.seed)
    this.#toServer = new Link(link, random.fork('to-server'))
    this.#toClient = new Link(link, random.fork('to-client'))
    this.#cross = settings.crossTraffic ? new CrossTraffic(this.#toClient, link.delayMs) : undefined
  }

  /** Where clients send to. */
  get address(): string {
    return `${LOOPBACK}:${this.#front!.address().port}`
  }

  /** What the other transfer got through, bytes. */
  get crossTrafficBytes(): number {
    return this.#cross?.bytes ?? 0
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#rebinding)
    for (const socket of this.#sockets) socket.close()
    this.#sockets.clear()
    this.#deliveries.length = 0
  }

  async #bind(host: string, onMessage: (data: Buffer, host: string, port: number) => void): Promise<Socket> {
    const socket = await bound(host, (data, fromHost, port) => {
      if (!this.#isClosed) onMessage(data, fromHost, port)
    })
    if (this.#isClosed) socket.close()
    else this.#sockets.add(socket)
    return socket
  }

  #fromClient(data: Buffer, host: string, port: number): void {
    if (this.#startedAt === undefined) {
      this.#startedAt = performance.now()
      const { rebind } = this.#settings
      if (rebind !== undefined) this.#rebindIn(rebind.firstMs)
    }
    const client = `${host}:${port}`
    const receivedAt = performance.now()
    let mapping = this.#mappings.get(client)
    if (mapping === undefined) {
      mapping = this.#map(client, host, port)
      this.#mappings.set(client, mapping)
    }
    // The first datagram of an address waits for its socket, and all are handed in in their order.
    mapping.then((known) => {
      const { back, outside } = known
      this.#carry(this.#toServer, 'client', known, outside, data, receivedAt, (bytes) => {
        back.send(bytes, this.#serverPort, LOOPBACK)
      })
    })
  }

  async #map(client: string, clientHost: string, clientPort: number): Promise<Mapping> {
    const mapping = { client, clientHost, clientPort } as Mapping
    await this.#assign(mapping)
    return mapping
  }

  async #assign(mapping: Mapping): Promise<void> {
    const back = await this.#bind(this.#host, (data) => {
      const isStale = mapping.back !== back
      const send = (bytes: Uint8Array): void => this.#front!.send(bytes, mapping.clientPort, mapping.clientHost)
      this.#carry(this.#toClient, 'server', mapping, outside, data, performance.now(), send, isStale)
    })
    if (this.#isClosed) return
    const outside = `${this.#host}:${back.address().port}`
    mapping.back = back
    mapping.outside = outside
  }

  #rebindIn(ms: number): void {
    this.#rebinding = setTimeout(async () => {
      const { newHost, everyMs } = this.#settings.rebind!
      this.#rebinds++
      // All of 127.0.0.0/8 is this machine.
      if (newHost) this.#host = `127.0.0.${1 + this.#rebinds}`
      for (const mapping of this.#mappings.values()) await this.#assign(await mapping)
      if (!this.#isClosed) this.#rebindIn(everyMs)
    }, ms)
  }

  #carry(
    link: Link,
    from: Datagram['from'],
    mapping: Mapping,
    outside: string,
    data: Uint8Array,
    now: number,
    send: (bytes: Uint8Array) => void,
    isStale = false,
  ): void {
    if (this.#isClosed) return
    const elapsed = now - this.#startedAt!
    const hole = this.#settings.blackHole
    const isInHole = hole !== undefined && elapsed >= hole.atMs && elapsed < hole.atMs + hole.lengthMs
    this.#cross?.advance(now)
    const passage = link.pass(data.length, now)
    const fate = isStale ? 'stale-address' : isInHole ? 'black-hole' : passage.fate
    this.datagrams.push({ at: elapsed, from, client: mapping.client, outside, bytes: data, fate })
    if (fate !== 'delivered' && fate !== 'corrupted') return
    const arriving = fate === 'corrupted' ? link.corrupt(data) : data
    this.#deliver({ at: passage.at, run: () => send(arriving) })
  }

  #deliver(delivery: Delivery): void {
    let index = this.#deliveries.length
    while (index > 0 && this.#deliveries[index - 1]!.at > delivery.at) index--
    this.#deliveries.splice(index, 0, delivery)
    if (index === 0) this.#arm()
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const first = this.#deliveries[0]
    if (first !== undefined) this.#timer = setTimeout(() => this.#run(), Math.max(0, first.at - performance.now()))
  }

  #run(): void {
    const now = performance.now()
    while (this.#deliveries.length > 0 && this.#deliveries[0]!.at <= now) this.#deliveries.shift()!.run()
    this.#arm()
  }
}
