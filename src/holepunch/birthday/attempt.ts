/**
 * One try to get through between a NAT with a mapping for each destination and one that lets in only whom we sent to (spec/disco-stun-nat.md §8.5). This file has what
 * both sides share: how an attempt is agreed on, how long it lasts, how many packets it may take. No socket, no clock: what happened comes in, what is to be done
 * is returned. hard-attempt.ts and easy-attempt.ts have the two roles.
 */
import { type SocketAddress, sameBytes } from '../../bytes/index.ts'
import type { RandomSource } from '../../platform/index.ts'
import { type DiscoMessage, TRANSACTION_ID_LENGTH } from '../disco/message.ts'
import type { BirthdayMessage, BirthdayRole } from './message.ts'
import { PacketBudget } from './packet-budget.ts'

/** Sockets of the hard side. With 1,920 probes one of 256 is hit in 9,995 of 10,000 attempts. */
export const SIDE_SOCKETS = 256
/** An attempt ends after this, however it stands, ms. */
export const ATTEMPT_MS = 12_000
/** Packets in the long run: each may make a new entry in some router's table. */
export const PACKETS_PER_SECOND = 400
/** How long a batch of them is, ms. */
export const BATCH_MS = 20
/** The number of the endpoint's own socket; those of the hard side count from 0. */
export const MAIN_SOCKET = -1

export type BirthdayAction =
  /** Open so many sockets, and say `bound`. */
  | { readonly type: 'bind'; readonly sockets: number }
  | { readonly type: 'ping'; readonly socket: number; readonly to: SocketAddress; readonly transactionId: Uint8Array }
  | { readonly type: 'pong'; readonly socket: number; readonly to: SocketAddress; readonly transactionId: Uint8Array }
  | { readonly type: 'message'; readonly message: BirthdayMessage }
  /** `socket` reaches the peer at `remote`, and the peer knows. The attempt is over. */
  | { readonly type: 'won'; readonly socket: number; readonly remote: SocketAddress }
  /** The attempt is over, for nothing. */
  | { readonly type: 'failed' }

export interface AttemptOptions {
  /** 8 bytes, the same on both sides. */
  readonly id: Uint8Array
  /** Our IPv4 address as others see it; its port only means something on the easy side. */
  readonly own: SocketAddress
  /** What the peer said in its offer; undefined when the offer is ours. */
  readonly peer?: SocketAddress
  /** Whether the peer may have this address: asked about its answer. */
  readonly isPeers: (address: SocketAddress) => boolean
  readonly random: RandomSource
  /** Default `SIDE_SOCKETS`. */
  readonly sockets?: number
  /** Default `PACKETS_PER_SECOND`. */
  readonly packetsPerSecond?: number
  readonly now: number
}

export abstract class BirthdayAttempt {
  abstract readonly role: BirthdayRole
  readonly id: Uint8Array
  readonly budget = new PacketBudget()
  protected readonly own: SocketAddress
  protected readonly sockets: number
  protected readonly packetsPerBatch: number
  /** Undefined until the peer agreed. */
  protected peer: SocketAddress | undefined
  readonly #isOurs: boolean
  readonly #isPeers: (address: SocketAddress) => boolean
  readonly #random: RandomSource
  readonly #endsAt: number
  /** What came before the answer. */
  #early: BirthdayMessage | undefined = undefined
  #isOver = false

