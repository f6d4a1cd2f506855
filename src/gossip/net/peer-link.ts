/**
 * Everything between us and one peer: its connections, of which the newest is sent on and all are read, an outbox for each topic, and when all that may end
 * (spec/gossip.md §3.3, §3.8 C1 to C4, C7). Who is a neighbour is the topics' business.
 */
import type { Connection, SendStream } from '../../endpoint/index.ts'
import type { EndpointId } from '../../identity/index.ts'
import { TopicId } from '../topic-id.ts'
import { encodeFrame, encodeHeader } from '../wire/frames.ts'
import { encodeMessage } from '../wire/message-codec.ts'
import type { TimerOwner } from './deadlines.ts'
import type { Frame } from './frame.ts'
import { type IncomingHost, IncomingStreams, PeerBudget } from './incoming.ts'
import { Outbox, type OutboxHost, type OutboxPeer } from './outbox.ts'

const FAREWELL: Frame = {
  bytes: encodeFrame(encodeMessage({ kind: 'shuffle-reply', nodes: [] })),
  isPayload: false,
  isLast: true,
}

/** What a link needs of the node. */
export interface LinkHost extends OutboxHost, IncomingHost {
  /** Streams that a peer may have open on a connection. */
  incomingStreams(): number
  /** Some topic wants the connection to stay. */
  needs(key: string): boolean
  /** The last connection ended, and not by us. */
  lost(link: PeerLink): void
  /** There is nothing between us and the peer any more. */
  forget(link: PeerLink): void
}

export class PeerLink implements OutboxPeer, TimerOwner<undefined> {
  readonly id: EndpointId
  /** 64 hex digits. */
  readonly key: string
  /** Written by the outboxes. */
  queuedBytes = 0
  /** Written by the dialler. */
  isDialling = false
  readonly outboxes = new Map<string, Outbox>()
  readonly #host: LinkHost
  readonly #budget: PeerBudget
  /** The newest stands last. */
  readonly #connections: Connection[] = []
  /** Streams of ours whose end the peer has not acknowledged, on all connections. */
  #openStreams = 0
  /** Since when nobody needs it, ms; undefined: somebody does, or nobody has looked. */
  #idleSince: number | undefined = undefined
  /** When our streams were finished, to close the connections afterwards, ms. */
  #finishedAt: number | undefined = undefined
  #checkAt = Number.POSITIVE_INFINITY
  #isOver = false

  constructor(id: EndpointId, host: LinkHost) {
    this.id = id
    this.key = id.toString()
    this.#host = host
    this.#budget = new PeerBudget(host.settings, host.now())
  }

  /** Where to send: the newest that lives. One that has ended but is still being read is better than none, for it is no time to dial yet. */
  get connection(): Connection | undefined {
    const connections = this.#connections
    for (let index = connections.length - 1; index >= 0; index--)
      if (connections[index]!.closeReason === undefined) return connections[index]
    return connections[connections.length - 1]
  }

  /** Everything was written, and where a stream was finished, the peer has it. */
  get isSettled(): boolean {
    for (const outbox of this.outboxes.values()) if (!outbox.isSettled) return false
    return true
  }

  /** The peer has all of our streams to their ends. */
  get isFinished(): boolean {
    return this.#openStreams === 0 && this.isSettled
  }

  send(topic: string, header: Uint8Array, frame: Frame): void {
    // used again: not idle after all
    this.#idleSince = undefined
    this.#finishedAt = undefined
    this.#outbox(topic, header).push(frame)
  }

  #outbox(topic: string, header: Uint8Array): Outbox {
    let outbox = this.outboxes.get(topic)
    if (outbox === undefined) {
      outbox = new Outbox(topic, header, this, this.#host)
      this.outboxes.set(topic, outbox)
    }
    return outbox
  }

