/** A box between two networks: it translates IPv4, and lets IPv6 through or filters it. Boxes stand behind each other as providers do it (CGNAT). */
import type { VirtualClock } from '../clock.ts'
import type { SimRandom } from '../random.ts'
import type { AccessLink } from './access-link.ts'
import { type NatBehaviour, NatTable } from './nat-table.ts'
import type { Member, Packet, Segment } from './segment.ts'

export interface RouterOptions {
  readonly clock: VirtualClock
  readonly random: SimRandom
  readonly outer: Segment
  readonly inner: Segment
  /** Outside IPv4 address. */
  readonly host: string
  readonly behaviour: NatBehaviour
  /** The firewall for IPv6; undefined: all passes. */
  readonly firewall?: NatBehaviour | undefined
  readonly link?: AccessLink | undefined
  /** The box of the outer network, if that has one. */
  readonly upstream?: Router | undefined
}

/** RFC 6092: an IPv6 home lets answers in, and nothing else. */
export const FIREWALL: NatBehaviour = { mapping: 'EIM', filtering: 'APDF', ports: 'identity' }

export class Router {
  readonly inner: Segment
  readonly upstream: Router | undefined
  readonly link: AccessLink | undefined
  /** Which UDP does not pass any more. */
  blocked: 'nothing' | 'all' | 'outbound' | 'inbound' = 'nothing'
  readonly #options: RouterOptions
  readonly #inside: Member & { isRouter: true }
  readonly #outside: Member & { isRouter: true }
  #table: NatTable
  #replacements = 0
  #firewall: NatTable | undefined

  constructor(options: RouterOptions) {
    const { inner, outer, host, behaviour, firewall, link, upstream, random } = options
    this.#options = options
    this.inner = inner
    this.upstream = upstream
    this.link = link
    this.#table = new NatTable(host, behaviour, random.fork('nat'))
    this.#firewall = firewall === undefined ? undefined : new NatTable('', firewall, random.fork('firewall'))
    this.#inside = { isRouter: true, link: undefined, receive: (packet) => this.#out(packet) }
    this.#outside = { isRouter: true, link, receive: (packet, isArriving) => this.#in(packet, isArriving) }
    inner.gateway = this.#inside
    outer.attach(host, this.#outside)
  }

  get host(): string {
    return this.#table.host
  }

  /** Live mappings. */
  get mappings(): number {
    return this.#table.size(this.#options.clock.now)
  }

  /** An IPv6 address of the inside is known outside. */
  announce(host: string): void {
    this.#options.outer.attach(host, this.#outside)
    this.upstream?.announce(host)
  }

  withdraw(host: string): void {
    this.#options.outer.detach(host)
    this.upstream?.withdraw(host)
  }

  /** Mappings are forgotten; the outside address may be another one afterwards. */
  reboot(host = this.host): void {
    const { outer } = this.#options
    if (host !== this.host) {
      outer.detach(this.host)
      outer.attach(host, this.#outside)
    }
    this.#table.reboot(host)
    this.#firewall?.reboot()
  }

  /** As if it were another box from now on, with the same address. */
  replace(behaviour: NatBehaviour): void {
    // with draws of its own: else it would hand out the ports of the one before
    this.#table = new NatTable(this.host, behaviour, this.#options.random.fork(`nat ${++this.#replacements}`))
  }

  #out(packet: Packet): void {
    if (this.blocked === 'all' || this.blocked === 'outbound') return
    const { now } = this.#options.clock
    const { source, target, bytes } = packet
    if (source.host.includes(':')) {
      this.#firewall?.outbound(source, target, now)
      this.#options.outer.send(packet, this.#outside)
      return
    }
    const isHairpin = target.host === this.host
    // RFC 4787 §6: with its outside address as the source
    if (isHairpin && this.#table.behaviour.hairpin !== true) return
    const translated = { source: this.#table.outbound(source, target, now), target, bytes }
    if (isHairpin) this.#in(translated, false)
    else this.#options.outer.send(translated, this.#outside)
  }

  #in(packet: Packet, isArriving: boolean): void {
    if (this.blocked === 'all' || this.blocked === 'inbound') return
    const { now } = this.#options.clock
    const { source, target, bytes } = packet
    const isV6 = target.host.includes(':')
    const table = isV6 ? this.#firewall : this.#table
    const inside = table === undefined ? target : table.inbound(source, target, now)
    if (inside !== undefined && this.inner.has(inside.host))
      this.inner.send({ source, target: inside, bytes }, this.#inside, isArriving)
  }
}
