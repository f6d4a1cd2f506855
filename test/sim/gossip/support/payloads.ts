/**
 * The payloads of a simulated swarm: one small array each, shared by all nodes, with the id made once (spec/gossip.md §12.8 S9). The number of a payload stands in
 * its first four bytes, so bytes that went over the wire find their id again.
 */
import type { MessageId } from '../../../../src/gossip/proto/messages.ts'

export class Payloads {
  readonly #size: number
  readonly #ids: MessageId[] = []

  /** `size`: bytes of each, at least 4. */
  constructor(size: number) {
    if (size < 4) throw new Error(`a payload carries its number in 4 bytes, not in ${size}`)
    this.#size = size
  }

  get count(): number {
    return this.#ids.length
  }

  next(): Uint8Array {
    const number = this.#ids.length
    const content = new Uint8Array(this.#size)
    new DataView(content.buffer).setUint32(0, number)
    this.#ids.push(number.toString(16).padStart(64, '0'))
    return content
  }

  numberOf(content: Uint8Array): number {
    return ((content[0]! << 24) | (content[1]! << 16) | (content[2]! << 8) | content[3]!) >>> 0
  }

  /** Stands for BLAKE3: 64 hex digits that name the payload. */
  readonly idOf = (content: Uint8Array): MessageId => this.#ids[this.numberOf(content)]!
}
