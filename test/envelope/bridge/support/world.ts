/** A signalling server, a bridge with a fake node, v2 peers and v1 clients: what the tests of the bridge share. Everything ends with `close`. */

import { readBridged, readBridgedNotice, writeBridged } from '../../../../src/envelope/bridge/bridged-text.ts'
import type { BridgeEvent, BridgeSettings } from '../../../../src/envelope/bridge/types.ts'
import { V1Bridge, type V1BridgeOptions } from '../../../../src/envelope/bridge/v1-bridge.ts'
import { EndpointId } from '../../../../src/identity/index.ts'
import { NodePlatform } from '../../../../src/platform/node/index.ts'
import { until } from '../../../platform/support/loopback.ts'
import { CRYPTO } from '../../v1/support.ts'
import { FakeNode } from './fake-node.ts'
import { SignallingServer } from './signalling-server.ts'
import { V1Client } from './v1-client.ts'

/** Seeds: the bridge 50, v2 peers from 51, v1 peers below. */
export class World {
  readonly platform = new NodePlatform({ proxy: null })
  readonly net = new Map<string, FakeNode>()
  readonly server: SignallingServer
  readonly node: FakeNode
  /** A v2 peer. */
  readonly bob: FakeNode
  readonly events: BridgeEvent[] = []
  readonly errors: unknown[] = []
  bridge!: V1Bridge
  readonly #clients: V1Client[] = []

  private constructor(server: SignallingServer) {
    this.server = server
    this.node = new FakeNode(this.net, 50)
    this.bob = new FakeNode(this.net, 51)
  }

  /** With `bob` presented, and the server knowing both. */
  static async start(options: Partial<V1BridgeOptions> = {}, settings: Partial<BridgeSettings> = {}): Promise<World> {
    const world = new World(await SignallingServer.start())
    world.bridge = new V1Bridge({
      node: world.node,
      platform: world.platform,
      crypto: CRYPTO,
      url: world.server.url,
      peers: [{ id: world.bob.id, name: 'Bob' }],
      settings,
      onEvent: (event) => world.events.push(event),
      onError: (error) => world.errors.push(error),
      ...options,
    })
    await world.bridge.ready({ signal: AbortSignal.timeout(3_000) })
    return world
  }

  client(seed: number): V1Client {
    const client = new V1Client(this.server.url, seed)
    this.#clients.push(client)
    return client
  }

  /** A client that sees `bob` and that the bridge sees. */
  async metClient(seed: number, sees: EndpointId = this.bob.id): Promise<V1Client> {
    const client = this.client(seed)
    await client.sees(sees)
    await this.untilEvent('joined', client.id)
    return client
  }

  async untilEvent(kind: BridgeEvent['kind'], about = ''): Promise<void> {
    await until(
      () => this.events.some((event) => event.kind === kind && JSON.stringify(event).includes(about)),
      `${kind} ${about}`,
    )
  }

  /** A text of a v2 peer to a v1 peer, by way of the bridge; returns its id. */
  async write(from: FakeNode, to: string, text: string, encryptionKey?: Uint8Array): Promise<string> {
    const { secretKey } = from
    const written = writeBridged({
      to: EndpointId.parse(to),
      text,
      secretKey,
      platform: this.platform,
      ...(encryptionKey === undefined ? {} : { encryptionKey }),
    })
    await from.send(this.node.id, written.bytes)
    return written.id
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close()
    await this.bridge.close()
    this.node.end()
    await this.server.stop()
  }
}

export async function nextText(node: FakeNode) {
  const { bytes } = await node.next()
  return readBridged(bytes, { secretKey: node.secretKey, crypto: CRYPTO })
}

export async function nextNotice(node: FakeNode) {
  const { bytes } = await node.next()
  return readBridgedNotice(bytes, { secretKey: node.secretKey, crypto: CRYPTO })
}
