/**
 * Interns where datagrams go: (UDP socket, remote address) or (relay, peer) becomes a small integer that QUIC compares and never looks into. Answers
 * QUIC's questions about a route, and forgets routes that no connection uses, for source addresses are easily forged.
 */
import type { AddressBytes, UdpSocket } from '../platform/index.ts'
import type { Route, RouteInfo } from '../quic/index.ts'
import { RelayRoutes } from './relay-routes.ts'
import { type RelayCarrier, RelayRouteEntry, type RouteEntry, UdpRouteEntry } from './route-entry.ts'

/** Routes that no connection holds are kept up to here; the oldest goes first. A few hundred kB. */
const MAX_COLD_ROUTES = 4096
/** Relays beyond this are forgotten where no route leads through them; an endpoint mostly knows a handful. */
const MAX_RELAYS = 64
/** More than this in flight to ourselves gains nothing, bytes (spec/fast-path.md §4). */
const LOOPBACK_FLIGHT = 512 * 1024
/**
 * Part of a receive buffer that datagrams in flight to ourselves may take: the kernel charges 1.6 times their size, and two connections
 * may send to one socket.
 */
const FLIGHT_PART = 0.4

export interface DatagramSizes {
  /** Largest datagram to an address elsewhere, bytes. */
  readonly remote: number
  /** Largest datagram to an address of this host, bytes. */
  readonly loopback: number
}

/** The routes of one socket. */
export class SocketRoutes {
  readonly socket: UdpSocket
  readonly #table: RouteTable
  /** Port first: a number, and nearly always different. */
  readonly #byPort = new Map<number, Map<string, UdpRouteEntry>>()
  /** Bursts come from one peer, so most look-ups end here. */
  #last: UdpRouteEntry | undefined = undefined

  constructor(socket: UdpSocket, table: RouteTable) {
    this.socket = socket
    this.#table = table
  }

  /** The route to a remote address, new or known. Its integer is never used for anything else. */
  intern(host: string, port: number): Route {
    const last = this.#last
    if (last !== undefined && last.port === port && last.host === host) return last.route
    let hosts = this.#byPort.get(port)
    if (hosts === undefined) {
      hosts = new Map()
      this.#byPort.set(port, hosts)
    }
    let entry = hosts.get(host)
    if (entry === undefined) {
      entry = this.#table.create(this.socket, host, port)
      // Creating may have forgotten the last route of this very port, and its map with it.
      this.#byPort.set(port, hosts)
      hosts.set(host, entry)
    }
    this.#last = entry
    return entry.route
  }

  /** Only the table calls this. */
  forget(entry: UdpRouteEntry): void {
    if (this.#last === entry) this.#last = undefined
    const hosts = this.#byPort.get(entry.port)
    if (hosts === undefined) return
    hosts.delete(entry.host)
    if (hosts.size === 0) this.#byPort.delete(entry.port)
  }
}

export class RouteTable implements RouteInfo {
  readonly #sizes: DatagramSizes
  readonly #maxCold: number
  readonly #sockets = new Map<UdpSocket, SocketRoutes>()
  /** By URL. */
  readonly #relays = new Map<string, RelayRoutes>()
  readonly #entries = new Map<Route, RouteEntry>()
  /** Routes that nobody holds, oldest first. */
  readonly #cold = new Set<RouteEntry>()
  #next = 0
  #last: RouteEntry | undefined = undefined

  constructor(sizes: DatagramSizes, maxCold: number = MAX_COLD_ROUTES) {
    this.#sizes = sizes
    this.#maxCold = maxCold
  }

  get size(): number {
    return this.#entries.size
  }

  addSocket(socket: UdpSocket): SocketRoutes {
    const routes = new SocketRoutes(socket, this)
    this.#sockets.set(socket, routes)
    return routes
  }

