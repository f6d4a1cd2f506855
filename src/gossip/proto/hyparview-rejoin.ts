/**
 * How a node that nobody answers, or that has lost everybody, gets into the swarm again: Joins that are repeated while it has no neighbour, to those the application
 * named and to former neighbours (spec/gossip.md §11.1 P4, P5).
 */
import type { Requests } from './hyparview-requests.ts'
import type { Views } from './hyparview-views.ts'
import type { PeerKey } from './messages.ts'

/** spec/gossip.md §11.1 P4: after 1, 2, 4 … 30 s. */
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 30_000
/** spec/gossip.md §11.1 P5: without neighbours so long. */
const ISOLATED_MS = 5_000
/** Peers named by the application that are remembered, the last ones. A guess. */
const CONTACTS = 32
/** Former neighbours that are remembered. A guess. */
const FORMER = 16
/** Joins that are waited for. A guess: twice what is remembered. */
const ASKED = 64

export class Rejoin<P extends PeerKey> {
  readonly #views: Views<P>
  readonly #requests: Requests<P>
  readonly #contacts: P[] = []
  readonly #former: P[] = []
  /** Asked to let us in, without an answer; and since when, ms. */
  readonly #asked: P[] = []
  readonly #askedSince: number[] = []
  /** The application hears nothing when it fails. */
  readonly #isQuiet: boolean[] = []
  #serial = 0
  #isScheduled = false
  #attempt = 0
  /** Where the next attempt begins in contacts and former neighbours. */
  #turn = 0
  #wasAlone = true

  constructor(views: Views<P>, requests: Requests<P>) {
    this.#views = views
    this.#requests = requests
  }

  isAsked(peer: P): boolean {
    return this.#asked.indexOf(peer) >= 0
  }

  /** Peers whose answer is waited for. */
  get asked(): readonly P[] {
    return this.#asked
  }

  /** The application named them. */
  remember(peer: P): void {
    pushBounded(this.#contacts, peer, CONTACTS)
  }

  join(peer: P, now: number, isQuiet = false): void {
    const index = this.#asked.indexOf(peer)
    if (index >= 0) {
      if (!isQuiet) this.#isQuiet[index] = false
    } else if (this.#asked.length < ASKED) {
      this.#asked.push(peer)
      this.#askedSince.push(now)
      this.#isQuiet.push(isQuiet)
    }
    this.#views.effects.send(peer, { kind: 'join', data: this.#views.ownData })
  }

  /**
   * Places are free and nobody is left to ask: perhaps we are an island, and do not see it (§11.1 P12). Joins one of those who are no neighbours, the next one
   * each time.
   */
  probe(now: number): void {
    const count = this.#contacts.length + this.#former.length
    for (let step = 0; step < count; step++) {
      const index = (this.#turn + step) % count
      const peer = this.#known(index)
      if (this.#views.active.has(peer) || this.isAsked(peer)) continue
      this.#turn = (index + 1) % count
      this.join(peer, now, true)
      if (!this.#isScheduled) this.#schedule(this.#views.settings.neighborRequestTimeoutMs)
      return
    }
  }

  /** After Joins of the application: the back-off begins anew. */
  begin(): void {
    this.#attempt = 0
    this.#turn = 0
    this.#schedule(this.#views.active.size === 0 ? FIRST_RETRY_MS : this.#views.settings.neighborRequestTimeoutMs)
  }

  /** It became a neighbour. */
  answered(peer: P): void {
    this.#stopAsking(this.#asked.indexOf(peer))
    pushBounded(this.#former, peer, FORMER)
  }

  /** It left the topic by its own word. */
  left(peer: P): void {
    const index = this.#former.indexOf(peer)
    if (index >= 0) this.#former.splice(index, 1)
  }

  connectionLost(peer: P): void {
    const index = this.#asked.indexOf(peer)
    if (index >= 0) this.#fail(index)
  }

  /** After every input. */
  update(): void {
    const isAlone = this.#views.active.size === 0
    if (isAlone === this.#wasAlone) return
    this.#wasAlone = isAlone
    this.#attempt = 0
    this.#turn = 0
    if (isAlone) this.#schedule(ISOLATED_MS)
  }

  /** False: the timer was of an earlier time, or nobody is missing. True: we are alone, and Joins are on the way where there is anybody to ask. */
  fire(serial: number, now: number): boolean {
    if (serial !== this.#serial) return false
    this.#isScheduled = false
    const { active, settings, effects } = this.#views
    const givenUp: P[] = []
    for (let index = this.#asked.length - 1; index >= 0; index--) {
      if (now - this.#askedSince[index]! < settings.neighborRequestTimeoutMs) continue
      givenUp.push(this.#asked[index]!)
      this.#fail(index)
    }
    const isAlone = active.size === 0
    if (isAlone) this.#joinSome(now)
    else if (this.#asked.length > 0) this.#schedule(settings.neighborRequestTimeoutMs)
    for (const peer of givenUp)
      if (!this.isAsked(peer) && this.#requests.get(peer) === undefined && !active.has(peer)) effects.release(peer)
    return isAlone
  }

  /** As many as we want neighbours, the next ones each time. */
  #joinSome(now: number): void {
    const contacts = this.#contacts.length
    const count = contacts + this.#former.length
    if (count === 0) return
    const end = Math.min(this.#views.settings.activeViewCapacity, count)
    for (let step = 0; step < end; step++) {
      const index = (this.#turn + step) % count
      const peer = this.#known(index)
      // the same one may be both
      if (index >= contacts && this.#contacts.indexOf(peer) >= 0) continue
      // §11.1 P2: one that takes us for its neighbour since before we were away waits for this word, and answers no Join until it has it
      this.#views.effects.send(peer, { kind: 'neighbor', priority: 'high', data: this.#views.ownData })
      this.join(peer, now)
    }
    this.#turn = (this.#turn + end) % count
    this.#attempt++
    this.#schedule(Math.min(FIRST_RETRY_MS * 2 ** this.#attempt, LAST_RETRY_MS))
  }

  /** Contacts first. */
  #known(index: number): P {
    const contacts = this.#contacts.length
    return index < contacts ? this.#contacts[index]! : this.#former[index - contacts]!
  }

  #fail(index: number): void {
    const peer = this.#asked[index]!
    const isQuiet = this.#isQuiet[index]!
    this.#stopAsking(index)
    // one that is gone is not tried for ever: only the application's contacts are
    if (isQuiet) this.left(peer)
    else if (this.#contacts.indexOf(peer) >= 0) this.#views.effects.joinFailed(peer)
  }

  #stopAsking(index: number): void {
    if (index < 0) return
    this.#asked.splice(index, 1)
    this.#askedSince.splice(index, 1)
    this.#isQuiet.splice(index, 1)
  }

  /** Up to a quarter later: those who lost the same neighbour shall not come back at the same instant. */
  #schedule(afterMs: number): void {
    this.#isScheduled = true
    const spread = this.#views.dice.below((afterMs >> 2) + 1)
    this.#views.effects.schedule({ kind: 'rejoin', serial: ++this.#serial }, afterMs + spread)
  }
}

/** The newest stand last; the oldest makes room. */
function pushBounded<P extends PeerKey>(list: P[], peer: P, capacity: number): void {
  const index = list.indexOf(peer)
  if (index >= 0) list.splice(index, 1)
  else if (list.length >= capacity) list.shift()
  list.push(peer)
}
