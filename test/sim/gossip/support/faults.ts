/** What is wrong with the network: nodes that cannot reach each other, messages that vanish, nodes that are slow (spec/gossip.md §12.8 S6). */
import type { SimRandom } from '../../support/random.ts'

export class Faults {
  readonly #random: SimRandom
  readonly #slowUs = new Map<number, number>()
  #loss = 0
  /** The part of the network a node is in; undefined: the network is whole. */
  #parts: ((node: number) => number) | undefined
  /** Which partition it is: what was planned for an earlier one is void. */
  #partition = 0

  constructor(random: SimRandom) {
    this.#random = random
  }

  /** Nodes reach only those of their own part. Returns the number of this partition. */
  split(parts: (node: number) => number): number {
    this.#parts = parts
    return ++this.#partition
  }

  heal(): void {
    this.#parts = undefined
    this.#partition++
  }

  get partition(): number {
    return this.#partition
  }

  isBlocked(a: number, b: number): boolean {
    return this.#parts !== undefined && this.#parts(a) !== this.#parts(b)
  }

  /** The part of all messages that vanish without a word, 0 to 1. QUIC repeats what the network loses: this is worse than any network. */
  setLoss(part: number): void {
    this.#loss = part
  }

  isLost(): boolean {
    return this.#loss > 0 && this.#random.chance(this.#loss)
  }

  /** Whatever `node` sends or gets takes `extraUs` longer; 0 heals it. */
  slowDown(node: number, extraUs: number): void {
    if (extraUs === 0) this.#slowUs.delete(node)
    else this.#slowUs.set(node, extraUs)
  }

  /** µs on top of the latency of the pair. */
  delayUs(a: number, b: number): number {
    if (this.#slowUs.size === 0) return 0
    return (this.#slowUs.get(a) ?? 0) + (this.#slowUs.get(b) ?? 0)
  }
}
