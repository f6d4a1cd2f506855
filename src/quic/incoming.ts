/** A connection that somebody wants with us, before anything was decided: accept, refuse, retry or ignore it. Bounded by the engine. */
import type { QuicSettings } from './config.ts'
import type { Connection } from './connection/connection.ts'
import type { Route } from './path/route.ts'
import type { PacketKeys } from './protection/packet-keys.ts'

/** The engine's side of an `Incoming`. */
export interface IncomingHost {
  accept(incoming: Incoming, now: number, settings: Partial<QuicSettings> | undefined): Connection
  refuse(incoming: Incoming, now: number): void
  retry(incoming: Incoming, now: number): void
  ignore(incoming: Incoming): void
}

/** What the first datagram told. */
export interface FirstPacket {
  readonly route: Route
  /** The id the client sent its first packet to. */
  readonly destinationId: Uint8Array
  /** The client's own id. */
  readonly sourceId: Uint8Array
  /** RFC 9000 §7.3: differs from `destinationId` after a Retry of ours. */
  readonly originalDestinationId: Uint8Array
  readonly retried: boolean
  /** A token proved the client's address. */
  readonly validated: boolean
  readonly keys: { send: PacketKeys; receive: PacketKeys }
}

export class Incoming {
  readonly first: FirstPacket
  /** Copies of the datagrams received so far; bounded by the engine. */
  readonly datagrams: { readonly bytes: Uint8Array; readonly route: Route }[] = []
  bufferedBytes = 0
  readonly #host: IncomingHost
  #decided = false

  constructor(host: IncomingHost, first: FirstPacket) {
    this.#host = host
    this.first = first
  }

  get route(): Route {
    return this.first.route
  }

  /** The client's address is proved: a Retry would tell nothing new. */
  get validated(): boolean {
    return this.first.validated
  }

  /** Undecided still. */
  get isPending(): boolean {
    return !this.#decided
  }

  #decide(): void {
    if (this.#decided) throw new Error('this incoming connection was already accepted, refused, retried or ignored')
    this.#decided = true
  }

  accept(now: number, settings?: Partial<QuicSettings>): Connection {
    this.#decide()
    return this.#host.accept(this, now, settings)
  }

  /** CONNECTION_REFUSED (RFC 9000 §20.1). */
  refuse(now: number): void {
    this.#decide()
    this.#host.refuse(this, now)
  }

  /** Makes the client prove its address first (RFC 9000 §8.1.2); it comes back as another `Incoming`. */
  retry(now: number): void {
    if (this.validated) throw new Error('the address is already validated; accept or refuse the connection')
    this.#decide()
    this.#host.retry(this, now)
  }

  /** Silence. */
  ignore(): void {
    this.#decide()
    this.#host.ignore(this)
  }
}