  /** The socket is gone; routes that connections still hold stay known, but lead nowhere. */
  removeSocket(socket: UdpSocket): void {
    this.#sockets.delete(socket)
    for (const entry of this.#entries.values()) {
      if (!(entry instanceof UdpRouteEntry) || entry.socket !== socket) continue
      entry.isDead = true
      if (entry.users === 0) this.#forget(entry)
    }
  }

  /** The routes of a relay; `carrier` brings its datagrams there. */
  relay(url: string, carrier: RelayCarrier): RelayRoutes {
    let routes = this.#relays.get(url)
    if (routes === undefined) {
      if (this.#relays.size >= MAX_RELAYS) this.#forgetRelays()
      routes = new RelayRoutes(url, carrier, (line, peer) => this.#keep(new RelayRouteEntry(this.#next++, line, peer)))
      this.#relays.set(url, routes)
    }
    return routes
  }

  /** The routes of a relay that were asked for before. */
  knownRelay(url: string): RelayRoutes | undefined {
    return this.#relays.get(url)
  }

  entry(route: Route): RouteEntry | undefined {
    const last = this.#last
    if (last !== undefined && last.route === route) return last
    const entry = this.#entries.get(route)
    if (entry !== undefined) this.#last = entry
    return entry
  }

  /** One holder more. False: the route is not known (any more). */
  retain(route: Route): boolean {
    const entry = this.#entries.get(route)
    if (entry === undefined) return false
    if (entry.users++ === 0) this.#cold.delete(entry)
    return true
  }

  release(route: Route): void {
    const entry = this.#entries.get(route)
    if (entry === undefined || entry.users === 0) return
    if (--entry.users > 0) return
    if (entry.isDead) this.#forget(entry)
    else this.#cool(entry)
  }

  /** Only `SocketRoutes` calls this. */
  create(socket: UdpSocket, host: string, port: number): UdpRouteEntry {
    return this.#keep(new UdpRouteEntry(this.#next++, socket, host, port))
  }

  /** Numbers only grow: a connection that outlives its route must not meet a stranger under the same number. */
  #keep<T extends RouteEntry>(entry: T): T {
    this.#entries.set(entry.route, entry)
    this.#cool(entry)
    return entry
  }

  maxDatagramSize(route: Route): number {
    return this.#entries.get(route)?.isLoopback === true ? this.#sizes.loopback : this.#sizes.remote
  }

  /** Only to ourselves do we know whose buffer the datagrams wait in: one like that of our own socket. */
  maxBytesInFlight(route: Route): number {
    const entry = this.#entries.get(route)
    if (!(entry instanceof UdpRouteEntry) || !entry.isLoopback) return Number.POSITIVE_INFINITY
    const granted = entry.socket.receiveBufferSize
    return granted > 0 ? Math.min(LOOPBACK_FLIGHT, granted * FLIGHT_PART) : LOOPBACK_FLIGHT
  }

  sameHost(left: Route, right: Route): boolean {
    if (left === right) return true
    const one = this.#entries.get(left)
    const other = this.#entries.get(right)
    return one !== undefined && other !== undefined && one.sharesHost(other)
  }

  address(route: Route): AddressBytes | undefined {
    return this.#entries.get(route)?.address
  }

  #forgetRelays(): void {
    for (const [url, routes] of this.#relays) if (routes.isEmpty) this.#relays.delete(url)
  }

  #cool(entry: RouteEntry): void {
    this.#cold.add(entry)
    if (this.#cold.size <= this.#maxCold) return
    for (const oldest of this.#cold) {
      this.#forget(oldest)
      return
    }
  }

  #forget(entry: RouteEntry): void {
    this.#cold.delete(entry)
    this.#entries.delete(entry.route)
    if (this.#last === entry) this.#last = undefined
    if (entry instanceof UdpRouteEntry) this.#sockets.get(entry.socket)?.forget(entry)
    else if (entry instanceof RelayRouteEntry) this.#relays.get(entry.line.url)?.forget(entry)
  }
}
