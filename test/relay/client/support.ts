/** A relay transport over a virtual clock and WebSockets whose other end the test plays. */
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { RelayUrl, SecretKey } from '../../../src/identity/index.ts'
import type {
  HttpAnswer,
  Platform,
  Timer,
  WebClient,
  WebSocketEnd,
  WebSocketLink,
  WebSocketOptions,
} from '../../../src/platform/index.ts'
import type { RelayClientLimits } from '../../../src/relay/client/limits.ts'
import { RelayTransport } from '../../../src/relay/client/relay-transport.ts'
import type { RelayConfig, RelayStatus } from '../../../src/relay/client/types.ts'
import { VirtualPlatform } from '../../driver/virtual-platform.ts'

const CRYPTO = createNodeCrypto()
export const CLIENT = SecretKey.fromBytes(new Uint8Array(32).fill(1))
export const PEER = SecretKey.fromBytes(new Uint8Array(32).fill(2)).id.toBytes()
export const OTHER = SecretKey.fromBytes(new Uint8Array(32).fill(0x2a)).id.toBytes()
export const HOME = 'https://home.example/'
export const AWAY = 'https://away.example/'

/** Bytes of several parts: numbers are single bytes, text is itself. */
export function bytes(...parts: (number | string | ArrayLike<number>)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => {
      if (typeof part === 'number') return [part]
      return typeof part === 'string' ? [...new TextEncoder().encode(part)] : Array.from(part)
    }),
  )
}

export const u32 = (value: number) => bytes(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)
/** A different key for each number: small multiples would do, but keys must be points. */
export const keyOf = (number: number) => SecretKey.fromBytes(new Uint8Array(32).fill(number)).id.toBytes()

export class FakeLink implements WebSocketLink {
  protocol = 'iroh-relay-v2'
  localAddress: string | undefined = '192.0.2.7'
  onMessage: (message: Uint8Array) => void = () => {}
  onClose: (end: WebSocketEnd) => void = () => {}
  onDrain: () => void = () => {}
  onRead: (bytes: number) => void = () => {}
  onText: (text: string) => void = () => {}
  queuedBytes = 0
  readonly sent: Uint8Array[] = []
  readonly texts: string[] = []
  isPaused = false
  flushes = 0
  closedWith: number | undefined = undefined
  isTerminated = false
  isEnded = false
  /** Whether `close` is answered at once. */
  answersClose = true
  /** Whether pings are answered, a moment later. */
  answersPings = false

  send(message: Uint8Array, start = 0, end = message.length): void {
    if (this.isEnded) return
    this.sent.push(message.slice(start, end))
    if (this.answersPings && message[start] === 9) void Promise.resolve().then(() => this.pong())
  }

  sendText(text: string): void {
    if (!this.isEnded) this.texts.push(text)
  }

  flush(): void {
    this.flushes++
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  close(code: number, _reason: string): void {
    this.closedWith = code
    if (this.answersClose) this.end(code)
  }

  terminate(): void {
    this.isTerminated = true
    this.end(1006)
  }

  /** The other side, or the network, ends it. */
  end(code = 1006, reason = ''): void {
    if (this.isEnded) return
    this.isEnded = true
    this.onClose({ code, reason })
  }

  /** A message comes in, and a chunk was read. */
  receive(...parts: Parameters<typeof bytes>): void {
    this.onMessage(bytes(...parts))
    this.onRead(1)
  }

  /** Messages of one type. */
  ofType(type: number): Uint8Array[] {
    return this.sent.filter((message) => message[0] === type)
  }

  /** Answers the newest ping. */
  pong(): void {
    this.receive(10, this.ofType(9).at(-1)!.subarray(1))
  }
}

export class Dial {
  readonly options: WebSocketOptions
  readonly at: number
  readonly promise: Promise<WebSocketLink>
  readonly link: FakeLink
  accept: () => void = () => {}
  reject: (error: Error) => void = () => {}

  constructor(options: WebSocketOptions, at: number) {
    this.options = options
    this.at = at
    this.link = new FakeLink()
    this.promise = new Promise((resolve, reject) => {
      this.accept = () => resolve(this.link)
      this.reject = reject
    })
    options.signal?.addEventListener('abort', () => this.reject(new Error('aborted')))
  }
}

export class FakeWeb implements WebClient {
  canSetHeaders = true
  readonly dials: Dial[] = []
  onDial: (dial: Dial) => void = () => {}
  readonly #platform: VirtualPlatform

  constructor(platform: VirtualPlatform) {
    this.#platform = platform
  }

