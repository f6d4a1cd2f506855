/**
 * PlumTree: payloads travel along a tree of eager links, announcements along all others, and whoever misses an announced payload asks for it, which mends the tree
 * (spec/gossip.md §7, with `isRepaired` the repairs of §11.1 P8 to P11). What is announced and missing is `plumtree-grafts.ts`'s business.
 */
import type { BroadcastEffects, BroadcastTimer } from './effects.ts'
import { createGraftTimes, type GraftTimes } from './graft-timing.ts'
import type { Announcement, BroadcastMessage, MessageId, PeerKey } from './messages.ts'
import { type Payload, PayloadCache } from './payload-cache.ts'
import { type Announcers, type Grafts, RepairedGrafts } from './plumtree-grafts.ts'
import { PlumTreeLinks } from './plumtree-links.ts'
import { AnnouncementQueue } from './plumtree-queue.ts'
import { emptyStats, type PlumTreeStats } from './plumtree-stats.ts'
import { TreeTempo } from './plumtree-tempo.ts'
import { UpstreamGrafts } from './plumtree-upstream-grafts.ts'
import type { BroadcastSettings } from './settings.ts'

/** What the repaired profile keeps at most of payloads (bytes) and of ids; upstream has no bound. */
export const MAX_CACHED_BYTES = 16 * 1024 * 1024
export const MAX_CACHED_IDS = 262_144
/** A round is a u16 on the wire (spec/gossip.md §4.4). */
const MAX_ROUND = 0xffff
const DISPATCH: BroadcastTimer = { kind: 'dispatch' }
const EVICT: BroadcastTimer = { kind: 'evict' }
/** For fixed times: how long a message travels, a guess until the tree is known, and the bounds, ms. */
const FIXED_TEMPO = { initialMs: 400, minMs: 100, maxMs: 3_000 }
/** The tree is broken next to us when one of those is lost who delivered so many last messages. */
const DELIVERERS = 4
/** In the repaired profile a neighbour is replaced when the same announcer was nearer in so many messages on end, or so many times nearer than it must be. */
const OPTIMIZE_AFTER = 3
const MUCH_NEARER = 2
/** Part of an interval by which sums of fractional milliseconds may miss a tick. */
const ROUNDING = 1e-6

export interface PlumTreeSetup<P extends PeerKey> {
  readonly me: P
  readonly settings: BroadcastSettings
  /** The repairs of spec/gossip.md §11.1; false: exactly iroh-gossip 0.101. */
  readonly isRepaired: boolean
  readonly hash: (content: Uint8Array) => MessageId
  readonly effects: BroadcastEffects<P>
}

export class PlumTree<P extends PeerKey> {
  /** Owners may reset the counters. */
  readonly stats: PlumTreeStats = emptyStats()
  readonly #me: P
  readonly #settings: BroadcastSettings
  readonly #isRepaired: boolean
  readonly #hash: (content: Uint8Array) => MessageId
  readonly #effects: BroadcastEffects<P>
  readonly #links: PlumTreeLinks<P>
  readonly #queue: AnnouncementQueue<P>
  readonly #cache: PayloadCache
  readonly #tempo: TreeTempo
  readonly #times: GraftTimes
  readonly #grafts: Grafts<P>
  /** Who delivered the last few messages first. */
  readonly #deliverers: P[] = []
  /** The announcer that was nearer last, than whom, and how often on end. */
  #nearer: P | undefined = undefined
  #farther: P | undefined = undefined
  #nearerCount = 0
  #isDispatchScheduled = false
  #isEvictScheduled = false
  /** Evictions happen at whole intervals from here, ms. */
  #firstInputAt: number | undefined = undefined

