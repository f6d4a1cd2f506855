/** Links over real endpoints on the simulated network, in virtual time. */
import { seededKeyExchange } from '../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { MemoryLookup } from '../../../src/discovery/index.ts'
import { Endpoint } from '../../../src/endpoint/index.ts'
import { ENVELOPE_ALPN } from '../../../src/envelope/link/alpns.ts'
import { Links } from '../../../src/envelope/link/links.ts'
import type { LinkSettings } from '../../../src/envelope/link/settings.ts'
import { SecretKey } from '../../../src/identity/index.ts'
import type { QuicSettings } from '../../../src/quic/index.ts'
import { RelayWorld } from '../../sim/support/relay/world.ts'
import { HandPeer, Log } from './support.ts'

export interface Birth {
  /** Default: one of its own, drawn from the seed and the name. */
  readonly secretKey?: SecretKey
  readonly settings?: Partial<LinkSettings>
  readonly quic?: Partial<QuicSettings>
  /** The others cannot dial it by its id. */
  readonly isUnknown?: boolean
  readonly relays?: readonly string[]
}

export interface SimLinkNode {
  readonly endpoint: Endpoint
  readonly links: Links
  readonly log: Log
  readonly id: string
  readonly secretKey: SecretKey
}

export class LinkWorld extends RelayWorld {
  book = new MemoryLookup({ now: () => 0 })
  #endpoints: Endpoint[] = []

  /** A name is a site of the network: `wire`, `network.silence`. */
  async peer(name: string, birth: Birth = {}): Promise<SimLinkNode> {
    const { secretKey = this.keyOf(name), settings = {} } = birth
    const log = new Log()
    const endpoint = await this.#bind(name, secretKey, [], birth)
    const links = new Links({ endpoint, handler: log, settings })
    return { endpoint, links, log, id: endpoint.id.toString(), secretKey }
  }

  /** A peer whose streams a test writes and reads itself. */
  async hand(name: string, birth: Birth = {}): Promise<HandPeer> {
    const { secretKey = this.keyOf(name) } = birth
    return new HandPeer(await this.#bind(name, secretKey, [ENVELOPE_ALPN], birth))
  }

  keyOf(name: string): SecretKey {
    return SecretKey.generate(this.random.fork(`key of ${name}`))
  }

  async #bind(
    name: string,
    secretKey: SecretKey,
    alpns: readonly string[],
    { quic = {}, isUnknown = false, relays = [] }: Birth,
  ): Promise<Endpoint> {
    const birth = this.#endpoints.length
    const random = this.random.fork(`handshakes of ${name} ${birth}`)
    const endpoint = await Endpoint.bind({
      secretKey,
      alpns,
      bind: [`10.1.0.${birth + 1}:4433`],
      networkMonitor: false,
      settings: quic,
      relays,
      onError: () => {},
      runtime: { platform: this.host(name), crypto: seededKeyExchange(createNodeCrypto(), random) },
    })
    this.#endpoints.push(endpoint)
    endpoint.addAddressLookup(this.book)
    if (!isUnknown) this.book.add(endpoint.addr())
    return endpoint
  }

  /** What a promise is rejected with, and after how many ms. Time does not pass by itself. */
  async outcome(promise: Promise<unknown>): Promise<{ error: unknown; afterMs: number }> {
    const start = this.now
    let error: unknown
    try {
      await promise
    } catch (reason) {
      error = reason
    }
    return { error, afterMs: this.now - start }
  }

  /** The same, while time passes, `ms` at most. */
  failure(promise: Promise<unknown>, ms: number): Promise<{ error: unknown; afterMs: number }> {
    return this.value(this.outcome(promise), ms, 'a failure')
  }

  override async close(): Promise<void> {
    await this.value(Promise.all(this.#endpoints.map((endpoint) => endpoint.close())), 60_000, 'closing')
    this.#endpoints = []
  }
}
