/**
 * Gossip on one endpoint, behind the public classes: topics, links to peers, and what passes between them. Messages of the machines go to the links' outboxes and leave before
 * the turn of the event loop ends; what the links lose is told to the topics (spec/gossip.md §2, §3, §5). Nothing here calls into a machine from one of its effects.
 */
import { decodeHex } from '../../bytes/index.ts'
import { type Connection, type Endpoint, WaitQueue } from '../../endpoint/index.ts'
import { type EndpointAddr, EndpointId } from '../../identity/index.ts'
import type { Platform } from '../../platform/index.ts'
import { GossipError } from '../errors.ts'
import type { Message } from '../proto/messages.ts'
import type { GossipProfile } from '../proto/settings.ts'
import type { TopicId } from '../topic-id.ts'
import { KeyCheck } from '../wire/key-check.ts'
import { AddressBook } from './address-book.ts'
import { Deadlines, type TimerOwner } from './deadlines.ts'
import { Dialler, type DiallerHost } from './dialler.ts'
import { PlatformDice } from './dice.ts'
import { bodyLength, FrameEncoder } from './frame.ts'
import { type Counters, type GossipMetrics, newCounters } from './metrics.ts'
import type { Outbox } from './outbox.ts'
import { OwnData } from './own-data.ts'
import { GossipPeerError } from './peer-error.ts'
import { type LinkHost, PeerLink } from './peer-link.ts'
import { Pressure } from './pressure.ts'
import type { NetSettings } from './settings.ts'
import { TokenBucket } from './token-bucket.ts'
import { Topic, type TopicHost } from './topic.ts'

/** Peers that misbehave are reported so often at once, and each second. */
const REPORTS = 16
const REPORTS_PER_SECOND = 0.1
/** Streams a peer may have open at least. */
const LEAST_STREAMS = 128
/** The topic id that metrics count with each message, bytes. */
const TOPIC_BYTES = 32

export interface NodeSetup {
  readonly endpoint: Endpoint
  readonly profile: GossipProfile
  readonly alpns: readonly Uint8Array[]
  /** Bytes. */
  readonly maxMessageSize: number
  readonly settings: NetSettings
  readonly onError: (error: unknown) => void
}

export class GossipNode implements LinkHost, TopicHost, DiallerHost {
  readonly me: string
  readonly profile: GossipProfile
  readonly maxMessageSize: number
  readonly settings: NetSettings
  readonly dice: PlatformDice
  readonly keyCheck = new KeyCheck()
  readonly keyBudget: TokenBucket
  readonly counters: Counters = newCounters()
  readonly #reports: TokenBucket
  readonly #platform: Platform
  readonly #onError: (error: unknown) => void
  readonly #deadlines: Deadlines
  readonly #encoder: FrameEncoder
  readonly #addresses: AddressBook
  readonly #ownData: OwnData
  readonly #dialler: Dialler
  readonly #pressure: Pressure
  readonly #topics = new Map<string, Topic>()
  readonly #links = new Map<string, PeerLink>()
  /** Outboxes to be flushed before the turn ends. */
  #dirty: Outbox[] = []
  readonly #settled = new WaitQueue()
  #closedBy: GossipError | undefined = undefined
  #isShut = false
  #allowedStreams = 0

