/**
 * HyParView, the membership of one topic: inputs and messages, walks of newcomers, shuffles. Who is a neighbour is the links' business (hyparview-links.ts; the other
 * profile: hyparview-upstream.ts). spec/gossip.md §6, §10.1, repairs of §11.1.
 */
import type { MembershipTimer } from './effects.ts'
import type { Linking } from './hyparview-linking.ts'
import { Links } from './hyparview-links.ts'
import { Partings } from './hyparview-partings.ts'
import { Rejoin } from './hyparview-rejoin.ts'
import { Requests } from './hyparview-requests.ts'
import { Silence } from './hyparview-silence.ts'
import { UpstreamLinks } from './hyparview-upstream.ts'
import { type MembershipSetup, Views } from './hyparview-views.ts'
import type { MembershipMessage, PeerInfo, PeerKey } from './messages.ts'

type MessageOf<P extends PeerKey, Kind> = Extract<MembershipMessage<P>, { readonly kind: Kind }>

const SHUFFLE_TIMER = { kind: 'shuffle' } as const

/** What only the default profile has. */
interface Repairs<P extends PeerKey> {
  readonly links: Links<P>
  readonly rejoin: Rejoin<P>
  readonly partings: Partings<P>
  readonly silence: Silence<P>
}

/** Sans-I/O. `now` is monotonic, in ms. */
export class HyParView<P extends PeerKey> {
  readonly #views: Views<P>
  readonly #links: Linking<P>
  readonly #repairs: Repairs<P> | undefined
  #isShuffleScheduled = false
  #hasQuit = false

