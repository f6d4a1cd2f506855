/**
 * `V1Bridge`: between ToM's earlier stack and this one. It is a v1 peer at a WebSocket signalling server, registered there for itself and for the v2 peers it presents, and uses a `TomNode` on the
 * other side. Whole v1 envelopes cross as they are, inside chat messages (V1-4, docs/bridge.md).
 */
import { encodeHex } from '../../bytes/index.ts'
import { type CryptoProvider, x25519PublicOf } from '../../crypto/index.ts'
import { createPortableCrypto } from '../../crypto/portable/index.ts'
import { type WaitOptions, WaitQueue } from '../../endpoint/index.ts'
import type { EndpointId } from '../../identity/index.ts'
import type { Platform, Timer } from '../../platform/index.ts'
import { TomError } from '../errors.ts'
import type { PeerKey } from '../wire/envelope.ts'
import { Roster } from './roster.ts'
import { SignallingLink } from './signalling-link.ts'
import type { SignallingMessage } from './signalling-message.ts'
import { ToV1 } from './to-v1.ts'
import { type FlowSetup, ToV2 } from './to-v2.ts'
import {
  BRIDGE_DEFAULTS,
  type BridgeEvent,
  type BridgeMetrics,
  type BridgeNode,
  type BridgeSettings,
  type V1Participant,
} from './types.ts'

/** UTF-16 units. */
const MAX_NAME_LENGTH = 64

export interface PresentedPeer {
  readonly id: EndpointId
  /** What the v1 side sees. Default: the beginning of its id. */
  readonly name?: string
}

export interface V1BridgeOptions {
  /** All its messages are the bridge's: nobody else reads them. It stays open when the bridge is closed. */
  readonly node: BridgeNode
  readonly platform: Platform
  /** The signalling server, `ws:` or `wss:`. */
  readonly url: string
  /** v2 peers that the v1 side can see and write to. */
  readonly peers?: readonly PresentedPeer[]
  /** Whoever sends the bridge a text for a v1 peer is presented too, those that wrote last. Default false. */
  readonly isOpen?: boolean
  /** What the v1 side sees of the bridge itself. Default `bridge`. */
  readonly name?: string
  /** v1 peers encrypt for the presented peers' own keys, which only they can open. Default true; false: everything is in clear to the bridge and the server. */
  readonly isSealed?: boolean
  /** Verifies signatures. Default: noble's. */
  readonly crypto?: Pick<CryptoProvider, 'verify'>
  readonly settings?: Partial<BridgeSettings>
  readonly onEvent?: (event: BridgeEvent) => void
  /** What goes wrong here and is nobody's fault outside. Default: ignored. */
  readonly onError?: (error: unknown) => void
}

interface Presented {
  readonly link: SignallingLink
  /** Asked for by the owner: it stays. */
  readonly isListed: boolean
}

export class V1Bridge {
  readonly #options: V1BridgeOptions
  readonly #settings: BridgeSettings
  readonly #metrics: BridgeMetrics
  readonly #roster: Roster
  readonly #own: SignallingLink
  readonly #ownKey: PeerKey
  /** Those that were used last stand last. */
  readonly #presented = new Map<PeerKey, Presented>()
  readonly #toV1: ToV1
  readonly #toV2: ToV2
  readonly #timer: Timer
  /** Up, down, room, closed: who waits looks again. */
  readonly #news = new WaitQueue()
  /** Aborted when the server is lost: no more mail is taken. */
  #taking = new AbortController()
  readonly #pulled: Promise<void>
  #isClosed = false

