/**
 * What became of each message of ours, by what the one who may say so has said (spec/envelope.md §4.4, §4.5): only its recipient's signed acknowledgement makes it delivered
 * (lock 1, ACK-1 to ACK-3). It asks for retransmissions and gives up; it holds no message.
 */

import { type Deadlined, DeadlineHeap } from '../../driver/index.ts'
import type { Ack, ReadReceipt } from '../wire/bodies.ts'
import type { PeerKey } from '../wire/envelope.ts'
import type { DeliveryState } from './delivery-state.ts'
import { TRACKER_SETTINGS, type TrackerSettings } from './settings.ts'

export interface Change {
  readonly id: string
  readonly to: PeerKey
  readonly via: readonly PeerKey[]
  readonly before: DeliveryState
  readonly after: DeliveryState
}

/**
 * `retransmit`: the same bytes again. `failed`: not acknowledged in time, which a late ack may still change (RTR-13). `expired`: not tracked any more, for its day is over or a newer
 * message needed the room.
 */
export interface Due {
  readonly kind: 'retransmit' | 'failed' | 'expired'
  readonly id: string
}

/** `deadline`: when its round ends, monotonic ms. */
interface Tracked extends Deadlined {
  readonly id: string
  readonly to: PeerKey
  via: readonly PeerKey[]
  readonly life: Life
  state: DeliveryState
  /** When the transport was asked last, monotonic ms, and how often it was. */
  roundAt: number
  rounds: number
  /** Hops that said they passed it on: a bit for each place in `via`. */
  credited: number
}

/** `deadline`: ms since 1970. */
interface Life extends Deadlined {
  readonly id: string
}

const NEVER = Number.POSITIVE_INFINITY

export class DeliveryTracker {
  readonly #settings: TrackerSettings
  readonly #tracked = new Map<string, Tracked>()
  readonly #rounds = new DeadlineHeap<Tracked>()
  readonly #lives = new DeadlineHeap<Life>()
  /** Those that nothing is asked for any more, in the order in which they came so far: they make room. */
  readonly #read = new Set<string>()
  readonly #delivered = new Set<string>()
  readonly #failed = new Set<string>()
  /** Pushed out, and not yet told. */
  readonly #pushedOut: string[] = []
  /** What the wall clock is ahead of the monotonic one, as told last, ms. */
  #wallAhead = 0

  constructor(settings: Partial<TrackerSettings> = {}) {
    this.#settings = { ...TRACKER_SETTINGS, ...settings }
  }

  /** Messages of all states. */
  get size(): number {
    return this.#tracked.size
  }

