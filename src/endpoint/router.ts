/**
 * Hands incoming connections to handlers by their ALPN (spec/endpoint.md §11.3). It takes over all incoming connections of its endpoint; a handler that
 * fails costs its own connection only.
 */
import { compareBytes, sameBytes } from '../bytes/index.ts'
import { type Alpn, alpnBytes } from './alpn.ts'
import type { Connection } from './connection.ts'
import { EndpointError } from './errors.ts'
import type { Incoming } from './incoming.ts'

/**
 * Runs as long as it likes; the connection stays open when it returns, until either side closes it. When it throws, the connection is
 * closed with code 0 and the error reported to the endpoint's `onError`. `signal` is aborted by the router's shutdown.
 */
export type ProtocolHandler = (connection: Connection, context: { signal: AbortSignal }) => void | Promise<void>

/** What to do with somebody who dials, before any work is done. 'retry' on a validated address counts as 'refuse'. */
export type IncomingFilter = (incoming: Incoming) => 'accept' | 'retry' | 'refuse' | 'ignore'

/** What `Endpoint` offers its router. Internal. */
export interface RouterHost {
  /** The ALPNs of the handlers, in the order of preference. */
  setRouterAlpns(alpns: readonly Uint8Array[]): void
  reportError(error: unknown): void
  close(): Promise<void>
}

export class Router {
  readonly #host: RouterHost
  readonly #handlers: { readonly alpn: Uint8Array; readonly handler: ProtocolHandler }[] = []
  readonly #shutdown = new AbortController()
  #filter: IncomingFilter = () => 'accept'

  /** Made by `Endpoint`. */
  constructor(host: RouterHost) {
    this.#host = host
  }

  /** Connections with this ALPN go to `handler`, from now on. Throws EndpointError INVALID_OPTION for an ALPN that is empty, too long or taken. */
  accept(alpn: Alpn, handler: ProtocolHandler): this {
    const bytes = alpnBytes(alpn)
    if (bytes === undefined) throw new EndpointError('INVALID_OPTION', 'an ALPN has 1 to 255 bytes')
    if (this.#handlers.some((entry) => sameBytes(entry.alpn, bytes))) {
      throw new EndpointError('INVALID_OPTION', `the ALPN ${JSON.stringify(alpn)} has a handler already`)
    }
    this.#handlers.push({ alpn: bytes, handler })
    this.#handlers.sort((left, right) => compareBytes(left.alpn, right.alpn))
    this.#host.setRouterAlpns(this.#handlers.map((entry) => entry.alpn))
    return this
  }

  /** Nobody gets in with this ALPN any more; connections that are there stay. No effect where it has no handler. */
  remove(alpn: Alpn): this {
    const bytes = alpnBytes(alpn)
    const index = this.#handlers.findIndex((entry) => bytes !== undefined && sameBytes(entry.alpn, bytes))
    if (index < 0) return this
    this.#handlers.splice(index, 1)
    this.#host.setRouterAlpns(this.#handlers.map((entry) => entry.alpn))
    return this
  }

  /** Asked for each newcomer; synchronous. Default: accept. */
  filter(filter: IncomingFilter): this {
    this.#filter = filter
    return this
  }

  get isShutdown(): boolean {
    return this.#shutdown.signal.aborted
  }

  /** Tells the handlers to stop (their signal) and closes the endpoint. */
  shutdown(): Promise<void> {
    this.stop()
    return this.#host.close()
  }

  // Called by the endpoint.

  stop(): void {
    this.#shutdown.abort(new EndpointError('ENDPOINT_CLOSED', 'the router was shut down'))
  }

  onIncoming(incoming: Incoming): void {
    let verdict: ReturnType<IncomingFilter> = 'refuse'
    try {
      verdict = this.isShutdown ? 'refuse' : this.#filter(incoming)
    } catch (error) {
      this.#host.reportError(error)
    }
    if (verdict === 'accept') this.#run(incoming)
    else if (verdict === 'ignore') incoming.ignore()
    else if (verdict === 'retry' && !incoming.isValidated) incoming.retry()
    else incoming.refuse()
  }

  async #run(incoming: Incoming): Promise<void> {
    let connection: Connection
    try {
      connection = await incoming.accept()
    } catch {
      // Somebody came and did not finish the handshake: nobody's fault here.
      return
    }
    const entry = this.#handlers.find(({ alpn }) => sameBytes(alpn, connection.alpn))
    if (entry === undefined) {
      connection.close(0, 'no handler for this ALPN')
      return
    }
    try {
      await entry.handler(connection, { signal: this.#shutdown.signal })
    } catch (error) {
      connection.close(0, '')
      // A connection that ended under a handler is no news.
      if (error !== connection.closeReason) this.#host.reportError(error)
    }
  }
}