  constructor(options: AttemptOptions) {
    this.id = options.id
    this.own = options.own
    this.peer = options.peer
    this.sockets = options.sockets ?? SIDE_SOCKETS
    this.packetsPerBatch = Math.max(1, Math.round(((options.packetsPerSecond ?? PACKETS_PER_SECOND) * BATCH_MS) / 1000))
    this.#isOurs = options.peer === undefined
    this.#isPeers = options.isPeers
    this.#random = options.random
    this.#endsAt = options.now + ATTEMPT_MS
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** The offer is ours and the peer has not answered. */
  get isWaiting(): boolean {
    return this.#isOurs && this.peer === undefined
  }

  /** Where packets go: of the hard side's address only the IP is meant. */
  get remote(): SocketAddress | undefined {
    return this.peer
  }

  /** Offers, or answers the peer's offer and begins. */
  open(now: number): BirthdayAction[] {
    const { id, role, own } = this
    const message: BirthdayMessage = { type: this.#isOurs ? 'offer' : 'answer', id, role, address: own }
    return [{ type: 'message', message }, ...(this.#isOurs ? [] : this.begin(now))]
  }

  /** A message with this attempt's id. What does not fit is ignored, but a wrong answer ends the attempt. */
  onMessage(message: BirthdayMessage, now: number): BirthdayAction[] {
    if (this.#isOver || !sameBytes(message.id, this.id)) return []
    if (message.type === 'end') return this.#end([])
    if (message.type !== 'answer') {
      if (this.peer !== undefined) return this.onPeerMessage(message, now)
      // Messages come in any order: this one may have overtaken the answer.
      this.#early = message
      return []
    }
    if (!this.isWaiting) return []
    if (message.role === this.role || !this.#isPeers(message.address)) return this.abort()
    this.peer = message.address
    const actions = this.begin(now)
    return this.#early === undefined ? actions : [...actions, ...this.onPeerMessage(this.#early, now)]
  }

  /** An opened disco message of the peer, from its IPv4 address `from`, on one of the sockets. */
  onDisco(socket: number, from: SocketAddress, message: DiscoMessage, now: number): BirthdayAction[] {
    if (this.#isOver || this.peer === undefined || !this.isFromPeer(from)) return []
    if (message.type === 'ping') return this.onPing(socket, from, message.transactionId, now)
    return message.type === 'pong' ? this.onPong(socket, from, message, now) : []
  }

  /** When `tick` is due, ms. */
  deadline(): number {
    return this.#isOver ? Number.POSITIVE_INFINITY : Math.min(this.#endsAt, this.nextAt)
  }

  tick(now: number): BirthdayAction[] {
    if (this.#isOver) return []
    return now >= this.#endsAt ? this.abort() : this.run(now)
  }

  /** Gives up and tells the peer, whatever it knows of this. */
  abort(): BirthdayAction[] {
    if (this.#isOver) return []
    return this.#end([{ type: 'message', message: { type: 'end', id: this.id } }])
  }

  /** The sockets that were asked for are open, so many of them. Only for the hard side. */
  bound(_sockets: number, _now: number): BirthdayAction[] {
    return []
  }

  #end(last: readonly BirthdayAction[]): BirthdayAction[] {
    this.#isOver = true
    return [...last, { type: 'failed' }]
  }

  protected win(socket: number, remote: SocketAddress): BirthdayAction {
    this.#isOver = true
    return { type: 'won', socket, remote }
  }

  /** Nothing when the budget is used up. */
  protected ping(socket: number, to: SocketAddress, sent: (transactionId: Uint8Array) => void): BirthdayAction[] {
    if (!this.budget.take()) return []
    const transactionId = new Uint8Array(TRANSACTION_ID_LENGTH)
    this.#random.fill(transactionId)
    sent(transactionId)
    return [{ type: 'ping', socket, to, transactionId }]
  }

  protected pong(socket: number, to: SocketAddress, transactionId: Uint8Array): BirthdayAction[] {
    return this.budget.take() ? [{ type: 'pong', socket, to, transactionId }] : []
  }

  protected get random(): RandomSource {
    return this.#random
  }

  /** When `run` is due, ms. */
  protected abstract readonly nextAt: number
  protected abstract begin(now: number): BirthdayAction[]
  protected abstract run(now: number): BirthdayAction[]
  protected abstract isFromPeer(from: SocketAddress): boolean
  protected abstract onPeerMessage(message: BirthdayMessage, now: number): BirthdayAction[]
  protected abstract onPing(
    socket: number,
    from: SocketAddress,
    transactionId: Uint8Array,
    now: number,
  ): BirthdayAction[]
  protected abstract onPong(
    socket: number,
    from: SocketAddress,
    pong: DiscoMessage & { readonly type: 'pong' },
    now: number,
  ): BirthdayAction[]
}
