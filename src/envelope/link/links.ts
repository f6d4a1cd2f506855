/**
 * Frames to and from peers over an endpoint: who is dialled, whose connections are read, how much all that may cost, and how it ends without losing what was handed over (spec/envelope.md §3,
 * TRN-1 to TRN-11). What is in a frame is others' business; delivery is confirmed by their acknowledgements only (TRN-8).
 */
import { decodeHex } from '../../bytes/index.ts'
import { type Alpn, type Connection, type Endpoint, WaitQueue } from '../../endpoint/index.ts'
import { EndpointId, type RelayUrl } from '../../identity/index.ts'
import type { Timer } from '../../platform/index.ts'
import type { PeerKey } from '../wire/envelope.ts'
import { ENVELOPE_ALPN } from './alpns.ts'
import { Dialler } from './dialler.ts'
import type { FrameKind } from './framing.ts'
import { LinkError } from './link-error.ts'
import { watchNetwork } from './network-watch.ts'
import type { Waiting } from './outgoing.ts'
import { PeerLink, type PeerLinkHost } from './peer-link.ts'
import { ReadingMemory } from './reading-memory.ts'
import { LINK_SETTINGS, type LinkSettings } from './settings.ts'
import { type LinkCounters, type LinkStats, newCounters, type RefusalReason } from './stats.ts'

/** Called in the middle of reading: what throws is reported and costs nobody anything. */
export interface LinkHandler {
  /** `frame` is the handler's to keep; up to 2,048 bytes lie behind a small one, so copy what is kept for long. */
  onFrame(frame: Uint8Array, peer: PeerKey, kind: FrameKind): void
  /** Each new connection, whoever dialled. */
  onConnection(connection: Connection): void
  /** The first live connection, whoever dialled. */
  onUp(peer: PeerKey): void
  /** The last one ended. */
  onDown(peer: PeerKey): void
  /** Something of the peer was no frame, or too much. */
  onRefused(peer: PeerKey, reason: RefusalReason): void
  onError(error: unknown): void
}

export interface LinksSetup {
  readonly endpoint: Endpoint
  /** Default: `tom-protocol/transport/0`. */
  readonly alpn?: Alpn
  readonly handler: LinkHandler
  readonly settings?: Partial<LinkSettings>
  /** Where to look for peers of whom nothing is known. Default: the endpoint's home relay. */
  readonly relays?: () => readonly (RelayUrl | string)[]
}

export interface LinkSendOptions {
  /** Gives the frame up; a stream that was begun is reset. */
  readonly signal?: AbortSignal | undefined
}

export class Links implements PeerLinkHost {
  readonly settings: LinkSettings
  readonly counters: LinkCounters = newCounters()
  readonly memory: ReadingMemory
  /** Frames that wait, of all peers. */
  readonly waiting: Waiting = { sends: 0, bytes: 0 }
  readonly #endpoint: Endpoint
  readonly #alpn: Alpn
  readonly #handler: LinkHandler
  readonly #dialler: Dialler
  readonly #links = new Map<PeerKey, PeerLink>()
  readonly #timer: Timer
  readonly #end = new AbortController()
  #armedFor = Number.POSITIVE_INFINITY
  readonly #settledNews = new WaitQueue()
  #closing: Promise<void> | undefined = undefined
  #isShut = false

