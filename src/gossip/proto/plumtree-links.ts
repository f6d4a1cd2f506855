/**
 * Which neighbours get payloads (eager) and which only announcements (lazy), each in ascending order (spec/gossip.md §7.1). In the repaired profile only
 * neighbours are in here, each in exactly one of the two; upstream lets anyone in (§7.6).
 */
import type { PeerKey } from './messages.ts'

export class PlumTreeLinks<P extends PeerKey> {
  readonly eager: P[] = []
  readonly lazy: P[] = []
  readonly #isGuarded: boolean

  constructor(isGuarded: boolean) {
    this.#isGuarded = isGuarded
  }

  add(peer: P): void {
    remove(this.lazy, peer)
    insert(this.eager, peer)
  }

  delete(peer: P): void {
    remove(this.eager, peer)
    remove(this.lazy, peer)
  }

  has(peer: P): boolean {
    return this.eager.includes(peer) || this.lazy.includes(peer)
  }

  toEager(peer: P): void {
    // spec/gossip.md §11.1 P11: who is no neighbour gets no place in the tree
    if (remove(this.lazy, peer) || !this.#isGuarded) insert(this.eager, peer)
  }

  toLazy(peer: P): void {
    if (remove(this.eager, peer) || !this.#isGuarded) insert(this.lazy, peer)
  }
}

function insert<P extends PeerKey>(peers: P[], peer: P): void {
  let at = peers.length
  while (at > 0 && peers[at - 1]! > peer) at--
  if (at > 0 && peers[at - 1] === peer) return
  peers.splice(at, 0, peer)
}

function remove<P extends PeerKey>(peers: P[], peer: P): boolean {
  const at = peers.indexOf(peer)
  if (at < 0) return false
  peers.splice(at, 1)
  return true
}
