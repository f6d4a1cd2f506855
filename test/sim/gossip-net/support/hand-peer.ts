/** A peer whose frames a test writes and reads itself: what an implementation with other habits, or with bad ones, sends and sees. */
import type { Connection, ConnectTarget, Endpoint, SendStream } from '../../../../src/endpoint/index.ts'
import type { Message } from '../../../../src/gossip/proto/messages.ts'
import type { TopicId } from '../../../../src/gossip/topic-id.ts'
import { decodeHeader, encodeFrame, encodeHeader, FrameReader } from '../../../../src/gossip/wire/frames.ts'
import { decodeMessage, encodeMessage } from '../../../../src/gossip/wire/message-codec.ts'

const ALPN = '/iroh-gossip/1'

/** One stream that came in, as far as it was read. */
export interface HeardStream {
  readonly connection: Connection
  readonly openedAt: number
  topic: string
  readonly messages: (Message<string> & { readonly at: number })[]
  /** When the FIN was read. */
  endedAt: number | undefined
  /** The stream was reset, or its connection ended. */
  isBroken: boolean
}

/** A stream of ours. */
export class SpokenStream {
  readonly stream: SendStream

  constructor(stream: SendStream) {
    this.stream = stream
  }

  say(...messages: readonly Message<string>[]): Promise<void> {
    return this.raw(...messages.map((message) => encodeFrame(encodeMessage(message))))
  }

  raw(...frames: readonly Uint8Array[]): Promise<void> {
    return this.stream.write(Uint8Array.from(frames.flatMap((frame) => [...frame])))
  }
}

export class HandPeer {
  readonly endpoint: Endpoint
  readonly id: string
  /** In the order of their opening, over all connections. */
  readonly heard: HeardStream[] = []
  readonly connections: Connection[] = []
  /** Topics whose streams are not read any more, hex. */
  readonly deafTopics = new Set<string>()
  /** Streams are stopped instead of read any further. */
  stops = false
  readonly #now: () => number

  constructor(endpoint: Endpoint, now: () => number) {
    this.endpoint = endpoint
    this.id = endpoint.id.toString()
    this.#now = now
    this.#accept()
  }

  /** All messages of all streams of a topic. */
  messages(topic: TopicId): HeardStream['messages'] {
    return this.streams(topic).flatMap(({ messages }) => messages)
  }

  streams(topic: TopicId): HeardStream[] {
    return this.heard.filter((stream) => stream.topic === topic.toString())
  }

  has(topic: TopicId, kind: Message<string>['kind']): boolean {
    return this.messages(topic).some((message) => message.kind === kind)
  }

  async dial(target: ConnectTarget): Promise<Connection> {
    const connection = await this.endpoint.connect(target, ALPN)
    this.#listen(connection)
    return connection
  }

  /** A stream with its header and first messages in one write. */
  async open(connection: Connection, topic: TopicId, ...messages: readonly Message<string>[]): Promise<SpokenStream> {
    const spoken = new SpokenStream(await connection.openUni())
    await spoken.raw(encodeHeader(topic), ...messages.map((message) => encodeFrame(encodeMessage(message))))
    return spoken
  }

  async #accept(): Promise<void> {
    for (let next = await this.endpoint.accept(); next !== undefined; next = await this.endpoint.accept())
      this.#listen(next)
  }

  async #listen(connection: Connection): Promise<void> {
    this.connections.push(connection)
    try {
      for (;;) this.#read(connection, await connection.acceptUni())
    } catch {
      // it ended
    }
  }

  async #read(connection: Connection, stream: Awaited<ReturnType<Connection['acceptUni']>>): Promise<void> {
    const heard: HeardStream = {
      connection,
      openedAt: this.#now(),
      topic: '',
      messages: [],
      endedAt: undefined,
      isBroken: false,
    }
    this.heard.push(heard)
    const reader = new FrameReader(1 << 20)
    while (!this.deafTopics.has(heard.topic)) {
      let chunk: Uint8Array | undefined
      if (this.stops) {
        stream.stop(1)
        heard.isBroken = true
        return
      }
      try {
        chunk = await stream.read()
      } catch {
        heard.isBroken = true
        return
      }
      if (chunk === undefined) {
        heard.endedAt = this.#now()
        return
      }
      reader.push(chunk)
      for (let body = reader.next(); body !== undefined; body = reader.next()) {
        if (heard.topic === '') heard.topic = decodeHeader(body).toString()
        else heard.messages.push({ ...decodeMessage(body, () => true), at: this.#now() })
      }
    }
  }
}
