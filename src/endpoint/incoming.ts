/** Somebody dials us: decide by address before any work is done for them. Undecided ones are bounded by the endpoint. */
import type { Driver } from '../driver/index.ts'
import type { Incoming as QuicIncoming } from '../quic/index.ts'
import type { Connection } from './connection.ts'
import { type WaitOptions, withSignal } from './wait.ts'

/** Internal: how `Endpoint` makes the connection. */
export type AcceptConnection = (incoming: QuicIncoming) => Connection

export class Incoming {
  /** `ip:port` the first packet came from, or the URL of the relay that brought it; proved only if `isValidated`. */
  readonly remoteAddress: string
  /** A Retry or a token proved that the peer receives at its address. */
  readonly isValidated: boolean
  readonly #driver: Driver
  readonly #quic: QuicIncoming
  readonly #accept: AcceptConnection

  /** Made by `Endpoint`. */
  constructor(driver: Driver, quic: QuicIncoming, accept: AcceptConnection) {
    this.remoteAddress = driver.routes.entry(quic.route)?.remote ?? 'unknown'
    this.isValidated = quic.validated
    this.#driver = driver
    this.#quic = quic
    this.#accept = accept
  }

  /**
   * Resolves when the handshake is complete and the peer's key is known; at most the handshake timeout (default 30 s). Throws ConnectError. When the
   * signal is aborted, the connection is closed with code 0.
   */
  async accept({ signal }: WaitOptions = {}): Promise<Connection> {
    signal?.throwIfAborted()
    const connection = this.#accept(this.#quic)
    try {
      await withSignal(connection.established, signal)
    } catch (error) {
      connection.close(0, '')
      throw error
    }
    return connection
  }

  /** Tells the peer that it is not wanted (CONNECTION_REFUSED). */
  refuse(): void {
    this.#driver.refuse(this.#quic)
  }

  /** Makes the peer prove its address, one round trip; it comes back as another `Incoming` that is validated. Throws when it already is. */
  retry(): void {
    this.#driver.retry(this.#quic)
  }

  /** Says nothing: the peer tries until its own time is up. */
  ignore(): void {
    this.#driver.ignore(this.#quic)
  }

  /** Not decided yet. */
  get isPending(): boolean {
    return this.#quic.isPending
  }
}