  /** Throws EndpointError: the ALPN has a handler already, or the endpoint is closed. */
  constructor(setup: LinksSetup) {
    const { endpoint, alpn = ENVELOPE_ALPN, settings } = setup
    this.settings = { ...LINK_SETTINGS, ...settings }
    this.memory = new ReadingMemory(this.settings.maxReadingBytes)
    this.#endpoint = endpoint
    this.#alpn = alpn
    this.#handler = setup.handler
    const relays = setup.relays ?? (() => homeRelay(endpoint))
    this.#dialler = new Dialler(endpoint, alpn, relays, this.settings, this.counters)
    endpoint.router().accept(alpn, (connection) => this.#accepted(connection))
    // what keeps a process alive is its endpoint
    this.#timer = endpoint.platform.createTimer(() => this.#expire(), { isBackground: true })
    endpoint.closed.then(() => this.#shut('the endpoint was closed'))
    watchNetwork(endpoint, this.#end.signal, () => this.networkChanged())
  }

  /**
   * Brings a frame to a peer, dialling it if need be; up to three attempts. Resolves when the transport took it, which is no delivery (TRN-8); it is sent again when its connection ends before the peer
   * has acknowledged the bytes. Rejects with what the last attempt met (ConnectError, ConnectionClosedError, StreamError), or with LinkError. `frame` must not be changed any more.
   */
  send(peer: PeerKey, frame: Uint8Array, { signal }: LinkSendOptions = {}): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.isClosing) return Promise.reject(closedError())
    const { maxFrameLength } = this.settings
    if (frame.length === 0 || frame.length > maxFrameLength) {
      const text = `a frame has 1 to ${maxFrameLength} bytes, not ${frame.length}`
      return Promise.reject(new LinkError('BAD_LENGTH', text))
    }
    let link = this.#links.get(peer)
    if (link === undefined) {
      if (!this.#makeRoom(0)) {
        return Promise.reject(new LinkError('TOO_MANY_PEERS', 'too many peers are in use; wait until some are idle'))
      }
      link = this.#link(EndpointId.fromVerifiedKey(decodeHex(peer)), peer)
    }
    return link.send(frame, signal)
  }

  /** The connection we dialled, else one that the peer dialled: for its paths, not to send on (TRN-3). */
  connectionTo(peer: PeerKey): Connection | undefined {
    return this.#links.get(peer)?.connection
  }

  /** Those with a live connection. */
  *peers(): Generator<PeerKey, void, undefined> {
    for (const link of this.#links.values()) if (link.connection !== undefined) yield link.key
  }

  /** A message to the peer was not acknowledged in time: after three in a row its connection counts as dead (TRN-10). */
  unanswered(peer: PeerKey): void {
    this.#links.get(peer)?.outgoing.unanswered()
  }

  /** The peer acknowledged a message. */
  answered(peer: PeerKey): void {
    this.#links.get(peer)?.outgoing.answered()
  }

  /** There is news of where the peer is: a dial to where it was is not waited for. */
  heardOf(peer: PeerKey): void {
    this.#links.get(peer)?.outgoing.heardOf()
  }

  /** The network is another one now: all peers are dialled anew when there is something to send (TRN-10). Called by itself where the endpoint's addresses tell. */
  networkChanged(): void {
    for (const link of this.#links.values()) link.outgoing.evict()
  }

  get stats(): LinkStats {
    return {
      ...this.counters,
      refused: { ...this.counters.refused },
      peers: this.#links.size,
      queued: this.waiting.sends,
      queuedBytes: this.waiting.bytes,
      readingBytes: this.memory.bytes,
    }
  }

  get isClosing(): boolean {
    return this.#closing !== undefined || this.#isShut
  }

  /** Waits until the peers have all bytes of what was handed to `send` (default at most 3 s, and as long as a dial that is younger than a second may still succeed), then closes the connections and gives the ALPN back (TRN-7). Never rejects. */
  close({ drainMs = this.settings.drainMs }: { readonly drainMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(drainMs)
    return this.#closing
  }

  // for the links to peers

  now(): number {
    return this.#endpoint.platform.now()
  }

  wakeAt(at: number): void {
    if (at >= this.#armedFor || this.#isShut) return
    this.#armedFor = at
    this.#timer.arm(at)
  }

  dial(id: EndpointId, attempt: number, abort: AbortController): Promise<Connection> {
    return this.#dialler.dial(id, attempt, abort)
  }

  received(frame: Uint8Array, peer: PeerKey, kind: FrameKind): void {
    if (this.#isShut) return
    this.counters.framesReceived++
    this.counters.bytesReceived += frame.length
    if (kind === 'v1') this.counters.framesV1++
    try {
      this.#handler.onFrame(frame, peer, kind)
    } catch (error) {
      this.#report(error)
    }
  }

  refused(peer: PeerKey, reason: RefusalReason): void {
    this.#tell(() => this.#handler.onRefused(peer, reason))
  }

  connected(connection: Connection): void {
    this.#tell(() => this.#handler.onConnection(connection))
  }

  up(peer: PeerKey): void {
    this.#tell(() => this.#handler.onUp(peer))
  }

  down(peer: PeerKey): void {
    this.#tell(() => this.#handler.onDown(peer))
  }

  settled(link: PeerLink): void {
    if (link.isEmpty && this.#links.get(link.key) === link) this.#links.delete(link.key)
    this.#settledNews.wake()
  }

  // inside

  #accepted(connection: Connection): void {
    const key = connection.remoteId.toString()
    let link = this.#links.get(key)
    if (this.isClosing || (link === undefined && !this.#makeRoom(this.settings.minIdleMs))) {
      connection.close(0, this.isClosing ? 'closing' : 'too many peers')
      return
    }
    link ??= this.#link(connection.remoteId, key)
    link.accepted(connection)
  }

  #link(id: EndpointId, key: PeerKey): PeerLink {
    const link = new PeerLink(id, key, this)
    this.#links.set(key, link)
    if (this.#links.size > this.settings.manyPeers) this.wakeAt(this.now() + this.settings.idleMs)
    return link
  }

  /** Among too many peers, the one that was not used for longest goes, if nobody used it for `minIdleMs`. False: all are in use. */
  #makeRoom(minIdleMs: number): boolean {
    if (this.#links.size < this.settings.maxPeers) return true
    const before = this.now() - minIdleMs
    let oldest: PeerLink | undefined
    for (const link of this.#links.values())
      if (link.lastUsed <= before && (oldest === undefined || link.lastUsed < oldest.lastUsed) && link.isIdle)
        oldest = link
    if (oldest === undefined) return false
    this.#closeIdle(oldest)
    return true
  }

  #closeIdle(link: PeerLink): void {
    this.counters.idleClosed++
    this.#links.delete(link.key)
    link.close(closedError(), 'not used any more')
  }

  #expire(): void {
    this.#armedFor = Number.POSITIVE_INFINITY
    if (this.#isShut) return
    const now = this.now()
    let next = Number.POSITIVE_INFINITY
    for (const link of this.#links.values()) {
      next = Math.min(next, link.expire(now))
    }
    this.wakeAt(Math.min(next, this.#expireIdle(now)))
    if (this.#closing !== undefined) this.#settledNews.wake()
  }

  #expireIdle(now: number): number {
    const { manyPeers, idleMs } = this.settings
    let count = this.#links.size - manyPeers
    if (count <= 0) return Number.POSITIVE_INFINITY
    let next = now + idleMs
    const unused = [...this.#links.values()].sort((left, right) => left.lastUsed - right.lastUsed)
    for (const link of unused) {
      if (count <= 0) break
      if (link.lastUsed + idleMs > now) {
        next = Math.min(next, link.lastUsed + idleMs)
        break
      }
      if (!link.isIdle) continue
      this.#closeIdle(link)
      count--
    }
    return next
  }

  async #close(drainMs: number): Promise<void> {
    this.#endpoint.router().remove(this.#alpn)
    const deadline = this.now() + drainMs
    while (!this.#isShut) {
      const until = this.#drainsUntil(deadline)
      if (this.now() >= until) break
      this.wakeAt(until)
      await this.#settledNews.wait()
    }
    this.#shut('closing')
  }

  /** How long there may be something to wait for, ms; `deadline` at most. */
  #drainsUntil(deadline: number): number {
    let until = Number.NEGATIVE_INFINITY
    for (const { outgoing } of this.#links.values()) until = Math.max(until, outgoing.drainsUntil)
    return Math.min(until, deadline)
  }

  #shut(reason: string): void {
    if (this.#isShut) return
    this.#isShut = true
    this.#timer.cancel()
    this.#end.abort()
    const error = closedError()
    this.#dialler.close(error)
    for (const link of this.#links.values()) link.close(error, reason)
    this.#settledNews.wake()
  }

  #tell(tell: () => void): void {
    if (this.#isShut) return
    try {
      tell()
    } catch (error) {
      this.#report(error)
    }
  }

  #report(error: unknown): void {
    try {
      this.#handler.onError(error)
    } catch {
      // an error of the error handler has nowhere to go
    }
  }
}

function homeRelay(endpoint: Endpoint): readonly RelayUrl[] {
  const { homeRelay: home } = endpoint
  return home === undefined ? [] : [home.url]
}

function closedError(): LinkError {
  return new LinkError('LINKS_CLOSED', 'the links to peers are closed; nothing is sent any more')
}
