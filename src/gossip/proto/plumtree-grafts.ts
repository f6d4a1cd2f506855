/**
 * Payloads that were announced and have not come: who has them, when they are asked for, and from whom next (spec/gossip.md §7.1, §7.2), with the repairs of §11.1
 * P8, P9 and P11.
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
/** So many payloads after the tree broke, the next one is asked for early: only those that should have come over the lost link tell. */
const EARLY_AFTER_BREAK = 3
/** Timers may fire a little early, ms. */
const EARLY_MS = 1
const NEVER = Number.POSITIVE_INFINITY

/** Who announced a payload, in the order of arrival. */
export interface Announcers<P extends PeerKey> {
  /** Those that were not asked for it, and the rounds they named. */
  readonly peers: readonly P[]
  readonly rounds: readonly number[]
  readonly asked: readonly P[]
}

/** What the tree asks of its repairs; `UpstreamGrafts` is the other one. */
export interface Grafts<P extends PeerKey> {
  /** A payload that we do not have. */
  announced(from: P, announcement: Announcement, now: number): void
  fire(id: MessageId, now: number): void
  /** The payload is here. Who announced it? */
  arrived(id: MessageId, from: P, now: number): Announcers<P> | undefined
  /** As `arrived` when we are its author. */
  written(id: MessageId): void
  /** The peer is no neighbour any more. `isBreak`: messages came from it along the tree. */
  forget(peer: P, isBreak: boolean, now: number): void
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
  readonly asked: P[]
  /** Of the first announcement: when it came, and its round. */
  readonly since: number
  readonly round: number
  /** When the next announcer is asked. NEVER: as soon as there is one. */
  dueAt: number
}

export class RepairedGrafts<P extends PeerKey> implements Grafts<P> {
  readonly #setup: GraftsSetup<P>
  // in the order of `since`
  readonly #missing = new Map<MessageId, Missing<P>>()
  readonly #perPeer = new Map<P, number>()
  /** Payloads that are still to come until the tree counts as whole. */
  #broken = 0

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
      const afterMs = this.#broken > 0 ? Math.min(times.brokenMs, times.firstMs(round)) : times.firstMs(round)
      missing = { peers: [], rounds: [], asked: [], since: now, round, dueAt: now + afterMs }
      this.#missing.set(id, missing)
      effects.schedule({ kind: 'graft', id }, afterMs)
    } else if (missing.peers.includes(from) || missing.asked.includes(from)) return
    missing.peers.push(from)
    missing.rounds.push(round)
    this.#perPeer.set(from, count + 1)
    // everybody before was asked in vain
    if (missing.dueAt === NEVER) this.#ask(id, missing, now)
  }

  fire(id: MessageId, now: number): void {
    const missing = this.#missing.get(id)
    // a timer of its own runs for each `dueAt`: this one is from before the payload was due earlier, or was forgotten and announced again
    if (missing === undefined || missing.dueAt === NEVER || now < missing.dueAt - EARLY_MS) return
    if (missing.peers.length > 0) this.#ask(id, missing, now)
    else missing.dueAt = NEVER
  }

  arrived(id: MessageId, from: P, now: number): Announcers<P> | undefined {
    if (this.#broken > 0) this.#broken--
    const missing = this.#take(id)
    if (missing === undefined) return undefined
    const { times } = this.#setup
    if (missing.asked.length === 0) times.longEnough()
    else if (!missing.asked.includes(from)) times.tooShort(now - missing.since, missing.round)
    return missing
  }

  written(id: MessageId): void {
    this.#take(id)
  }

  forget(peer: P, isBreak: boolean, now: number): void {
    const { times, effects } = this.#setup
    if (isBreak) this.#broken = EARLY_AFTER_BREAK
    for (const [id, missing] of this.#missing) {
      const at = missing.peers.indexOf(peer)
      const askedAt = missing.asked.indexOf(peer)
      if (at >= 0) {
        missing.peers.splice(at, 1)
        missing.rounds.splice(at, 1)
      }
      if (askedAt >= 0) missing.asked.splice(askedAt, 1)
      if (missing.peers.length === 0 && missing.asked.length === 0) this.#missing.delete(id)
      else if (isBreak && missing.dueAt !== NEVER && missing.dueAt > now + times.brokenMs) {
        missing.dueAt = now + times.brokenMs
        effects.schedule({ kind: 'graft', id }, times.brokenMs)
      }
    }
    this.#perPeer.delete(peer)
  }

  evict(now: number): void {
    for (const [id, missing] of this.#missing) {
      if (now - missing.since < this.#setup.retentionMs) break
      this.#drop(id, missing)
    }
  }

  get isEmpty(): boolean {
    return this.#missing.size === 0
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

  #take(id: MessageId): Missing<P> | undefined {
    const missing = this.#missing.get(id)
    if (missing !== undefined) this.#drop(id, missing)
    return missing
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
