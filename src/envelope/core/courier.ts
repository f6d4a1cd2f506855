/**
 * Brings kept messages, ours and others', to recipients that are there, as they are (BAK-1): a few at once, none again before its acknowledgement had time to come. Who is
 * there, it is told; what is kept, the mailbox knows.
 */
import type { StoredMessage } from '../backup/stored-message.ts'
import type { PeerKey } from '../wire/envelope.ts'
import type { Context } from './context.ts'
import type { Pace } from './pace.ts'
import type { Outcome } from './transmissions.ts'

interface Way {
  isOnItsWay: boolean
  /** When the transport took it last, monotonic ms; -Infinity: never. */
  takenAt: number
}

/** One recipient to whom messages are going. */
interface Round {
  readonly queue: StoredMessage[]
  onTheirWay: number
}

export class Courier {
  readonly #context: Context
  readonly #pace: Pace
  readonly #ways = new Map<string, Way>()
  readonly #rounds = new Map<PeerKey, Round>()
  /** When an unsigned announcement last made us try a recipient. */
  readonly #hintedAt = new Map<PeerKey, number>()
  #careAt = Number.POSITIVE_INFINITY

  constructor(context: Context, pace: Pace) {
    this.#context = context
    this.#pace = pace
  }

  /**
   * `peer` seems to be there: what is kept for it goes to it. `wasAway`: until now it was not, so what the transport took for it lately may be lost, with it or with a hop that could not reach
   * it either, and goes as well.
   */
  wake(peer: PeerKey, wasAway = false): void {
    const { mailbox, clock, settings } = this.#context
    if (this.#rounds.has(peer)) return
    const youngest = wasAway ? clock.now : clock.now - settings.bringAgainMs
    const queue = mailbox.forRecipient(peer).filter(({ id, from }) => {
      const way = this.#ways.get(keyOf(id, from))
      return way === undefined || (!way.isOnItsWay && way.takenAt <= youngest)
    })
    if (queue.length === 0) return
    const round = { queue, onTheirWay: 0 }
    this.#rounds.set(peer, round)
    this.#go(peer, round)
  }

  /** Somebody says, unsigned, that `peer` is there: a hint to dial, where mail waits for it (PRS-2). */
  hinted(peer: PeerKey): void {
    const { clock, mailbox, peers, settings } = this.#context
    if (peers.livenessOf(peer) === 'online' || mailbox.forRecipient(peer).length === 0) return
    const last = this.#hintedAt.get(peer) ?? Number.NEGATIVE_INFINITY
    if (clock.now - last < settings.hintedProbeMs) return
    this.#hintedAt.set(peer, clock.now)
    this.probe(peer)
  }

  /** Sends the oldest message for `peer`, to see whether it is there; the others follow when that worked. */
  probe(peer: PeerKey): void {
    const [oldest] = this.#context.mailbox.forRecipient(peer)
    if (oldest === undefined || this.#rounds.has(peer)) return
    if (this.isOnItsWay(oldest.id, oldest.from)) return
    this.#send(peer, oldest, (isAccepted) => {
      // it may have come back while we knocked at its old door
      if (isAccepted || this.#context.peers.livenessOf(peer) === 'online') this.wake(peer)
    })
  }

  start(): void {
    this.#careAt = this.#context.clock.now + this.#context.settings.careIntervalMs
  }

  deadline(): number {
    return this.#careAt
  }

  /** Another attempt for all who are there and have not acknowledged. */
  tick(): void {
    const { clock, mailbox, peers, settings } = this.#context
    const { now } = clock
    if (now < this.#careAt) return
    this.#careAt = now + settings.careIntervalMs
    for (const peer of mailbox.recipients()) if (peers.livenessOf(peer) === 'online') this.wake(peer)
    for (const [peer, at] of this.#hintedAt) if (now - at >= settings.hintedProbeMs) this.#hintedAt.delete(peer)
  }

  /** The transport has not said yet what became of it. */
  isOnItsWay(id: string, from: PeerKey): boolean {
    return this.#ways.get(keyOf(id, from))?.isOnItsWay === true
  }

  /** The message is given to the transport by somebody else. */
  started(id: string, from: PeerKey): void {
    this.#way(id, from).isOnItsWay = true
  }

  settled(id: string, from: PeerKey, isAccepted: boolean): void {
    const way = this.#ways.get(keyOf(id, from))
    if (way === undefined) return
    way.isOnItsWay = false
    if (isAccepted) way.takenAt = this.#context.clock.now
  }

  /** The message is kept no longer. */
  forget(id: string, from: PeerKey): void {
    this.#ways.delete(keyOf(id, from))
  }

  #go(peer: PeerKey, round: Round): void {
    const { settings, counters, key } = this.#context
    while (round.onTheirWay < settings.bringAtOnce) {
      const message = round.queue.shift()
      if (message === undefined) break
      // it may have been acknowledged while others were on their way
      if (!this.#context.mailbox.has(message.id, message.from)) continue
      round.onTheirWay++
      const settle = (isAccepted: boolean): void => {
        round.onTheirWay--
        if (isAccepted && message.from !== key) counters.brought++
        if (!isAccepted) this.#turnBack(peer, round)
        this.#go(peer, round)
      }
      this.#send(peer, message, settle, () => {
        round.onTheirWay--
        // there is no room, which says nothing about the peer
        if (this.#context.mailbox.has(message.id, message.from)) round.queue.length = 0
        this.#go(peer, round)
      })
    }
    if (round.onTheirWay === 0) this.#rounds.delete(peer)
  }

  /** Nobody is there after all; its next sign of life begins a new round. */
  #turnBack(peer: PeerKey, round: Round): void {
    const { peers, clock } = this.#context
    round.queue.length = 0
    this.#context.onPeerChange(peers.unreachable(peer, clock.now))
  }

  /** `otherwise`: the transport was not asked, for it has no room or the message is not needed any more. */
  #send(peer: PeerKey, { id, from, wire }: StoredMessage, outcome: Outcome, otherwise = (): void => {}): void {
    this.started(id, from)
    const settle = (isAccepted: boolean): void => {
      this.settled(id, from, isAccepted)
      outcome(isAccepted)
    }
    const notAsked = (): void => {
      this.settled(id, from, false)
      otherwise()
    }
    if (from === this.#context.key) this.#pace.send(peer, { id, next: peer, frame: wire, settle, notAsked })
    else if (!this.#context.transmissions.send(peer, wire, settle)) notAsked()
  }

  #way(id: string, from: PeerKey): Way {
    const key = keyOf(id, from)
    let way = this.#ways.get(key)
    if (way === undefined) {
      way = { isOnItsWay: false, takenAt: Number.NEGATIVE_INFINITY }
      this.#ways.set(key, way)
    }
    return way
  }
}

/** An id is only unique for one sender. */
function keyOf(id: string, from: PeerKey): string {
  return `${id}:${from}`
}