  constructor(setup: PlumTreeSetup<P>) {
    const { settings, isRepaired, effects } = setup
    this.#me = setup.me
    this.#settings = settings
    this.#isRepaired = isRepaired
    this.#hash = setup.hash
    this.#effects = effects
    this.#links = new PlumTreeLinks(isRepaired)
    this.#queue = new AnnouncementQueue(settings.maxMessageSize)
    const { payloadRetentionMs, idRetentionMs } = settings
    this.#cache = new PayloadCache({
      payloadRetentionMs,
      idRetentionMs,
      maxBytes: isRepaired ? MAX_CACHED_BYTES : Number.POSITIVE_INFINITY,
      maxIds: isRepaired ? MAX_CACHED_IDS : Number.POSITIVE_INFINITY,
    })
    this.#tempo = new TreeTempo(settings.graft.kind === 'measured' ? settings.graft : FIXED_TEMPO)
    this.#times = createGraftTimes(settings.graft, this.#tempo)
    const grafts = {
      times: this.#times,
      links: this.#links,
      effects,
      stats: this.stats,
      retentionMs: idRetentionMs,
      isReceived: (id: MessageId) => this.#cache.has(id),
    }
    this.#grafts = isRepaired ? new RepairedGrafts(grafts) : new UpstreamGrafts(grafts)
  }

  /** Peers that get payloads, ascending. */
  get eager(): readonly P[] {
    return this.#links.eager
  }

  /** Peers that get announcements, ascending. */
  get lazy(): readonly P[] {
    return this.#links.lazy
  }

  /** What is held now, for tests and metrics: payloads that are missing, announcements that wait, cached payloads and ids, bytes. */
  get held(): { missing: number; queued: number; payloads: number; ids: number; bytes: number } {
    const { payloads, ids, bytes } = this.#cache
    return { missing: this.#grafts.missing, queued: this.#queue.size, payloads, ids, bytes }
  }

  /** From the first announcement, straight from the author, to the first request for the payload, as it is now, ms. */
  get graftTimeoutMs(): number {
    return this.#times.firstMs(0)
  }

  neighborUp(peer: P, now: number): void {
    this.#begin(now)
    if (peer !== this.#me) this.#links.add(peer)
  }

  neighborDown(peer: P, now: number): void {
    this.#begin(now)
    this.#grafts.forget(peer, this.#links.eager.includes(peer) && this.#deliverers.includes(peer), now)
    this.#links.delete(peer)
    // §11.1 P8: upstream announces to it all the same
    if (this.#isRepaired) this.#queue.delete(peer)
  }

  /** `isForNeighbors`: scope Neighbors (spec/gossip.md §7.5). Nothing is delivered here (§7.4). */
  broadcast(content: Uint8Array, isForNeighbors: boolean, now: number): void {
    this.#begin(now)
    const payload: Payload = {
      kind: 'gossip',
      id: this.#hash(content),
      content,
      round: isForNeighbors ? undefined : 0,
    }
    if (!isForNeighbors) {
      this.#remember(payload, now)
      this.#grafts.written(payload.id)
      this.#tempo.sent(now)
      this.#announce(payload.id, 0, undefined, undefined)
    }
    this.#push(this.#links.eager, payload, undefined, undefined)
    // §11.1 P10: lazy neighbours are neighbours
    if (isForNeighbors && this.#isRepaired) this.#push(this.#links.lazy, payload, undefined, undefined)
  }

  /** Scope Neighbors, to one neighbour alone. Nothing happens when it is none. */
  sendTo(neighbor: P, content: Uint8Array, now: number): void {
    this.#begin(now)
    if (!this.#links.has(neighbor)) return
    this.#effects.send(neighbor, { kind: 'gossip', id: this.#hash(content), content, round: undefined })
  }

  receive(from: P, message: BroadcastMessage, now: number): void {
    this.#begin(now)
    if (message.kind === 'gossip') {
      this.stats.payloadsReceived++
      this.#onPayload(from, message, now)
      return
    }
    this.stats.controlReceived++
    switch (message.kind) {
      case 'prune':
        this.#links.toLazy(from)
        break
      case 'graft':
        this.#onGraft(from, message.id)
        break
      case 'ihave':
        this.#onAnnouncements(from, message.announcements, now)
        break
    }
  }

  fire(timer: BroadcastTimer, now: number): void {
    this.#begin(now)
    switch (timer.kind) {
      case 'graft':
        this.#grafts.fire(timer.id, now)
        break
      case 'dispatch':
        this.#isDispatchScheduled = false
        this.#queue.flushAll(this.#effects)
        break
      case 'evict':
        this.#isEvictScheduled = false
        this.#cache.evict(now)
        this.#grafts.evict(now)
        if (!this.#cache.isEmpty || !this.#grafts.isEmpty) this.#scheduleEviction(now)
        break
    }
  }

  #onPayload(from: P, payload: Payload, now: number): void {
    const { id } = payload
    // hashing first, as upstream, only costs time
    if (this.#isRepaired && this.#cache.has(id)) this.#onDuplicate(from, payload, now)
    else if (this.#hash(payload.content) !== id) this.stats.badIds++
    else if (this.#cache.has(id)) this.#onDuplicate(from, payload, now)
    else {
      if (payload.round !== undefined) this.#spread(from, payload, payload.round, now)
      this.#effects.deliver({ id, content: payload.content, from, round: payload.round })
    }
  }

  #onDuplicate(from: P, { id, round }: Payload, now: number): void {
    this.stats.duplicates++
    if (this.#isRepaired) {
      // what is for neighbours only did not come along the tree, so it says nothing about the tree
      if (round === undefined || !this.#tempo.mayReshape(id, now)) return
    }
    this.#prune(from)
  }

  #spread(from: P, { id, content }: Payload, received: number, now: number): void {
    const round = Math.min(received + 1, MAX_ROUND)
    const payload: Payload = { kind: 'gossip', id, content, round }
    this.#remember(payload, now)
    const announcers = this.#grafts.arrived(id, from, now)
    if (this.#isRepaired) {
      this.#tempo.arrived(received, this.#effects.roundTripMs(from), now)
      // as in the paper: the link is in the tree at its other end, so it is here (a Prune and a Graft may have crossed)
      this.#links.toEager(from)
      this.#deliverers.push(from)
      if (this.#deliverers.length > DELIVERERS) this.#deliverers.shift()
    }
    const holders = this.#isRepaired ? announcers : undefined
    this.#push(this.#links.eager, payload, from, holders)
    this.#announce(id, round, from, holders)
    if (announcers !== undefined) this.#optimize(from, id, round, announcers, now)
    if (received > this.stats.maxHop) this.stats.maxHop = received
  }

  /** The nearest announcer replaces the neighbour that delivered, if it is so much nearer to the author (spec/gossip.md §7.2). */
  #optimize(from: P, id: MessageId, round: number, { peers, rounds }: Announcers<P>, now: number): void {
    let best = 0
    for (let at = 1; at < peers.length; at++) if (rounds[at]! < rounds[best]!) best = at
    const peer = peers[best]
    const threshold = Math.max(this.#settings.optimizationThreshold, 1)
    const gain = peer === undefined ? 0 : round - rounds[best]!
    if (this.#isRepaired) {
      const isLasting = this.#isLasting(from, gain >= threshold ? peer : undefined)
      if (!isLasting && gain < MUCH_NEARER * threshold) return
      if (!this.#tempo.mayReshape(id, now)) return
    }
    if (peer === undefined || gain < threshold) return
    this.stats.optimizations++
    if (!this.#links.eager.includes(peer)) {
      this.#links.toEager(peer)
      this.stats.graftsSent++
      this.#effects.send(peer, { kind: 'graft', id: undefined, round: rounds[best]! })
    }
    this.#prune(from)
  }

  /**
   * Is `peer` nearer than `from` again and again? With changing authors nearly every message finds some shorter way, and a tree that follows each of them is deeper than
   * one that stays.
   */
  #isLasting(from: P, peer: P | undefined): boolean {
    if (peer === undefined || peer !== this.#nearer || from !== this.#farther) this.#nearerCount = 0
    this.#nearer = peer
    this.#farther = from
    return peer !== undefined && ++this.#nearerCount >= OPTIMIZE_AFTER
  }

  #onGraft(from: P, id: MessageId | undefined): void {
    this.#links.toEager(from)
    if (id === undefined) return
    const payload = this.#cache.payload(id)
    if (payload === undefined) this.stats.graftsInVain++
    else this.#effects.send(from, payload)
  }

  #onAnnouncements(from: P, announcements: readonly Announcement[], now: number): void {
    for (const announcement of announcements) {
      if (!this.#cache.has(announcement.id)) this.#grafts.announced(from, announcement, now)
    }
    if (!this.#grafts.isEmpty) this.#scheduleEviction(now)
  }

  #prune(peer: P): void {
    this.#links.toLazy(peer)
    this.stats.prunesSent++
    this.#effects.send(peer, { kind: 'prune' })
  }

  /** `holders` announced it, so they have it. */
  #push(peers: readonly P[], payload: Payload, except: P | undefined, holders: Announcers<P> | undefined): void {
    for (const peer of peers) {
      if (peer !== except && peer !== this.#me && !isAmong(holders, peer)) this.#effects.send(peer, payload)
    }
  }

  #announce(id: MessageId, round: number, except: P | undefined, holders: Announcers<P> | undefined): void {
    const { lazy } = this.#links
    if (lazy.length > 0) {
      const announcement = { id, round }
      for (const peer of lazy) {
        if (peer === except || peer === this.#me || isAmong(holders, peer)) continue
        // a whole message needs no more company, and so the queue has a bound
        if (this.#queue.add(peer, announcement) && this.#isRepaired) this.#queue.flush(peer, this.#effects)
      }
    }
    // upstream's timer runs for nothing, too
    if (this.#isDispatchScheduled || (this.#isRepaired && this.#queue.isEmpty)) return
    this.#isDispatchScheduled = true
    this.#effects.schedule(DISPATCH, this.#settings.dispatchDelayMs)
  }

  #remember(payload: Payload, now: number): void {
    this.#cache.add(payload, now)
    this.#scheduleEviction(now)
  }

  #begin(now: number): void {
    this.#firstInputAt ??= now
  }

  /** The next tick of the grid that began with the first input (spec/gossip.md §7.1, §12.8 S9). */
  #scheduleEviction(now: number): void {
    if (this.#isEvictScheduled) return
    this.#isEvictScheduled = true
    const { evictIntervalMs } = this.#settings
    const start = this.#firstInputAt ?? now
    const ticks = Math.floor((now - start) / evictIntervalMs + ROUNDING) + 1
    this.#effects.schedule(EVICT, start + ticks * evictIntervalMs - now)
  }
}

function isAmong<P extends PeerKey>(announcers: Announcers<P> | undefined, peer: P): boolean {
  return announcers !== undefined && (announcers.peers.includes(peer) || announcers.asked.includes(peer))
}
