/**
 * One topic of one node: its machine, its subscriptions, and who waits for what (spec/gossip.md §8). All subscriptions share the machine; the last one that goes
 * leaves the topic, and whoever subscribes again gets a new one, so that no timer of this stay reaches it.
 */
import { encodeHex } from '../../bytes/index.ts'
import { blake3Hash } from '../../crypto/index.ts'
import { WaitQueue } from '../../endpoint/index.ts'
import type { EndpointId } from '../../identity/index.ts'
import { GossipError } from '../errors.ts'
import type { Dice, TopicEffects, TopicEvent, TopicTimer } from '../proto/effects.ts'
import type { Message } from '../proto/messages.ts'
import type { GossipProfile } from '../proto/settings.ts'
import { TopicState } from '../proto/topic-state.ts'
import type { TopicId } from '../topic-id.ts'
import { encodeHeader } from '../wire/frames.ts'
import { messageLength } from '../wire/message-codec.ts'
import type { TimerOwner } from './deadlines.ts'
import type { Receiver } from './incoming.ts'
import { JoinAttempts } from './join-attempts.ts'
import type { Counters } from './metrics.ts'
import { Subscription } from './subscription.ts'
import type { GossipEvent } from './types.ts'

/** What a topic needs of its node. */
export interface TopicHost {
  readonly me: string
  readonly profile: GossipProfile
  readonly maxMessageSize: number
  readonly dice: Dice
  readonly counters: Counters
  now(): number
  ownData(): Uint8Array
  idOf(key: string): EndpointId
  sendTo(topic: Topic, key: string, message: Message<string>): void
  released(topic: Topic, key: string): void
  schedule<T>(at: number, owner: TimerOwner<T>, what: T): void
  /** `isOwnWord`: the peer said so itself. */
  learned(key: string, data: Uint8Array, isOwnWord: boolean): void
  roundTripMs(key: string): number | undefined
  dialError(key: string): unknown
  /** Whether one more message finds room everywhere; a promise: not before it resolves. */
  room(topic: Topic): Promise<void> | undefined
}

/** One neighbour, all of them, or everybody. */
export type Audience = 'swarm' | 'neighbors' | EndpointId

const SILENT_ID = '0'.repeat(64)

export class Topic implements TopicEffects<string>, TimerOwner<TopicTimer<string>>, Receiver {
  readonly id: TopicId
  /** 64 hex digits. */
  readonly key: string
  /** First frame of each stream. */
  readonly header: Uint8Array
  readonly subscriptions = new Set<Subscription>()
  readonly #host: TopicHost
  readonly #state: TopicState<string>
  readonly #attempts: JoinAttempts
  readonly #news = new WaitQueue()
  /** Of the input that is being worked on, ms; and who sent it, or last sent one. */
  #now = 0
  #from = ''
  #closedBy: GossipError | undefined = undefined

