/**
 * Interns where datagrams go: (UDP socket, remote address) becomes a small integer that QUIC compares and never looks into. Answers
 * QUIC's three questions about a route, and forgets routes that no connection uses, for source addresses are easily forged.
 */
import { parseIp } from '../bytes/index.ts'
import type { AddressBytes, UdpSocket } from '../platform/index.ts'
import type { Route, RouteInfo } from '../quic/index.ts'

/** Routes that no connection holds are kept up to here; the oldest goes first. A few hundred kB. */
const MAX_COLD_ROUTES = 4096
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

/** 127.0.0.0/8 (RFC 1122 §3.2.1.3), the same mapped into IPv6, and ::1 (RFC 4291 §2.5.3), as sockets report them. */
function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host.startsWith('::ffff:127.')
}

export class RouteEntry {
  readonly route: Route
  readonly socket: UdpSocket
  /** Numeric, as the socket reports it. */
  readonly host: string
  readonly port: number
  /** The remote is this host. */
  readonly isLoopback: boolean
  /** Connections (and undecided incoming ones) that hold the route; only 0 may be forgotten. */
  users = 0
  /** The socket was taken away: nothing can be sent here any more. */
  isDead = false
  #address: AddressBytes | undefined = undefined

  constructor(route: Route, socket: UdpSocket, host: string, port: number) {
    this.route = route
    this.socket = socket
    this.host = host
    this.port = port
    this.isLoopback = isLoopback(host)
  }

  /** Throws EncodingError where `host` is not numeric, which sockets never report. */
  get address(): AddressBytes {
    // Sockets report link-local addresses with the interface they belong to, which no wire format carries.
    const zone = this.host.indexOf('%')
    this.#address ??= { ip: parseIp(zone < 0 ? this.host : this.host.slice(0, zone)), port: this.port }
    return this.#address
  }
}

/** The routes of one socket. */
export class SocketRoutes {
  readonly socket: UdpSocket
  readonly #table: RouteTable
  /** Port first: a number, and nearly always different. */
  readonly #byPort = new Map<number, Map<string, RouteEntry>>()
  /** Bursts come from one peer, so most look-ups end here. */
  #last: RouteEntry | undefined = undefined

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
  forget(entry: RouteEntry): void {
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
      if (entry.socket !== socket) continue
      entry.isDead = true
      if (entry.users === 0) this.#forget(entry)
    }
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
  create(socket: UdpSocket, host: string, port: number): RouteEntry {
    // Numbers only grow: a connection that outlives its route must not meet a stranger under the same number.
    const entry = new RouteEntry(this.#next++, socket, host, port)
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
    if (entry === undefined || !entry.isLoopback) return Number.POSITIVE_INFINITY
    const granted = entry.socket.receiveBufferSize
    return granted > 0 ? Math.min(LOOPBACK_FLIGHT, granted * FLIGHT_PART) : LOOPBACK_FLIGHT
  }

  sameHost(left: Route, right: Route): boolean {
    if (left === right) return true
    const one = this.#entries.get(left)
    const other = this.#entries.get(right)
    return one !== undefined && other !== undefined && one.host === other.host
  }

  address(route: Route): AddressBytes | undefined {
    return this.#entries.get(route)?.address
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
    this.#sockets.get(entry.socket)?.forget(entry)
  }
}