  openWebSocket(options: WebSocketOptions): Promise<WebSocketLink> {
    const dial = new Dial(options, this.#platform.time)
    this.dials.push(dial)
    this.onDial(dial)
    return dial.promise
  }

  get(): Promise<HttpAnswer> {
    return Promise.reject(new Error('no HTTP here'))
  }
}

/** A virtual platform that lets promises run as well. */
export class RunPlatform extends VirtualPlatform {
  /** A real timer that is armed for never sleeps, and keeps the process alive: it has to be cancelled. */
  override createTimer(callback: () => void): Timer {
    const timer = super.createTimer(callback)
    const arm = (at: number) => {
      if (!Number.isFinite(at)) throw new Error(`a timer was armed for ${at}`)
      timer.arm(at)
    }
    return { arm, cancel: () => timer.cancel() }
  }

  /** Lets promises run. */
  async rest(): Promise<void> {
    for (let index = 0; index < 40; index++) await Promise.resolve()
    this.settle()
  }

  /** Lets `ms` pass; promises run between two timers. */
  async run(ms: number): Promise<void> {
    const end = this.time + ms
    for (let count = 0; ; count++) {
      if (count > 20_000) throw new Error('timers fire without end')
      for (let rests = 0; rests < 3; rests++) await this.rest()
      if (this.nextTimer > end) break
      this.advance(Math.max(0, this.nextTimer - this.time))
    }
    this.time = end
  }
}

export class WebPlatform extends RunPlatform implements Platform {
  readonly web: FakeWeb | undefined

  constructor(hasWeb = true) {
    super()
    this.web = hasWeb ? new FakeWeb(this) : undefined
  }
}

export interface SceneOptions {
  readonly relays?: readonly RelayConfig[]
  readonly limits?: Partial<RelayClientLimits>
  readonly hasWeb?: boolean
}

export const relay = (url: string, rest: Partial<RelayConfig> = {}): RelayConfig => ({
  url: RelayUrl.parse(url),
  ...rest,
})

export class Scene {
  readonly platform: WebPlatform
  readonly transport: RelayTransport
  readonly datagrams: { url: string; peer: Uint8Array; data: Uint8Array }[] = []
  readonly gone: { url: string; peer: Uint8Array }[] = []
  readonly statuses: { url: string; status: RelayStatus }[] = []
  readonly blocks: { url: string; isBlocked: boolean }[] = []
  readonly notices: string[] = []
  reads = 0
  onDatagram: () => void = () => {}

  constructor(options: SceneOptions = {}) {
    this.platform = new WebPlatform(options.hasWeb)
    this.transport = new RelayTransport({
      platform: this.platform,
      crypto: CRYPTO,
      secretKey: CLIENT,
      relays: options.relays ?? [relay(HOME)],
      ...(options.limits && { limits: options.limits }),
      handler: {
        onDatagram: (url, peer, data) => {
          this.datagrams.push({ url, peer: peer.slice(), data: data.slice() })
          this.onDatagram()
        },
        onPeerGone: (url, peer) => this.gone.push({ url, peer: peer.slice() }),
        onStatus: (url, status) => this.statuses.push({ url, status }),
        onBlockedChange: (url) => this.blocks.push({ url, isBlocked: this.transport.isBlocked(url) }),
        onRead: () => this.reads++,
        onNotice: (_, notice) => this.notices.push(notice),
      },
    })
  }

  get dials(): Dial[] {
    return this.platform.web!.dials
  }

  get lastDial(): Dial {
    return this.dials.at(-1)!
  }

  /** What became of the connection to `url`: `connected`, or the message of the error. */
  state(url = HOME): string | undefined {
    const status = this.transport.status(url)
    return status?.state === 'disconnected' ? (status.error?.message ?? 'disconnected') : status?.state
  }

  /** The relay at the other end of the newest dial lets us in, without a challenge. */
  async letIn(dial = this.lastDial, protocol = 'iroh-relay-v2'): Promise<FakeLink> {
    dial.link.protocol = protocol
    dial.accept()
    await this.platform.rest()
    dial.link.receive(2)
    return dial.link
  }

  /** Home, connected, and established unless told otherwise. */
  async home(isEstablished = true): Promise<FakeLink> {
    this.transport.setHome(HOME)
    const link = await this.letIn()
    if (isEstablished) link.pong()
    return link
  }

  send(url: string, data: number | string | Uint8Array, peer = PEER): void {
    this.transport.send(url, peer, typeof data === 'number' ? new Uint8Array(data).fill(7) : bytes(data))
  }

  sendNow(url: string, data: number | string | Uint8Array, peer = PEER): void {
    this.send(url, data, peer)
    this.transport.flush()
  }

  /** After `close` nothing may be left: no timer, no link, no dial that could still become one. */
  async close(): Promise<string[]> {
    await this.transport.close()
    await this.platform.rest()
    const left: string[] = []
    if (this.platform.nextTimer !== Number.POSITIVE_INFINITY) left.push('a timer')
    for (const { link, options } of this.dials) {
      if (!link.isEnded && !options.signal!.aborted) left.push(`a link to ${options.url}`)
    }
    return left
  }
}
