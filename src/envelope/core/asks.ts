/** Of one message of ours: who was asked to keep it, and who may still say that he does (BAK-1). */
import type { PeerKey } from '../wire/envelope.ts'

export class Asks {
  /** When each was asked last, monotonic ms. */
  readonly #askedAt = new Map<PeerKey, number>()
  #count = 0

  /** All that were asked and got it, as far as we know. */
  get peers(): Iterable<PeerKey> {
    return this.#askedAt.keys()
  }

  get size(): number {
    return this.#askedAt.size
  }

  /** How often anybody was asked. */
  get count(): number {
    return this.#count
  }

  has(peer: PeerKey): boolean {
    return this.#askedAt.has(peer)
  }

  asked(peer: PeerKey, now: number): void {
    this.#askedAt.set(peer, now)
    this.#count++
  }

  /** It could not be reached: as if it had not been asked. */
  failed(peer: PeerKey): void {
    if (this.#askedAt.delete(peer)) this.#count--
  }

  /** Those who have said that they keep it, and those who were asked after `since`. */
  hopefuls(holders: readonly PeerKey[], since: number): PeerKey[] {
    const hopefuls: PeerKey[] = []
    for (const [peer, at] of this.#askedAt) if (at > since || holders.includes(peer)) hopefuls.push(peer)
    return hopefuls
  }
}
