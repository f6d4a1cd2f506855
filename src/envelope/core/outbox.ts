/**
 * Messages of ours, from `send` to their acknowledgement: sealed, kept, handed to the transport, sent again, given a hop where the straight way fails (spec/envelope.md §4.4, §4.5,
 * RTR-9). Keeping them elsewhere is `holders.ts`'.
 */
import { EnvelopeError, TomError } from '../errors.ts'
import type { Change } from '../routing/delivery-tracker.ts'
import type { Ack, ReadReceipt } from '../wire/bodies.ts'
import { LIFETIME_MS, MAX_HOPS, type PeerKey } from '../wire/envelope.ts'
import { decodeEnvelope } from '../wire/envelope-codec.ts'
import type { Context } from './context.ts'
import type { Courier } from './courier.ts'
import type { Holders } from './holders.ts'
import type { Pace } from './pace.ts'
import type { Shelf } from './shelf.ts'

export interface OutgoingOptions {
  readonly isClear?: boolean
  readonly via?: readonly PeerKey[]
}

export class Outbox {
  readonly #context: Context
  readonly #holders: Holders
  readonly #shelf: Shelf
  readonly #courier: Courier
  readonly #pace: Pace

  constructor(context: Context, holders: Holders, courier: Courier, shelf: Shelf, pace: Pace) {
    this.#context = context
    this.#holders = holders
    this.#shelf = shelf
    this.#courier = courier
    this.#pace = pace
  }

  /**
   * The id of the message, which is on its way when this returns. `onKept` hears whether it would survive a crash; never called within this call.
   * Throws TomError: INVALID_OPTION, MESSAGE_TOO_LARGE, TOO_MANY_MESSAGES.
   */
  send(to: PeerKey, bytes: Uint8Array, options: OutgoingOptions, onKept: (isDurable: boolean) => void): string {
    const { key, clock, tracker, mailbox, world, counters, peers } = this.#context
    const { via = [], isClear = false } = options
    this.#check(to, via)
    const timestamp = clock.wall
    const { envelope, wire } = this.#seal(to, via, bytes, timestamp, !isClear)
    const { id } = envelope
    const expiresAt = timestamp + LIFETIME_MS
    if (!tracker.track({ id, to, via, expiresAt }, clock.now, timestamp)) throw tooMany()
    const put = mailbox.put({ id, from: key, to, wire, expiresAt, holders: [] }, timestamp, timestamp)
    if (!put.isKept) {
      tracker.forget(id)
      throw tooMany()
    }
    this.#shelf.left(put.pushedOut)
    world.persist({ kind: 'keep', message: put.message }, onKept)
    counters.sent++
    this.#holders.watch(id)
    this.#transmit(id, to, via, wire)
    if (peers.livenessOf(to) === 'offline') this.#holders.seekHolders(id)
    return id
  }

  /** An acknowledgement that was verified. False: it changes nothing. */
  onAck(ack: Ack, from: PeerKey, length: number): boolean {
    const { key, clock, tracker, mailbox, peers } = this.#context
    const { originalId: id, kind } = ack
    const change = tracker.onAck(ack, from, clock.now)
    if (change !== undefined) this.#changed(change)
    if (kind === 'RelayForwarded') {
      const isCredited = tracker.takeCredit(id, from)
      if (isCredited) peers.forwardedBy(from, length, clock.now)
      return isCredited || change !== undefined
    }
    // one of an earlier life of ours: nobody waits for it, but it need not be kept any more
    const isOfOurs = change === undefined && mailbox.get(id, key)?.to === from
    if (isOfOurs) this.#holders.acknowledged(id)
    return isOfOurs || change !== undefined
  }

  onRead(receipt: ReadReceipt, from: PeerKey): boolean {
    const change = this.#context.tracker.onRead(receipt, from, this.#context.clock.now)
    if (change === undefined) return false
    this.#changed(change)
    return true
  }

  deadline(): number {
    return this.#context.tracker.deadline()
  }

  tick(): void {
    const { clock, tracker } = this.#context
    if (tracker.deadline() > clock.now) return
    for (const due of tracker.tick(clock.now, clock.wall)) {
      if (due.kind === 'retransmit') this.#retransmit(due.id)
      else if (due.kind === 'failed') this.#failed(due.id)
    }
  }