  /** A connection, dialled or accepted: it is sent on from now on. Resolves when it ended. */
  async add(connection: Connection): Promise<void> {
    const { settings, counters } = this.#host
    counters.connections++
    connection.limitSendBuffer(settings.sendBuffer)
    connection.allowIncomingUni(this.#host.incomingStreams())
    this.#connections.push(connection)
    this.#idleSince = undefined
    this.#finishedAt = undefined
    if (this.#connections.length > settings.maxConnectionsPerPeer)
      this.#connections[0]?.close(0, 'too many connections')
    for (const outbox of this.outboxes.values()) outbox.connectionChanged()
    this.look()
    const reading = new IncomingStreams(connection, this.#budget, this.#host).run()
    await connection.closed
    // what came before the end counts: it may say why
    await reading
    this.#closed(connection)
  }

  /** There are more topics now. */
  allowStreams(count: number): void {
    for (const connection of this.#connections) connection.allowIncomingUni(count)
  }

  /** A topic let go of the peer: its stream ends, and when nobody else needs the peer, the time of grace begins. */
  released(topic: string, now: number): void {
    this.outboxes.get(topic)?.finishSoon()
    if (this.#idleSince === undefined && !this.#host.needs(this.key)) this.#idleSince = now
    this.look()
  }

  /** Sees to it that `fire` looks whether the link may end. */
  look(): void {
    this.#lookAt(this.#host.now() + this.#host.settings.idleGraceMs)
  }

  /** C4: a connection that nobody needs ends when everything we said has arrived, after a time of grace. */
  fire(_what: undefined, now: number): void {
    this.#checkAt = Number.POSITIVE_INFINITY
    if (this.#isOver) return
    const { idleGraceMs, ackTimeoutMs } = this.#host.settings
    this.#tidy()
    if (this.isDialling || this.#host.needs(this.key)) {
      this.#idleSince = undefined
      this.#lookAt(now + idleGraceMs)
      return
    }
    this.#idleSince ??= now
    const ripe = this.#idleSince + idleGraceMs
    if (now < ripe) {
      this.#lookAt(ripe)
      return
    }
    if (this.#finishedAt === undefined) {
      this.#sayFarewell()
      this.#finishedAt = now
      this.finishStreams()
    }
    if (this.isFinished || now - this.#finishedAt >= ackTimeoutMs) this.close('not needed any more')
    else this.#lookAt(now + Math.min(idleGraceMs, ackTimeoutMs) / 10)
  }

  finishStreams(): void {
    for (const outbox of this.outboxes.values()) outbox.finish()
  }

  /** Ends all connections. What the peer has not received is lost. */
  close(reason: string): void {
    this.#isOver = true
    this.#host.forget(this)
    for (const outbox of this.outboxes.values()) outbox.clear()
    for (const connection of this.#connections.splice(0)) connection.close(0, reason)
  }

  /** Forgets what waits to be sent: nobody can be reached there. */
  clear(): void {
    for (const outbox of this.outboxes.values()) outbox.clear()
    this.outboxes.clear()
  }

  track(stream: SendStream): void {
    this.#openStreams++
    stream.closed.then(() => {
      this.#openStreams--
      this.#host.settled()
    })
  }

  /**
   * iroh-gossip 0.101 keeps a connection that ended while we were no neighbour as the one to send on, and never dials us again; a message that is no Disconnect, from somebody who is
   * no neighbour, makes it forget the connection first (spec/gossip.md §5, §3.8 C4). So on each topic that it spoke on a message that says nothing is the last one.
   */
  #sayFarewell(): void {
    if (this.connection === undefined) return
    for (const topic of this.#budget.topics) this.#outbox(topic, encodeHeader(TopicId.parse(topic))).push(FAREWELL)
  }

  #closed(connection: Connection): void {
    const index = this.#connections.indexOf(connection)
    if (index < 0) return
    const wasNewest = index === this.#connections.length - 1
    this.#connections.splice(index, 1)
    if (this.#connections.length === 0) {
      this.clear()
      this.#host.lost(this)
    } else if (wasNewest) {
      // C7
      for (const outbox of this.outboxes.values()) outbox.connectionChanged()
    }
  }

  #lookAt(at: number): void {
    if (at >= this.#checkAt) return
    this.#checkAt = at
    this.#host.schedule(at, this, undefined)
  }

  /** Topics that were left leave nothing behind. */
  #tidy(): void {
    for (const outbox of this.outboxes.values()) if (outbox.isUnused) this.outboxes.delete(outbox.topic)
  }
}
