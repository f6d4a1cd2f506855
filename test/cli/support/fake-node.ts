/** A `TomNode` that the test moves by hand: what it sends is a list, what it hears the test says. */

import type { TalkNode, TalkReceipt } from '../../../src/cli/chat-session.ts'
import type { ConnectTarget } from '../../../src/endpoint/index.ts'
import type {
  DeliveryState,
  IncomingMessage,
  NodePathEvent,
  PeerEvent,
  PeerInfo,
  ReceiptState,
} from '../../../src/envelope/index.ts'
import { EndpointAddr, type EndpointId, SecretKey } from '../../../src/identity/index.ts'

export const idOf = (byte: number): EndpointId => SecretKey.fromBytes(new Uint8Array(32).fill(byte)).id

/** A queue that is read with `for await`, by one reader; `end` ends it, and so does an abortion of the signal. */
export class Feed<T> implements AsyncIterable<T> {
  readonly #items: T[] = []
  #isEnded = false
  #wake = (): void => {}

  push(item: T): void {
    this.#items.push(item)
    this.#wake()
  }

  end(): void {
    this.#isEnded = true
    this.#wake()
  }

  get size(): number {
    return this.#items.length
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const item = this.#items.shift()
      if (item !== undefined) yield item
      else if (this.#isEnded) return
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}

export class FakeReceipt extends Feed<ReceiptState> implements TalkReceipt {
  state: DeliveryState = 'pending'
  holders = 0
  readonly id: string

  constructor(id: string) {
    super()
    this.id = id
    this.push({ state: 'pending', holders: 0, at: 0 })
  }

  become(state: DeliveryState, holders = this.holders): void {
    this.state = state
    this.holders = holders
    this.push({ state, holders, at: 0 })
  }
}

export class FakeNode implements TalkNode {
  readonly id = idOf(1)
  readonly sent: { readonly to: string; readonly text: string; readonly receipt: FakeReceipt }[] = []
  readonly incoming = new Feed<IncomingMessage>()
  readonly comings = new Feed<PeerEvent>()
  readonly paths = new Feed<NodePathEvent>()
  readonly read: string[] = []
  readonly #peers = new Map<string, PeerInfo>()
  /** What the next `send` rejects with. */
  failure: Error | undefined

  async send(to: ConnectTarget, bytes: Uint8Array): Promise<FakeReceipt> {
    const { failure } = this
    this.failure = undefined
    if (failure !== undefined) throw failure
    const receipt = new FakeReceipt(`m${this.sent.length}`)
    const id = to instanceof EndpointAddr ? to.id : to
    this.sent.push({ to: String(id), text: new TextDecoder().decode(bytes), receipt })
    return receipt
  }

  messages = (): AsyncIterable<IncomingMessage> => this.incoming
  peerEvents = (): AsyncIterable<PeerEvent> => this.comings
  pathEvents = (): AsyncIterable<NodePathEvent> => this.paths
  peers = (): PeerInfo[] => [...this.#peers.values()]
  peer = (id: EndpointId): PeerInfo | undefined => this.#peers.get(id.toString())

  /** A peer becomes something. */
  peerIs(id: EndpointId, name: string, liveness: PeerInfo['liveness'], isVerified = true): void {
    this.#peers.set(id.toString(), { id, name, liveness, role: 'Peer', isVerified, path: undefined })
    this.comings.push({ kind: liveness, peer: id, name, role: 'Peer', isVerified })
  }

  hears(from: EndpointId, text: string | Uint8Array, fields: Partial<IncomingMessage> = {}): void {
    const id = fields.id ?? `in${this.incoming.size}`
    this.incoming.push({
      id,
      from,
      bytes: typeof text === 'string' ? new TextEncoder().encode(text) : text,
      sentAt: 0,
      isEncrypted: true,
      isAuthorBound: true,
      via: [],
      broughtBy: from,
      markRead: () => void this.read.push(id),
      ...fields,
    })
  }
}
