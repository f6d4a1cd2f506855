/**
 * Whether the ids that a relay names are keys at all: points of the curve (spec/relay.md §3.1). Asking the curve takes as long as many datagrams, so ids
 * that passed are remembered, a fixed number of them.
 */
import { EndpointId } from '../../identity/index.ts'
import { ID_LENGTH } from './constants.ts'
import { RelayProtocolError } from './errors.ts'

/** Ids remembered; a power of two. As many as iroh's client remembers. */
const SLOTS = 128

/** One for all relays of a client. */
export class PeerIdCheck {
  /** The id of each slot. All zeros, as they stand before any id came, are a point themselves. */
  readonly #ids: Uint8Array

  constructor() {
    this.#ids = new Uint8Array(SLOTS * ID_LENGTH)
  }

  /** Throws RelayProtocolError when the 32 bytes at `peerAt` are no point of the curve. */
  check(message: Uint8Array, peerAt: number): void {
    const ids = this.#ids
    // the second byte of a key is as good a hash as any; who makes ids collide makes his own datagrams slow
    const slot = (message[peerAt + 1]! & (SLOTS - 1)) * ID_LENGTH
    let i = 0
    while (i < ID_LENGTH && ids[slot + i] === message[peerAt + i]) i++
    if (i === ID_LENGTH) return
    const id = message.subarray(peerAt, peerAt + ID_LENGTH)
    try {
      EndpointId.fromBytes(id)
    } catch {
      throw new RelayProtocolError('an endpoint id that is no point of the curve')
    }
    ids.set(id, slot)
  }
}
