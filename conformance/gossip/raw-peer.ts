/**
 * A peer that speaks the bytes of gossip and knows none of its rules: keeps every frame it gets, sends what it is told. Real nodes are made to say things by it, and
 * it is what neither implementation can be blamed for.
 */

import { TopicId } from '../../src/gossip/index.ts'
import type { Message } from '../../src/gossip/proto/messages.ts'
import { encodeAddrInfo } from '../../src/gossip/wire/addr-info.ts'
import { encodeFrame, encodeHeader, FrameReader } from '../../src/gossip/wire/frames.ts'
import { decodeMessage, encodeMessage } from '../../src/gossip/wire/message-codec.ts'
import {
  type Connection,
  Endpoint,
  EndpointTicket,
  type RecvStream,
  type SecretKey,
  type SendStream,
} from '../../src/index.ts'

export const GOSSIP_ALPN = '/iroh-gossip/1'
/** Longest wait for something that should come within milliseconds. */
const WAIT_MS = 10_000
/** Longer than any limit: what comes is to be seen. */
const MAX_BODY = 1_000_000

/** A stream that the other side opened, as it arrived. */
export interface RecordedStream {
  /** 64 hex digits: who sent it. */
  readonly from: string
  readonly connection: Connection
  /** 64 hex digits; undefined until the first frame is there. */
  topic: string | undefined
  readonly frames: RecordedFrame[]
  hasEnded: boolean
}

export interface RecordedFrame {
  readonly from: string
  readonly topic: string
  readonly body: Uint8Array
  readonly message: Message<string>
}

interface Waiting {
  readonly matches: (frame: RecordedFrame) => boolean
  readonly resolve: (frame: RecordedFrame) => void
}

export class RawPeer {
  readonly endpoint: Endpoint
  /** Of this endpoint, for tickets, Join and Neighbor. */
  readonly ticket: string
  readonly data: Uint8Array
  readonly streams: RecordedStream[] = []
  readonly frames: RecordedFrame[] = []
  /** What went wrong on streams and connections; ends of connections are none. */
  readonly problems: unknown[] = []
  readonly #links = new Map<string, RawLink[]>()
  readonly #waiting = new Set<Waiting>()
  readonly #open = new Set<RecvStream>()

  private constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
    this.ticket = String(endpoint.ticket())
    this.data = encodeAddrInfo(endpoint.addr())
    endpoint.router().accept(GOSSIP_ALPN, (connection) => {
      this.#add(connection)
    })
  }

  /** On loopback, without relays. Close it. */
  static async open(secretKey?: SecretKey): Promise<RawPeer> {
    const options = secretKey === undefined ? {} : { secretKey }
    return new RawPeer(await Endpoint.bind({ bind: ['127.0.0.1:0'], ...options }))
  }

  get id(): string {
    return String(this.endpoint.id)
  }

  /** A new connection, whether there is one or not. */
  async dial(ticket: string): Promise<RawLink> {
    return this.#add(await this.endpoint.connect(EndpointTicket.parse(ticket), GOSSIP_ALPN))
  }

  /** Connections with the peer, in the order in which they came to be. */
  links(id: string): readonly RawLink[] {
    return this.#links.get(id) ?? []
  }

  /** The first frame, past or future, that matches. Rejects after `limitMs` with `what`. */
  frame(what: string, matches: (frame: RecordedFrame) => boolean, limitMs = WAIT_MS): Promise<RecordedFrame> {
    const past = this.frames.find(matches)
    if (past !== undefined) return Promise.resolve(past)
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        matches,
        resolve: (frame) => {
          clearTimeout(timer)
          this.#waiting.delete(waiting)
          resolve(frame)
        },
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting)
        const kinds = this.frames.map(({ message }) => message.kind).join(' ')
        reject(new Error(`${what}: no such frame within ${limitMs / 1000} s, only: ${kinds}`))
      }, limitMs)
      this.#waiting.add(waiting)
    })
  }

  /** STOP_SENDING with this code to all streams that are open, which real nodes should never do. */
  stopStreams(code: number): void {
    for (const stream of this.#open) stream.stop(code)
  }

  close(): Promise<void> {
    return this.endpoint.close()
  }

  #add(connection: Connection): RawLink {
    const link = new RawLink(connection)
    const id = String(connection.remoteId)
    const links = this.#links.get(id)
    if (links === undefined) this.#links.set(id, [link])
    else links.push(link)
    this.#read(connection).catch((error: unknown) => this.#failed(connection, error))
    return link
  }

  async #read(connection: Connection): Promise<void> {
    for (;;) {
      const stream = await connection.acceptUni()
      const recorded: RecordedStream = {
        from: String(connection.remoteId),
        connection,
        topic: undefined,
        frames: [],
        hasEnded: false,
      }
      this.streams.push(recorded)
      this.#record(stream, recorded).catch((error: unknown) => this.#failed(connection, error))
    }
  }

  async #record(stream: RecvStream, recorded: RecordedStream): Promise<void> {
    const reader = new FrameReader(MAX_BODY)
    this.#open.add(stream)
    try {
      for await (const chunk of stream) {
        reader.push(chunk)
        for (let body = reader.next(); body !== undefined; body = reader.next()) this.#onBody(body.slice(), recorded)
      }
      recorded.hasEnded = true
    } finally {
      this.#open.delete(stream)
    }
  }

  #onBody(body: Uint8Array, recorded: RecordedStream): void {
    if (recorded.topic === undefined) {
      recorded.topic = Buffer.from(body).toString('hex')
      return
    }
    const { from, topic } = recorded
    const frame = { from, topic, body, message: decodeMessage(body, () => true) }
    recorded.frames.push(frame)
    this.frames.push(frame)
    for (const waiting of [...this.#waiting]) if (waiting.matches(frame)) waiting.resolve(frame)
  }

  #failed(connection: Connection, error: unknown): void {
    if (connection.closeReason === undefined && !this.endpoint.isClosed) this.problems.push(error)
  }
}

/** One connection, with a stream for each topic. */
export class RawLink {
  readonly connection: Connection
  readonly #streams = new Map<string, Promise<SendStream>>()

  constructor(connection: Connection) {
    this.connection = connection
  }

  /** Header first where there is no stream yet. `topic`: 64 hex digits. */
  async send(topic: string, message: Message<string>): Promise<void> {
    await this.sendBody(topic, encodeMessage(message))
  }

  async sendBody(topic: string, body: Uint8Array): Promise<void> {
    const stream = await this.open(topic)
    await stream.write(encodeFrame(body))
  }

  /** The next message of the topic opens a new stream. Resolves when the peer has all of it. */
  async finish(topic: string): Promise<void> {
    const stream = await this.open(topic)
    this.#streams.delete(topic)
    await stream.finish()
    await stream.closed
  }

  /** The stream of the topic. */
  open(topic: string): Promise<SendStream> {
    let stream = this.#streams.get(topic)
    if (stream === undefined) {
      stream = this.#begin(topic)
      this.#streams.set(topic, stream)
    }
    return stream
  }

  async #begin(topic: string): Promise<SendStream> {
    const stream = await this.connection.openUni()
    await stream.write(encodeHeader(TopicId.parse(topic)))
    return stream
  }
}
