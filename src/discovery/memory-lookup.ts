/**
 * `MemoryLookup`: addresses that somebody was told, by hand or by peers, each kept for a while. Knows no network. Whatever a peer says may be put into it: how many endpoints and
 * addresses it holds is bounded.
 */
import { EndpointAddr, type EndpointId, formatTransportAddr, type TransportAddr } from '../identity/index.ts'
import type { AddressLookup } from './address-lookup.ts'

export interface MemoryLookupOptions {
  /** Monotonic, ms. */
  readonly now: () => number
  /** How long after the last `add` an endpoint is remembered, ms. Default: for ever. */
  readonly retentionMs?: number
  /** Endpoints at most; the one that was longest not added goes first. Default 4096. */
  readonly maxEndpoints?: number
}

/** Of one endpoint; those that were added first go first. */
const MAX_ADDRESSES = 32

interface Entry {
  readonly id: EndpointId
  /** By their text, the oldest first. */
  readonly addrs: Map<string, TransportAddr>
  updated: number
}

export class MemoryLookup implements AddressLookup {
  readonly #now: () => number
  readonly #retentionMs: number
  readonly #maxEndpoints: number
  /** By id, the one longest not added first. */
  readonly #entries = new Map<string, Entry>()

  constructor({ now, retentionMs = Number.POSITIVE_INFINITY, maxEndpoints = 4096 }: MemoryLookupOptions) {
    this.#now = now
    this.#retentionMs = retentionMs
    this.#maxEndpoints = maxEndpoints
  }

  /** Endpoints that are remembered; expired ones count until they are looked for or pushed out. */
  get size(): number {
    return this.#entries.size
  }

  /** Adds addresses to those known of the endpoint. */
  add(addr: EndpointAddr): void {
    if (addr.isEmpty) return
    const key = addr.id.toString()
    const addrs = this.#fresh(key)?.addrs ?? new Map<string, TransportAddr>()
    for (const transport of addr.addrs) {
      const text = formatTransportAddr(transport)
      addrs.delete(text)
      addrs.set(text, transport)
    }
    dropFirst(addrs, MAX_ADDRESSES)
    this.#entries.delete(key)
    this.#entries.set(key, { id: addr.id, addrs, updated: this.#now() })
    dropFirst(this.#entries, this.#maxEndpoints)
  }

  /** Forgets the endpoint. */
  remove(id: EndpointId): void {
    this.#entries.delete(id.toString())
  }

  lookup(id: EndpointId): EndpointAddr | undefined {
    const entry = this.#fresh(id.toString())
    return entry === undefined ? undefined : new EndpointAddr(entry.id, entry.addrs.values())
  }

  #fresh(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || this.#now() - entry.updated < this.#retentionMs) return entry
    this.#entries.delete(key)
    return undefined
  }
}

function dropFirst(map: Map<string, unknown>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return
    map.delete(key)
  }
}
