/**
 * Neighbours that nothing came from for whole cycles. A link can outlive its other side without any connection ending: the peer left the topic and its word was overtaken by
 * its Join (spec/gossip.md §3.8 C9), or it never knew of the link; and whoever is not in a topic answers nothing (§5). Says how long each one is silent; what follows
 * is decided by the links.
 */
import type { PeerKey } from './messages.ts'
import { PeerSet } from './peer-set.ts'

/** From here on a neighbour is asked whether it is one. iroh-gossip 0.101 does not answer when it holds an old entry for us (§11.1 P1): so twice. */
export const CHECKED_CYCLES = 2
/** Two checks without an answer. */
export const LOST_CYCLES = 4

export class Silence<P extends PeerKey> {
  readonly #heard = new PeerSet<P>()
  /** Silent for so many cycles: the note. */
  readonly #silent = new PeerSet<P>()

  heard(peer: P): void {
    this.#heard.add(peer)
  }

  /** It was asked, and did not answer yet. */
  isChecked(peer: P): boolean {
    const index = this.#silent.indexOf(peer)
    return index >= 0 && this.#silent.noteAt(index) >= CHECKED_CYCLES
  }

  /** At the end of a cycle, for each neighbour once: cycles without a word from it. */
  count(peer: P): number {
    if (this.#heard.has(peer)) {
      this.#silent.remove(peer)
      return 0
    }
    this.#silent.add(peer)
    const index = this.#silent.indexOf(peer)
    const cycles = this.#silent.noteAt(index) + 1
    this.#silent.setNote(index, cycles)
    return cycles
  }

  /** After all were counted. */
  endCycle(active: PeerSet<P>): void {
    this.#heard.clear()
    for (let index = this.#silent.size - 1; index >= 0; index--)
      if (!active.has(this.#silent.at(index))) this.#silent.removeAt(index)
  }
}