  constructor(setup: NodeSetup) {
    const { endpoint, settings, maxMessageSize } = setup
    this.#platform = endpoint.platform
    this.#onError = setup.onError
    this.me = endpoint.id.toString()
    this.settings = settings
    this.maxMessageSize = maxMessageSize
    this.profile = { ...setup.profile, broadcast: { ...setup.profile.broadcast, maxMessageSize } }
    this.dice = new PlatformDice(this.#platform.random)
    this.keyBudget = new TokenBucket(settings.keyBurstOfAll, settings.keysPerSecondOfAll, this.now())
    this.#reports = new TokenBucket(REPORTS, REPORTS_PER_SECOND, this.now())
    this.#deadlines = new Deadlines(this.#platform, (error) => this.report(error))
    this.#encoder = new FrameEncoder(maxMessageSize)
    this.#addresses = new AddressBook(endpoint, () => this.now(), settings.addressRetentionMs)
    this.#ownData = new OwnData(endpoint)
    this.#dialler = new Dialler(endpoint, setup.alpns, this)
    this.#pressure = new Pressure(this)
    this.#ownData.watch(() => this.#each((topic) => topic.ownDataChanged()))
    endpoint.closed.then(() => this.#endpointClosed())
  }

  now(): number {
    return this.#platform.now()
  }

  metrics(): GossipMetrics {
    return { topics: this.#topics.size, peers: this.#links.size, ...this.counters }
  }

  get isClosed(): boolean {
    return this.#closedBy !== undefined
  }

  /** Throws GossipError GOSSIP_CLOSED. */
  mustBeOpen(): void {
    if (this.#closedBy !== undefined) throw this.#closedBy
  }

  // what the public classes ask for

  /** The topic, which begins to be one of ours if it was none. */
  openTopic(id: TopicId): Topic {
    this.mustBeOpen()
    const key = id.toString()
    let topic = this.#topics.get(key)
    if (topic === undefined) {
      topic = new Topic(id, this)
      this.#topics.set(key, topic)
      this.#allowStreams()
    }
    return topic
  }

  /** Where a peer is, by the application's word; its key. */
  name(addr: EndpointAddr): string {
    this.#addresses.name(addr)
    return addr.id.toString()
  }

  /** Leaves the topic. Resolves when the neighbours know, at most after `ackTimeoutMs`. */
  async leave(topic: Topic): Promise<void> {
    if (!this.#topics.delete(topic.key)) return
    topic.leave(new GossipError('TOPIC_CLOSED', `the topic ${topic.id.toShortString()} was left here; subscribe again`))
    await this.#until(() => {
      for (const link of this.#links.values()) if (link.outboxes.get(topic.key)?.isSettled === false) return false
      return true
    })
  }

  /** An accepted connection. Resolves when it ended, or is of no use. */
  async accept(connection: Connection): Promise<void> {
    if (this.isClosed || connection.remoteId.toString() === this.me || !this.#makeRoom(connection)) {
      connection.close(0, this.isClosed ? 'gossip is closed' : 'too many peers')
      return
    }
    await this.#link(connection.remoteId.toString(), connection.remoteId).add(connection)
  }

  /** spec/gossip.md §3.8 C8. Never rejects. */
  async close(): Promise<void> {
    if (this.#closedBy !== undefined) return
    const reason = new GossipError('GOSSIP_CLOSED', 'gossip was closed here; make a new one with Gossip.on')
    this.#leaveAll(reason)
    this.#dialler.close()
    for (const link of [...this.#links.values()]) if (link.connection === undefined) link.close('')
    await this.#until(() => {
      let isFinished = true
      for (const link of this.#links.values()) {
        link.finishStreams()
        if (!link.isFinished) isFinished = false
      }
      return isFinished
    })
    this.#shut()
  }

  // what topics ask for

  ownData(): Uint8Array {
    return this.#ownData.bytes
  }

  /** Keys come from connections and checked messages only, so that the curve need not be asked again. */
  idOf(key: string): EndpointId {
    return this.#links.get(key)?.id ?? EndpointId.fromVerifiedKey(decodeHex(key))
  }

  sendTo(topic: Topic, key: string, message: Message<string>): void {
    if (key === this.me || this.#isShut) return
    let link = this.#links.get(key)
    if (link?.connection === undefined && message.kind === 'disconnect') {
      // nobody is dialled to be told that we are gone; what was to be said before needs not be said any more
      link?.outboxes.get(topic.key)?.clear()
      return
    }
    const frame = this.#encoder.encode(message)
    if (frame === undefined) {
      this.counters.oversized++
      this.report(
        new GossipError('MESSAGE_TOO_LARGE', `a message (${message.kind}) fits into no frame and was not sent`),
      )
      return
    }
    const size = bodyLength(frame) + TOPIC_BYTES
    if (frame.isPayload) {
      this.counters.msgsDataSent++
      this.counters.msgsDataSentSize += size
    } else {
      this.counters.msgsCtrlSent++
      this.counters.msgsCtrlSentSize += size
    }
    link ??= this.#link(key, this.idOf(key))
    link.send(topic.key, topic.header, frame)
    if (link.connection === undefined) this.#dialler.dial(link)
  }

  released(topic: Topic, key: string): void {
    this.#links.get(key)?.released(topic.key, this.now())
  }

  schedule<T>(at: number, owner: TimerOwner<T>, what: T): void {
    this.#deadlines.add(at, owner, what)
  }

  learned(key: string, data: Uint8Array, isOwnWord: boolean): void {
    if (!this.#addresses.learn(this.idOf(key), data, isOwnWord)) this.counters.badAddresses++
  }

  roundTripMs(key: string): number | undefined {
    return this.#links.get(key)?.connection?.rtt()
  }

  dialError(key: string): unknown {
    return this.#dialler.errorOf(key)
  }

  room(topic: Topic): Promise<void> | undefined {
    return this.#pressure.room(topic.key, () => this.#outboxes(topic))
  }

  // what links ask for

  /** spec/gossip.md §3.7. In steps, so that not each topic says it anew: 128, 192, 288 … */
  incomingStreams(): number {
    let count = LEAST_STREAMS
    while (count < this.#topics.size + this.settings.spareStreams) count = Math.ceil(count * 1.5)
    return count
  }

  needs(key: string): boolean {
    for (const topic of this.#topics.values()) if (topic.needs(key)) return true
    return false
  }

  topic(key: string): Topic | undefined {
    return this.#topics.get(key)
  }

  defer(callback: () => void): void {
    this.#platform.defer(callback)
  }

  flushLater(outbox: Outbox): void {
    if (outbox.isDirty) return
    outbox.isDirty = true
    this.#dirty.push(outbox)
    if (this.#dirty.length > 1) return
    if (this.#platform.afterReactions === undefined) Promise.resolve().then(this.#flush)
    else this.#platform.afterReactions(this.#flush)
  }

  pressureChanged(outbox: Outbox): void {
    this.#pressure.changed(outbox)
  }

  settled(): void {
    this.#settled.wake()
  }

  /** In the middle of an effect: the machine hears of it afterwards. */
  gaveUp(outbox: Outbox): void {
    this.counters.stalledPeers++
    this.#platform.defer(() => this.#guard(() => this.#dropStalled(outbox.topic, outbox.peer.key)))
  }

  #dropStalled(topicKey: string, key: string): void {
    const text = 'did not take what it was sent; it is no neighbour any more'
    this.reportPeer(new GossipPeerError('STALLED', this.idOf(key), text))
    const topic = this.#topics.get(topicKey)
    if (topic === undefined) return
    topic.disconnected(key)
    this.sendTo(topic, key, { kind: 'disconnect', alive: true })
  }

  lost(link: PeerLink): void {
    if (!link.isDialling) this.forget(link)
    this.#each((topic) => topic.disconnected(link.key))
  }

  forget(link: PeerLink): void {
    if (this.#links.get(link.key) === link) this.#links.delete(link.key)
    this.#settled.wake()
  }

  dialled(link: PeerLink, connection: Connection): void {
    if (this.#isShut || this.#links.get(link.key) !== link) connection.close(0, '')
    else link.add(connection).catch((error) => this.report(error))
  }

  /** spec/gossip.md §3.8 C6. */
  dialFailed(link: PeerLink): void {
    if (link.connection !== undefined || this.#links.get(link.key) !== link) return
    link.clear()
    this.forget(link)
    this.#each((topic) => topic.disconnected(link.key))
  }

  /** Peers are many, and can be made up: who listens is not to be flooded either. The counters know them all. */
  reportPeer(error: GossipPeerError): void {
    if (this.#reports.take(this.now())) this.report(error)
  }

  report(error: unknown): void {
    try {
      this.#onError(error)
    } catch {
      // an error of the error handler has nowhere to go
    }
  }

  // inside

  readonly #flush = (): void => {
    const dirty = this.#dirty
    this.#dirty = []
    for (const outbox of dirty) {
      outbox.isDirty = false
      this.#guard(() => outbox.flush())
    }
  }

  #allowStreams(): void {
    const count = this.incomingStreams()
    if (count === this.#allowedStreams) return
    this.#allowedStreams = count
    for (const link of this.#links.values()) link.allowStreams(count)
  }

  #link(key: string, id: EndpointId): PeerLink {
    let link = this.#links.get(key)
    if (link === undefined) {
      link = new PeerLink(id, this)
      this.#links.set(key, link)
    }
    return link
  }

  /** A newcomer among too many peers: one that nobody needs makes room. False: there is none. */
  #makeRoom(connection: Connection): boolean {
    if (this.#links.size < this.settings.maxPeers || this.#links.has(connection.remoteId.toString())) return true
    for (const link of this.#links.values()) {
      if (link.isDialling || this.needs(link.key)) continue
      link.close('too many peers')
      return true
    }
    return false
  }

  *#outboxes(topic: Topic): Generator<Outbox> {
    for (const key of topic.neighbors) {
      const outbox = this.#links.get(key)?.outboxes.get(topic.key)
      if (outbox !== undefined) yield outbox
    }
  }

  #each(tell: (topic: Topic) => void): void {
    for (const topic of [...this.#topics.values()]) this.#guard(() => tell(topic))
  }

  /** A defect is reported, and costs nobody else anything. */
  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.report(error)
    }
  }

  /** Resolves when `isDone`, at most after `ackTimeoutMs`. */
  async #until(isDone: () => boolean): Promise<void> {
    const deadline = this.now() + this.settings.ackTimeoutMs
    this.schedule(deadline, { fire: () => this.#settled.wake() }, undefined)
    while (!isDone() && !this.#isShut && this.now() < deadline) await this.#settled.wait()
  }

  #leaveAll(reason: GossipError): void {
    this.#closedBy ??= reason
    for (const topic of this.#topics.values()) topic.leave(this.#closedBy)
    this.#topics.clear()
    this.#pressure.wake()
  }

  #endpointClosed(): void {
    this.#isShut = true
    this.#leaveAll(new GossipError('GOSSIP_CLOSED', 'the endpoint was closed; bind a new one'))
    this.#dialler.close()
    this.#shut()
  }

  #shut(): void {
    this.#isShut = true
    this.#ownData.close()
    this.#addresses.close()
    this.#deadlines.close()
    for (const link of [...this.#links.values()]) link.close('gossip was closed')
    this.#settled.wake()
  }
}
