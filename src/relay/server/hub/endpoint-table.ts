/**
 * Who is connected: endpoint ids and their connections, the newest of an id active and the others in a stack under it (spec/relay.md §4.2), and who is to hear
 * when an id leaves (§3.3). Ids are found by a number made of their first bytes, without a string or object a look-up.
 */
import type { RandomSource } from '../../../platform/index.ts'
import { ID_LENGTH, StatusCode, writeEndpointGone } from '../../protocol/index.ts'
import type { ClientConnection } from './client-connection.ts'
import type { RelayCounters } from './counters.ts'

/** One id with a connection or more. Fields are written by the table and by `rememberDestination`. */
export class ConnectedEndpoint {
  readonly id: Uint8Array
  readonly key: number
  /** Another one with the same key. */
  sibling: ConnectedEndpoint | undefined
  /** The newest connection; the one that was active before it is its `older`. Undefined: the id has left. */
  active: ClientConnection | undefined
  /** Most datagrams go where the one before went. */
  lastDestination: ConnectedEndpoint | undefined
  /** Those that were sent to; they may have left meanwhile. */
  destinations: Set<ConnectedEndpoint> | undefined

  constructor(id: Uint8Array, key: number) {
    this.id = id
    this.key = key
    this.sibling = undefined
    this.active = undefined
    this.lastDestination = undefined
    this.destinations = undefined
  }

  /** A datagram for `to` was taken: it hears when this one leaves. At most `limit` are remembered. */
  rememberDestination(to: ConnectedEndpoint, limit: number): void {
    this.lastDestination = to
    this.destinations ??= new Set()
    if (this.destinations.has(to)) return
    if (this.destinations.size >= limit) forgetSome(this.destinations, limit)
    this.destinations.add(to)
  }
}

export class EndpointTable {
  readonly #counters: RelayCounters
  readonly #endpoints: Map<number, ConnectedEndpoint>
  /** Odd and secret, so that nobody can make ids that share a key. */
  readonly #lowFactor: number
  readonly #highFactor: number
  #size: number
  #connectionCount: number

  constructor(random: RandomSource, counters: RelayCounters) {
    const factors = new Uint8Array(8)
    random.fill(factors)
    this.#counters = counters
    this.#endpoints = new Map()
    this.#lowFactor = readI32(factors, 0) | 1
    this.#highFactor = readI32(factors, 4) | 1
    this.#size = 0
    this.#connectionCount = 0
  }

  /** Ids. */
  get size(): number {
    return this.#size
  }

  /** Connections of all ids. */
  get connectionCount(): number {
    return this.#connectionCount
  }

  /** The endpoint whose 32-byte id stands at `at`. */
  find(bytes: Uint8Array, at: number): ConnectedEndpoint | undefined {
    let endpoint = this.#endpoints.get(this.#keyOf(bytes, at))
    while (endpoint !== undefined && !hasId(endpoint, bytes, at)) endpoint = endpoint.sibling
    return endpoint
  }

  /** The endpoint that `from` sends a datagram to, whose id stands at `at`. */
  destination(from: ConnectedEndpoint, bytes: Uint8Array, at: number): ConnectedEndpoint | undefined {
    const last = from.lastDestination
    return last?.active !== undefined && hasId(last, bytes, at) ? last : this.find(bytes, at)
  }

  /** Makes `connection` the active one of its id; one that was it hears Status 1. */
  add(id: Uint8Array, connection: ClientConnection): void {
    const endpoint = this.find(id, 0) ?? this.#insert(id)
    const before = endpoint.active
    connection.endpoint = endpoint
    connection.older = before
    endpoint.active = connection
    this.#connectionCount++
    if (before === undefined) return
    this.#counters.clients_inactive_added++
    before.tellStatus(StatusCode.SameEndpointIdConnected)
  }

