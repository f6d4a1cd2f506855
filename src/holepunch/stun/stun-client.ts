/**
 * STUN transactions of a client (RFC 8489 §6), without I/O: when a request is sent again, which answer belongs to it, when it is given up. What is asked, and of whom, is its
 * owner's. Our schedule is tighter than the RFC's: spec/disco-stun-nat.md §6.2.
 */
import { canonicalSocketAddress, type SocketAddress, sameBytes, sameSocketAddress } from '../../bytes/index.ts'
import type { RandomSource } from '../../platform/index.ts'
import {
  type ChangeRequest,
  decodeStun,
  encodeStun,
  type StunMessage,
  StunType,
  TRANSACTION_ID_LENGTH,
} from './message.ts'

/** When a request goes out, ms after the first time. */
const SCHEDULE_MS: readonly number[] = [0, 250, 750, 1750]
/** Then nobody answers, ms after the first time. */
export const GIVE_UP_MS = 3_000

export interface StunQuestion<Socket> {
  /** Ours: only what comes in on it is an answer. It is compared, never looked into. */
  readonly socket: Socket
  readonly server: SocketAddress
  /** From where the answer shall come; default: from the server's address that was asked. */
  readonly change?: ChangeRequest
}

export interface StunAnswer {
  /** Ours, as the server sees it. */
  readonly mapped: SocketAddress
  /** From where it came. */
  readonly source: SocketAddress
  /** The server's other address and port, RFC 5780 §7.4. */
  readonly otherAddress: SocketAddress | undefined
}

export type StunOutcome =
  | ({ readonly kind: 'answered' } & StunAnswer)
  /** The server says no, cannot do what was asked, or says what we do not understand. `reason` is for people. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'silent' }

export interface StunTransaction<Socket> {
  readonly question: StunQuestion<Socket>
  readonly id: Uint8Array
}

export interface StunTransmit<Socket> {
  readonly question: StunQuestion<Socket>
  readonly bytes: Uint8Array
}

export interface StunEnd<Socket> {
  readonly transaction: StunTransaction<Socket>
  readonly outcome: StunOutcome
}

class Pending<Socket> implements StunTransaction<Socket> {
  readonly question: StunQuestion<Socket>
  readonly id: Uint8Array
  readonly bytes: Uint8Array
  readonly startedAt: number
  sent: number

  constructor(question: StunQuestion<Socket>, id: Uint8Array, now: number) {
    const { change } = question
    this.question = question
    this.id = id
    this.bytes = encodeStun({
      type: StunType.request,
      transactionId: id,
      ...(change === undefined ? {} : { changeRequest: change }),
    })
    this.startedAt = now
    this.sent = 0
  }

  /** When it wants to be looked at. */
  get deadline(): number {
    return this.startedAt + (SCHEDULE_MS[this.sent] ?? GIVE_UP_MS)
  }
}

/**
 * After each call drain `poll` and `nextEnd`; call `tick` at `deadline`. Any number of transactions may be under way, their owner bounds them.
 */
export class StunClient<Socket> {
  readonly #random: RandomSource
  /** By the transaction id. */
  readonly #pending: Map<string, Pending<Socket>>
  readonly #ends: StunEnd<Socket>[]

  constructor(random: RandomSource) {
    this.#random = random
    this.#pending = new Map()
    this.#ends = []
  }

  /** Transactions under way. */
  get pending(): number {
    return this.#pending.size
  }

  ask(question: StunQuestion<Socket>, now: number): StunTransaction<Socket> {
    const id = new Uint8Array(TRANSACTION_ID_LENGTH)
    this.#random.fill(id)
    const server = canonicalSocketAddress(question.server)
    const pending = new Pending({ ...question, server }, id, now)
    this.#pending.set(keyOf(id), pending)
    return pending
  }

  /** Nothing more is sent, and no end comes. */
  cancel(transaction: StunTransaction<Socket>): void {
    this.#pending.delete(keyOf(transaction.id))
  }

  /** The next request that is due, until undefined. */
  poll(now: number): StunTransmit<Socket> | undefined {
    for (const pending of this.#pending.values()) {
      if (pending.sent >= SCHEDULE_MS.length || pending.deadline > now) continue
      pending.sent++
      // Several may have become due: one is enough, and the next keeps its time.
      while (pending.sent < SCHEDULE_MS.length && pending.deadline <= now) pending.sent++
      return { question: pending.question, bytes: pending.bytes }
    }
    return undefined
  }

  /** Gives up what had its time. */
  tick(now: number): void {
    for (const pending of this.#pending.values())
      if (pending.startedAt + GIVE_UP_MS <= now) this.#end(pending, { kind: 'silent' })
  }

  /** Infinity when nothing is under way. */
  deadline(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const pending of this.#pending.values()) earliest = Math.min(earliest, pending.deadline)
    return earliest
  }

  /** What came in on `socket`. Anything but the answer to one of the transactions, from where it must come, changes nothing. */
  receive(data: Uint8Array, source: SocketAddress, socket: Socket): void {
    const message = decodeStun(data)
    if (message === undefined || (message.type !== StunType.success && message.type !== StunType.error)) return
    const pending = this.#pending.get(keyOf(message.transactionId))
    if (pending === undefined || pending.question.socket !== socket) return
    const from = canonicalSocketAddress(source)
    const { server, change } = pending.question
    if (isFrom(from, server, change)) this.#end(pending, outcomeOf(message, from))
    // The address that was asked may well speak, but it shows that this server cannot answer from another.
    else if (change !== undefined && sameSocketAddress(from, server))
      this.#end(pending, {
        kind: 'refused',
        reason: refusalOf(message, from.ip.length) ?? 'it answers from where it was asked',
      })
  }

  nextEnd(): StunEnd<Socket> | undefined {
    return this.#ends.shift()
  }

  #end(pending: Pending<Socket>, outcome: StunOutcome): void {
    this.#pending.delete(keyOf(pending.id))
    this.#ends.push({ transaction: pending, outcome })
  }
}

function keyOf(id: Uint8Array): string {
  return id.join('.')
}

function isFrom(source: SocketAddress, server: SocketAddress, change: ChangeRequest | undefined): boolean {
  const isOtherIp = !sameBytes(source.ip, server.ip)
  const isOtherPort = source.port !== server.port
  if (source.ip.length !== server.ip.length) return false
  return isOtherIp === (change?.ip ?? false) && isOtherPort === (change?.port ?? false)
}

/** Why a response to a question over IPv4 (4 bytes) or IPv6 (16) is of no use; undefined when it is. */
function refusalOf({ type, error, unknownRequired, mapped }: StunMessage, ipLength: number): string | undefined {
  if (type === StunType.error) return error === undefined ? 'an error' : `error ${error.code} ${error.reason}`.trimEnd()
  // RFC 8489 §6.3.3
  if (unknownRequired.length > 0) return 'its answer needs what we do not know'
  // A server can say what it likes: an address of the other family, or without a port, is none of ours.
  return mapped?.ip.length !== ipLength || mapped.port === 0 ? 'its answer holds no address of ours' : undefined
}

function outcomeOf(message: StunMessage, source: SocketAddress): StunOutcome {
  const reason = refusalOf(message, source.ip.length)
  if (reason !== undefined) return { kind: 'refused', reason }
  return { kind: 'answered', mapped: message.mapped!, source, otherAddress: message.otherAddress }
}
