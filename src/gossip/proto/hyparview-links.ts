/**
 * Links of the default profile: who is a neighbour, who is asked to become one, and how links end. The rules of spec/gossip.md §6.3 and §6.4 with the repairs of
 * §11.1; peers that follow the rules of iroh-gossip 0.101 cannot tell the difference.
 */
import type { NeighborDownReason } from './effects.ts'
import type { Linking } from './hyparview-linking.ts'
import type { Partings } from './hyparview-partings.ts'
import type { Rejoin } from './hyparview-rejoin.ts'
import type { Requests } from './hyparview-requests.ts'
import { CHECKED_CYCLES, LOST_CYCLES, type Silence } from './hyparview-silence.ts'
import type { Views } from './hyparview-views.ts'
import type { PeerKey, Priority } from './messages.ts'

/** The answer is late: another peer is asked as well, while this one may still answer. Upstream gives up after this time, ms. */
const LATE_MS = 500
const NO_ECHO = 0

export class Links<P extends PeerKey> implements Linking<P> {
  readonly #views: Views<P>
  readonly #requests: Requests<P>
  readonly #rejoin: Rejoin<P>
  readonly #partings: Partings<P>
  readonly #silence: Silence<P>
  /**
   * A remembered peer is asked once in a cycle, and not all that shuffles bring in are asked: a node that finds nobody with a free place would ask for ever,
   * as fast as the answers come. A cycle ends with the shuffle timer, and when a neighbour is lost. The note of a remembered peer is the last cycle it refused in.
   */
  #cycle = 1
  #asksInCycle = 0
  /** Since the shuffle timer. */
  #hasGained = true
  #isStuck = false

  constructor(views: Views<P>, requests: Requests<P>, rejoin: Rejoin<P>, partings: Partings<P>, silence: Silence<P>) {
    this.#views = views
    this.#requests = requests
    this.#rejoin = rejoin
    this.#partings = partings
    this.#silence = silence
  }

  get pending(): readonly P[] {
    return this.#requests.peers
  }

  isPending(peer: P): boolean {
    return this.#requests.get(peer) !== undefined
  }

  joined(peer: P, data: Uint8Array | undefined, now: number): void {
    const { active } = this.#views
    // §11.1 P2: whoever joins knows nothing of what was between us
    this.#requests.take(peer)
    if (!active.has(peer)) this.#makeRoom(now)
    this.#add(peer, data)
    this.#say(peer, 'high', now)
  }

