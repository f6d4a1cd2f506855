/** Server: the client's newest round of NAT traversal and the addresses it wants to be probed at (spec/quic.md §5.8), from REACH_OUT. */
import { canonicalSocketAddress, formatSocketAddress } from '../../bytes/index.ts'
import type { AddressBytes } from '../../platform/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import type { ReachOutFrame } from '../wire/address-frames.ts'

export class PeerRound {
  round = 0
  readonly #limit: number
  readonly #addresses = new Map<string, AddressBytes>()

  /** `limit`: addresses that we hold in one round. */
  constructor(limit: number) {
    this.#limit = limit
  }

  list(): AddressBytes[] {
    return [...this.#addresses.values()]
  }

  /** `round`: a new one has begun, so what belongs to the last is over. `address`: one more in this round. `nothing`: old, or known. */
  receive({ round, address }: ReachOutFrame, type: number): 'round' | 'address' | 'nothing' {
    if (round < this.round) return 'nothing'
    const isNew = round > this.round
    if (isNew) {
      this.round = round
      this.#addresses.clear()
    }
    const canonical = canonicalSocketAddress(address)
    const key = formatSocketAddress(canonical)
    if (this.#addresses.has(key)) return 'nothing'
    if (this.#addresses.size >= this.#limit)
      throw new TransportError(
        ErrorCode.PROTOCOL_VIOLATION,
        type,
        `REACH_OUT: more than ${this.#limit} addresses in round ${round}`,
      )
    this.#addresses.set(key, canonical)
    return isNew ? 'round' : 'address'
  }
}
