/**
 * Datagrams for one relay that is not connected yet: bounded in number and bytes, in order, thrown away when they are stale (spec/relay.md §5.4). They are
 * copies; while a relay is connected nothing passes through here.
 */
import { ID_LENGTH } from '../protocol/index.ts'

export class SendQueue {
  readonly #maxDatagrams: number
  readonly #maxBytes: number
  /** Each the 32 bytes of the peer, then the datagram. */
  #items: Uint8Array[]
  #bytes: number

  constructor(maxDatagrams: number, maxBytes: number) {
    this.#maxDatagrams = maxDatagrams
    this.#maxBytes = maxBytes
    this.#items = []
    this.#bytes = 0
  }

  get length(): number {
    return this.#items.length
  }

  /** Copies `data` for the 32-byte `peer`. False when it is full: what waits already is older, and comes first. */
  push(peer: Uint8Array, data: Uint8Array): boolean {
    if (this.#items.length >= this.#maxDatagrams || this.#bytes + data.length > this.#maxBytes) return false
    const item = new Uint8Array(ID_LENGTH + data.length)
    item.set(peer)
    item.set(data, ID_LENGTH)
    this.#items.push(item)
    this.#bytes += data.length
    return true
  }

  /** Takes everything out, in order. */
  drain(take: (peer: Uint8Array, data: Uint8Array) => void): void {
    const items = this.#items
    this.clear()
    for (const item of items) take(item.subarray(0, ID_LENGTH), item.subarray(ID_LENGTH))
  }

  /** Throws everything away. Returns how many datagrams there were. */
  clear(): number {
    const { length } = this.#items
    this.#items = []
    this.#bytes = 0
    return length
  }
}