  #check(to: PeerKey, via: readonly PeerKey[]): void {
    const { key, keys } = this.#context
    if (!keys.isKey(to)) throw new TomError('INVALID_OPTION', 'the recipient is no public key')
    if (to === key) throw new TomError('INVALID_OPTION', 'a node sends nothing to itself')
    const isPath = via.length <= MAX_HOPS && new Set([...via, to, key]).size === via.length + 2
    if (!isPath) {
      const text = `via: at most ${MAX_HOPS} hops, each once, neither the recipient nor ourselves`
      throw new TomError('INVALID_OPTION', text)
    }
  }

  #seal(to: PeerKey, via: readonly PeerKey[], payload: Uint8Array, timestamp: number, isEncrypted: boolean) {
    try {
      return this.#context.sealer.seal({ to, via, type: 'Chat', payload, timestamp, isEncrypted })
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error
      if (error.code !== 'TOO_LARGE') throw new TomError('INVALID_OPTION', error.message, { cause: error })
      const text = `${payload.length} bytes do not fit into an envelope; some 104,000 always do: split the message`
      throw new TomError('MESSAGE_TOO_LARGE', text, { cause: error })
    }
  }

  #transmit(id: string, to: PeerKey, via: readonly PeerKey[], wire: Uint8Array): void {
    const { key } = this.#context
    const next = via[0] ?? to
    this.#courier.started(id, key)
    const settle = (isAccepted: boolean): void => {
      this.#courier.settled(id, key, isAccepted)
      if (isAccepted) this.#accepted(id)
      else this.#unsent(id, to, next, via)
    }
    const notAsked = (): void => {
      this.#courier.settled(id, key, false)
      this.#context.tracker.transmitFailed(id, this.#context.clock.now)
    }
    this.#pace.send(to, { id, next, frame: wire, settle, notAsked })
  }

  #accepted(id: string): void {
    const change = this.#context.tracker.transmitted(id, this.#context.clock.now)
    if (change !== undefined) this.#changed(change)
  }

  #unsent(id: string, to: PeerKey, next: PeerKey, via: readonly PeerKey[]): void {
    const { peers, tracker, clock, key, mailbox } = this.#context
    tracker.transmitFailed(id, clock.now)
    if (!mailbox.has(id, key)) return
    this.#context.onPeerChange(peers.unreachable(next, clock.now))
    this.#holders.seekHolders(id)
    if (via.length === 0) this.#takeHop(id, to)
  }

  /** The straight way failed: another node that is there may have one (RTR-9). The signature covers the way, so it is made anew; id and content stay. */
  #takeHop(id: string, to: PeerKey): void {
    const { key, keys, peers, clock, mailbox, sealer, tracker } = this.#context
    const hop = peers.chooseHop([to], clock.now)
    const message = mailbox.get(id, key)
    if (hop === undefined || message === undefined) return
    const { envelope, wire } = sealer.redirect(decodeEnvelope(message.wire, keys), [hop])
    tracker.reroute(id, envelope.via)
    this.#transmit(id, to, envelope.via, wire)
  }

  #retransmit(id: string): void {
    const { key, mailbox, tracker, keys, world } = this.#context
    const message = mailbox.get(id, key)
    if (message === undefined) {
      tracker.forget(id)
      return
    }
    if (this.#pace.isWaiting(id)) return
    const { via } = decodeEnvelope(message.wire, keys)
    if (via.length === 0) world.unanswered(message.to)
    this.#transmit(id, message.to, via, message.wire)
  }

  #failed(id: string): void {
    const { key, mailbox, peers, clock, tracker, counters, world } = this.#context
    counters.failed++
    for (const hop of tracker.viaOf(id) ?? []) peers.failedVia(hop, clock.now)
    const holders = mailbox.get(id, key)?.holders.length ?? 0
    world.emit({ kind: 'state', id, state: 'failed', holders })
  }

  #changed({ id, to, via, before, after }: Change): void {
    const { key, mailbox, counters, world } = this.#context
    const holders = mailbox.get(id, key)?.holders.length ?? 0
    const isDelivered = after === 'delivered' || after === 'read'
    if (isDelivered && before !== 'delivered') {
      counters.delivered++
      if (via.length === 0) world.answered(to)
      this.#holders.acknowledged(id)
    }
    world.emit({ kind: 'state', id, state: after, holders })
  }
}

function tooMany(): TomError {
  const text = 'too many messages wait for their acknowledgement; wait for receipts before sending more'
  return new TomError('TOO_MANY_MESSAGES', text)
}
