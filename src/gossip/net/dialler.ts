/** Dials peers for the node: each at most once at a time, and not too many at once, for hostile lists of peers must not make us dial the world (spec/gossip.md §3.2). */
import { ConnectError, type Connection, type Endpoint } from '../../endpoint/index.ts'
import { GossipError } from '../errors.ts'
import type { Counters } from './metrics.ts'
import type { PeerLink } from './peer-link.ts'
import type { NetSettings } from './settings.ts'

export interface DiallerHost {
  readonly settings: NetSettings
  readonly counters: Counters
  dialled(link: PeerLink, connection: Connection): void
  dialFailed(link: PeerLink, error: unknown): void
}

export class Dialler {
  readonly #endpoint: Endpoint
  readonly #alpns: readonly Uint8Array[]
  readonly #host: DiallerHost
  readonly #waiting: PeerLink[] = []
  readonly #abort = new AbortController()
  #active = 0

  constructor(endpoint: Endpoint, alpns: readonly Uint8Array[], host: DiallerHost) {
    this.#endpoint = endpoint
    this.#alpns = alpns
    this.#host = host
  }

  /** The host hears how it went, never before this returned. */
  dial(link: PeerLink): void {
    if (link.isDialling) return
    link.isDialling = true
    const { settings } = this.#host
    if (this.#active < settings.maxDials) this.#run(link)
    else if (this.#waiting.length < settings.maxWaitingDials) this.#waiting.push(link)
    else {
      const text = `${link.id.toShortString()} was not dialled: too many other dials wait; try again later`
      const error = new ConnectError('CONNECT_TIMEOUT', text, link.id)
      Promise.resolve().then(() => this.#failed(link, error))
    }
  }

  close(): void {
    this.#abort.abort(new GossipError('GOSSIP_CLOSED', 'gossip was closed while a peer was dialled'))
    for (const link of this.#waiting.splice(0)) link.isDialling = false
  }

  async #run(link: PeerLink): Promise<void> {
    const { settings, counters } = this.#host
    const [alpn, ...additionalAlpns] = this.#alpns
    this.#active++
    counters.dials++
    try {
      const connection = await this.#endpoint.connect(link.id, alpn!, {
        additionalAlpns,
        timeoutMs: settings.dialTimeoutMs,
        signal: this.#abort.signal,
      })
      this.#settled(link)
      this.#host.dialled(link, connection)
    } catch (error) {
      this.#settled(link)
      this.#failed(link, error)
    }
  }

  #settled(link: PeerLink): void {
    this.#active--
    link.isDialling = false
    // those that were connected meanwhile need no dial
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.connection === undefined) {
        this.#run(next)
        return
      }
      next.isDialling = false
    }
  }

  #failed(link: PeerLink, error: unknown): void {
    link.isDialling = false
    this.#host.counters.dialFailures++
    this.#host.dialFailed(link, error)
  }
}
