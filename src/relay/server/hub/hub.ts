/**
 * `RelayHub`: the relay behind its WebSockets. Takes links as they are upgraded, lets clients in, forwards between them, and ends in order (spec/relay.md §2.2–§4.8).
 * It knows neither HTTP nor sockets nor Node: the server and the simulator both run it.
 */
import type { CryptoProvider } from '../../../crypto/index.ts'
import type { EndpointId } from '../../../identity/index.ts'
import type { WebSocketLink } from '../../../platform/index.ts'
import { PING_LENGTH, TokenBucket, writeRestarting } from '../../protocol/index.ts'
import type { AccessControl } from './access.ts'
import { ClientConnection } from './client-connection.ts'
import { createRelayCounters, type RelayCounters } from './counters.ts'
import type { HubDeadlined } from './deadlines.ts'
import { HubContext, type HubPlatform } from './hub-context.ts'
import { type RelayLimits, type RelayRateLimit, resolveLimits } from './limits.ts'
import type { RelayLog } from './log.ts'
import { PendingClient, type PendingClientOwner, type RelayClientRequest } from './pending-client.ts'
import type { ReadGate } from './read-gate.ts'

/** When clients should come back, told in a Restarting frame unless `close` says otherwise, ms (guesses; iroh's server says nothing). */
const DEFAULT_RECONNECT_IN_MS = 1000
const DEFAULT_TRY_FOR_MS = 60_000

export interface RelayHubOptions {
  readonly platform: HubPlatform
  readonly crypto: CryptoProvider
  /** Default: everyone may come in. */
  readonly access?: AccessControl | undefined
  readonly limits?: Partial<RelayLimits> | undefined
  readonly log?: RelayLog | undefined
  /** To count into an object of the owner, of `createRelayCounters`. */
  readonly counters?: RelayCounters | undefined
}

export interface RelayCloseOptions {
  /** After what time clients should reconnect, ms. Default 1,000. */
  readonly reconnectInMs?: number
  /** For how long they should try then, ms. Default 60,000. */
  readonly tryForMs?: number
}

/** What waits in the relay for clients that read slowly. What stands in their links is not in it. */
export interface RelayBacklog {
  /** Clients that something waits for. */
  readonly clients: number
  /** Datagram frames, their bytes, and other frames. */
  readonly datagrams: number
  readonly bytes: number
  readonly messages: number
}

export class RelayHub {
  readonly counters: RelayCounters
  readonly #context: HubContext
  readonly #owner: PendingClientOwner
  readonly #pending: Set<PendingClient>
  /** Links that have not ended. */
  #links: number
  #closed: Promise<void> | undefined
  #onAllEnded: (() => void) | undefined

