/**
 * Payloads that were announced and have not come: who has them, when they are asked for, and from whom next (spec/gossip.md §7.1, §7.2), with the repairs of §11.1
 * P8, P9 and P11. Also tells `GraftTimes` how late payloads came.
 */
import type { BroadcastEffects } from './effects.ts'
import type { GraftTimes } from './graft-timing.ts'
import type { Announcement, MessageId, PeerKey } from './messages.ts'
import type { PlumTreeLinks } from './plumtree-links.ts'
import type { PlumTreeStats } from './plumtree-stats.ts'

/**
 * Missing payloads that one neighbour may have announced, those included for which it was asked in vain: about 2 MB of ids. Further announcements are forgotten and
 * counted. So all neighbours together fill five times as much with the default view.
 */
export const MAX_MISSING_PER_PEER = 8_192
/** Payloads of which we still want to know whether the tree would have brought them, after we asked elsewhere. */
export const MAX_ASKED = 1_024
/** Timers may fire a little early, ms. */
const EARLY_MS = 1
const NEVER = Number.POSITIVE_INFINITY

/** Who announced a payload, in the order of arrival, without those that were asked. */
export interface Announcers<P extends PeerKey> {
  readonly peers: readonly P[]
  readonly rounds: readonly number[]
}

/** What the tree asks of its repairs; `UpstreamGrafts` is the other one. */
export interface Grafts<P extends PeerKey> {
  /** A payload that we do not have. */
  announced(from: P, announcement: Announcement, now: number): void
  fire(id: MessageId, now: number): void
  /** The payload is here; `from` is undefined when we are its author. Who else announced it? */
  arrived(id: MessageId, from: P | undefined, now: number): Announcers<P> | undefined
  /** It is here once more. */
  arrivedAgain(id: MessageId, from: P, now: number): void
  /** The peer is no neighbour any more. */
  forget(peer: P): void
  evict(now: number): void
  readonly isEmpty: boolean
  /** Payloads that are missing. */
  readonly missing: number
}

export interface GraftsSetup<P extends PeerKey> {
  readonly times: GraftTimes
  readonly links: PlumTreeLinks<P>
  readonly effects: BroadcastEffects<P>
  readonly stats: PlumTreeStats
  /** A missing payload is forgotten after this time, ms. */
  readonly retentionMs: number
}

interface Missing<P extends PeerKey> extends Announcers<P> {
  readonly peers: P[]
  readonly rounds: number[]
  readonly since: number
  /** Peers that were asked for it. */
  readonly asked: P[]
  /** When the next announcer is asked. NEVER: as soon as there is one. */
  dueAt: number
}

export class RepairedGrafts<P extends PeerKey> implements Grafts<P> {
  readonly #setup: GraftsSetup<P>
  // both in the order of `since`
  readonly #missing = new Map<MessageId, Missing<P>>()
  /** Those that came after we had asked. */
  readonly #arrived = new Map<MessageId, Missing<P>>()
  readonly #perPeer = new Map<P, number>()

  constructor(setup: GraftsSetup<P>) {
    this.#setup = setup
  }

  announced(from: P, announcement: Announcement, now: number): void {
    const { links, stats, times, effects } = this.#setup
    // §11.1 P11: asking a peer that is no neighbour would make us dial it
    if (!links.has(from)) {
      stats.strangerAnnouncements++
      return
    }
    const { id, round } = announcement
    let missing = this.#missing.get(id)
    const count = this.#perPeer.get(from) ?? 0
    if (count >= MAX_MISSING_PER_PEER) {
      stats.droppedAnnouncements++
      return
    }
    if (missing === undefined) {
      missing = { peers: [], rounds: [], since: now, asked: [], dueAt: now + times.firstMs }
      this.#missing.set(id, missing)
      effects.schedule({ kind: 'graft', id }, times.firstMs)
    } else if (missing.peers.includes(from) || missing.asked.includes(from)) return
    missing.peers.push(from)
    missing.rounds.push(round)
    this.#perPeer.set(from, count + 1)
    // everybody before was asked in vain
    if (missing.dueAt === NEVER) this.#ask(id, missing, now)
  }

  fire(id: MessageId, now: number): void {
    const missing = this.#missing.get(id)
    if (missing === undefined || missing.dueAt === NEVER) return
    if (now < missing.dueAt - EARLY_MS) {
      // a timer from before this payload was forgotten and announced again
      this.#setup.effects.schedule({ kind: 'graft', id }, missing.dueAt - now)
      return
    }
    if (missing.peers.length > 0) this.#ask(id, missing, now)
    else missing.dueAt = NEVER
  }

  arrived(id: MessageId, from: P | undefined, now: number): Announcers<P> | undefined {
    const missing = this.#missing.get(id)
    if (missing === undefined) return undefined
    this.#drop(id, missing)
    if (from === undefined) return missing
    if (!missing.asked.includes(from)) this.#setup.times.late(now - missing.since)
    else {
      // would the tree have brought it? a second copy will tell
      this.#arrived.set(id, missing)
      if (this.#arrived.size > MAX_ASKED) this.#arrived.delete(this.#arrived.keys().next().value as MessageId)
    }
    return missing
  }

  arrivedAgain(id: MessageId, from: P, now: number): void {
    const missing = this.#arrived.get(id)
    if (missing === undefined || missing.asked.includes(from)) return
    this.#arrived.delete(id)
    this.#setup.times.late(now - missing.since)
  }

  forget(peer: P): void {
    for (const [id, missing] of this.#missing) {
      const at = missing.peers.indexOf(peer)
      if (at >= 0) {
        missing.peers.splice(at, 1)
        missing.rounds.splice(at, 1)
      } else {
        const askedAt = missing.asked.indexOf(peer)
        if (askedAt < 0) continue
        missing.asked.splice(askedAt, 1)
      }
      if (missing.peers.length === 0 && missing.asked.length === 0) this.#missing.delete(id)
    }
    this.#perPeer.delete(peer)
  }

  evict(now: number): void {
    for (const [id, missing] of this.#missing) {
      if (now - missing.since < this.#setup.retentionMs) break
      this.#drop(id, missing)
    }
    for (const [id, missing] of this.#arrived) {
      if (now - missing.since < this.#setup.retentionMs) break
      this.#arrived.delete(id)
    }
  }

  get isEmpty(): boolean {
    return this.#missing.size === 0 && this.#arrived.size === 0
  }

  get missing(): number {
    return this.#missing.size
  }

  #ask(id: MessageId, missing: Missing<P>, now: number): void {
    const { links, effects, stats, times } = this.#setup
    const peer = missing.peers.shift() as P
    const round = missing.rounds.shift() as number
    missing.asked.push(peer)
    links.toEager(peer)
    stats.graftsSent++
    effects.send(peer, { kind: 'graft', id, round })
    const afterMs = times.nextMs(effects.roundTripMs(peer))
    missing.dueAt = now + afterMs
    effects.schedule({ kind: 'graft', id }, afterMs)
  }

  #drop(id: MessageId, missing: Missing<P>): void {
    this.#missing.delete(id)
    for (const peer of missing.peers) this.#release(peer)
    for (const peer of missing.asked) this.#release(peer)
  }

  #release(peer: P): void {
    const count = this.#perPeer.get(peer)
    if (count !== undefined) this.#perPeer.set(peer, count - 1)
  }
}
