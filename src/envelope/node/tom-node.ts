/**
 * `TomNode`: ToM's messages over an endpoint. It finds members by gossip, sends sealed envelopes to keys, keeps what cannot be delivered yet, here and at two other nodes, and says
 * what became of everything. The protocol is `core/`'s, connections are `link/`'s; this joins them with the application.
 */
import { encodeUtf8, messageOf } from '../../bytes/index.ts'
import { MemoryLookup } from '../../discovery/index.ts'
import { type ConnectTarget, Endpoint, type OnlineOptions, type WaitOptions, WaitQueue } from '../../endpoint/index.ts'
import { Gossip, type GossipTopic, type JoinedOptions } from '../../gossip/index.ts'
import { addrOf, type EndpointAddr, type EndpointId, type EndpointTicket } from '../../identity/index.ts'
import type { Taken } from '../core/deliveries.ts'
import type { MessengerMetrics } from '../core/metrics.ts'
import type { MessengerEvent } from '../core/world.ts'
import { TomError } from '../errors.ts'
import { discoveryTopic, ENVELOPE_ALPN, GOSSIP_ALPNS } from '../link/alpns.ts'
import { type LinkHandler, Links } from '../link/links.ts'
import type { PeerRecord } from '../peers/peer-table.ts'
import type { PeerKey } from '../wire/envelope.ts'
import { Feeds } from './feed.ts'
import { PathWatch } from './path-watch.ts'
import { idOf } from './peer-id.ts'
import { Receipt, type ReceiptClock } from './receipt.ts'
import { Runner } from './runner.ts'
import { NO_STORAGE, openStorage, type Storage } from './storage.ts'
import type {
  IncomingMessage,
  NodePathEvent,
  PeerEvent,
  PeerInfo,
  SendOptions,
  TomNodeOptions,
  TomNodeParts,
  V1Frame,
} from './types.ts'

/** Bytes of UTF-8 (PRS-1). */
const MAX_NAME_LENGTH = 64
/** How long `close` waits for messages to be delivered or kept by others, ms. */
const CLOSE_LIMIT_MS = 5_000
/** Receipts that still hear of changes; the oldest go first. As many messages wait for their acknowledgement at most. */
const MAX_RECEIPTS = 10_000
/** What peers say of where they are is believed so long, ms: longer than they are silent in the largest swarm. A guess. */
const ADDRESS_RETENTION_MS = 3_600_000

export class TomNode {
  readonly endpoint: Endpoint
  readonly gossip: Gossip
  /** What we call ourselves. */
  readonly name: string
  readonly #topic: GossipTopic
  readonly #links: Links
  readonly #storage: Storage
  readonly #runner: Runner
  readonly #addresses: MemoryLookup
  readonly #paths: PathWatch
  readonly #receipts = new Map<string, Receipt>()
  readonly #peerFeeds = new Feeds<PeerEvent>()
  readonly #v1Feeds = new Feeds<V1Frame>()
  readonly #messageNews = new WaitQueue()
  /** Something became of a message of ours: whoever closes looks again. */
  readonly #progress = new WaitQueue()
  readonly #receiptClock: ReceiptClock
  readonly #ended = new AbortController()
  #ownsEndpoint = false
  #isClosing = false
  #closed: Promise<void> | undefined = undefined

  /** An endpoint of its own, with everything over it. Rejects with EndpointError, GossipError, TomError: INVALID_OPTION, STORAGE_FAILED. */
  static async start(options: TomNodeOptions): Promise<TomNode> {
    return TomNode.open(await Endpoint.bind(options), options)
  }

  /** On an endpoint that is there already, which stays open when the node is closed. Rejects with GossipError, TomError: INVALID_OPTION, STORAGE_FAILED. */
  static async on(endpoint: Endpoint, parts: TomNodeParts = {}): Promise<TomNode> {
    checkName(parts.name ?? '')
    const storage = await storageOf(endpoint, parts)
    let gossip: Gossip | undefined
    try {
      gossip = Gossip.on(endpoint, { alpns: GOSSIP_ALPNS, ...parts.gossip })
      return new TomNode(endpoint, gossip, parts, storage)
    } catch (error) {
      await gossip?.close()
      await storage.close()
      throw error
    }
  }