  /** Begins at once. Throws TomError INVALID_OPTION. */
  constructor(options: V1BridgeOptions) {
    const { node, platform, url, peers = [], settings = {}, name = 'bridge' } = options
    checkUrl(url)
    checkName(name)
    this.#options = options
    this.#settings = { ...BRIDGE_DEFAULTS, ...settings }
    if (peers.length > this.#settings.maxPresented) throw this.#noRoom()
    for (const peer of peers) this.#checkPeer(peer, node.id)
    this.#metrics = noMetrics()
    this.#roster = new Roster(this.#settings.maxParticipants)
    this.#ownKey = node.id.toString()
    this.#timer = platform.createTimer(() => this.#tick())
    const flow: FlowSetup = {
      node,
      platform,
      crypto: options.crypto ?? createPortableCrypto({ kernel: false }),
      settings: this.#settings,
      metrics: this.#metrics,
      v1: {
        send: (as, text) => this.#presented.get(as)?.link.send(text) ?? false,
        isPresent: (peer) => this.#roster.has(peer),
      },
      emit: (event) => this.#emit(event),
    }
    this.#toV1 = new ToV1({
      ...flow,
      presents: (peer) => this.#presents(peer),
      onRoom: () => this.#news.wake(),
    })
    this.#toV2 = new ToV2(flow, (self, reading, content) => {
      this.#toV1.acknowledged(self, reading, content)
      this.#arm()
    })
    this.#own = new SignallingLink({
      platform,
      url,
      self: { id: this.#ownKey, name, encryptionKey: undefined },
      readsParticipants: true,
      settings: this.#settings,
      handler: {
        onUp: () => this.#up(),
        onDown: (reason, wasUp) => this.#down(reason, wasUp),
        onMessage: (message) => this.#observed(message),
        onRefused: () => this.#metrics.refused++,
      },
    })
    for (const peer of peers) this.present(peer)
    this.#pulled = this.#pull()
  }

  /** The signalling server knows us. Rejects with TomError NODE_CLOSED, or with the signal's reason. */
  async ready({ signal }: WaitOptions = {}): Promise<void> {
    while (!this.#own.isUp) {
      if (this.#isClosed) throw new TomError('NODE_CLOSED', 'the bridge is closed; start a new one')
      await this.#news.wait(signal)
    }
  }

  /** Shows a v2 peer to the v1 side until `withdraw`. Throws TomError INVALID_OPTION where there is no room. */
  present({ id, name = id.toShortString() }: PresentedPeer): void {
    const key = id.toString()
    if (this.#isClosed || this.#presented.get(key)?.isListed === true) return
    this.#checkPeer({ id, name }, this.#options.node.id)
    void this.#presented.get(key)?.link.close()
    this.#presented.delete(key)
    if (!this.#makeRoom()) throw this.#noRoom()
    this.#add(id, name, true)
  }

  withdraw(id: EndpointId): void {
    this.#remove(id.toString())
  }

  /** v1 peers that are registered at the server, as it says: without the bridge and those it presents. */
  participants(): V1Participant[] {
    return this.#roster.list().filter(({ id }) => !this.#isOurs(id))
  }

  /** v2 peers that are presented. */
  presented(): PeerKey[] {
    return [...this.#presented.keys()]
  }

  metrics(): BridgeMetrics {
    const inFlight = this.#toV1.inFlight + this.#toV2.inFlight
    const { size } = this.#presented
    return { ...this.#metrics, inFlight, presented: size, participants: this.participants().length }
  }

  /** Tells senders what was not delivered, and leaves the server. Never rejects. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#timer.cancel()
      this.#taking.abort(new Error('the bridge is closed'))
      this.#news.wake()
      this.#toV1.tick(Number.POSITIVE_INFINITY)
    }
    const links = [...this.#presented.values()].map(({ link }) => link)
    await Promise.all([this.#own.close(), ...links.map((link) => link.close()), this.#pulled])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Takes mail while there is room for it, and a server to bring it to: what is not taken, its senders and their holders keep. */
  async #pull(): Promise<void> {
    const { node, onError } = this.#options
    try {
      while (!this.#isClosed) {
        if (this.#own.isUp && this.#toV1.hasRoom) await this.#takeMail(node, this.#taking.signal)
        else await this.#news.wait()
      }
    } catch (error) {
      onError?.(error)
    }
  }

  async #takeMail(node: BridgeNode, signal: AbortSignal): Promise<void> {
    const mails = node.messages({ signal })
    try {
      while (!signal.aborted && this.#toV1.hasRoom) {
        const next = await mails.next()
        if (next.done === true) throw new TomError('NODE_CLOSED', 'the node of the bridge was closed')
        this.#toV1.receive(next.value)
        this.#arm()
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
    await mails.return?.()
  }

  #up(): void {
    this.#emit({ kind: 'up' })
    this.#news.wake()
  }

  #down(reason: string, wasUp: boolean): void {
    if (wasUp) this.#metrics.reconnects++
    this.#taking.abort(new Error(reason))
    this.#taking = new AbortController()
    this.#noteChange(this.#roster.replace([]))
    this.#emit({ kind: 'down', reason })
  }

  /** By the bridge's own connection. */
  #observed(message: SignallingMessage): void {
    if (message.kind === 'participants') this.#noteChange(this.#roster.replace(message.participants))
    else if (message.kind === 'presence') {
      const { participant, isJoin } = message
      const isNews = isJoin ? this.#roster.join(participant) : this.#roster.leave(participant.id)
      if (isNews) this.#noteChange({ joined: isJoin ? [participant] : [], left: isJoin ? [] : [participant] })
    }
  }

  #noteChange({ joined, left }: { joined: readonly V1Participant[]; left: readonly V1Participant[] }): void {
    for (const participant of left) if (!this.#isOurs(participant.id)) this.#emit({ kind: 'left', participant })
    for (const participant of joined) if (!this.#isOurs(participant.id)) this.#emit({ kind: 'joined', participant })
    if (joined.length > 0) this.#retry()
  }

  #isOurs(key: PeerKey): boolean {
    return key === this.#ownKey || this.#presented.has(key)
  }

  /** Whether the v1 side may see a v2 peer that wrote. */
  #presents(peer: EndpointId): boolean {
    const key = peer.toString()
    const known = this.#presented.get(key)
    if (known === undefined) {
      if (this.#options.isOpen !== true || key === this.#ownKey || !this.#makeRoom()) return false
      this.#add(peer, peer.toShortString(), false)
      return true
    }
    this.#presented.delete(key)
    this.#presented.set(key, known)
    return true
  }

  #checkPeer({ id, name }: PresentedPeer, own: EndpointId): void {
    if (name !== undefined) checkName(name)
    if (id.equals(own)) throw new TomError('INVALID_OPTION', 'peers: the bridge itself is there anyway')
  }

  #noRoom(): TomError {
    return new TomError('INVALID_OPTION', `peers: at most ${this.#settings.maxPresented} can be presented`)
  }

  #add(id: EndpointId, name: string, isListed: boolean): void {
    const { platform, url, isSealed = true } = this.#options
    const key = id.toString()
    const encryptionKey = isSealed ? x25519PublicOf(id.toBytes()) : undefined
    const link = new SignallingLink({
      platform,
      url,
      self: { id: key, name, encryptionKey: encryptionKey === undefined ? undefined : encodeHex(encryptionKey) },
      readsParticipants: false,
      settings: this.#settings,
      handler: {
        onUp: () => this.#retry(),
        onDown: () => {},
        onMessage: (message) => {
          if (message.kind === 'envelope' && message.to === key) this.#toV2.receive(key, message.text)
        },
        onRefused: () => this.#metrics.refused++,
      },
    })
    this.#presented.set(key, { link, isListed })
    this.#emit({ kind: 'presented', peer: key })
  }

  /** The longest unused of those that nobody asked for goes. False: all were asked for. */
  #makeRoom(): boolean {
    if (this.#presented.size < this.#settings.maxPresented) return true
    for (const [key, { isListed }] of this.#presented) {
      if (isListed) continue
      this.#remove(key)
      return true
    }
    return false
  }

  #remove(key: PeerKey): void {
    const presented = this.#presented.get(key)
    if (presented === undefined) return
    this.#presented.delete(key)
    void presented.link.close()
    this.#emit({ kind: 'withdrawn', peer: key })
  }

  #retry(): void {
    this.#toV1.retry()
    this.#toV2.retry()
    this.#arm()
  }

  #tick(): void {
    this.#toV1.tick(this.#options.platform.now())
    this.#arm()
  }

  #arm(): void {
    const at = this.#toV1.deadline()
    if (this.#isClosed || at === Number.POSITIVE_INFINITY) this.#timer.cancel()
    else this.#timer.arm(at)
  }

  #emit(event: BridgeEvent): void {
    const { onEvent, onError } = this.#options
    try {
      onEvent?.(event)
    } catch (error) {
      onError?.(error)
    }
  }
}

function checkUrl(url: string): void {
  if (!/^wss?:\/\/[^\s]+$/.test(url))
    throw new TomError('INVALID_OPTION', 'url: where the signalling server is, for example ws://127.0.0.1:3001')
}

/** The server knows nobody without one. */
function checkName(name: string): void {
  if (name === '' || name.length > MAX_NAME_LENGTH)
    throw new TomError('INVALID_OPTION', `name: 1 to ${MAX_NAME_LENGTH} characters`)
}

function noMetrics(): BridgeMetrics {
  return {
    textsToV1: 0,
    textsToV2: 0,
    acksToV1: 0,
    acksToV2: 0,
    forwarded: 0,
    undelivered: 0,
    refused: 0,
    flooded: 0,
    notCarried: 0,
    foreignMail: 0,
    reconnects: 0,
    inFlight: 0,
    presented: 0,
    participants: 0,
  }
}
