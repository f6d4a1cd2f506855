/** A client of QUIC address discovery on our own driver, as endpoints are one: spec/relay.md §6.1. */
import { onTestFinished } from 'vitest'
import { formatSocketAddress } from '../../../src/bytes/index.ts'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { Driver } from '../../../src/driver/index.ts'
import { NodePlatform } from '../../../src/platform/node/index.ts'
import {
  type CloseReason,
  type Connection,
  type ConnectionEvent,
  Engine,
  type QuicSettings,
  type TrustedRoots,
} from '../../../src/quic/index.ts'

const CRYPTO = createNodeCrypto()
/** A wait that takes longer has failed, ms. */
const WAIT_LIMIT_MS = 5000

export class QadClient {
  readonly connection: Connection
  readonly driver: Driver
  /** Our own address as our socket knows it. */
  readonly own: string
  readonly events: ConnectionEvent[] = []
  #changed: () => void = () => {}

  private constructor(driver: Driver, host: string, port: number, roots: TrustedRoots, options: QadDial) {
    const [socket] = driver.sockets
    this.driver = driver
    this.own = socket!.host.includes(':') ? `[${socket!.host}]:${socket!.port}` : `${socket!.host}:${socket!.port}`
    this.connection = driver.connect(
      {
        authentication: {
          kind: 'x509',
          serverName: options.serverName ?? 'relay.test',
          roots,
          nowUnixSeconds: Math.floor(Date.now() / 1000),
        },
        alpns: [new TextEncoder().encode(options.alpn ?? '/iroh-qad/0')],
        routes: [driver.route(host, port)!],
        settings: { observedAddressRole: 1, maxPathId: undefined, ...options.settings },
      },
      {
        onEvent: (event) => {
          this.events.push(event)
          this.#changed()
        },
      },
    )
  }

  static async dial(host: string, port: number, roots: TrustedRoots, options: QadDial = {}): Promise<QadClient> {
    const platform = new NodePlatform()
    const secretKey = new Uint8Array(32)
    platform.random.fill(secretKey)
    const driver = new Driver({
      platform,
      createEngine: (slots, routes) =>
        new Engine({ crypto: CRYPTO, random: platform.random, slots, routes, secretKey }),
      onIncoming: () => {},
    })
    driver.addSocket(await platform.bindUdp({ host: host.includes(':') ? '::1' : '127.0.0.1', port: 0 }))
    const client = new QadClient(driver, host, port, roots, options)
    onTestFinished(async () => {
      // The server need not wait for us then.
      client.close(1, 'finished')
      await new Promise(setImmediate)
      await driver.close()
    })
    return client
  }

  async event<T extends ConnectionEvent['type']>(type: T): Promise<Extract<ConnectionEvent, { type: T }>> {
    const limit = performance.now() + WAIT_LIMIT_MS
    for (;;) {
      const found = this.events.find((event) => event.type === type)
      if (found !== undefined) return found as Extract<ConnectionEvent, { type: T }>
      if (performance.now() > limit)
        throw new Error(`no ${type}; there were ${this.events.map((event) => JSON.stringify(event)).join(', ')}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100)
        this.#changed = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async observed(): Promise<string> {
    return formatSocketAddress((await this.event('observed-address')).address)
  }

  async closed(): Promise<CloseReason> {
    return (await this.event('closed')).reason
  }

  close(code: number, reason: string): void {
    this.driver.closeConnection(this.connection, code, reason)
  }
}

export interface QadDial {
  readonly serverName?: string
  readonly alpn?: string
  readonly settings?: Partial<QuicSettings>
}
