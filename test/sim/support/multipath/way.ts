/**
 * A way between the two nodes of a multipath simulation: an address of each end, or a relay, and a link of its own in each direction that
 * the test can cut, heal and turn into a black hole for large datagrams.
 */
import { Gate, Link } from '../link-parts.ts'
import { makeLink } from '../make-link.ts'
import type { Nat, Network, SimSocket, SocketPace } from '../network.ts'
import type { SimRandom } from '../random.ts'
import { CLEAN_PATH, type PathSpec } from '../scenario.ts'

/** `up` is from the client to the server. */
export type Direction = 'up' | 'down' | 'both'

export interface WaySpec extends Partial<PathSpec> {
  /** Default ipv4. `mapped`: IPv4 addresses as a dual-stack socket reports them. `relay`: no address at all, 1,200 bytes at most. */
  readonly kind?: 'ipv4' | 'ipv6' | 'mapped' | 'relay'
  /** The client's end is behind a NAT of its own that can be rebound; ipv4 only. */
  readonly nat?: boolean
  /** How fast the sockets at its ends take datagrams. Default: at once. */
  readonly pace?: SocketPace
  /** The server's end is that of this earlier way: two interfaces of the client, one of the server. */
  readonly sharesServer?: number
}

export class Way {
  readonly index: number
  readonly spec: PathSpec
  readonly isRelay: boolean
  readonly clientHost: string
  readonly serverHost: string
  readonly nat: Nat | undefined
  readonly pace: SocketPace | undefined
  readonly #up = new Gate()
  readonly #down = new Gate()

  constructor(index: number, spec: WaySpec, nat: Nat | undefined, shared: Way | undefined) {
    this.index = index
    this.spec = { ...CLEAN_PATH, ...spec }
    const kind = spec.kind ?? 'ipv4'
    this.isRelay = kind === 'relay'
    const [client, server] = hostsOf(kind, index)
    this.clientHost = client
    this.serverHost = shared?.serverHost ?? server
    this.nat = nat
    this.pace = spec.pace
  }

  /** Puts the links in place. */
  connect(network: Network, random: SimRandom): void {
    const { clientHost, serverHost, spec } = this
    const up = new Link([this.#up, makeLink(spec, random.fork('up'))])
    const down = new Link([this.#down, makeLink(spec, random.fork('down'))])
    network.setHostLink(clientHost, serverHost, up)
    network.setHostLink(serverHost, clientHost, down)
    if (this.nat !== undefined) network.setNat(clientHost, this.nat)
  }

  #gates(direction: Direction): Gate[] {
    if (direction === 'both') return [this.#up, this.#down]
    return [direction === 'up' ? this.#up : this.#down]
  }

  cut(direction: Direction = 'both'): void {
    for (const gate of this.#gates(direction)) gate.isCut = true
  }

  heal(direction: Direction = 'both'): void {
    for (const gate of this.#gates(direction)) gate.isCut = false
  }

  /** Larger datagrams vanish from now on, bytes. */
  shrink(maxSize: number, direction: Direction = 'both'): void {
    for (const gate of this.#gates(direction)) gate.maxSize = maxSize
  }

  /** Both directions carry datagrams of 1,200 bytes. */
  get isUsable(): boolean {
    return !this.#up.isCut && !this.#down.isCut
  }

  /** The address that the server sees, `host port`; a NAT gives one as soon as something was sent. */
  publicAddress(socket: SimSocket): string {
    const { host, port } = this.nat?.translate(socket) ?? socket
    return `${host} ${port}`
  }
}

function hostsOf(kind: NonNullable<WaySpec['kind']>, index: number): [client: string, server: string] {
  switch (kind) {
    case 'ipv4':
      return [`10.0.${index}.1`, `192.0.2.${index + 1}`]
    case 'ipv6':
      return [`fd00:a::${index + 1}`, `fd00:b::${index + 1}`]
    case 'mapped':
      return [`::ffff:10.0.${index}.1`, `::ffff:192.0.2.${index + 1}`]
    case 'relay':
      return [`relay-${index}-client`, `relay-${index}-server`]
  }
}
