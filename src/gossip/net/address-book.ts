/**
 * Where peers are, as far as gossip was told: by the application for those it wants to join, kept as long as gossip runs, and by peers about each other, kept for five minutes (spec/gossip.md
 * §4.6, §11.2 N9). The endpoint asks it when it dials; what others say is a hint and no more.
 */
import { MemoryLookup } from '../../discovery/index.ts'
import type { Endpoint } from '../../endpoint/index.ts'
import type { EndpointAddr, EndpointId } from '../../identity/index.ts'
import { decodeAddrInfo } from '../wire/addr-info.ts'
import { DecodeError } from '../wire/decode-error.ts'

/** Peers named by the application at most. A guess. */
const MAX_NAMED = 1_024

export class AddressBook {
  readonly #endpoint: Endpoint
  readonly #named: MemoryLookup
  /** What peers said of themselves, and what others said of them: no amount of hearsay pushes out what a peer knows best. */
  readonly #told: MemoryLookup
  readonly #heard: MemoryLookup

  constructor(endpoint: Endpoint, now: () => number, retentionMs: number) {
    this.#endpoint = endpoint
    this.#named = new MemoryLookup({ now, maxEndpoints: MAX_NAMED })
    this.#told = new MemoryLookup({ now, retentionMs })
    this.#heard = new MemoryLookup({ now, retentionMs })
    for (const lookup of this.#all) endpoint.addAddressLookup(lookup)
  }

  /** By the application. */
  name(addr: EndpointAddr): void {
    this.#named.add(addr)
  }

  /** By a peer, about itself (`isOwnWord`) or another. False: it cannot be read. */
  learn(id: EndpointId, data: Uint8Array, isOwnWord: boolean): boolean {
    const lookup = isOwnWord ? this.#told : this.#heard
    try {
      lookup.add(decodeAddrInfo(id, data))
      return true
    } catch (error) {
      if (error instanceof DecodeError) return false
      throw error
    }
  }

  close(): void {
    for (const lookup of this.#all) this.#endpoint.removeAddressLookup(lookup)
  }

  get #all(): readonly MemoryLookup[] {
    return [this.#named, this.#told, this.#heard]
  }
}
