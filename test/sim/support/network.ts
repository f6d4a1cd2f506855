/**
 * The virtual network: sockets with addresses, NATs in front of some of them, a link for each ordered pair of sites and family. Knows no
 * QUIC; watchers see each datagram as it leaves and as it arrives.
 */
import type { UdpSocket } from '../../../src/platform/index.ts'
import type { VirtualClock } from './clock.ts'
import { Delay, Link } from './link-parts.ts'

export type Family = 4 | 6

/** One side of the network as seen from outside: `host` and `port` are public. */
export interface Address {
  readonly host: string
  readonly port: number
}

export function addressKey(host: string, port: number): string {
  return `${host} ${port}`
}

export interface Watcher {
  /** `local` sends to `remote`, both as the sender knows them; `source` is what the receiver will see. */
  sent?(local: SimSocket, source: Address, remote: Address, bytes: Uint8Array, now: number): void
  /** `local` gets what `source` sent to `target` at `sentAt`; behind a NAT `target` is not the socket's own address. */
  delivered?(local: SimSocket, source: Address, target: Address, bytes: Uint8Array, sentAt: number, now: number): void
}

/** How long datagrams stay in the socket: a busy kernel buffer. */
export interface SocketPace {
  /** Datagrams that go straight out within one interval; more wait. */
  readonly count: number
  readonly everyMs: number
}

interface QueuedSend {
  readonly data: Uint8Array
  readonly start: number
  readonly length: number
  readonly host: string
  readonly port: number
  readonly done: () => void
}

/** What a socket is plugged into. */
export interface SocketWire {
  transmit(socket: SimSocket, bytes: Uint8Array, host: string, port: number): void
  detach(socket: SimSocket): void
}

export class SimSocket implements UdpSocket {
  readonly site: string
  readonly family: Family
  readonly host: string
  readonly port: number
  readonly receiveBufferSize = 212_992
  onMessage: (data: Uint8Array, host: string, port: number) => void = () => {}
  onError: (error: Error) => void = () => {}
  isClosed = false
  readonly #network: SocketWire
  readonly #clock: VirtualClock
  readonly #pace: SocketPace | undefined
  readonly #queue: QueuedSend[] = []
  #windowAt = -1
  #windowCount = 0
  #isDraining = false

  constructor(
    network: SocketWire,
    clock: VirtualClock,
    site: string,
    host: string,
    port: number,
    pace: SocketPace | undefined,
  ) {
    this.#network = network
    this.#clock = clock
    this.site = site
    this.family = host.includes(':') ? 6 : 4
    this.host = host
    this.port = port
    this.#pace = pace
  }

  get queued(): number {
    return this.#queue.length
  }

  send(data: Uint8Array, start: number, length: number, host: string, port: number, done: () => void): void {
    if (this.isClosed) throw new Error('sent on a closed socket')
    if (this.#pace !== undefined && (this.#queue.length > 0 || !this.#hasRoom(this.#pace))) {
      // The bytes are read when the datagram goes out: whoever writes into the slot before `done` corrupts it.
      this.#queue.push({ data, start, length, host, port, done })
      this.#drainLater()
      return
    }
    this.#network.transmit(this, data.slice(start, start + length), host, port)
    done()
  }

  #hasRoom(pace: SocketPace): boolean {
    const window = Math.floor(this.#clock.now / pace.everyMs)
    if (window !== this.#windowAt) {
      this.#windowAt = window
      this.#windowCount = 0
    }
    return this.#windowCount++ < pace.count
  }

  #drainLater(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    this.#clock.after(this.#pace!.everyMs, () => {
      this.#isDraining = false
      for (const item of this.#queue.splice(0, this.#pace!.count)) {
        if (!this.isClosed)
          this.#network.transmit(this, item.data.slice(item.start, item.start + item.length), item.host, item.port)
        item.done()
      }
      if (this.#queue.length > 0) this.#drainLater()
    })
  }

  close(): Promise<void> {
    this.isClosed = true
    this.#network.detach(this)
    for (const item of this.#queue.splice(0)) item.done()
    return Promise.resolve()
  }
}

/** Many inside, one host outside; a mapping serves any remote (endpoint-independent). */
export class Nat {
  host: string
  #nextPort = 20_000
  readonly #outside = new Map<SimSocket, number>()
  readonly #inside = new Map<number, SimSocket>()

  constructor(host: string) {
    this.host = host
  }

