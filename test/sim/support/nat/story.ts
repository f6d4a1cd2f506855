/** A client and an echo server, each somewhere on the internet, with one connection between them that begins on a relay; and what is expected of it. */
import { expect } from 'vitest'
import type { Connection, EndpointOptions } from '../../../../src/endpoint/index.ts'
import type { SimRelay } from '../relay/sim-relay.ts'
import { addrOf, kinds, Pinging, serveEcho } from '../relay/traffic.ts'
import { ALPN, type SimEndpoint } from '../relay/world.ts'
import { type LineShape, line } from './access-link.ts'
import type { SimHost } from './host.ts'
import type { Internet } from './internet.ts'
import { KINDS, type Kind } from './kinds.ts'
import type { NatBehaviour } from './nat-table.ts'
import type { Router } from './router.ts'
import { NatWorld } from './world.ts'

export interface SideShape {
  /** Or another behaviour than those of the matrix. Default `none`. */
  readonly nat?: Kind | NatBehaviour
  /** The box is behind another one, its provider's. */
  readonly provider?: NatBehaviour | undefined
  readonly line?: LineShape
  readonly v6?: string
  readonly options?: Partial<EndpointOptions>
}

export interface StoryShape {
  /** The server is behind the client's box. */
  readonly isOneHousehold?: boolean
  readonly client?: SideShape
  readonly server?: SideShape
  /** For both. */
  readonly options?: Partial<EndpointOptions>
  /** Pings so often, ms. Default 100. */
  readonly everyMs?: number
  /** Changes the world before anything is bound. */
  readonly prepare?: (world: NatWorld) => void
}

export interface Side {
  readonly host: SimHost
  readonly router: Router | undefined
  readonly node: SimEndpoint
}

/** As in a city: 10 ms from one to the other, and to the relay. */
const CITY = line({ delayMs: 5 })
/** Between iroh nodes a pair of NATs may take so long, ms. */
const DIRECT_WITHIN_MS = 15_000

export const relayOnly = ({ kind }: { kind: string }): boolean => kind === 'relay'

export class Story {
  readonly world: NatWorld
  readonly relay: SimRelay
  readonly client: Side
  readonly server: Side
  readonly connection: Connection
  readonly pinging: Pinging
  readonly #accepted: readonly Connection[]

  static async begin(seed: string, shape: StoryShape = {}): Promise<Story> {
    const world = new NatWorld(seed)
    const relay = world.relay('a')
    shape.prepare?.(world)
    const client = await placed(world, 'client', shape.client, shape.options)
    const home = shape.isOneHousehold === true ? client.router : undefined
    const server = await placed(world, 'server', shape.server, shape.options, home)
    const accepted = serveEcho(server.node)
    const online = [client, server].map(({ node }) => node.endpoint.online())
    await world.value(Promise.all(online), 30_000, 'going online')
    // addresses are known by then
    await world.run(2_000)
    const dial = client.node.endpoint.connect(addrOf(server.node, relayOnly), ALPN)
    const connection = await world.value(dial, 30_000, 'the dial')
    await world.until(() => accepted.length > 0, 5_000, 'the accept')
    return new Story(world, relay, client, server, connection, accepted, shape.everyMs ?? 100)
  }

  private constructor(
    world: NatWorld,
    relay: SimRelay,
    client: Side,
    server: Side,
    connection: Connection,
    accepted: readonly Connection[],
    everyMs: number,
  ) {
    this.world = world
    this.relay = relay
    this.client = client
    this.server = server
    this.connection = connection
    this.#accepted = accepted
    this.pinging = new Pinging(world, connection, everyMs)
  }

  /** The server's end. */
  get accepted(): Connection {
    return this.#accepted[0]!
  }

  /** What carries data at the client and at the server. */
  get selected(): (string | undefined)[] {
    return [this.connection, this.accepted].map((one) => kinds(one).selected)
  }

  get isDirect(): boolean {
    return this.selected.every((kind) => kind === 'direct')
  }

  get isRelayed(): boolean {
    return this.selected.every((kind) => kind === 'relay')
  }

  /** Both sides use a direct path, and a ping crosses it. How long it took, ms. */
  async direct(withinMs = DIRECT_WITHIN_MS): Promise<number> {
    const begun = this.world.now
    await this.world.until(() => this.isDirect, withinMs, 'direct on both sides')
    const { received } = this.pinging
    const took = this.world.now - begun
    await this.world.until(() => this.pinging.received > received, 5_000, 'a ping')
    return took
  }

  /** Runs, and fails as soon as one side no longer uses a path of this kind. */
  async stays(kind: 'direct' | 'relay', ms: number): Promise<void> {
    const end = this.world.now + ms
    while (this.world.now < end) {
      await this.world.run(50)
      expect(this.selected, `at ${this.world.now} ms`).toEqual([kind, kind])
    }
  }

  /** Every ping came back, and nothing went wrong anywhere. */
  async end(patienceMs = 10_000): Promise<void> {
    const { world, pinging } = this
    pinging.stop()
    await world.until(() => pinging.received === pinging.sent, patienceMs, 'the last ping')
    expect([pinging.error, this.connection.closeReason, this.accepted.closeReason]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    expect(this.faults).toEqual([])
    await world.close()
    expect(this.faults).toEqual([])
    for (const { host, node } of [this.client, this.server])
      expect([host.openSockets, node.platform.armedTimers], `sockets and timers of the ${host.name}`).toEqual([0, 0])
  }

  get faults(): unknown[] {
    return [...this.client.node.faults, ...this.server.node.faults]
  }
}

async function placed(
  world: NatWorld,
  name: string,
  { nat = 'none', provider, line: shape = CITY, v6, options }: SideShape = {},
  common: Partial<EndpointOptions> = {},
  home?: Router,
): Promise<Side> {
  const { internet } = world
  const behaviour = typeof nat === 'string' ? KINDS[nat] : nat
  const router = home ?? (behaviour === undefined ? undefined : boxes(internet, name, behaviour, provider, shape))
  const host = internet.host(name, {
    ...(v6 === undefined ? {} : { v6 }),
    ...(router === undefined ? { line: shape } : { behind: router }),
  })
  return { host, router, node: await world.endpoint(host, { ...common, ...options }) }
}

/** The line is that of the household. */
function boxes(
  internet: Internet,
  name: string,
  behaviour: NatBehaviour,
  provider: NatBehaviour | undefined,
  shape: LineShape,
): Router {
  const behind =
    provider === undefined ? undefined : internet.router(`${name}'s provider`, { behaviour: provider, net: '100.64.0' })
  return internet.router(`${name}'s box`, { behaviour, line: shape, behind })
}
