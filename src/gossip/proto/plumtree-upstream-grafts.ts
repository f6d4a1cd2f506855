/**
 * Payloads that were announced and have not come, exactly as iroh-gossip 0.101 treats them (spec/gossip.md §7.2), defects included: nothing is bounded, a timer may
 * run twice for one payload, and what nobody sends stays for ever.
 */
import type { Announcement, MessageId, PeerKey } from './messages.ts'
import type { Announcers, Grafts, GraftsSetup } from './plumtree-grafts.ts'

interface Missing<P extends PeerKey> extends Announcers<P> {
  readonly peers: P[]
  readonly rounds: number[]
  readonly asked: P[]
}

export interface UpstreamGraftsSetup<P extends PeerKey> extends GraftsSetup<P> {
  isReceived(id: MessageId): boolean
}

export class UpstreamGrafts<P extends PeerKey> implements Grafts<P> {
  readonly #setup: UpstreamGraftsSetup<P>
  readonly #missing = new Map<MessageId, Missing<P>>()
  readonly #scheduled = new Set<MessageId>()

  constructor(setup: UpstreamGraftsSetup<P>) {
    this.#setup = setup
  }

  announced(from: P, { id, round }: Announcement): void {
    let missing = this.#missing.get(id)
    if (missing === undefined) {
      missing = { peers: [], rounds: [], asked: [] }
      this.#missing.set(id, missing)
    }
    missing.peers.push(from)
    missing.rounds.push(round)
    if (this.#scheduled.has(id)) return
    this.#scheduled.add(id)
    this.#setup.effects.schedule({ kind: 'graft', id }, this.#setup.times.firstMs(round))
  }

  fire(id: MessageId): void {
    this.#scheduled.delete(id)
    if (this.#setup.isReceived(id)) return
    const missing = this.#missing.get(id)
    const peer = missing?.peers.shift()
    if (missing === undefined || peer === undefined) return
    const round = missing.rounds.shift() as number
    const { links, effects, stats, times } = this.#setup
    links.toEager(peer)
    stats.graftsSent++
    effects.send(peer, { kind: 'graft', id, round })
    effects.schedule({ kind: 'graft', id }, times.nextMs(effects.roundTripMs(peer)))
  }

  arrived(id: MessageId): Announcers<P> | undefined {
    this.#scheduled.delete(id)
    const missing = this.#missing.get(id)
    this.#missing.delete(id)
    return missing
  }

  // what we write ourselves stays missing
  written(): void {}

  forget(peer: P): void {
    for (const [id, missing] of this.#missing) {
      for (let at = missing.peers.length - 1; at >= 0; at--) {
        if (missing.peers[at] !== peer) continue
        missing.peers.splice(at, 1)
        missing.rounds.splice(at, 1)
      }
      if (missing.peers.length === 0) this.#missing.delete(id)
    }
  }

  evict(): void {}

  // evictions are for the payload cache only
  get isEmpty(): boolean {
    return true
  }

  get missing(): number {
    return this.#missing.size
  }
}
