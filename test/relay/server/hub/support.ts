/** A hub on a virtual clock, and clients whose links the test stalls, feeds and ends by hand. */
import type { CryptoProvider } from '../../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../../src/crypto/node/index.ts'
import type { WebSocketEnd, WebSocketLink } from '../../../../src/platform/index.ts'
import type { RelayProtocol } from '../../../../src/relay/index.ts'
import { writeDatagramHeader } from '../../../../src/relay/protocol/index.ts'
import {
  type RelayClientRequest,
  RelayHub,
  type RelayHubOptions,
  type RelayLogEntry,
} from '../../../../src/relay/server/hub/index.ts'
import { VirtualPlatform } from '../../../driver/virtual-platform.ts'

const LOW_MARK = 64 * 1024
/** What a link adds to each message. */
const HEADER = 4

export const CRYPTO = createNodeCrypto()
/** Believes every signature: for tests with many clients, whose ids are then any 32 bytes. */
export const CREDULOUS: CryptoProvider = Object.assign(Object.create(CRYPTO) as CryptoProvider, { verify: () => true })

export class FakeLink implements WebSocketLink {
  readonly protocol: string
  localAddress: string | undefined = undefined
  onMessage: (message: Uint8Array) => void = () => {}
  onClose: (end: WebSocketEnd) => void = () => {}
  onDrain: () => void = () => {}
  onRead: (bytes: number) => void = () => {}
  onText: (text: string) => void = () => {}
  queuedBytes = 0
  /** What came through to the client. */
  readonly got: Uint8Array[] = []
  /** The system takes nothing until `take` or `unstall`. */
  isStalled = false
  isPaused = false
  pauses = 0
  flushes = 0
  closedWith: { code: number; reason: string } | undefined = undefined
  isTerminated = false
  isEnded = false
  /** A client that does not answer Close: the test has to end the link. */
  answersClose = true
  /** `onDrain` is called when no more than this is queued. */
  lowMark = LOW_MARK
  readonly #waiting: Uint8Array[] = []
  readonly #unread: Uint8Array[] = []

  constructor(protocol = 'iroh-relay-v2') {
    this.protocol = protocol
  }

  send(message: Uint8Array, start = 0, end = message.length): void {
    if (this.isEnded || this.closedWith !== undefined) return
    const copy = Uint8Array.from(message.subarray(start, end))
    this.#waiting.push(copy)
    this.queuedBytes += copy.length + HEADER
    if (!this.isStalled) this.take(Number.POSITIVE_INFINITY)
  }

  sendText(): void {}

  flush(): void {
    this.flushes++
  }

  pause(): void {
    this.isPaused = true
    this.pauses++
  }

  resume(): void {
    this.isPaused = false
    while (!this.isPaused && this.#unread.length > 0) this.#read(this.#unread.shift()!)
  }

  close(code: number, reason: string): void {
    if (this.closedWith !== undefined || this.isEnded) return
    this.closedWith = { code, reason }
    if (this.answersClose) this.end(code)
  }

  terminate(): void {
    if (this.isEnded) return
    this.isTerminated = true
    this.end(1006)
  }

  /** The system takes that many bytes, in whole messages. */
  take(bytes: number): void {
    const before = this.queuedBytes
    for (let left = bytes; left > 0 && this.#waiting.length > 0; ) {
      const first = this.#waiting.shift()!
      this.got.push(first)
      left -= first.length + HEADER
      this.queuedBytes -= first.length + HEADER
    }
    if (!this.isEnded && before > this.lowMark && this.queuedBytes <= this.lowMark) this.onDrain()
  }

  /** From now on the client reads as fast as anything comes. */
  unstall(): void {
    this.isStalled = false
    this.take(Number.POSITIVE_INFINITY)
  }

  /** The client sends a message; it is read now, or after `resume`. */
  feed(message: Uint8Array): void {
    if (this.isEnded) return
    if (this.isPaused) this.#unread.push(Uint8Array.from(message))
    else this.#read(Uint8Array.from(message))
  }

  /** The link ends, from the other side or in the network. */
  end(code = 1006, reason = ''): void {
    if (this.isEnded) return
    this.isEnded = true
    this.queuedBytes = 0
    this.#waiting.length = 0
    this.onClose({ code, reason })
  }

  #read(message: Uint8Array): void {
    if (this.closedWith === undefined) this.onMessage(message)
    if (!this.isEnded) this.onRead(message.length + HEADER)
  }
}

