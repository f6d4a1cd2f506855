/** Dials peers for the node: each at most once at a time, and not too many at once, for hostile lists of peers must not make us dial the world (spec/gossip.md §3.2). */
import { ConnectError, type Connection, type Endpoint } from '../../endpoint/index.ts'
import { GossipError } from '../errors.ts'
import type { Counters } from './metrics.ts'
import type { PeerLink } from './peer-link.ts'
import type { NetSettings } from './settings.ts'

/** Peers whose last failure is remembered for those who ask. */
const MAX_ERRORS = 256

export interface DiallerHost {
  readonly settings: NetSettings
  readonly counters: Counters
  dialled(link: PeerLink, connection: Connection): void
  dialFailed(link: PeerLink): void
}

export class Dialler {
  readonly #endpoint: Endpoint
  readonly #alpns: readonly Uint8Array[]
  readonly #host: DiallerHost
  readonly #waiting: PeerLink[] = []
  readonly #errors = new Map<string, unknown>()
  /** One each: a signal with many listeners makes the runtime complain. */
  readonly #aborts = new Set<AbortController>()

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
    if (this.#aborts.size < settings.maxDials) this.#run(link)
    else if (this.#waiting.length < settings.maxWaitingDials) this.#waiting.push(link)
    else {
      const text = `${link.id.toShortString()} was not dialled: too many other dials wait; try again later`
      const error = new ConnectError('CONNECT_TIMEOUT', text, link.id)
      Promise.resolve().then(() => this.#failed(link, error))
    }
  }

  /** Why the last dial failed; undefined: it did not. */
  errorOf(key: string): unknown {
    return this.#errors.get(key)
  }

  close(): void {
    const reason = new GossipError('GOSSIP_CLOSED', 'gossip was closed while a peer was dialled')
    for (const abort of this.#aborts) abort.abort(reason)
    for (const link of this.#waiting.splice(0)) link.isDialling = false
  }

  async #run(link: PeerLink): Promise<void> {
    const { settings, counters } = this.#host
    const [alpn, ...additionalAlpns] = this.#alpns
    const abort = new AbortController()
    this.#aborts.add(abort)
    counters.dials++
    let connection: Connection
    try {
      connection = await this.#endpoint.connect(link.id, alpn!, {
        additionalAlpns,
        timeoutMs: settings.dialTimeoutMs,
        signal: abort.signal,
      })
    } catch (error) {
      this.#settled(link, abort)
      this.#failed(link, error)
      return
    }
    this.#settled(link, abort)
    this.#errors.delete(link.key)
    this.#host.dialled(link, connection)
  }

  #settled(link: PeerLink, abort: AbortController): void {
    this.#aborts.delete(abort)
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
    this.#remember(link.key, error)
    this.#host.dialFailed(link)
  }

  #remember(key: string, error: unknown): void {
    this.#errors.delete(key)
    this.#errors.set(key, error)
    for (const oldest of this.#errors.keys()) {
      if (this.#errors.size <= MAX_ERRORS) return
      this.#errors.delete(oldest)
    }
  }
}
