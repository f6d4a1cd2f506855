/** Networks on which hosts and routers have addresses: the internet, a provider's network behind its NAT, a household's. */
import type { VirtualClock } from '../clock.ts'
import type { Address } from '../network.ts'
import type { AccessLink } from './access-link.ts'

export interface Packet {
  readonly source: Address
  readonly target: Address
  readonly bytes: Uint8Array
}

/** Who is on a network. */
export interface Member {
  /** Between it and the network. */
  readonly link: AccessLink | undefined
  /** It passes on what it gets: in the same moment, for that is safe. */
  readonly isRouter: boolean
  /** `isArriving`: out of an event of its own, so that it may go right on into a host. */
  receive(packet: Packet, isArriving: boolean): void
}

export class Segment {
  /** Where packets go that are for none of its members. */
  gateway: (Member & { readonly isRouter: true }) | undefined = undefined
  readonly #clock: VirtualClock
  readonly #members = new Map<string, Member>()

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  attach(host: string, member: Member): void {
    if (this.#members.has(host)) throw new Error(`${host} is taken`)
    this.#members.set(host, member)
  }

  detach(host: string): void {
    this.#members.delete(host)
  }

  has(host: string): boolean {
    return this.#members.has(host)
  }

  /** From a member, or from nowhere: then it is forged. */
  send(packet: Packet, from: Member | undefined, isArriving = false): void {
    const to = this.#members.get(packet.target.host) ?? this.gateway
    if (to === undefined || to === from) return
    const parcel = { bytes: packet.bytes, at: this.#clock.now }
    const arrive = (): void => {
      const { bytes, at } = parcel
      const arrived = bytes === packet.bytes ? packet : { ...packet, bytes }
      if (at === this.#clock.now && (to.isRouter || isArriving)) to.receive(arrived, isArriving)
      else this.#clock.schedule(at, () => this.#deliver(arrived, to))
    }
    const down = (): void => (to.link === undefined ? arrive() : to.link.down.pass(parcel, arrive))
    if (from?.link === undefined) down()
    else from.link.up.pass(parcel, down)
  }

  /** Unless it left meanwhile. */
  #deliver(packet: Packet, to: Member): void {
    if (this.#members.get(packet.target.host) === to || this.gateway === to) to.receive(packet, true)
  }
}
