/** Our own relay client as endpoints use it, for those whose traffic must not suffer. */
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { RelayUrl, SecretKey } from '../../src/identity/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'
import { type RelayClientLimits, RelayTransport } from '../../src/relay/index.ts'

const crypto = createNodeCrypto()
const platform = new NodePlatform({ proxy: null })

export class HonestClient {
  readonly transport: RelayTransport
  readonly id: Uint8Array
  readonly url: string
  /** Why it lost the relay, or did not get in, each time. */
  readonly errors: (Error | undefined)[] = []
  onDatagram: (data: Uint8Array) => void = () => {}
  onStatus: () => void = () => {}

  constructor(port: number, limits: Partial<RelayClientLimits> = {}) {
    const secretKey = SecretKey.generate()
    const url = RelayUrl.parse(`http://127.0.0.1:${port}/`)
    this.id = secretKey.id.toBytes()
    this.url = url.href
    this.transport = new RelayTransport({
      platform,
      crypto,
      secretKey,
      relays: [{ url }],
      limits,
      handler: {
        onDatagram: (_url, _peer, data) => this.onDatagram(data),
        onPeerGone: () => {},
        onStatus: (_url, status) => {
          if (status.state === 'disconnected') this.errors.push(status.error)
          this.onStatus()
        },
        onBlockedChange: () => {},
      },
    })
    this.transport.setHome(url.href)
  }

  get isConnected(): boolean {
    return this.transport.status(this.url)?.state === 'connected'
  }

  send(to: HonestClient, data: Uint8Array): void {
    this.transport.send(this.url, to.id, data)
    this.transport.flush()
  }
}