  constructor(id: TopicId, host: TopicHost) {
    this.id = id
    this.key = id.toString()
    this.header = encodeHeader(id)
    this.#host = host
    this.#attempts = new JoinAttempts()
    this.#state = new TopicState({
      me: host.me,
      data: host.ownData(),
      profile: host.profile,
      dice: host.dice,
      hash,
      effects: this,
    })
  }

  /** Keys. */
  get neighbors(): readonly string[] {
    return this.#state.neighbors
  }

  get isClosed(): boolean {
    return this.#closedBy !== undefined
  }

  needs(key: string): boolean {
    return this.#state.needs(key)
  }

  subscribe(maxBufferedEvents: number): Subscription {
    const subscription = new Subscription(maxBufferedEvents, (count) => {
      this.#host.counters.missedEvents += count
    })
    for (const key of this.neighbors) subscription.push({ kind: 'neighbor-up', peer: this.#host.idOf(key) })
    this.subscriptions.add(subscription)
    return subscription
  }

  join(keys: readonly string[]): void {
    for (const key of keys) this.#attempts.began(key)
    this.#begin()
    this.#state.join(keys, this.#now)
  }

  /** Throws GossipError MESSAGE_TOO_LARGE. Undefined: there is room for the next; else a promise of it. */
  say(content: Uint8Array, to: Audience): Promise<void> | undefined {
    if (this.#closedBy !== undefined) throw this.#closedBy
    this.#checkSize(content, to !== 'swarm')
    this.#begin()
    // the cache keeps it for those who ask later, and the caller's buffer is his own
    const own = Uint8Array.from(content)
    if (typeof to === 'string') this.#state.broadcast(own, to === 'neighbors', this.#now)
    else this.#state.sendTo(to.toString(), own, this.#now)
    return this.#host.room(this)
  }

  /** Resolves while there is a neighbour. */
  async joined(signal: AbortSignal | undefined, timeoutMs: number): Promise<void> {
    const deadline = this.#host.now() + timeoutMs
    if (this.neighbors.length === 0 && Number.isFinite(deadline))
      this.#host.schedule(deadline, { fire: () => this.#news.wake() }, undefined)
    for (;;) {
      signal?.throwIfAborted()
      if (this.#closedBy !== undefined) throw this.#closedBy
      if (this.neighbors.length > 0) return
      if (this.#host.now() >= deadline) throw this.#joinTimeout(timeoutMs)
      await this.#news.wait(signal)
    }
  }

  /** Leaves the topic: `reason` is what everybody hears who waits or tries to use it. */
  leave(reason: GossipError): void {
    if (this.#closedBy !== undefined) return
    this.#begin()
    this.#state.quit(this.#now)
    this.#closedBy = reason
    for (const subscription of this.subscriptions) subscription.end()
    this.subscriptions.clear()
    this.#news.wake()
  }

  // the world

  receive(from: string, message: Message<string>, now: number): boolean {
    this.#now = now
    this.#from = from
    const { stats } = this.#state.tree
    const { badIds } = stats
    this.#state.receive(from, message, now)
    return stats.badIds === badIds
  }

  fire(timer: TopicTimer<string>, now: number): void {
    this.#now = now
    this.#state.fire(timer, now)
  }

  disconnected(key: string): void {
    this.#begin()
    this.#state.disconnected(key, this.#now)
  }

  ownDataChanged(): void {
    this.#begin()
    this.#state.setData(this.#host.ownData(), this.#now)
  }

  // the machine's effects

  send(peer: string, message: Message<string>): void {
    this.#host.sendTo(this, peer, message)
  }

  release(peer: string): void {
    this.#host.released(this, peer)
  }

  schedule(timer: TopicTimer<string>, afterMs: number): void {
    this.#host.schedule(this.#now + afterMs, this, timer)
  }

  learned(peer: string, data: Uint8Array): void {
    this.#host.learned(peer, data, peer === this.#from)
  }

  roundTripMs(peer: string): number | undefined {
    return this.#host.roundTripMs(peer)
  }

  emit(event: TopicEvent<string>): void {
    const { counters } = this.#host
    if (event.kind === 'neighbor-up') {
      counters.neighborUp++
      this.#attempts.over(event.peer)
      this.#news.wake()
    } else if (event.kind === 'neighbor-down') counters.neighborDown++
    if (this.subscriptions.size === 0) return
    const told = this.#toPublic(event)
    for (const subscription of this.subscriptions) subscription.push(told)
  }

  #toPublic(event: TopicEvent<string>): GossipEvent {
    switch (event.kind) {
      case 'received': {
        const { content, round } = event
        const deliveredFrom = this.#host.idOf(event.from)
        if (round === undefined) return { kind: 'received', content, deliveredFrom, scope: 'neighbors', round: 0 }
        return { kind: 'received', content, deliveredFrom, scope: 'swarm', round }
      }
      case 'neighbor-up':
        return { kind: 'neighbor-up', peer: this.#host.idOf(event.peer) }
      case 'neighbor-down':
        return { kind: 'neighbor-down', peer: this.#host.idOf(event.peer), reason: event.reason }
      case 'join-failed': {
        const peer = this.#host.idOf(event.peer)
        const error = this.#host.dialError(event.peer)
        return error === undefined ? { kind: 'join-failed', peer } : { kind: 'join-failed', peer, error }
      }
    }
  }

  #begin(): void {
    this.#now = this.#host.now()
  }

  /** spec/gossip.md §3.5: the body is strictly shorter than the limit, also when it has travelled some hops. */
  #checkSize(content: Uint8Array, isForNeighbors: boolean): void {
    const round = isForNeighbors ? undefined : 0
    const { maxMessageSize } = this.#host
    const length = messageLength({ kind: 'gossip', id: SILENT_ID, content, round })
    if (length < maxMessageSize) return
    const limit = content.length - (length - maxMessageSize) - 1
    throw new GossipError(
      'MESSAGE_TOO_LARGE',
      `${content.length} bytes are too many for a message of this swarm: send at most ${limit}, or give every node a larger maxMessageSize (now ${maxMessageSize})`,
    )
  }

  #joinTimeout(timeoutMs: number): GossipError {
    const tried = this.#attempts.describe((key) => this.#host.dialError(key))
    return new GossipError(
      'JOIN_TIMEOUT',
      `no neighbour in the topic ${this.id.toShortString()} after ${timeoutMs} ms; ${tried}`,
    )
  }
}

function hash(content: Uint8Array): string {
  return encodeHex(blake3Hash(content))
}
