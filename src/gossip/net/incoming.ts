/**
 * What comes in on one connection: streams, their headers, frames, messages, each within bounds (spec/gossip.md §3.4, §3.6). A frame that cannot be read is skipped, for stopping a
 * stream silences an unmodified peer on all topics; only of a peer that goes on with it, or sends more than anybody has to, the connection is closed. Streams of
 * unknown topics are read and dropped, without an answer.
 */
import type { Connection, RecvStream } from '../../endpoint/index.ts'
import type { EndpointId } from '../../identity/index.ts'
import type { Message } from '../proto/messages.ts'
import { DecodeError } from '../wire/decode-error.ts'
import { decodeHeader, FrameReader } from '../wire/frames.ts'
import type { KeyCheck } from '../wire/key-check.ts'
import { decodeMessage } from '../wire/message-codec.ts'
import type { Counters } from './metrics.ts'
import { GossipPeerError, type GossipPeerErrorCode } from './peer-error.ts'
import type { NetSettings } from './settings.ts'
import { TokenBucket } from './token-bucket.ts'

/** One read, bytes: so many messages are decoded before anything else has its turn. */
const READ = 16_384
/** The body of a header and the topic id that metrics count with each message, bytes. */
const TOPIC_BYTES = 32
/** First byte of a message of the broadcast layer; everything else is membership, or nothing. */
const BROADCAST_LAYER = 1

/** Of one peer. A guess. */
const REMEMBERED_TOPICS = 128

/** Takes the messages of a topic. */
export interface Receiver {
  /** False: the message contradicts itself (a payload whose id is not its hash). */
  receive(from: string, message: Message<string>, now: number): boolean
}

/** What reading needs of the node. */
export interface IncomingHost {
  readonly settings: NetSettings
  readonly counters: Counters
  readonly maxMessageSize: number
  readonly keyCheck: KeyCheck
  /** Keys never seen before that may be checked, of all peers together. */
  readonly keyBudget: TokenBucket
  now(): number
  /** Runs `callback` a turn of the event loop later. */
  defer(callback: () => void): void
  topic(key: string): Receiver | undefined
  report(error: unknown): void
  reportPeer(error: GossipPeerError): void
}

/** What one peer may cost us, over all its connections. */
export class PeerBudget {
  readonly membership: TokenBucket
  readonly grafts: TokenBucket
  readonly keys: TokenBucket
  /** Topics that it spoke on, ours or not: 64 hex digits each, the first so many. */
  readonly topics = new Set<string>()
  /** Its misbehaviour was reported: once is enough. */
  isReported = false

  constructor(settings: NetSettings, now: number) {
    this.membership = new TokenBucket(settings.membershipBurst, settings.membershipPerSecond, now)
    this.grafts = new TokenBucket(settings.graftBurst, settings.graftsPerSecond, now)
    this.keys = new TokenBucket(settings.keyBurst, settings.keysPerSecond, now)
  }
}

/** Thrown through the decoder: the sender's budget of unknown keys is spent. */
const OVER_BUDGET = Symbol('over budget')

interface StreamState {
  readonly frames: FrameReader
  /** 64 hex digits; undefined before the header, empty when that was none. */
  topic: string | undefined
  oversized: number
  readonly bad: TokenBucket
  readonly limited: TokenBucket
  verdict: GossipPeerErrorCode | undefined
}

export class IncomingStreams {
  readonly #connection: Connection
  readonly #peer: EndpointId
  readonly #from: string
  readonly #budget: PeerBudget
  readonly #host: IncomingHost
  #readSinceTurn = 0
  #turn: Promise<void> | undefined = undefined
  #reading = 0
  #onAllRead = (): void => {}
  #now = 0

  constructor(connection: Connection, budget: PeerBudget, host: IncomingHost) {
    this.#connection = connection
    this.#peer = connection.remoteId
    this.#from = this.#peer.toString()
    this.#budget = budget
    this.#host = host
  }