  /** A new message is about to be given to the transport. `expiresAt`, `wall`: ms since 1970; `now`: monotonic ms. False, and nothing happens: all the room is taken by messages on their way. */
  track(
    message: { id: string; to: PeerKey; via: readonly PeerKey[]; expiresAt: number },
    now: number,
    wall: number,
  ): boolean {
    const { id, to, via, expiresAt } = message
    this.#wallAhead = wall - now
    if (this.#tracked.has(id)) return false
    if (this.#tracked.size >= this.#settings.maxTracked && !this.#makeRoom()) return false
    const entry: Tracked = {
      deadline: NEVER,
      heapIndex: -1,
      id,
      to,
      via,
      life: { deadline: NEVER, heapIndex: -1, id },
      state: 'pending',
      roundAt: now,
      rounds: 1,
      credited: 0,
    }
    this.#tracked.set(id, entry)
    this.#lives.set(entry.life, expiresAt)
    this.#rounds.set(entry, now + this.#settings.roundMs)
    return true
  }

  /** The transport is asked at `at` only, or a little before or after, monotonic ms: the round counts from then. */
  postpone(id: string, at: number): void {
    const entry = this.#tracked.get(id)
    if (entry === undefined || entry.heapIndex < 0) return
    entry.roundAt = at
    this.#rounds.set(entry, at + this.#settings.roundMs)
  }

  /** RTR-12: the transport took the bytes for the first hop; now an ack may be expected. Undefined: the state stays. */
  transmitted(id: string, now: number): Change | undefined {
    const entry = this.#tracked.get(id)
    if (entry === undefined) return undefined
    this.#awaitAck(entry, now)
    return entry.state === 'pending' ? this.#become(entry, 'sent') : undefined
  }

  /** It did not: an attempt like any other, for the next one may find another way. */
  transmitFailed(id: string, now: number): void {
    const entry = this.#tracked.get(id)
    if (entry !== undefined) this.#awaitAck(entry, now)
  }

  /** `from`: whose signature the ack bears. Undefined: it changes nothing. */
  onAck({ originalId, kind }: Ack, from: PeerKey, _now: number): Change | undefined {
    const entry = this.#tracked.get(originalId)
    if (entry === undefined) return undefined
    const { state } = entry
    if (kind === 'RecipientReceived') {
      // ACK-1; RTR-13: also after `failed`
      if (from !== entry.to || state === 'delivered' || state === 'read') return undefined
      return this.#become(entry, 'delivered')
    }
    // ACK-2
    if (!entry.via.includes(from)) return undefined
    return state === 'pending' || state === 'sent' ? this.#become(entry, 'relayed') : undefined
  }

  /** ACK-3: who has read it has received it, whatever became of the ack. */
  onRead({ originalId }: ReadReceipt, from: PeerKey, _now: number): Change | undefined {
    const entry = this.#tracked.get(originalId)
    if (entry === undefined || from !== entry.to || entry.state === 'read') return undefined
    return this.#become(entry, 'read')
  }

  /** ROL-2: whether a hop of this message may be credited with it, which is so once. */
  takeCredit(id: string, hop: PeerKey): boolean {
    const entry = this.#tracked.get(id)
    const place = entry === undefined ? -1 : entry.via.indexOf(hop)
    if (entry === undefined || place < 0 || (entry.credited & (1 << place)) !== 0) return false
    entry.credited |= 1 << place
    return true
  }

  /** What is due, in the order in which it is to be done. A message whose day ends before it failed does so first. `now`: monotonic ms; `wall`: ms since 1970. */
  tick(now: number, wall: number): Due[] {
    this.#wallAhead = wall - now
    const due: Due[] = []
    for (const id of this.#pushedOut) due.push({ kind: 'expired', id })
    this.#pushedOut.length = 0
    for (let life = this.#lives.peek(); life !== undefined && life.deadline <= wall; life = this.#lives.peek()) {
      const { id } = life
      if (this.#tracked.get(id)!.heapIndex >= 0) due.push({ kind: 'failed', id })
      due.push({ kind: 'expired', id })
      this.forget(id)
    }
    for (let entry = this.#rounds.peek(); entry !== undefined && entry.deadline <= now; entry = this.#rounds.peek())
      due.push(this.#endRound(entry, now))
    return due
  }

  /** When `tick` has something to do, monotonic ms; Infinity: never. */
  deadline(): number {
    if (this.#pushedOut.length > 0) return 0
    return Math.min(this.#rounds.earliest, this.#lives.earliest - this.#wallAhead)
  }

  /** Undefined: not tracked. */
  state(id: string): DeliveryState | undefined {
    return this.#tracked.get(id)?.state
  }

  /** It goes another way from now on: only hops of that one are believed (ACK-2). */
  reroute(id: string, via: readonly PeerKey[]): void {
    const entry = this.#tracked.get(id)
    if (entry === undefined) return
    entry.via = via
    entry.credited = 0
  }

  viaOf(id: string): readonly PeerKey[] | undefined {
    return this.#tracked.get(id)?.via
  }

  forget(id: string): void {
    const entry = this.#tracked.get(id)
    if (entry === undefined) return
    this.#tracked.delete(id)
    this.#rounds.set(entry, NEVER)
    this.#lives.set(entry.life, NEVER)
    this.#settledIn(entry.state)?.delete(id)
  }

  #endRound(entry: Tracked, now: number): Due {
    const { id } = entry
    if (entry.rounds > this.#settings.retries) {
      this.#become(entry, 'failed')
      return { kind: 'failed', id }
    }
    entry.rounds++
    entry.roundAt = now
    this.#rounds.set(entry, now + this.#settings.roundMs)
    return { kind: 'retransmit', id }
  }

  /** The round ends a while after the transport answered, and some time after it was asked at the latest. */
  #awaitAck(entry: Tracked, now: number): void {
    if (entry.heapIndex < 0) return
    const { ackTimeoutMs, roundMs } = this.#settings
    this.#rounds.set(entry, Math.min(now + ackTimeoutMs, entry.roundAt + roundMs))
  }

  /** The only place where a state changes. */
  #become(entry: Tracked, after: DeliveryState): Change {
    const { id, to, via, state: before } = entry
    this.#settledIn(before)?.delete(id)
    entry.state = after
    const settled = this.#settledIn(after)
    if (settled !== undefined) {
      settled.add(id)
      this.#rounds.set(entry, NEVER)
    }
    return { id, to, via, before, after }
  }

  #settledIn(state: DeliveryState): Set<string> | undefined {
    switch (state) {
      case 'read':
        return this.#read
      case 'delivered':
        return this.#delivered
      case 'failed':
        return this.#failed
      default:
        return undefined
    }
  }

  /** The oldest of those that can lose the least goes: nothing, a receipt, a late ack. */
  #makeRoom(): boolean {
    for (const settled of [this.#read, this.#delivered, this.#failed]) {
      for (const id of settled) {
        this.forget(id)
        this.#pushedOut.push(id)
        return true
      }
    }
    return false
  }
}
