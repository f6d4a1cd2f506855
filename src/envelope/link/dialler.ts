/** Dials peers for the links, not too many at once, for hostile lists of peers must not make us dial the world (spec/envelope.md §3.4). */
import { type Alpn, ConnectError, type Connection, type Endpoint } from '../../endpoint/index.ts'
import { EndpointAddr, type EndpointId, type RelayUrl, relayAddr } from '../../identity/index.ts'
import type { LinkSettings } from './settings.ts'
import type { LinkCounters } from './stats.ts'

export class Dialler {
  readonly #endpoint: Endpoint
  readonly #alpn: Alpn
  /** Where to look for peers of whom nothing is known. */
  readonly #relays: () => readonly (RelayUrl | string)[]
  readonly #settings: LinkSettings
  readonly #counters: LinkCounters
  readonly #waiting: (() => void)[] = []
  /** One each: a signal with many listeners makes the runtime complain. */
  readonly #aborts = new Set<AbortController>()
  #running = 0
  #closedBy: Error | undefined = undefined

  constructor(
    endpoint: Endpoint,
    alpn: Alpn,
    relays: () => readonly (RelayUrl | string)[],
    settings: LinkSettings,
    counters: LinkCounters,
  ) {
    this.#endpoint = endpoint
    this.#alpn = alpn
    this.#relays = relays
    this.#settings = settings
    this.#counters = counters
  }

  /** `attempt`: 0 for the first, which goes by what is known of the peer; the others ask at our own relays as well. `abort` gives it up; so does `close`. */
  async dial(id: EndpointId, attempt: number, abort: AbortController): Promise<Connection> {
    if (this.#running < this.#settings.maxDials) this.#running++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#aborts.add(abort)
    try {
      if (this.#closedBy !== undefined) throw this.#closedBy
      this.#counters.dials++
      return await this.#connect(id, attempt, abort.signal)
    } catch (error) {
      this.#counters.dialFailures++
      throw error
    } finally {
      this.#aborts.delete(abort)
      // its place goes to the next
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  close(reason: Error): void {
    this.#closedBy = reason
    for (const abort of this.#aborts) abort.abort(reason)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async #connect(id: EndpointId, attempt: number, signal: AbortSignal): Promise<Connection> {
    const options = { timeoutMs: this.#settings.dialTimeoutMs, signal }
    const bare = new EndpointAddr(id)
    const relays = this.#relays()
    const viaRelays = relays.length === 0 ? bare : bare.withAddrs(relays.map((url) => relayAddr(url)))
    try {
      return await this.#endpoint.connect(attempt === 0 ? bare : viaRelays, this.#alpn, options)
    } catch (error) {
      const isUnknown = error instanceof ConnectError && error.code === 'NO_ADDRESS'
      if (!isUnknown || attempt > 0 || relays.length === 0) throw error
    }
    return this.#endpoint.connect(viaRelays, this.#alpn, options)
  }
}
