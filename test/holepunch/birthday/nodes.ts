/** Nodes with a real driver under their birthday attempts, but nothing above it: an engine that only counts, and links that carry messages between two of them. */
import { parseIp, type SocketAddress } from '../../../src/bytes/index.ts'
import { Driver, type ForeignPacket } from '../../../src/driver/index.ts'
import { Birthday, type BirthdayLink, type BirthdayOptions } from '../../../src/holepunch/birthday/birthday.ts'
import { DiscoPort } from '../../../src/holepunch/disco/port.ts'
import { SecretKey } from '../../../src/identity/index.ts'
import type { Platform, UdpSocket } from '../../../src/platform/index.ts'
import type { Engine, Route } from '../../../src/quic/index.ts'

export interface NodeOptions {
  readonly platform: Platform
  readonly seed: number
  readonly main: UdpSocket
  readonly isHard: boolean | undefined
  readonly onForeign?: (packet: ForeignPacket) => boolean
  readonly extra?: Partial<BirthdayOptions>
}

export class Node {
  readonly secretKey: SecretKey
  readonly driver: Driver
  readonly port: DiscoPort
  readonly birthday: Birthday
  readonly main: UdpSocket
  isHard: boolean | undefined
  /** Datagrams that reached QUIC. */
  received: string[] = []
  readonly faults: unknown[] = []

  constructor({ platform, seed, main, isHard, onForeign = () => true, extra = {} }: NodeOptions) {
    this.secretKey = SecretKey.fromBytes(new Uint8Array(32).fill(seed))
    this.main = main
    this.isHard = isHard
    this.port = new DiscoPort({ platform, secretKey: this.secretKey })
    this.driver = new Driver({
      platform,
      createEngine: (slots) =>
        ({
          receive: (slot: number, length: number) => {
            const at = slots.offset(slot)
            this.received.push(new TextDecoder().decode(slots.bytes.subarray(at, at + length)))
          },
          poll: () => false,
          nextIncoming: () => undefined,
          close: () => {},
        }) as unknown as Engine,
      onIncoming: () => {},
      onForeign: (packet) => {
        if (onForeign(packet)) this.port.onForeign(packet)
      },
      onFault: (fault) => this.faults.push(fault),
    })
    this.driver.addSocket(main)
    this.birthday = new Birthday({
      platform,
      driver: () => this.driver,
      port: this.port,
      ownId: this.id,
      isHard: () => this.isHard,
      ...extra,
    })
  }

  get id(): Uint8Array {
    return this.secretKey.id.toBytes()
  }

  get address(): SocketAddress {
    return { ip: parseIp(this.main.host), port: this.main.port }
  }
}

/** A connection between two nodes, seen from one. Messages wait until `carry`. */
export class Link implements BirthdayLink {
  readonly node: Node
  readonly peerId: Uint8Array
  readonly sent: Uint8Array[] = []
  readonly routes: Route[] = []
  candidates: readonly SocketAddress[]
  own: SocketAddress | undefined
  isBroken = false
  other: Link | undefined = undefined

  constructor(node: Node, peer: Node) {
    this.node = node
    this.peerId = peer.id
    this.own = node.address
    this.candidates = [peer.address]
  }

  send(payload: Uint8Array): void {
    if (this.isBroken) throw new RangeError('16 messages wait')
    this.sent.push(payload)
  }

  ownPublicV4(): SocketAddress | undefined {
    return this.own
  }

  peerCandidates(): readonly SocketAddress[] {
    return this.candidates
  }

  onRoute(route: Route): void {
    this.routes.push(route)
  }

  /** Hands what waits to the other side. True when there was something. */
  carry(): boolean {
    const waiting = this.sent.splice(0)
    for (const payload of waiting) this.other?.node.birthday.onMessage(this.other, payload)
    return waiting.length > 0
  }
}

export function connect(left: Node, right: Node): [Link, Link] {
  const pair: [Link, Link] = [new Link(left, right), new Link(right, left)]
  pair[0].other = pair[1]
  pair[1].other = pair[0]
  return pair
}