  constructor(setup: MembershipSetup<P>) {
    this.#views = new Views(setup)
    if (setup.isRepaired) {
      const requests = new Requests<P>(setup.settings.passiveViewCapacity)
      const rejoin = new Rejoin(this.#views, requests)
      const partings = new Partings<P>()
      const silence = new Silence<P>()
      const links = new Links(this.#views, requests, rejoin, partings, silence)
      this.#links = links
      this.#repairs = { links, rejoin, partings, silence }
    } else {
      this.#links = new UpstreamLinks(this.#views)
      this.#repairs = undefined
    }
  }

  /** The neighbours themselves, not a copy. */
  get active(): readonly P[] {
    return this.#views.active.list
  }

  /** Further peers that are remembered; not a copy. */
  get passive(): readonly P[] {
    return this.#views.passive.list
  }

  /** Peers that were asked to be neighbours, without an answer so far. */
  get pending(): readonly P[] {
    return this.#links.pending
  }

  /** Peers whose data is remembered; bounded by the views in the default profile. */
  get knownDataCount(): number {
    return this.#views.dataCount
  }

  /** Its connection must stay: a neighbour, or it was asked for something. */
  needs(peer: P): boolean {
    return this.#views.active.has(peer) || this.#links.isPending(peer) || this.#repairs?.rejoin.isAsked(peer) === true
  }

  /** Asks peers to let us in. The default profile asks again while we have no neighbour, and remembers them for when we have lost all. */
  join(peers: readonly P[], now: number): void {
    if (this.#hasQuit) return
    let isAsking = false
    for (const peer of peers) {
      if (peer === this.#views.me) continue
      if (this.#repairs === undefined) this.#views.effects.send(peer, { kind: 'join', data: this.#views.ownData })
      else if (!this.#joinRepaired(this.#repairs, peer, now)) continue
      isAsking = true
    }
    if (!isAsking) return
    this.#repairs?.rejoin.begin()
    this.#settle()
  }

  #joinRepaired({ rejoin, partings }: Repairs<P>, peer: P, now: number): boolean {
    rejoin.remember(peer)
    if (this.#views.active.has(peer)) return false
    // §11.1 P6: it made room for others, and would have to do so again
    if (this.#views.active.size > 0 && partings.isRecent(peer, now)) return false
    rejoin.join(peer, now)
    return true
  }

  receive(from: P, message: MembershipMessage<P>, now: number): void {
    if (this.#hasQuit || from === this.#views.me) return
    // only neighbours send these
    if (message.kind === 'shuffle' || message.kind === 'forward-join') this.#repairs?.links.stranger(from, now)
    this.#dispatch(from, message, now)
    if (this.#views.active.has(from)) this.#repairs?.silence.heard(from)
    else if (message.kind !== 'disconnect') this.#releaseStranger(from, message)
    this.#settle()
  }

  #dispatch(from: P, message: MembershipMessage<P>, now: number): void {
    switch (message.kind) {
      case 'join':
        this.#receiveJoin(from, message.data, now)
        break
      case 'forward-join':
        this.#receiveForwardJoin(from, message, now)
        break
      case 'shuffle':
        this.#receiveShuffle(from, message)
        break
      case 'shuffle-reply':
        this.#addNodes(message.nodes)
        this.#links.refill(now)
        break
      case 'neighbor':
        this.#links.neighbor(from, message.priority, message.data, now)
        break
      case 'disconnect':
        this.#links.disconnect(from, message.alive, now)
    }
  }

  /** §6.7: whoever is no neighbour afterwards needs no connection. */
  #releaseStranger(from: P, message: MembershipMessage<P>): void {
    // a refused request was answered and released already; others may be waiting for an answer
    if (this.#repairs !== undefined && (message.kind === 'neighbor' || this.needs(from))) return
    this.#views.effects.release(from)
  }

  /** A message of a broadcast came: from a neighbour, or from somebody who takes us for one. */
  heardFrom(from: P, now: number): void {
    if (this.#hasQuit || this.#repairs === undefined) return
    if (this.#views.active.has(from)) this.#repairs.silence.heard(from)
    else if (this.#repairs.links.stranger(from, now)) this.#views.effects.release(from)
  }

  fire(timer: MembershipTimer<P>, now: number): void {
    if (this.#hasQuit) return
    switch (timer.kind) {
      case 'shuffle':
        this.#shuffle()
        this.#views.effects.schedule(SHUFFLE_TIMER, this.#views.settings.shuffleIntervalMs)
        if (this.#repairs !== undefined) this.#endCycle(this.#repairs, now)
        break
      case 'pending-neighbor':
        this.#links.requestTimedOut(timer.peer, timer.serial, now)
        break
      case 'rejoin':
        if (!this.#repairs?.rejoin.fire(timer.serial, now)) break
        this.#repairs.links.nextCycle()
        this.#repairs.links.refill()
    }
    this.#settle()
  }

  #endCycle({ links, rejoin }: Repairs<P>, now: number): void {
    const hasLost = links.checkSilent(now)
    links.endCycle()
    links.refill()
    const { active, isFull } = this.#views
    // a node without neighbours joins by a timer of its own
    if (!hasLost && !isFull && active.size > 0 && links.pending.length === 0) rejoin.probe(now)
  }

  /** The network lost the peer's connection, or could make none. */
  disconnected(peer: P, now: number): void {
    if (this.#hasQuit) return
    this.#links.connectionLost(peer, now)
    this.#repairs?.rejoin.connectionLost(peer)
    this.#settle()
  }

  /** How to reach us changed; others learn of it with the next messages. */
  setData(data: Uint8Array, _now: number): void {
    this.#views.ownData = data
    if (!this.#hasQuit) this.#settle()
  }

  /** Nothing happens afterwards. */
  quit(_now: number): void {
    if (this.#hasQuit) return
    this.#links.quit()
    this.#hasQuit = true
  }

  #settle(): void {
    this.#repairs?.rejoin.update()
    if (this.#isShuffleScheduled) return
    this.#isShuffleScheduled = true
    this.#views.effects.schedule(SHUFFLE_TIMER, this.#views.settings.shuffleIntervalMs)
  }

  #receiveJoin(from: P, data: Uint8Array | undefined, now: number): void {
    const { active, effects, settings } = this.#views
    this.#links.joined(from, data, now)
    if (active.size === 1) return
    const message = { kind: 'forward-join', peer: { id: from, data }, ttl: settings.activeWalkLength } as const
    for (const peer of active.list) if (peer !== from) effects.send(peer, message)
  }

  #receiveForwardJoin(from: P, { peer, ttl }: MessageOf<P, 'forward-join'>, now: number): void {
    const { active, settings, dice, effects } = this.#views
    if (active.has(peer.id) || ttl === 0 || active.size <= 1) {
      this.#links.offer(peer.id, peer.data, now)
      return
    }
    if (ttl === settings.passiveWalkLength && this.#views.addPassive(peer.id, peer.data)) this.#foundMore(now)
    if (this.#links.isPending(peer.id)) return
    const next = active.randomExcept(dice, from, from)
    if (next === undefined) return
    effects.send(next, { kind: 'forward-join', peer, ttl: this.#nextTtl(ttl, settings.activeWalkLength) })
  }

  #receiveShuffle(from: P, { origin, nodes, ttl }: MessageOf<P, 'shuffle'>): void {
    const { active, settings, dice, effects, me } = this.#views
    if (ttl > 0 && active.size > 1) {
      const next = active.randomExcept(dice, origin, from)
      if (next !== undefined) {
        effects.send(next, { kind: 'shuffle', origin, nodes, ttl: this.#nextTtl(ttl, settings.shuffleWalkLength) })
        return
      }
      // §10.1: as in the paper, a shuffle that goes no further is accepted
      if (this.#repairs === undefined) return
    }
    if (this.#repairs !== undefined && origin === me) return
    this.#addNodes(nodes)
    this.#views.sendShuffleReply(origin, this.#repairs === undefined ? nodes.length : this.#replyCount(nodes))
    if (this.#repairs === undefined) return
    this.#repairs.links.refill()
    // §11.1 P13
    if (!this.needs(origin)) effects.release(origin)
  }

  /** However many somebody sends. */
  #replyCount(nodes: readonly PeerInfo<P>[]): number {
    return Math.min(nodes.length, this.#views.settings.passiveViewCapacity)
  }

  /** However long a walk somebody asks for. */
  #nextTtl(ttl: number, walkLength: number): number {
    return this.#repairs === undefined ? ttl - 1 : Math.min(ttl, walkLength) - 1
  }

  #addNodes(nodes: readonly PeerInfo<P>[]): void {
    const count = this.#repairs === undefined ? nodes.length : this.#replyCount(nodes)
    for (let index = 0; index < count; index++) this.#views.addPassive(nodes[index]!.id, nodes[index]!.data)
  }

  #foundMore(now: number): void {
    if (this.#repairs !== undefined) this.#links.refill(now)
  }

  #shuffle(): void {
    const { active, passive, dice, settings, me, ownData, effects } = this.#views
    const target = active.random(dice)
    if (target === undefined) return
    const peers: P[] = []
    active.sample(dice, settings.shuffleActiveCount, target, peers)
    passive.sample(dice, settings.shufflePassiveCount, target, peers)
    const nodes: PeerInfo<P>[] = []
    for (const peer of peers) nodes.push(this.#views.infoOf(peer))
    nodes.push({ id: me, data: ownData })
    effects.send(target, { kind: 'shuffle', origin: me, nodes, ttl: settings.shuffleWalkLength })
  }
}
