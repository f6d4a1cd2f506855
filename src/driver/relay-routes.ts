/** The routes of one relay: peers behind it, found by the bytes of their ids without making a string of each. */
import { sameBytes } from '../bytes/index.ts'
import type { Route } from '../quic/index.ts'
import type { RelayCarrier, RelayLine, RelayRouteEntry } from './route-entry.ts'

/** Makes and keeps the entry. */
export type CreateRelayRoute = (line: RelayLine, peer: Uint8Array) => RelayRouteEntry

export class RelayRoutes implements RelayLine {
  readonly url: string
  readonly carrier: RelayCarrier
  isBlocked: boolean
  readonly #create: CreateRelayRoute
  /** By the first 6 bytes of the id; who has others with the same ones made is chained behind. */
  readonly #byKey = new Map<number, RelayRouteEntry>()
  /** Bursts come from one peer. */
  #last: RelayRouteEntry | undefined = undefined

  constructor(url: string, carrier: RelayCarrier, create: CreateRelayRoute) {
    this.url = url
    this.carrier = carrier
    this.isBlocked = carrier.isBlocked(url)
    this.#create = create
  }

  get isEmpty(): boolean {
    return this.#byKey.size === 0
  }

  /** The route to `peer` (32 bytes, copied when new). */
  intern(peer: Uint8Array): Route {
    return this.find(peer) ?? this.#add(peer)
  }

  /** The route to `peer` if there is one. */
  find(peer: Uint8Array): Route | undefined {
    const last = this.#last
    if (last !== undefined && sameBytes(last.peer, peer)) return last.route
    for (let entry = this.#byKey.get(keyOf(peer)); entry !== undefined; entry = entry.next) {
      if (!sameBytes(entry.peer, peer)) continue
      this.#last = entry
      return entry.route
    }
    return undefined
  }

  #add(peer: Uint8Array): Route {
    const entry = this.#create(this, peer.slice())
    const key = keyOf(peer)
    // creating may have forgotten another entry of this very chain
    entry.next = this.#byKey.get(key)
    this.#byKey.set(key, entry)
    this.#last = entry
    return entry.route
  }

  /** Only the table calls this. */
  forget(entry: RelayRouteEntry): void {
    if (this.#last === entry) this.#last = undefined
    const key = keyOf(entry.peer)
    const first = this.#byKey.get(key)
    if (first === entry) {
      if (entry.next === undefined) this.#byKey.delete(key)
      else this.#byKey.set(key, entry.next)
      return
    }
    for (let before = first; before !== undefined; before = before.next) {
      if (before.next !== entry) continue
      before.next = entry.next
      return
    }
  }
}

function keyOf(peer: Uint8Array): number {
  const high = (peer[0]! << 8) | peer[1]!
  return high * 2 ** 32 + (((peer[2]! << 24) | (peer[3]! << 16) | (peer[4]! << 8) | peer[5]!) >>> 0)
}
