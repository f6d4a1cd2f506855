/**
 * Our relay client alone, without an endpoint: keeps what comes, and can be made to offer one protocol, to spoil its header, and to tell how the relay began the
 * handshake.
 */
import { onTestFinished } from 'vitest'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { RelayUrl, SecretKey } from '../../src/identity/index.ts'
import type { WebClient, WebSocketLink, WebSocketOptions } from '../../src/platform/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'
import { CLIENT_AUTH_HEADER, type RelayProtocol, type RelayStatus, RelayTransport } from '../../src/relay/index.ts'
import { until } from './setup.ts'

export interface OurClientOptions {
  readonly url: string
  readonly token?: string
  /** PEM text. */
  readonly ca?: string
  /** Default: all. */
  readonly protocol?: RelayProtocol
  /** Default: fresh. */
  readonly secretKey?: SecretKey
  /** Send a signature in the header that does not hold. */
  readonly hasSpoiledHeader?: boolean
}

export interface Received {
  /** Hex. */
  readonly peer: string
  readonly data: Uint8Array
}

/** Stays connected until the test ends. */
export class OurClient {
  readonly id: string
  readonly url: string
  readonly transport: RelayTransport
  readonly received: Received[]
  readonly gone: string[]
  readonly notices: string[]
  readonly statuses: RelayStatus[]
  /** Of each connection. */
  readonly links: { readonly protocol: string; firstFrame: number | undefined }[]

  private constructor(options: OurClientOptions) {
    const { ca, token } = options
    const platform = new WatchedPlatform(ca === undefined ? [] : [ca], {
      options: (given) => ({
        ...given,
        protocols: given.protocols.filter((name) => options.protocol === undefined || name === options.protocol),
        headers: (exporter) => {
          const headers = { ...given.headers?.(exporter) }
          const value = headers[CLIENT_AUTH_HEADER]
          if (options.hasSpoiledHeader === true && value !== undefined) headers[CLIENT_AUTH_HEADER] = spoiled(value)
          return headers
        },
      }),
      link: (link) => this.#watch(link),
    })
    const url = RelayUrl.parse(options.url)
    const secretKey = options.secretKey ?? SecretKey.generate(platform.random)
    this.id = Buffer.from(secretKey.id.toBytes()).toString('hex')
    this.url = url.href
    this.received = []
    this.gone = []
    this.notices = []
    this.statuses = []
    this.links = []
    this.transport = new RelayTransport({
      platform,
      crypto: createNodeCrypto(),
      secretKey,
      relays: [{ url, quicPort: null, ...(token === undefined ? {} : { token }) }],
      handler: {
        onDatagram: (_url, peer, data) => this.received.push({ peer: hex(peer), data: data.slice() }),
        onPeerGone: (_url, peer) => this.gone.push(hex(peer)),
        onStatus: (_url, status) => this.statuses.push(status),
        onBlockedChange: () => {},
        onNotice: (_url, notice) => this.notices.push(notice),
      },
    })
    this.transport.setHome(this.url)
  }

  /** Begins to connect. */
  static open(options: OurClientOptions): OurClient {
    const client = new OurClient(options)
    onTestFinished(() => client.transport.close())
    return client
  }

  static async connect(options: OurClientOptions): Promise<OurClient> {
    const client = OurClient.open(options)
    await client.connected()
    return client
  }

  get state(): RelayStatus['state'] | undefined {
    return this.transport.status(this.url)?.state
  }

  /** Why there is no connection, at the moment. */
  get error(): string | undefined {
    const status = this.transport.status(this.url)
    return status?.state === 'disconnected' ? status.error?.message : undefined
  }

  connected(): Promise<void> {
    return until(`connected to ${this.url}; ${this.error ?? ''}`, () => this.state === 'connected')
  }

  /** All in one round, as the driver does it. */
  send(peer: string, ...datagrams: readonly Uint8Array[]): void {
    for (const datagram of datagrams) this.transport.send(this.url, Buffer.from(peer, 'hex'), datagram)
    this.transport.flush()
  }

  /** Resolves when so many datagrams came altogether. */
  heard(count: number): Promise<void> {
    return until(`${count} datagrams`, () => this.received.length >= count)
  }

  #watch(link: WebSocketLink): void {
    const entry: { readonly protocol: string; firstFrame: number | undefined } = {
      protocol: link.protocol,
      firstFrame: undefined,
    }
    this.links.push(entry)
    let owner = link.onMessage
    Object.defineProperty(link, 'onMessage', {
      configurable: true,
      get: () => owner,
      set: (handler: (message: Uint8Array) => void) => {
        owner = (message) => {
          entry.firstFrame ??= message[0]
          handler(message)
        }
      },
    })
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Another character in the middle of the signature: base64url as before. */
function spoiled(value: string): string {
  const at = 100
  return `${value.slice(0, at)}${value[at] === 'A' ? 'B' : 'A'}${value.slice(at + 1)}`
}

interface Watch {
  options(given: WebSocketOptions): WebSocketOptions
  link(link: WebSocketLink): void
}

class WatchedPlatform extends NodePlatform {
  override readonly web: WebClient

  constructor(ca: readonly string[], watch: Watch) {
    const options = { proxy: null, ...(ca.length === 0 ? {} : { ca }) }
    super(options)
    const inner = new NodePlatform(options).web
    this.web = {
      canSetHeaders: inner.canSetHeaders,
      openWebSocket: async (given) => {
        const link = await inner.openWebSocket(watch.options(given))
        watch.link(link)
        return link
      },
      get: (given) => inner.get(given),
    }
  }
}