  /** The public address of `socket`, made when first asked for. */
  translate(socket: SimSocket): Address {
    let port = this.#outside.get(socket)
    if (port === undefined) {
      port = this.#nextPort++
      this.#outside.set(socket, port)
      this.#inside.set(port, socket)
    }
    return { host: this.host, port }
  }

  find(host: string, port: number): SimSocket | undefined {
    return host === this.host ? this.#inside.get(port) : undefined
  }

  /** All mappings are forgotten: the next datagram out gets a new port, or a new address altogether. */
  rebind(host = this.host): void {
    this.host = host
    this.#outside.clear()
    this.#inside.clear()
  }
}

export class Network {
  readonly watchers: Watcher[] = []
  readonly #clock: VirtualClock
  readonly #sockets = new Map<string, SimSocket>()
  readonly #nats = new Map<string, Nat>()
  readonly #links = new Map<string, Link>()
  /** Between two hosts, before those between two sites. */
  readonly #hostLinks = new Map<string, Link>()
  readonly #silent = new Set<string>()
  #nextPort = 40_000

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  /** The link for datagrams from one site to another. */
  setLink(from: string, to: string, family: Family, link: Link): void {
    this.#links.set(`${from}>${to}/${family}`, link)
  }

  /** The link for datagrams from one host to another, both as their own side knows them: nodes with several interfaces. */
  setHostLink(from: string, to: string, link: Link): void {
    this.#hostLinks.set(`${from}>${to}`, link)
  }

  /** All IPv4 sockets of the site are behind `nat`, or only those of one host of it. */
  setNat(siteOrHost: string, nat: Nat): void {
    this.#nats.set(siteOrHost, nat)
  }

  #natOf(socket: SimSocket): Nat | undefined {
    return socket.family === 4 ? (this.#nats.get(socket.host) ?? this.#nats.get(socket.site)) : undefined
  }

  open(site: string, host: string, port: number, pace?: SocketPace): SimSocket {
    const socket = new SimSocket(this, this.#clock, site, host, port === 0 ? this.#nextPort++ : port, pace)
    const key = addressKey(socket.host, socket.port)
    if (this.#sockets.has(key)) throw new Error(`${key} is in use`)
    this.#sockets.set(key, socket)
    return socket
  }

  get openSockets(): number {
    return this.#sockets.size
  }

  detach(socket: SimSocket): void {
    this.#sockets.delete(addressKey(socket.host, socket.port))
  }

  /** The site's cable is pulled. */
  silence(site: string): void {
    this.#silent.add(site)
  }

  restore(site: string): void {
    this.#silent.delete(site)
  }

  transmit(socket: SimSocket, bytes: Uint8Array, host: string, port: number): void {
    const now = this.#clock.now
    const nat = this.#natOf(socket)
    const source = nat === undefined ? { host: socket.host, port: socket.port } : nat.translate(socket)
    for (const watcher of this.watchers) watcher.sent?.(socket, source, { host, port }, bytes, now)
    this.inject(socket.site, source, bytes, host, port, socket.host)
  }

  /** A datagram with any source address, on the link from `site`, or from `inside`, the host it comes from. */
  inject(site: string, source: Address, bytes: Uint8Array, host: string, port: number, inside?: string): void {
    const sentAt = this.#clock.now
    const target = this.#find(host, port)
    if (target === undefined || this.#silent.has(site)) return
    const link =
      this.#hostLinks.get(`${inside}>${target.host}`) ??
      this.#links.get(`${site}>${target.site}/${target.family}`) ??
      new Link([new Delay(1)])
    link.pass({ bytes, at: sentAt }, (parcel) => {
      this.#clock.schedule(parcel.at, () => this.#deliver(source, parcel.bytes, host, port, sentAt))
    })
  }

  #find(host: string, port: number): SimSocket | undefined {
    const direct = this.#sockets.get(addressKey(host, port))
    if (direct !== undefined && this.#natOf(direct) === undefined) return direct
    for (const nat of this.#nats.values()) {
      const socket = nat.find(host, port)
      if (socket !== undefined && !socket.isClosed) return socket
    }
    return undefined
  }

  #deliver(source: Address, bytes: Uint8Array, host: string, port: number, sentAt: number): void {
    // Looked up on arrival: a mapping may have gone meanwhile, a node may have been restarted.
    const socket = this.#find(host, port)
    if (socket === undefined || this.#silent.has(socket.site)) return
    for (const watcher of this.watchers)
      watcher.delivered?.(socket, source, { host, port }, bytes, sentAt, this.#clock.now)
    socket.onMessage(bytes, source.host, source.port)
  }
}
