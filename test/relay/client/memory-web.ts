/** A relay hub and the WebSockets to it in one process, on a virtual clock: what is sent arrives a turn of the event loop later. */
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import type {
  ExportKeyingMaterial,
  HttpAnswer,
  WebClient,
  WebSocketEnd,
  WebSocketLink,
  WebSocketOptions,
} from '../../../src/platform/index.ts'
import { CLIENT_AUTH_HEADER, type RelayProtocol } from '../../../src/relay/protocol/index.ts'
import { RelayHub, type RelayHubOptions } from '../../../src/relay/server/hub/index.ts'
import type { VirtualPlatform } from '../../driver/virtual-platform.ts'

export class MemoryLink implements WebSocketLink {
  readonly protocol: string
  readonly localAddress: string | undefined = '192.0.2.7'
  onMessage: (message: Uint8Array) => void = () => {}
  onClose: (end: WebSocketEnd) => void = () => {}
  onDrain: () => void = () => {}
  onRead: (bytes: number) => void = () => {}
  onText: (text: string) => void = () => {}
  queuedBytes = 0
  isEnded = false
  other!: MemoryLink
  readonly #platform: VirtualPlatform
  readonly #inbox: Uint8Array[] = []
  #isPaused = false

  constructor(platform: VirtualPlatform, protocol: string) {
    this.#platform = platform
    this.protocol = protocol
  }

  static pair(platform: VirtualPlatform, protocol: string): [MemoryLink, MemoryLink] {
    const near = new MemoryLink(platform, protocol)
    const far = new MemoryLink(platform, protocol)
    near.other = far
    far.other = near
    return [near, far]
  }

  send(message: Uint8Array, start = 0, end = message.length): void {
    if (this.isEnded) return
    const copy = message.slice(start, end)
    this.#platform.defer(() => this.other.#arrive(copy))
  }

  sendText(): void {}

  flush(): void {}

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#platform.defer(() => this.#deliver())
  }

  close(code: number, reason: string): void {
    this.#platform.defer(() => {
      this.other.end(code, reason)
      this.end(code, reason)
    })
  }

  terminate(): void {
    this.end(1006, '')
    this.#platform.defer(() => this.other.end(1006, ''))
  }

  end(code: number, reason: string): void {
    if (this.isEnded) return
    this.isEnded = true
    this.onClose({ code, reason })
  }

  #arrive(message: Uint8Array): void {
    this.#inbox.push(message)
    this.#deliver()
  }

  #deliver(): void {
    while (this.#inbox.length > 0 && !this.#isPaused && !this.isEnded) {
      const message = this.#inbox.shift()!
      const { length } = message
      this.onMessage(message)
      // whoever kept a view sees garbage
      message.fill(0xdd)
      if (!this.isEnded) this.onRead(length)
    }
  }
}

/** Nothing is delivered before the owner could set its handlers. */
async function started(link: MemoryLink): Promise<void> {
  link.pause()
  for (let index = 0; index < 10; index++) await Promise.resolve()
  link.resume()
}

/** The relays that a client can reach: one, which can go down and come up again. */
export class MemoryRelay implements WebClient {
  readonly canSetHeaders = true
  readonly log: string[] = []
  hub: RelayHub | undefined
  /** What the server supports. */
  protocol: RelayProtocol = 'iroh-relay-v2'
  /** Of the TLS sessions, when there are any. */
  exporter: ExportKeyingMaterial | undefined = undefined
  dials = 0
  readonly #platform: VirtualPlatform
  readonly #options: Partial<RelayHubOptions>

  constructor(platform: VirtualPlatform, options: Partial<RelayHubOptions> = {}) {
    this.#platform = platform
    this.#options = options
    this.hub = this.open()
  }

  open(): RelayHub {
    this.hub = new RelayHub({
      platform: this.#platform,
      crypto: createNodeCrypto(),
      log: ({ event }) => this.log.push(event),
      ...this.#options,
    })
    return this.hub
  }

  openWebSocket(options: WebSocketOptions): Promise<WebSocketLink> {
    this.dials++
    const { hub } = this
    if (hub === undefined) return Promise.reject(new Error('connection refused'))
    const headers = options.headers?.(this.exporter) ?? {}
    const [near, far] = MemoryLink.pair(this.#platform, this.protocol)
    const url = new URL(options.url)
    hub.accept(far, {
      protocol: this.protocol,
      url: `${url.pathname}${url.search}`,
      authorization: headers.authorization === undefined ? [] : [headers.authorization],
      authHeader: headers[CLIENT_AUTH_HEADER],
      exporter: this.exporter,
      remoteAddress: '192.0.2.7',
    })
    void started(near)
    return Promise.resolve(near)
  }

  get(): Promise<HttpAnswer> {
    return Promise.reject(new Error('no HTTP here'))
  }
}
