/**
 * Peers that a link ended with lately, the last few. Their messages may still be on the way, which is no sign of a link that only they believe in; and whoever
 * made room for others is not joined again at once (spec/gossip.md §11.1 P6).
 */
import type { PeerKey } from './messages.ts'

/** A guess: more than a flow of messages stays under way. */
const RECENT_MS = 10_000
const CAPACITY = 16

export class Partings<P extends PeerKey> {
  readonly #peers: P[] = []
  readonly #times: number[] = []
  #next = 0

  note(peer: P, now: number): void {
    const known = this.#peers.indexOf(peer)
    if (known >= 0) {
      this.#times[known] = now
      return
    }
    this.#peers[this.#next] = peer
    this.#times[this.#next] = now
    this.#next = (this.#next + 1) % CAPACITY
  }

  isRecent(peer: P, now: number): boolean {
    const index = this.#peers.indexOf(peer)
    return index >= 0 && now - this.#times[index]! < RECENT_MS
  }
}
