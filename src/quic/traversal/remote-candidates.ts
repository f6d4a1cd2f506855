/** Client: the addresses that the server says it has (spec/quic.md §5.8), from ADD_ADDRESS and REMOVE_ADDRESS. */
import { canonicalSocketAddress, compareSocketAddresses } from '../../bytes/index.ts'
import type { AddressBytes } from '../../platform/index.ts'
import type { AddressFrame } from '../wire/address-frames.ts'

/** Sequence numbers of removed addresses that are remembered, so that a late copy of ADD_ADDRESS does not bring one back. */
const MAX_REMOVED = 64

export class RemoteCandidates {
  readonly #limit: number
  /** By sequence number. */
  readonly #addresses = new Map<number, AddressBytes>()
  readonly #removed = new Set<number>()

  /** `limit`: addresses that we hold. */
  constructor(limit: number) {
    this.#limit = limit
  }

  list(): AddressBytes[] {
    return [...this.#addresses.values()]
  }

  /** True when that changed something. spec/quic.md §4.3: one beyond the limit is ignored, one that changes an address we know is taken. */
  add({ sequence, address }: AddressFrame): boolean {
    if (this.#removed.has(sequence)) return false
    const canonical = canonicalSocketAddress(address)
    const known = this.#addresses.get(sequence)
    if (known === undefined ? this.#addresses.size >= this.#limit : compareSocketAddresses(known, canonical) === 0)
      return false
    this.#addresses.set(sequence, canonical)
    return true
  }

  /** True when that changed something. */
  remove(sequence: number): boolean {
    this.#removed.add(sequence)
    if (this.#removed.size > MAX_REMOVED) {
      const [oldest] = this.#removed
      this.#removed.delete(oldest!)
    }
    return this.#addresses.delete(sequence)
  }
}
