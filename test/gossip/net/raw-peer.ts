/** A peer made by hand: it says what the test wants, on streams of its own, and reads only what the test reads. */
import type { Connection, RecvStream, SendStream } from '../../../src/endpoint/index.ts'
import type { Endpoint } from '../../../src/endpoint/node.ts'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import { TopicId } from '../../../src/gossip/topic-id.ts'
import { decodeHeader, encodeFrame, encodeHeader, FrameReader } from '../../../src/gossip/wire/frames.ts'
import { decodeMessage, encodeMessage } from '../../../src/gossip/wire/message-codec.ts'
import type { QuicSettings } from '../../../src/quic/index.ts'
import { bindEndpoint, type Node } from './nodes.ts'

export const ALPN = '/iroh-gossip/1'

export interface Heard {
  readonly topic: string
  readonly messages: Message<string>[]
  /** FIN came. */
  isFinished: boolean
}

export class RawPeer {
  readonly endpoint: Endpoint
  readonly connection: Connection
  /** Streams that were read so far, in the order of their opening. */
  readonly heard: Heard[] = []

  private constructor(endpoint: Endpoint, connection: Connection) {
    this.endpoint = endpoint
    this.connection = connection
  }

  /** Dials the node; from the endpoint of `from`, where that is given. */
  static async dial(
    node: Node,
    from?: { readonly endpoint: Endpoint },
    settings: Partial<QuicSettings> = {},
  ): Promise<RawPeer> {
    const endpoint = from?.endpoint ?? (await bindEndpoint({ alpns: [ALPN], settings }))
    return new RawPeer(endpoint, await endpoint.connect(node.endpoint.addr(), ALPN))
  }

  /** A stream of the topic with its header and the messages behind it. */
  async open(topic: string, ...messages: readonly Message<string>[]): Promise<SendStream> {
    const stream = await this.connection.openUni()
    await stream.write(join([encodeHeader(TopicId.parse(topic)), ...messages.map(frame)]))
    return stream
  }

  /** Reads all streams from now on. */
  async listen(): Promise<void> {
    try {
      for (;;) this.#read(await this.connection.acceptUni())
    } catch {
      // the connection ended
    }
  }

  /** All messages on streams of the topic. */
  messages(topic: string): Message<string>[] {
    const id = TopicId.parse(topic).toString()
    return this.heard.filter((stream) => stream.topic === id).flatMap((stream) => stream.messages)
  }

  async #read(stream: RecvStream): Promise<void> {
    const reader = new FrameReader(1 << 20)
    let heard: Heard | undefined
    try {
      for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
        reader.push(chunk)
        for (let body = reader.next(); body !== undefined; body = reader.next()) {
          if (heard === undefined) {
            heard = { topic: decodeHeader(body).toString(), messages: [], isFinished: false }
            this.heard.push(heard)
          } else heard.messages.push(decodeMessage(body, () => true))
        }
      }
      if (heard !== undefined) heard.isFinished = true
    } catch {
      // reset, or the connection ended
    }
  }
}

export function frame(message: Message<string>): Uint8Array {
  return encodeFrame(encodeMessage(message))
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

export const JOIN: Message<string> = { kind: 'join', data: new Uint8Array([0, 0]) }