  /**
   * Takes `connection` out. When it was the active one, the next of the stack becomes it and hears Status 0; when it was the last one, those that
   * the id sent to hear EndpointGone, unless `isQuiet`.
   */
  remove(connection: ClientConnection, isQuiet: boolean): void {
    const { endpoint, older } = connection
    connection.older = undefined
    this.#connectionCount--
    if (endpoint.active === connection) {
      endpoint.active = older
      if (older === undefined) {
        this.#delete(endpoint)
        if (!isQuiet) this.#announceGone(endpoint)
        endpoint.destinations = undefined
        endpoint.lastDestination = undefined
        return
      }
      this.#counters.clients_inactive_removed++
      if (!isQuiet) older.tellStatus(StatusCode.Healthy)
      return
    }
    let newer = endpoint.active
    while (newer !== undefined && newer.older !== connection) newer = newer.older
    if (newer !== undefined) newer.older = older
    this.#counters.clients_inactive_removed++
  }

  /** All connections of an id, the active one first. */
  connectionsOf(endpoint: ConnectedEndpoint): ClientConnection[] {
    const connections: ClientConnection[] = []
    for (let at = endpoint.active; at !== undefined; at = at.older) connections.push(at)
    return connections
  }

  /** All connections of all ids. */
  connections(): ClientConnection[] {
    const connections: ClientConnection[] = []
    for (const first of this.#endpoints.values()) {
      for (let at: ConnectedEndpoint | undefined = first; at !== undefined; at = at.sibling) {
        connections.push(...this.connectionsOf(at))
      }
    }
    return connections
  }

  #insert(id: Uint8Array): ConnectedEndpoint {
    const key = this.#keyOf(id, 0)
    const endpoint = new ConnectedEndpoint(id, key)
    endpoint.sibling = this.#endpoints.get(key)
    this.#endpoints.set(key, endpoint)
    this.#counters.unique_client_keys++
    this.#counters.tom_endpoints++
    this.#size++
    return endpoint
  }

  #delete(endpoint: ConnectedEndpoint): void {
    const first = this.#endpoints.get(endpoint.key)
    if (first === endpoint) {
      if (endpoint.sibling === undefined) this.#endpoints.delete(endpoint.key)
      else this.#endpoints.set(endpoint.key, endpoint.sibling)
    } else {
      let before = first
      while (before !== undefined && before.sibling !== endpoint) before = before.sibling
      if (before !== undefined) before.sibling = endpoint.sibling
    }
    endpoint.sibling = undefined
    this.#counters.tom_endpoints--
    this.#size--
  }

  #announceGone(gone: ConnectedEndpoint): void {
    if (gone.destinations === undefined) return
    const frame = new Uint8Array(1 + ID_LENGTH)
    writeEndpointGone(frame, 0, gone.id)
    for (const destination of gone.destinations) {
      // one that left may be back: it is a new entry then, and hears it as well, as in iroh's server
      const now = destination.active === undefined ? this.find(destination.id, 0) : destination
      if (now?.active?.tell(frame) === true) this.#counters.tom_endpoint_gone++
    }
  }

  /** 32 bits of the first 8 bytes; signed, so that it is a small integer. */
  #keyOf(bytes: Uint8Array, at: number): number {
    return Math.imul(readI32(bytes, at), this.#lowFactor) ^ Math.imul(readI32(bytes, at + 4), this.#highFactor)
  }
}

function hasId(endpoint: ConnectedEndpoint, bytes: Uint8Array, at: number): boolean {
  const { id } = endpoint
  for (let i = 0; i < ID_LENGTH; i++) if (id[i] !== bytes[at + i]) return false
  return true
}

/** Makes room in a full set: those that have left, and if these are few, a quarter, from the oldest on. So a search through all of it pays for many that come. */
function forgetSome(destinations: Set<ConnectedEndpoint>, limit: number): void {
  for (const destination of destinations) if (destination.active === undefined) destinations.delete(destination)
  const kept = Math.floor((limit * 3) / 4)
  for (const destination of destinations) {
    if (destinations.size <= kept) return
    destinations.delete(destination)
  }
}

function readI32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}