  /** Throws RangeError for a limit that makes no sense. */
  constructor(options: RelayHubOptions) {
    const { platform, crypto, access, log, counters = createRelayCounters() } = options
    const limits = resolveLimits(options.limits ?? {})
    expectRateLimit(limits.rateLimit)
    this.counters = counters
    this.#context = new HubContext(platform, crypto, access, limits, counters, log)
    this.#pending = new Set()
    this.#links = 0
    this.#closed = undefined
    this.#onAllEnded = undefined
    this.#owner = {
      objection: (id) => this.#objection(id),
      admitted: (pending, id, gate) => this.#admitted(pending, id, gate),
      finished: (pending) => this.#finished(pending),
      ended: () => this.#linkEnded(),
    }
  }

  /** Endpoint ids that are connected. */
  get clientCount(): number {
    return this.#context.endpoints.size
  }

  /** Connections that were let in: those of `clientCount`, and inactive ones of the same ids. */
  get connectionCount(): number {
    return this.#context.endpoints.connectionCount
  }

  /** Links in any state: let in, in the handshake, or closing. */
  get linkCount(): number {
    return this.#links
  }

  /** Counted through all clients: for tests and for metrics, not for each datagram. */
  get backlog(): RelayBacklog {
    const backlog = { clients: 0, datagrams: 0, bytes: 0, messages: 0 }
    for (const { queue } of this.#context.endpoints.connections()) {
      if (queue === undefined) continue
      backlog.clients++
      backlog.datagrams += queue.datagramCount
      backlog.bytes += queue.bytes
      backlog.messages += queue.messageCount
    }
    return backlog
  }

  /**
   * Takes a link that was just upgraded: handshake, then a client until the link ends. With too many links, or while the hub closes, the link is
   * closed at once (1013, 1012).
   */
  accept(link: WebSocketLink, request: RelayClientRequest): void {
    const { counters, limits } = this.#context
    if (this.#closed !== undefined || this.#links >= limits.maxConnections) {
      this.#refuse(link, request)
      return
    }
    this.#links++
    counters.tom_links++
    counters.tom_handshakes++
    const pending = new PendingClient(this.#context, link, request, this.#owner)
    this.#pending.add(pending)
    pending.start()
  }

  /** Closes all connections of `id` (1008), as when they had left. Returns how many there were. It may come back: denying that is the access rules'. */
  disconnect(id: EndpointId): number {
    const { endpoints } = this.#context
    const endpoint = endpoints.find(id.toBytes(), 0)
    if (endpoint === undefined) return 0
    // the active one last, or each of them would become active for a moment
    const connections = endpoints.connectionsOf(endpoint).reverse()
    for (const connection of connections) connection.close(1008, 'disconnected by the relay')
    return connections.length
  }

  /** What each client may send, from now on, those that are connected included; undefined: no limit. Throws RangeError below 10 bytes/s. */
  setRateLimit(rateLimit: RelayRateLimit | undefined): void {
    expectRateLimit(rateLimit)
    this.#context.rateLimit = rateLimit
    for (const pending of this.#pending) pending.applyRateLimit()
    for (const connection of this.#context.endpoints.connections()) connection.applyRateLimit()
  }

  /**
   * Ends in order: no client is taken any more, all are told to reconnect (Restarting) and get a Close 1012. Resolves when all links have ended, or when
   * `closeTimeoutMs` are over: what is left then is cut.
   */
  close(options: RelayCloseOptions = {}): Promise<void> {
    this.#closed ??= this.#close(options)
    return this.#closed
  }

  #close({ reconnectInMs = DEFAULT_RECONNECT_IN_MS, tryForMs = DEFAULT_TRY_FOR_MS }: RelayCloseOptions): Promise<void> {
    const { endpoints, deadlines, limits, platform } = this.#context
    this.#context.isClosing = true
    const frame = new Uint8Array(PING_LENGTH)
    const end = writeRestarting(frame, 0, reconnectInMs, tryForMs)
    const links: WebSocketLink[] = []
    for (const pending of [...this.#pending]) {
      links.push(pending.link)
      pending.close(1012, 'restarting')
    }
    for (const connection of endpoints.connections()) {
      links.push(connection.link)
      connection.link.send(frame, 0, end)
      connection.close(1012, 'restarting')
    }
    if (this.#links === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const limit: HubDeadlined = {
        deadline: Number.POSITIVE_INFINITY,
        heapIndex: -1,
        onDeadline: () => {
          this.#onAllEnded = undefined
          for (const link of links) link.terminate()
          resolve()
        },
      }
      this.#onAllEnded = () => {
        deadlines.set(limit, Number.POSITIVE_INFINITY)
        resolve()
      }
      deadlines.set(limit, platform.now() + limits.closeTimeoutMs)
    })
  }

  #refuse(link: WebSocketLink, request: RelayClientRequest): void {
    const isClosing = this.#closed !== undefined
    const why = isClosing ? 'restarting' : 'too many connections'
    this.counters.tom_links_refused++
    this.#context.report('warn', 'refused', why, request.remoteAddress)
    link.close(isClosing ? 1012 : 1013, why)
  }

  /** spec/relay.md §4.8: an id may not pile up connections. One that is silent is probably half open; when all are alive, the newcomer has to wait. */
  #objection(id: EndpointId): string | undefined {
    const { endpoints, limits, platform, counters } = this.#context
    const endpoint = endpoints.find(id.toBytes(), 0)
    if (endpoint === undefined) return undefined
    const connections = endpoints.connectionsOf(endpoint)
    if (connections.length <= limits.maxInactivePerEndpoint) return undefined
    const silent = connections.reduce((oldest, other) => (other.heardAt < oldest.heardAt ? other : oldest))
    if (platform.now() - silent.heardAt <= limits.pingIntervalMs) {
      counters.tom_duplicates_denied++
      return 'too many connections with this endpoint id'
    }
    counters.tom_duplicates_dropped++
    silent.close(1008, 'too many connections with this endpoint id')
    return undefined
  }

  #admitted(pending: PendingClient, id: EndpointId, gate: ReadGate | undefined): void {
    const { protocol, remoteAddress } = pending.request
    const connection = new ClientConnection(
      this.#context,
      pending.link,
      protocol,
      remoteAddress,
      gate,
      this.#owner.ended,
    )
    this.#context.endpoints.add(id.toBytes(), connection)
    connection.start()
  }

  #finished(pending: PendingClient): void {
    if (this.#pending.delete(pending)) this.counters.tom_handshakes--
  }

  #linkEnded(): void {
    this.#links--
    this.counters.tom_links--
    if (this.#links > 0) return
    this.#onAllEnded?.()
    this.#onAllEnded = undefined
  }
}

/** Throws RangeError for a limit nothing could pass. */
function expectRateLimit(rateLimit: RelayRateLimit | undefined): void {
  if (rateLimit !== undefined) new TokenBucket(rateLimit.bytesPerSecond, rateLimit.maxBurstBytes, 0)
}