  /** Reads until the connection has ended and all that came before is read; never rejects. */
  async run(): Promise<void> {
    try {
      for (;;) this.#readCounted(await this.#connection.acceptUni())
    } catch {
      // the connection ended, which its `closed` tells
    }
    if (this.#reading > 0)
      await new Promise<void>((resolve) => {
        this.#onAllRead = resolve
      })
  }

  async #readCounted(stream: RecvStream): Promise<void> {
    this.#reading++
    await this.#read(stream)
    if (--this.#reading === 0) this.#onAllRead()
  }

  async #read(stream: RecvStream): Promise<void> {
    const state = this.#newState()
    try {
      for (;;) {
        const chunk = await stream.read(READ)
        if (chunk === undefined) return
        this.#take(state, chunk)
        if (state.verdict !== undefined) {
          this.#end(state.verdict)
          return
        }
        this.#readSinceTurn += chunk.length
        if (this.#readSinceTurn >= this.#host.settings.readPerTurn) await this.#nextTurn()
      }
    } catch {
      // reset by the peer, or the connection ended
    }
  }

  #newState(): StreamState {
    const { settings, maxMessageSize } = this.#host
    const now = this.#host.now()
    return {
      frames: new FrameReader(maxMessageSize),
      topic: undefined,
      oversized: 0,
      bad: new TokenBucket(settings.badFrames, settings.badFramesPerSecond, now),
      limited: new TokenBucket(settings.floodedAfter, settings.badFramesPerSecond, now),
      verdict: undefined,
    }
  }

  /** Others have their turn before this connection goes on: all its streams wait together. */
  #nextTurn(): Promise<void> {
    this.#turn ??= new Promise((resolve) => {
      this.#host.defer(() => {
        this.#turn = undefined
        this.#readSinceTurn = 0
        resolve()
      })
    })
    return this.#turn
  }

  #take(state: StreamState, chunk: Uint8Array): void {
    const { frames } = state
    this.#now = this.#host.now()
    frames.push(chunk)
    while (state.verdict === undefined) {
      const body = frames.next()
      for (; state.oversized < frames.oversized; state.oversized++) this.#bad(state)
      if (body === undefined) return
      if (state.topic === undefined) this.#header(state, body)
      else this.#frame(state, state.topic, body)
    }
  }

  #header(state: StreamState, body: Uint8Array): void {
    try {
      state.topic = decodeHeader(body).toString()
      if (this.#budget.topics.size < REMEMBERED_TOPICS) this.#budget.topics.add(state.topic)
    } catch {
      state.topic = ''
      this.#bad(state)
    }
  }

  #frame(state: StreamState, topic: string, body: Uint8Array): void {
    const receiver = this.#host.topic(topic)
    const { counters } = this.#host
    if (receiver === undefined) {
      counters.unknownTopic++
      // without a header there is no topic, and none of its frames is one
      if (topic === '') this.#bad(state)
      return
    }
    if (body[0] !== BROADCAST_LAYER && !this.#budget.membership.take(this.#now)) {
      this.#limited(state)
      return
    }
    try {
      const message = decodeMessage(body, this.#isKey)
      if (message.kind === 'gossip') {
        counters.msgsDataRecv++
        counters.msgsDataRecvSize += body.length + TOPIC_BYTES
      } else {
        counters.msgsCtrlRecv++
        counters.msgsCtrlRecvSize += body.length + TOPIC_BYTES
        if (message.kind === 'graft' && !this.#budget.grafts.take(this.#now)) {
          this.#limited(state)
          return
        }
      }
      if (!receiver.receive(this.#from, message, this.#now)) this.#bad(state)
    } catch (error) {
      if (error instanceof DecodeError) this.#bad(state)
      else if (error === OVER_BUDGET) this.#limited(state)
      else this.#host.report(error)
    }
  }

  /** Peers may name more keys than we have time to check: beyond a budget their messages are dropped. */
  readonly #isKey = (key: Uint8Array): boolean => {
    const { keyCheck, keyBudget } = this.#host
    const { keys } = this.#budget
    if (!keys.has(this.#now) || !keyBudget.has(this.#now)) throw OVER_BUDGET
    const { size } = keyCheck
    const isKey = keyCheck.isKey(key)
    // a key that was known costs nothing
    if (keyCheck.size !== size) {
      keys.take(this.#now)
      keyBudget.take(this.#now)
    }
    return isKey
  }

  #bad(state: StreamState): void {
    this.#host.counters.badFrames++
    if (!state.bad.take(this.#now)) state.verdict = 'BAD_FRAMES'
  }

  #limited(state: StreamState): void {
    this.#host.counters.rateLimited++
    if (!state.limited.take(this.#now)) state.verdict = 'FLOOD'
  }

  /** Not only the stream: at a stopped one iroh-gossip 0.101 stands still, on all topics, until the connection ends (spec/gossip.md §3.6, §11.2 N3, N4). */
  #end(code: GossipPeerErrorCode): void {
    this.#host.counters.floods++
    if (!this.#budget.isReported) {
      this.#budget.isReported = true
      const what = code === 'FLOOD' ? 'sends more than anybody has to' : 'sends frames that are none'
      this.#host.reportPeer(new GossipPeerError(code, this.#peer, `${what}; its connection was closed`))
    }
    this.#connection.close(0, code === 'FLOOD' ? 'too many messages' : 'too many bad frames')
  }
}
