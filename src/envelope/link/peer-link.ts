/**
 * Everything between us and one peer: the connection we dialled, which we send on, and those it dialled, which we only read (spec/envelope.md §3.3, TRN-3, TRN-4, TRN-11). Knows since when
 * nobody has used it.
 */
import type { Connection } from '../../endpoint/index.ts'
import type { EndpointId } from '../../identity/index.ts'
import type { PeerKey } from '../wire/envelope.ts'
import type { FrameKind } from './framing.ts'
import { IncomingFrames, type IncomingHost } from './incoming.ts'
import { Outgoing, type OutgoingHost, type Waiting } from './outgoing.ts'
import type { ReadingMemory } from './reading-memory.ts'
import type { LinkSettings } from './settings.ts'
import type { LinkCounters, RefusalReason } from './stats.ts'

/** What a link needs of the links. */
export interface PeerLinkHost {
  readonly settings: LinkSettings
  readonly counters: LinkCounters
  readonly memory: ReadingMemory
  readonly waiting: Waiting
  now(): number
  wakeAt(at: number): void
  dial(id: EndpointId, attempt: number, abort: AbortController): Promise<Connection>
  received(frame: Uint8Array, peer: PeerKey, kind: FrameKind): void
  refused(peer: PeerKey, reason: RefusalReason): void
  /** One more, whoever dialled it. */
  connected(connection: Connection): void
  up(peer: PeerKey): void
  down(peer: PeerKey): void
  /** A connection of it ended, or something was settled that it had to send. */
  settled(link: PeerLink): void
}

export class PeerLink implements IncomingHost, OutgoingHost {
  readonly id: EndpointId
  readonly key: PeerKey
  readonly settings: LinkSettings
  readonly counters: LinkCounters
  readonly memory: ReadingMemory
  readonly waiting: Waiting
  readonly outgoing: Outgoing
  readonly #host: PeerLinkHost
  /** All that live, the newest last. */
  readonly #connections = new Map<Connection, IncomingFrames>()
  /** When a frame went out or came in, ms. */
  lastUsed: number
  #isUp = false

  constructor(id: EndpointId, key: PeerKey, host: PeerLinkHost) {
    this.id = id
    this.key = key
    this.settings = host.settings
    this.counters = host.counters
    this.memory = host.memory
    this.waiting = host.waiting
    this.#host = host
    this.outgoing = new Outgoing(id, this)
    this.lastUsed = host.now()
  }

  /** The one we dialled, else the newest that the peer dialled. */
  get connection(): Connection | undefined {
    const { connection } = this.outgoing
    if (connection !== undefined) return connection
    let newest: Connection | undefined
    for (const other of this.#connections.keys()) newest = other
    return newest
  }

  /** We have nothing to say. What the peer never finishes does not count: it would keep its link for ever. */
  get isIdle(): boolean {
    return this.outgoing.isIdle
  }

  get isEmpty(): boolean {
    return this.#connections.size === 0 && this.outgoing.isIdle
  }

  send(frame: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    this.lastUsed = this.now()
    return this.outgoing.send(frame, signal)
  }

  /** A connection that the peer dialled. */
  accepted(connection: Connection): void {
    this.counters.accepted++
    this.#add(connection)
    this.outgoing.heardOf()
    let count = 0
    for (const { side } of this.#connections.keys()) if (side === 'server') count++
    for (const other of this.#connections.keys()) {
      if (count <= this.settings.maxAcceptedPerPeer) break
      if (other.side !== 'server') continue
      count--
      other.close(0, 'too many connections')
    }
  }

  /** When to look again, ms. */
  expire(now: number): number {
    let next = this.outgoing.expire(now)
    for (const incoming of this.#connections.values()) next = Math.min(next, incoming.expire(now))
    return next
  }

  /** Ends all connections: what the peer has not received is lost. */
  close(error: unknown, reason: string): void {
    this.outgoing.close(error)
    for (const connection of this.#connections.keys()) connection.close(0, reason)
    // now, for the next link to this peer may be up before these connections have ended
    this.#down()
  }

  // for reading and sending

  now(): number {
    return this.#host.now()
  }

  wakeAt(at: number): void {
    this.#host.wakeAt(at)
  }

  dial(id: EndpointId, attempt: number, abort: AbortController): Promise<Connection> {
    return this.#host.dial(id, attempt, abort)
  }

  dialled(connection: Connection): void {
    this.#add(connection)
  }

  received(frame: Uint8Array, kind: FrameKind): void {
    this.lastUsed = this.now()
    this.#host.received(frame, this.key, kind)
  }

  refused(reason: RefusalReason): void {
    this.#host.refused(this.key, reason)
  }

  settled(): void {
    this.#host.settled(this)
  }

  /** Read until it ends. */
  async #add(connection: Connection): Promise<void> {
    const incoming = new IncomingFrames(connection, this)
    this.#connections.set(connection, incoming)
    this.lastUsed = this.now()
    if (!this.#isUp) {
      this.#isUp = true
      this.#host.up(this.key)
    }
    this.#host.connected(connection)
    const reading = incoming.run()
    await connection.closed
    // what came before the end counts
    await reading
    this.#connections.delete(connection)
    this.outgoing.closed(connection)
    if (this.#connections.size === 0) this.#down()
    this.#host.settled(this)
  }

  #down(): void {
    if (!this.#isUp) return
    this.#isUp = false
    this.#host.down(this.key)
  }
}