  neighbor(peer: P, priority: Priority, data: Uint8Array | undefined, now: number): void {
    const { active, isFull } = this.#views
    const index = active.indexOf(peer)
    if (index >= 0) {
      this.#views.storeData(peer, data)
      if (!this.#isEchoExpected(index, now)) this.#say(peer, priority, now)
      else if (this.#silence.isChecked(peer)) this.#settle(index)
      else active.setNote(index, NO_ECHO)
      return
    }
    const request = this.#requests.take(peer)
    if (isFull) {
      // to our own request more came than there are places for: nobody has to go for that
      const isWelcome = request === undefined ? priority === 'high' : request.isOffer
      if (!isWelcome) {
        // it lives and looks for neighbours: worth remembering
        this.#views.addPassive(peer, data, this.#cycle)
        this.#disconnectFrom(peer, true, now)
        return
      }
      this.#makeRoom(now)
    }
    this.#add(peer, data)
    if (request === undefined) this.#say(peer, priority, now)
  }

  offer(peer: P, data: Uint8Array | undefined, now: number): void {
    if (peer === this.#views.me) return
    this.#views.storeData(peer, data)
    const index = this.#views.active.indexOf(peer)
    if (index >= 0) {
      if (!this.#isEchoExpected(index, now)) this.#say(peer, 'high', now)
    } else if (this.#requests.get(peer) === undefined && !this.#requests.isFull) this.#request(peer, 'high', true)
  }

  disconnect(peer: P, isAlive: boolean, now: number): void {
    const { active, passive, effects } = this.#views
    const request = this.#requests.take(peer)
    if (isAlive) this.#partings.note(peer, now)
    else this.#rejoin.left(peer)
    const index = active.indexOf(peer)
    if (index >= 0) {
      this.#removeAt(index, isAlive ? 'evicted-by-peer' : 'left')
      if (isAlive) this.#remember(peer)
      else this.#forget(peer)
    } else {
      const known = passive.indexOf(peer)
      if (known >= 0 && isAlive) passive.setNote(known, this.#cycle)
      else if (known >= 0) this.#forget(peer)
      if (!this.#rejoin.isAsked(peer)) effects.release(peer)
    }
    if (index >= 0 || request !== undefined) this.refill()
  }

  connectionLost(peer: P): void {
    const request = this.#requests.take(peer)
    const index = this.#views.active.indexOf(peer)
    if (index >= 0) this.#removeAt(index, 'connection-lost')
    // nobody needed that connection: that it ended says nothing about the peer
    else if (request === undefined) return
    this.#forget(peer)
    this.refill()
  }

  requestTimedOut(peer: P, serial: number): void {
    const { settings, effects } = this.#views
    const request = this.#requests.get(peer)
    // §11.1 P7
    if (request === undefined || request.serial !== serial) return
    if (!request.isLate && !request.isOffer && settings.neighborRequestTimeoutMs > LATE_MS) {
      request.isLate = true
      effects.schedule({ kind: 'pending-neighbor', peer, serial }, settings.neighborRequestTimeoutMs - LATE_MS)
    } else {
      this.#requests.take(peer)
      this.#forget(peer)
      if (!this.#rejoin.isAsked(peer)) effects.release(peer)
    }
    this.refill()
  }

  refill(): void {
    const { active, settings, passive, dice } = this.#views
    // §11.1 P1: only those count that are asked and no neighbours yet
    while (active.size + this.#requests.slots < settings.activeViewCapacity && !this.#requests.isFull) {
      const isAlone = active.size === 0
      if (!isAlone && this.#asksInCycle >= this.#asksAllowed()) return
      let count = 0
      for (let index = 0; index < passive.size; index++) if (this.#isCandidate(index)) count++
      if (count === 0) return
      let turn = dice.below(count)
      let index = 0
      while (!this.#isCandidate(index) || turn-- > 0) index++
      this.#asksInCycle++
      const isUrgent = isAlone || this.#isStuck
      this.#isStuck = false
      this.#request(passive.at(index), isUrgent ? 'high' : 'low', false)
    }
  }

  /** In this cycle: few when only the last places are free, which others will find as well. Guesses; without neighbours there is no bound. */
  #asksAllowed(): number {
    const { active, settings } = this.#views
    const { activeViewCapacity, passiveViewCapacity } = settings
    return 2 * active.size > activeViewCapacity ? 2 * activeViewCapacity : passiveViewCapacity
  }

  /** With the shuffle timer: asks neighbours that are silent, and drops those that do not answer (true: there were such). */
  checkSilent(now: number): boolean {
    const { active, effects } = this.#views
    let isLost = false
    for (let index = active.size - 1; index >= 0; index--) {
      const peer = active.at(index)
      const cycles = this.#silence.count(peer)
      if (cycles < CHECKED_CYCLES) continue
      if (cycles < LOST_CYCLES) {
        this.#say(peer, 'low', now)
        continue
      }
      this.#removeAt(index, 'connection-lost')
      this.#forget(peer)
      this.#rejoin.left(peer)
      effects.send(peer, { kind: 'disconnect', alive: true })
      effects.release(peer)
      isLost = true
    }
    this.#silence.endCycle(active)
    return isLost
  }

  /**
   * With the shuffle timer. A node with few neighbours that gained none may belong to an island: all others are full, and none of them ever sees a reason to take
   * one of us (§11.1 P12). One of them is asked so that it cannot refuse.
   */
  endCycle(): void {
    const { active, settings } = this.#views
    const isPoor = 2 * active.size <= settings.activeViewCapacity
    this.#isStuck = isPoor && !this.#hasGained
    this.#hasGained = false
    this.nextCycle()
  }

  /** Those that had no place may have one now. */
  nextCycle(): void {
    this.#cycle++
    this.#asksInCycle = 0
  }

  /**
   * Somebody speaks as a neighbour and is none: a message of ours was lost with a connection, and the link has only its side. Makes it a link, or tells the peer
   * that there is none (true). Not where a message may just have been under way when the link ended or began.
   */
  stranger(peer: P, now: number): boolean {
    const views = this.#views
    if (peer === views.me || views.active.has(peer) || this.#partings.isRecent(peer, now)) return false
    if (this.#requests.get(peer) !== undefined || this.#rejoin.isAsked(peer)) return false
    this.#partings.note(peer, now)
    if (!this.#requests.isFull && views.active.size + this.#requests.slots < views.settings.activeViewCapacity) {
      this.#request(peer, 'low', false)
      return false
    }
    views.effects.send(peer, { kind: 'disconnect', alive: true })
    return true
  }

  quit(): void {
    const { active, effects } = this.#views
    while (active.size > 0) {
      const peer = active.removeAt(0)
      effects.neighborDown(peer, 'quit')
      this.#disconnectFrom(peer, false, 0)
    }
    // those that were asked would make us their neighbour when we are gone
    for (const peer of this.#requests.peers) this.#sayGone(peer)
    for (const peer of this.#rejoin.asked) if (this.#requests.get(peer) === undefined) this.#sayGone(peer)
  }

  #sayGone(peer: P): void {
    this.#views.effects.send(peer, { kind: 'disconnect', alive: false })
    this.#views.effects.release(peer)
  }

  #isCandidate(index: number): boolean {
    const { passive } = this.#views
    return passive.noteAt(index) !== this.#cycle && this.#requests.get(passive.at(index)) === undefined
  }

  /** To somebody who is no neighbour yet. §11.1 P1: with a timer, whatever the reason. */
  #request(peer: P, priority: Priority, isOffer: boolean): void {
    const { effects, settings, ownData } = this.#views
    const { serial } = this.#requests.add(peer, isOffer)
    effects.send(peer, { kind: 'neighbor', priority, data: ownData })
    const waitMs = settings.neighborRequestTimeoutMs
    effects.schedule({ kind: 'pending-neighbor', peer, serial }, isOffer || waitMs <= LATE_MS ? waitMs : LATE_MS)
  }

  #isEchoExpected(index: number, now: number): boolean {
    return now < this.#views.active.noteAt(index)
  }

  /**
   * Neighbor to a neighbour. Its note is the time until which a Neighbor from there counts as the echo of ours and is not answered: or two peers whose requests
   * crossed would answer each other for ever (§6.5). §11.1 P1: the time is bounded, and never takes up a place.
   */
  #say(peer: P, priority: Priority, now: number): void {
    const { active, effects, settings, ownData } = this.#views
    active.setNote(active.indexOf(peer), now + settings.neighborRequestTimeoutMs)
    effects.send(peer, { kind: 'neighbor', priority, data: ownData })
  }

  /** It answered a check. iroh-gossip 0.101 waits for a last Neighbor now, and counts it as a taken place until then (§11.1 P1). */
  #settle(index: number): void {
    const { active, effects, ownData } = this.#views
    active.setNote(index, NO_ECHO)
    effects.send(active.at(index), { kind: 'neighbor', priority: 'low', data: ownData })
  }

  #add(peer: P, data: Uint8Array | undefined): void {
    const { active, passive, effects } = this.#views
    const isNew = active.add(peer, NO_ECHO)
    if (isNew) passive.remove(peer)
    this.#views.storeData(peer, data)
    this.#rejoin.answered(peer)
    if (!isNew) return
    this.#hasGained = true
    effects.neighborUp(peer)
  }

  #makeRoom(now: number): void {
    const { active, dice, effects, isFull } = this.#views
    if (!isFull) return
    const peer = active.removeAt(dice.below(active.size))
    effects.neighborDown(peer, 'evicted')
    this.#disconnectFrom(peer, true, now)
    this.#remember(peer)
  }

  #removeAt(index: number, reason: NeighborDownReason): void {
    const { active, effects } = this.#views
    const peer = active.removeAt(index)
    effects.neighborDown(peer, reason)
    // a connection that is lost already needs no release: it would end the one that the peer makes meanwhile, and so on for ever
    if (reason !== 'connection-lost') effects.release(peer)
    // others have lost neighbours, too: whoever had no place may have one now
    if (reason !== 'evicted-by-peer' || active.size === 0) this.nextCycle()
  }

  /** As one that was asked in this cycle: it has just sent us away, or we it. */
  #remember(peer: P): void {
    this.#views.addPassive(peer, undefined, this.#cycle)
  }

  /** §11.1 P8. */
  #forget(peer: P): void {
    this.#views.passive.remove(peer)
    this.#views.forgetData(peer)
  }

  #disconnectFrom(peer: P, isAlive: boolean, now: number): void {
    const { settings, effects } = this.#views
    // §11.1 P3
    this.#requests.take(peer)
    this.#partings.note(peer, now)
    this.#views.sendShuffleReply(peer, settings.shuffleActiveCount + settings.shufflePassiveCount)
    effects.send(peer, { kind: 'disconnect', alive: isAlive })
    effects.release(peer)
  }
}