  /** For the classes that fill in a runtime: takes over the endpoint, which is closed with the node and when this fails. */
  protected static async open(endpoint: Endpoint, parts: TomNodeParts): Promise<TomNode> {
    try {
      const node = await TomNode.on(endpoint, parts)
      node.#ownsEndpoint = true
      return node
    } catch (error) {
      await endpoint.close()
      throw error
    }
  }

  /** Use `TomNode.start` or `TomNode.on`. */
  protected constructor(
    endpoint: Endpoint,
    gossip: Gossip,
    { topic = discoveryTopic(), bootstrap = [], name = '', trusts }: TomNodeParts,
    storage: Storage,
  ) {
    const { platform } = endpoint
    this.endpoint = endpoint
    this.gossip = gossip
    this.name = name
    this.#storage = storage
    this.#addresses = new MemoryLookup({
      now: () => platform.now(),
      retentionMs: ADDRESS_RETENTION_MS,
      maxEndpoints: 10_000,
    })
    this.#receiptClock = { wallClock: () => platform.wallClock(), timeout: (ms) => this.#timeout(ms) }
    this.#topic = gossip.subscribe(topic, { bootstrap })
    const handler: LinkHandler = {
      onFrame: (frame, peer, kind) => this.#onFrame(frame, peer, kind),
      onUp: (peer) => this.#runner.run((messenger, now) => messenger.connected(peer, now)),
      onDown: (peer) => this.#runner.run((messenger, now) => messenger.disconnected(peer, now)),
      onConnection: (connection) => void this.#paths.follow(connection),
      onRefused: () => {},
      onError: (error) => endpoint.reportError(error),
    }
    this.#links = new Links({ endpoint, alpn: ENVELOPE_ALPN, handler })
    this.#paths = new PathWatch((key) => this.#links.connectionTo(key))
    this.#runner = new Runner({
      endpoint,
      links: this.#links,
      topic: this.#topic,
      storage,
      name,
      // asked for every message: the id is only made when somebody wants to know
      trusts: trusts === undefined ? undefined : (peer) => trusts(idOf(peer)),
      onEvent: (event) => this.#onEvent(event),
      onLearned: (addr) => {
        this.#addresses.add(addr)
        this.#links.heardOf(addr.id.toString())
      },
      onTransmitted: () => this.#progress.wake(),
    })
    endpoint.addAddressLookup(this.#addresses)
    this.#runner.start()
    this.#readTopic()
    this.#watchAddr()
    // without its endpoint it is nothing
    endpoint.closed.then(() => this.close())
  }

  get id(): EndpointId {
    return this.endpoint.id
  }

  /** How others reach us, as one word. */
  ticket(): EndpointTicket {
    return this.endpoint.ticket()
  }

  /** As `Endpoint.online`: a home relay is connected, where relays are configured. */
  online(options?: OnlineOptions): Promise<void> {
    return this.endpoint.online(options)
  }

  /** As `GossipTopic.joined`: there is a neighbour in the topic. Whom we can name we can write to without one. */
  joined(options?: JoinedOptions): Promise<void> {
    return this.#topic.joined(options)
  }

  /** Asks members of the swarm to let us in, besides those of `bootstrap`. Throws GossipError. */
  joinPeers(targets: readonly ConnectTarget[]): void {
    this.#topic.joinPeers(targets)
  }

  /**
   * Seals `bytes` for `to` and sends them: at most some 104,000 bytes, whatever they are. Resolves when the message is kept here (with storage: when it would survive a crash); the receipt tells
   * what becomes of it. Rejects with TomError: INVALID_OPTION, MESSAGE_TOO_LARGE, TOO_MANY_MESSAGES, STORAGE_FAILED (it is on its way all the same, but only in memory), NODE_CLOSED.
   */
  async send(
    to: ConnectTarget,
    bytes: Uint8Array,
    { isClear = false, via = [], signal }: SendOptions = {},
  ): Promise<Receipt> {
    signal?.throwIfAborted()
    this.#mustBeOpen()
    const addr = toAddr(to)
    this.#addresses.add(addr)
    const hops = via.map((hop) => hop.toString())
    let receipt: Receipt | undefined
    const isKept = await new Promise<boolean>((resolve, reject) => {
      try {
        const key = addr.id.toString()
        const id = this.#runner.run((messenger, now) =>
          messenger.send(key, bytes, { isClear, via: hops }, now, resolve),
        )
        receipt = this.#remember(new Receipt(id, addr.id, this.#receiptClock))
      } catch (error) {
        reject(error)
      }
    })
    if (isKept) return receipt!
    const text = `message ${receipt!.id} is on its way, but could not be written to the storage; make room there and send it again if it is not delivered`
    throw new TomError('STORAGE_FAILED', text)
  }

  /**
   * Messages to us, each once; taking one acknowledges it to its sender. While nobody reads, 1,024 wait, and senders keep the others. Several readers share the messages. Ends with the node.
   */
  messages({ signal }: WaitOptions = {}): AsyncIterableIterator<IncomingMessage> {
    return this.#readMessages(signal)
  }

  /** Everybody we know of, and how we reach those who are connected. */
  peers(): PeerInfo[] {
    return [...this.#runner.messenger.peers()].map((record) => this.#peerInfo(record))
  }

  peer(id: EndpointId): PeerInfo | undefined {
    const record = this.#runner.messenger.peer(id.toString())
    return record === undefined ? undefined : this.#peerInfo(record)
  }

  /** Who comes and goes, from now on; ends with the node. Who reads too slowly loses the oldest: `peers()` is the state of things. */
  peerEvents(options?: WaitOptions): AsyncIterableIterator<PeerEvent> {
    return this.#peerFeeds.read(options)
  }

  /** The paths by which peers are reached, as they change from now on; ends with the node. */
  pathEvents(options?: WaitOptions): AsyncIterableIterator<NodePathEvent> {
    return this.#paths.events(options)
  }

  /** Frames of the earlier stack (JSON), as they came, unverified; what they say is for `readV1` to find out. */
  v1Frames(options?: WaitOptions): AsyncIterableIterator<V1Frame> {
    return this.#v1Feeds.read(options)
  }

  /** Counters of the messages, and what there is now. */
  metrics(): MessengerMetrics {
    return this.#runner.messenger.metrics()
  }

  get isClosed(): boolean {
    return this.#isClosing
  }

  /**
   * Waits until what was sent is delivered, or kept by somebody: at most 5 s. Then says goodbye and closes everything. Messages that nobody has taken are not acknowledged, so their
   * senders still have them. Never rejects.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#isClosing = true
    this.#messageNews.wake()
    await this.#settle()
    await this.#links.close()
    await this.gossip.close()
    this.#ended.abort()
    this.#runner.stop()
    await this.#storage.close()
    this.endpoint.removeAddressLookup(this.#addresses)
    for (const receipt of this.#receipts.values()) receipt.end()
    this.#receipts.clear()
    this.#peerFeeds.end()
    this.#v1Feeds.end()
    this.#paths.end()
    if (this.#ownsEndpoint) await this.endpoint.close()
  }

  /** Messages that are on their way arrive, or others keep them. */
  async #settle(): Promise<void> {
    const timer = this.#timeout(CLOSE_LIMIT_MS)
    const { isDurable } = this.#storage
    this.#runner.run((messenger, now) => messenger.prepareToClose(now))
    try {
      await this.#runner.written(timer.signal)
      while (this.#runner.messenger.hasHope(isDurable)) await this.#progress.wait(timer.signal)
    } catch {
      // time is up
    }
    timer.cancel()
  }

  async *#readMessages(signal: AbortSignal | undefined): AsyncGenerator<IncomingMessage, void, undefined> {
    while (!this.#isClosing) {
      const taken = this.#runner.run((messenger, now) => messenger.take(now))
      if (taken === undefined) await this.#messageNews.wait(signal)
      else yield this.#toMessage(taken)
    }
  }

  #toMessage(taken: Taken): IncomingMessage {
    const { id, from, bytes, sentAt, isEncrypted, isAuthorBound, via, broughtBy } = taken
    const markRead = (): void => {
      if (!this.#isClosing) this.#runner.run((messenger, now) => messenger.markRead(id, from, now))
    }
    return {
      id,
      from: idOf(from),
      bytes,
      sentAt,
      isEncrypted,
      isAuthorBound,
      via: via.map((hop) => idOf(hop)),
      broughtBy: idOf(broughtBy),
      markRead,
    }
  }

  #peerInfo({ key, name, liveness, role, isVerified }: PeerRecord): PeerInfo {
    return { id: idOf(key), name, liveness, role, isVerified, path: this.#paths.pathTo(key) }
  }

  #remember(receipt: Receipt): Receipt {
    this.#receipts.set(receipt.id, receipt)
    if (this.#receipts.size > MAX_RECEIPTS) {
      for (const [id, oldest] of this.#receipts) {
        oldest.end()
        this.#receipts.delete(id)
        break
      }
    }
    return receipt
  }

  #onEvent(event: MessengerEvent): void {
    switch (event.kind) {
      case 'message':
        this.#messageNews.wake()
        return
      case 'state':
        this.#onState(event.id, event.state, event.holders)
        return
      case 'peer': {
        const { peer, liveness, before, name, role, isVerified } = event
        const kind = liveness === before ? 'changed' : liveness
        this.#peerFeeds.push({ kind, peer: idOf(peer), name, role, isVerified })
        return
      }
      case 'rejected':
      // counted
    }
  }

  #onState(id: string, state: Receipt['state'], holders: number): void {
    const receipt = this.#receipts.get(id)
    receipt?.update(state, holders)
    if (state === 'read') this.#receipts.delete(id)
    this.#progress.wake()
  }

  #onFrame(frame: Uint8Array, peer: PeerKey, kind: 'v1' | 'v2'): void {
    if (kind === 'v2') {
      this.#runner.run((messenger, now) => messenger.receive(frame, peer, now))
      // it may be the acknowledgement that `close` waits for
      if (this.#isClosing) this.#progress.wake()
    } else this.#v1Feeds.push({ frame, from: idOf(peer) })
  }

  async #readTopic(): Promise<void> {
    for await (const event of this.#topic) {
      if (event.kind === 'received') {
        const link = event.deliveredFrom.toString()
        const isForNeighbors = event.scope === 'neighbors'
        this.#runner.run((messenger, now) => messenger.gossip(event.content, link, now, isForNeighbors))
      } else if (event.kind === 'neighbor-up') {
        const peer = event.peer.toString()
        // whoever is connected here has told where it is
        this.#links.heardOf(peer)
        this.#runner.run((messenger, now) => messenger.neighborUp(peer, now))
      } else if (event.kind === 'neighbor-down' && (event.reason === 'left' || event.reason === 'connection-lost')) {
        const peer = event.peer.toString()
        this.#runner.run((messenger, now) => messenger.neighborLost(peer, now))
      }
    }
  }

  async #watchAddr(): Promise<void> {
    try {
      for await (const _ of this.endpoint.addrChanges({ signal: this.#ended.signal }))
        this.#runner.run((messenger, now) => messenger.addrChanged(now))
    } catch (error) {
      if (!this.#ended.signal.aborted) this.endpoint.reportError(error)
    }
  }

  #timeout(ms: number): { readonly signal: AbortSignal; cancel(): void } {
    const { platform } = this.endpoint
    const controller = new AbortController()
    const timer = platform.createTimer(() => controller.abort(), { isBackground: false })
    timer.arm(platform.now() + ms)
    return { signal: controller.signal, cancel: () => timer.cancel() }
  }

  #mustBeOpen(): void {
    if (this.#isClosing) throw new TomError('NODE_CLOSED', 'the node is closed; start a new one')
  }
}

async function storageOf(endpoint: Endpoint, { storage }: TomNodeParts): Promise<Storage> {
  if (storage === undefined) return NO_STORAGE
  const { platform } = endpoint
  return openStorage(
    storage,
    () => platform.wallClock(),
    (error) => endpoint.reportError(error),
  )
}

function checkName(name: string): void {
  if (encodeUtf8(name).length > MAX_NAME_LENGTH)
    throw new TomError('INVALID_OPTION', `name: at most ${MAX_NAME_LENGTH} bytes of UTF-8`)
}

function toAddr(target: ConnectTarget): EndpointAddr {
  try {
    return addrOf(target)
  } catch (error) {
    throw new TomError('INVALID_OPTION', `whom to write to: ${messageOf(error)}`, { cause: error })
  }
}