/** 32 bytes that name client `number`. */
export function idOf(number: number): Uint8Array {
  const id = new Uint8Array(32)
  // all first bytes alike for some of them: ids must be told apart by the rest
  new DataView(id.buffer).setUint32(number % 2 === 0 ? 0 : 28, number + 1)
  return id
}

export function bytes(...parts: (number | string | ArrayLike<number>)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => {
      if (typeof part === 'number') return [part]
      return typeof part === 'string' ? [...new TextEncoder().encode(part)] : Array.from(part)
    }),
  )
}

export const PING = (fill: number) => bytes(9, new Uint8Array(8).fill(fill))
export const PONG = (fill: number) => bytes(10, new Uint8Array(8).fill(fill))

/** Frame 4: a datagram for `to`. */
export function datagramFor(to: Uint8Array, contents: Uint8Array, ecn = 0): Uint8Array {
  const frame = new Uint8Array(34 + contents.length)
  frame.set(contents, writeDatagramHeader(frame, 0, 4, to, ecn))
  return frame
}

export class Client {
  readonly link: FakeLink
  readonly id: Uint8Array

  constructor(link: FakeLink, id: Uint8Array) {
    this.link = link
    this.id = id
  }

  send(to: Client | Uint8Array, contents: Uint8Array | string): void {
    this.link.feed(
      datagramFor(to instanceof Client ? to.id : to, typeof contents === 'string' ? bytes(contents) : contents),
    )
  }

  /** Frames since the last call. */
  takeFrames(): Uint8Array[] {
    return this.link.got.splice(0)
  }

  /** Contents of the datagram frames among them, as text. */
  takeTexts(): string[] {
    return this.takeFrames()
      .filter((frame) => frame[0] === 6)
      .map((frame) => new TextDecoder().decode(frame.subarray(34)))
  }
}

export class Lab {
  readonly platform = new VirtualPlatform()
  readonly log: RelayLogEntry[] = []
  readonly hub: RelayHub

  constructor(options: Partial<RelayHubOptions> = {}) {
    this.hub = new RelayHub({
      platform: this.platform,
      crypto: CREDULOUS,
      log: (entry) => this.log.push(entry),
      ...options,
    })
  }

  get counters() {
    return this.hub.counters
  }

  /** Events of the log since the last call. */
  takeEvents(): string[] {
    return this.log.splice(0).map(({ event }) => event)
  }

  accept(request: Partial<RelayClientRequest> = {}, link = new FakeLink(request.protocol)): FakeLink {
    this.hub.accept(link, {
      protocol: 'iroh-relay-v2',
      url: '/relay',
      authorization: [],
      authHeader: undefined,
      exporter: undefined,
      remoteAddress: '192.0.2.1',
      ...request,
    })
    return link
  }

  /** A client that is in, its handshake read off. */
  connect(id: number | Uint8Array, protocol: RelayProtocol = 'iroh-relay-v2', link = new FakeLink(protocol)): Client {
    const client = this.tryConnect(id, protocol, link)
    if (client === undefined) throw new Error('not let in')
    return client
  }

  /** As `connect`; undefined when the client is not let in. */
  tryConnect(
    id: number | Uint8Array,
    protocol: RelayProtocol = 'iroh-relay-v2',
    link = new FakeLink(protocol),
  ): Client | undefined {
    const client = new Client(this.accept({ protocol }, link), typeof id === 'number' ? idOf(id) : id)
    link.feed(bytes(1, client.id, 64, new Uint8Array(64)))
    const frames = client.takeFrames()
    return frames.length === 2 && frames[1]![0] === 2 ? client : undefined
  }

  advance(ms: number): void {
    this.platform.advance(ms)
  }
}

/** That a hub whose clients all left holds nothing: no client, no link, no deadline, no timer. */
export function leftovers({ hub, platform }: Lab): Record<string, unknown> {
  const gauges = Object.entries(hub.counters).filter(([name]) =>
    ['tom_links', 'tom_handshakes', 'tom_connections', 'tom_endpoints'].includes(name),
  )
  return {
    ...Object.fromEntries(gauges.filter(([, value]) => value !== 0)),
    ...(hub.clientCount === 0 ? {} : { clients: hub.clientCount }),
    ...(hub.connectionCount === 0 ? {} : { connections: hub.connectionCount }),
    ...(hub.linkCount === 0 ? {} : { links: hub.linkCount }),
    ...(platform.nextTimer === Number.POSITIVE_INFINITY ? {} : { timer: platform.nextTimer }),
  }
}
