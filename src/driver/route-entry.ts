/**
 * One interned route: where its datagrams go, who holds it, and what QUIC may ask about it. A UDP route is (socket, remote address), a relay
 * route is (relay URL, peer id); each knows how to send, so that the driver need not ask which it is.
 */
import { formatSocketAddress, parseReportedIp } from '../bytes/index.ts'
import type { AddressBytes, UdpSocket } from '../platform/index.ts'
import type { Route } from '../quic/index.ts'

/** Datagrams in a socket's queue at which its connections are told to stop, and at which they may go on. */
const BLOCK_AT = 64
const UNBLOCK_AT = 16

export interface RouteEntry {
  readonly kind: 'direct' | 'relay'
  readonly route: Route
  /** The remote is this host. */
  readonly isLoopback: boolean
  /** Connections (and undecided incoming ones) that hold the route; only 0 may be forgotten. */
  users: number
  /** What it stood on was taken away: nothing can be sent here any more. */
  isDead: boolean
  /** For people: `ip:port`, or the relay's URL. */
  readonly remote: string
  /** Undefined for a relay. */
  readonly address: AddressBytes | undefined
  /** Two routes to one host: only the port differs. */
  sharesHost(other: RouteEntry): boolean
  /** `done` is called when nobody reads `datagram` any more, perhaps before this returns. */
  send(datagram: Uint8Array, done: () => void): void
  /** Connections should stop sending here, asked after a datagram that was not taken at once. */
  readonly isFull: boolean
  /** Those that were stopped may go on. */
  readonly hasRoom: boolean
}

/** 127.0.0.0/8 (RFC 1122 §3.2.1.3), the same mapped into IPv6, and ::1 (RFC 4291 §2.5.3), as sockets report them. */
function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host.startsWith('::ffff:127.')
}

export class UdpRouteEntry implements RouteEntry {
  readonly kind = 'direct'
  readonly route: Route
  readonly isLoopback: boolean
  users = 0
  isDead = false
  readonly socket: UdpSocket
  /** Numeric, as the socket reports it. */
  readonly host: string
  readonly port: number
  #address: AddressBytes | undefined = undefined

  constructor(route: Route, socket: UdpSocket, host: string, port: number) {
    this.route = route
    this.isLoopback = isLoopback(host)
    this.socket = socket
    this.host = host
    this.port = port
  }

  /** Throws EncodingError where `host` is not numeric, which sockets never report. */
  get address(): AddressBytes {
    this.#address ??= { ip: parseReportedIp(this.host), port: this.port }
    return this.#address
  }

  get remote(): string {
    return formatSocketAddress(this.address)
  }

  sharesHost(other: RouteEntry): boolean {
    return other instanceof UdpRouteEntry && other.host === this.host
  }

  send(datagram: Uint8Array, done: () => void): void {
    this.socket.send(datagram, 0, datagram.length, this.host, this.port, done)
  }

  get isFull(): boolean {
    return this.socket.queued >= BLOCK_AT
  }

  get hasRoom(): boolean {
    return this.isDead || this.socket.queued <= UNBLOCK_AT
  }
}

/** What the driver needs of the relay client: `RelayTransport` of `relay/`, or a test's. */
export interface RelayCarrier {
  /** Sends one datagram to `peer` (32 bytes) through the relay: copied before this returns, or dropped, which is loss to QUIC. */
  send(url: string, peer: Uint8Array, datagram: Uint8Array): void
  /** A round of the driver is over: what was gathered goes out. */
  flush(): void
  /** Nothing can be sent through this relay for now. */
  isBlocked(url: string): boolean
}

/** One relay, as its routes see it. */
export interface RelayLine {
  readonly url: string
  readonly carrier: RelayCarrier
  /** As the carrier last said. */
  isBlocked: boolean
}

export class RelayRouteEntry implements RouteEntry {
  readonly kind = 'relay'
  readonly route: Route
  readonly isLoopback = false
  users = 0
  isDead = false
  readonly address = undefined
  readonly line: RelayLine
  /** The other endpoint's id, 32 bytes. */
  readonly peer: Uint8Array
  /** The next route whose peer has the same key in its table. */
  next: RelayRouteEntry | undefined = undefined

  constructor(route: Route, line: RelayLine, peer: Uint8Array) {
    this.route = route
    this.line = line
    this.peer = peer
  }

  get remote(): string {
    return this.line.url
  }

  /** A relay's RTT says something of another peer behind it, but not enough to start congestion control from. */
  sharesHost(): boolean {
    return false
  }

  send(datagram: Uint8Array, done: () => void): void {
    this.line.carrier.send(this.line.url, this.peer, datagram)
    done()
  }

  get isFull(): boolean {
    return this.line.isBlocked
  }

  get hasRoom(): boolean {
    return this.isDead || !this.line.isBlocked
  }
}
