/** Two nodes of a scenario, connected through a relay and pinging; waits for what should happen to them, and sums up. */
import { eventually, LabNode, type NodeKind, type NodeOptions, type PingTotals, type Via } from './lab-node.ts'
import { longestStallMs } from './measure.ts'
import type { Measures } from './result.ts'
import type { Host, World } from './world.ts'

/** Server first, as in the matrix. */
export type PairKind = `${NodeKind}-${NodeKind}`
export const PAIR_KINDS: readonly PairKind[] = ['tom-tom', 'tom-iroh', 'iroh-tom', 'iroh-iroh']

export interface PairOptions {
  readonly server?: NodeOptions
  readonly client?: NodeOptions
  /** For going online and for connecting, ms. */
  readonly startLimitMs?: number
  /** Between pings; default 100 ms. */
  readonly intervalMs?: number
  /** The client is started when the server is online, and dials at once. */
  readonly isClientCold?: boolean
  /** The client, too, waits until it is online before it dials. */
  readonly waitForClient?: boolean
  /** The client knows all addresses of the server, as from its ticket. Default: its relay alone. */
  readonly knowsAddresses?: boolean
}

/** After the last ping, answers are waited for so long, ms. */
const GRACE_MS = 3_000

export class Pair {
  readonly server: LabNode
  readonly client: LabNode
  /** Numbers of the connection, at each. */
  readonly atServer: number
  readonly atClient: number
  /** When the dial began, ms since 1970, and how long it took. */
  readonly dialledAt: number
  readonly connectMs: number
  readonly #world: World
  readonly #pinging: Promise<PingTotals>
  #packets: number | undefined = undefined

  private constructor(
    world: World,
    made: Pick<Pair, 'server' | 'client' | 'atServer' | 'atClient' | 'dialledAt'>,
    intervalMs: number,
  ) {
    this.server = made.server
    this.client = made.client
    this.atServer = made.atServer
    this.atClient = made.atClient
    this.dialledAt = made.dialledAt
    this.connectMs = Date.now() - made.dialledAt
    this.#world = world
    this.#pinging = made.client.pings(made.atClient, { intervalMs, graceMs: GRACE_MS })
    // it is told when the pings are stopped
    this.#pinging.catch(() => {})
  }

  /** The client knows the server's id and its relay, or its whole ticket. */
  static async start(
    world: World,
    kind: PairKind,
    serverHost: Host,
    clientHost: Host,
    options: PairOptions = {},
  ): Promise<Pair> {
    const { startLimitMs = 30_000, intervalMs = 100, isClientCold = false, waitForClient = false } = options
    const { knowsAddresses = false } = options
    const [serverKind, clientKind] = kind.split('-') as [NodeKind, NodeKind]
    const startClient = (): Promise<LabNode> => LabNode.start(world, clientHost, clientKind, options.client)
    const early = isClientCold ? undefined : startClient()
    const server = await LabNode.start(world, serverHost, serverKind, options.server)
    await server.online(startLimitMs)
    const known = await addressesOf(server)
    const addrs = knowsAddresses ? known : known.filter((addr) => addr.includes('://'))
    const client = await (early ?? startClient())
    if (waitForClient) await client.online(startLimitMs)
    const dialledAt = Date.now()
    const [atClient, atServer] = await Promise.all([
      client.connect(server.id, addrs, startLimitMs),
      server.accepted(startLimitMs),
    ])
    return new Pair(world, { server, client, atServer, atClient, dialledAt }, intervalMs)
  }

  /** Both sides have selected a path of this kind after `since`, and then a ping crossed on it. Resolves with when; undefined: not in time. */
  async bothOn(via: Via, limitMs: number, since = 0): Promise<number | undefined> {
    const end = performance.now() + limitMs
    const both = await eventually(() => {
      if (this.client.selected(this.atClient) !== via || this.server.selected(this.atServer) !== via) return undefined
      const [client, server] = [
        this.#lastOn(this.client, this.atClient, via, since),
        this.#lastOn(this.server, this.atServer, via, since),
      ]
      return client === undefined || server === undefined ? undefined : Math.max(client, server)
    }, limitMs)
    if (both === undefined) return undefined
    if (via === 'direct' && this.#packets === undefined) this.#packets = await this.#packetsSent()
    const crossed = await eventually(
      () => this.client.answered.find((ping) => ping.sentAt >= both && ping.via === via),
      Math.max(0, end - performance.now()),
    )
    return crossed === undefined ? undefined : both
  }

  #lastOn(node: LabNode, connection: number, via: Via, since: number): number | undefined {
    return node.selectedAt(connection, via, since) ?? (node.selected(connection) === via ? since : undefined)
  }

  async #packetsSent(): Promise<number> {
    const [server, client] = await Promise.all([
      this.#world.packetsSent(this.server.host),
      this.#world.packetsSent(this.client.host),
    ])
    return server + client
  }

  /** Longest time without an answer from `from` on, ms since 1970. */
  stallSince(from: number): number {
    const first = { event: 'ping', connection: 0, seq: 0, sentAt: from, at: from, rttMs: 0, via: null } as const
    return round(longestStallMs([first, ...this.client.answered.filter(({ at }) => at >= from)], Date.now()))
  }

  /** When the first ping was answered that was sent after `since`, on a path of this kind if one is named; undefined: not in time. */
  async answeredAfter(since: number, limitMs: number, via?: Via): Promise<number | undefined> {
    return eventually(
      () => this.client.answered.find((ping) => ping.sentAt >= since && (via === undefined || ping.via === via))?.at,
      limitMs,
    )
  }

  /** Ends the pings and sums up. */
  async finish(): Promise<Measures> {
    await this.client.stopPings(this.atClient).catch(() => {})
    const stoppedAt = Date.now()
    const totals = await this.#pinging.catch(() => undefined)
    const pings = this.client.answered
    const direct = this.client.selectedAt(this.atClient, 'direct')
    return {
      connectMs: round(this.connectMs),
      timeToDirectMs: direct === undefined ? null : round(direct - this.dialledAt),
      startToDirectMs: direct === undefined ? null : round(direct - this.client.spawnedAt),
      longestStallMs: round(longestStallMs(pings, Math.min(stoppedAt, Math.max(0, ...pings.map(({ at }) => at))))),
      pingsRelay: pings.filter(({ via }) => via === 'relay').length,
      pingsDirect: pings.filter(({ via }) => via === 'direct').length,
      pingsLost: totals?.lost ?? null,
      packetsUntilDirect: this.#packets ?? null,
      packets: await this.#packetsSent().catch(() => null),
    }
  }

  /** How the connection ended at either side, if it did. */
  get closed(): string | undefined {
    const [client, server] = [this.client.closed(this.atClient), this.server.closed(this.atServer)]
    if (client !== undefined) return `the client's connection ended: ${client}`
    return server === undefined ? undefined : `the server's connection ended: ${server}`
  }
}

async function addressesOf(node: LabNode): Promise<readonly string[]> {
  const addrs = (await node.relays()).addrs as string[]
  if (!addrs.some((addr) => addr.includes('://'))) throw new Error(`${node.host.name} is online without a relay`)
  return addrs
}

export function round(value: number): number {
  return Math.round(value * 10) / 10
}
