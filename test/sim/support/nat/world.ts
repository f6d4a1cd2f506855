/** Real endpoints on hosts behind virtual NATs, with real relays and STUN servers on the same internet, in virtual time. */
import { seededKeyExchange } from '../../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../../src/crypto/node/index.ts'
import { Endpoint, type EndpointOptions } from '../../../../src/endpoint/index.ts'
import { SecretKey } from '../../../../src/identity/index.ts'
import type { LinkShape } from '../relay/link.ts'
import { SimWeb } from '../relay/web.ts'
import { ALPN, RelayWorld, SimEndpoint } from '../relay/world.ts'
import type { LineShape } from './access-link.ts'
import { AccessLink } from './access-link.ts'
import { type SimHost, waysOf } from './host.ts'
import { HostPlatform } from './host-platform.ts'
import { Internet } from './internet.ts'
import { serveStun } from './stun-server.ts'
import { TcpFlow } from './tcp-flow.ts'

/** Of a WebSocket: the flows below have their own. */
const NO_LIMIT = 1e6

export class NatWorld extends RelayWorld {
  readonly internet = new Internet(this.clock, this.random.fork('internet'))
  /** `ip:port` of two STUN servers at different addresses. */
  readonly stunServers: readonly string[]
  readonly #relayLinks = new Map<string, AccessLink>()

  constructor(seed: string) {
    super(seed)
    this.stunServers = ['192.0.2.1', '192.0.2.2'].map((address) =>
      serveStun(this.internet.host(`stun ${address}`, { v4: address }), address),
    )
  }

  /** The line of a relay's data centre. */
  relayLine(name: string, shape: LineShape): AccessLink {
    const link = new AccessLink(shape, this.random.fork(`line of relay ${name}`))
    this.#relayLinks.set(`${name}.example`, link)
    return link
  }

  /** HTTP and WebSockets of a host. */
  #webOf(host: SimHost): SimWeb {
    const shape = (relay: string): LinkShape => {
      const uplink = host.uplink()
      if (uplink === undefined) throw new Error('network is unreachable')
      const far = this.#relayLinks.get(relay)
      const ways = waysOf(uplink.links)
      const sum = [...ways.up, ...ways.down].reduce((total, { delayMs }) => total + delayMs, 0)
      const roundTripMs = (): number => sum + (far === undefined ? 0 : far.up.delayMs + far.down.delayMs)
      const up = new TcpFlow(this.clock, far === undefined ? ways.up : [...ways.up, far.down], roundTripMs)
      const down = new TcpFlow(this.clock, far === undefined ? ways.down : [far.up, ...ways.down], roundTripMs)
      return {
        delayMs: roundTripMs() / 2,
        rate: NO_LIMIT,
        carry: (direction, bytes, arrived) => (direction === 'up' ? up : down).carry(bytes, arrived),
      }
    }
    const web = new SimWeb(this.clock, this.relays, { shape, localAddress: () => host.uplink()?.host })
    host.onAddressGone = (address) => {
      for (const { link } of web.opened) {
        if (link.localAddress !== address) continue
        link.isCut = true
        link.peer.isCut = true
      }
    }
    return web
  }

  /** An endpoint on a host, with the world's STUN servers. */
  async endpoint(host: SimHost, options: Partial<EndpointOptions> = {}): Promise<SimEndpoint> {
    const random = this.random.fork(`endpoint on ${host.name}`)
    const platform = new HostPlatform({ clock: this.clock, network: this.network, random }, host)
    const web = this.#webOf(host)
    platform.web = web
    const faults: unknown[] = []
    const keys = this.random.fork(`keys of ${host.name}`)
    const endpoint = await Endpoint.bind({
      secretKey: SecretKey.generate(keys),
      alpns: [ALPN],
      stunServers: this.stunServers,
      relays: [...this.relays.values()].map(({ url }) => url),
      onError: (error) => faults.push(error),
      runtime: { platform, crypto: seededKeyExchange(createNodeCrypto(), keys) },
      ...options,
    })
    const node = new SimEndpoint(endpoint, web, platform, faults)
    this.nodes.push(node)
    return node
  }
}
