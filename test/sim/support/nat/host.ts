/** A computer: interfaces that come and go, each on a network, and sockets that take them as they are, like those of a system. */
import { formatIp, parseIp } from '../../../../src/bytes/index.ts'
import type { InterfaceAddress } from '../../../../src/platform/index.ts'
import type { VirtualClock } from '../clock.ts'
import { type Family, SimSocket } from '../network.ts'
import type { SimRandom } from '../random.ts'
import type { AccessLink, Way } from './access-link.ts'
import type { Router } from './router.ts'
import type { Member, Packet, Segment } from './segment.ts'

export interface InterfaceOptions {
  /** For example `wlan0`. */
  readonly name: string
  readonly segment: Segment
  /** The box on the way out. */
  readonly router?: Router | undefined
  readonly link?: AccessLink | undefined
  readonly v4?: string | undefined
  readonly v6?: string | undefined
}

/** Sees each datagram that leaves a host, before it is translated. */
export type Egress = (host: SimHost, packet: Packet) => void

const LOOPBACK: readonly InterfaceAddress[] = [
  { name: 'lo', host: '127.0.0.1', family: 4, internal: true },
  { name: 'lo', host: '::1', family: 6, internal: true },
]
const FIRST_PORT = 32_768
const LAST_PORT = 60_999

interface Interface extends InterfaceOptions {
  readonly member: Member
}

export class SimHost {
  readonly name: string
  /** Called when an address is gone. */
  onAddressGone: (host: string) => void = () => {}
  readonly #clock: VirtualClock
  readonly #random: SimRandom
  readonly #egress: Egress
  /** The last one to come is the default route of the families it has. */
  readonly #interfaces: Interface[] = []
  readonly #sockets = new Set<SimSocket>()
  /** Its own, loopback left out. */
  #addresses: readonly string[] = []

  constructor(name: string, clock: VirtualClock, random: SimRandom, egress: Egress) {
    this.name = name
    this.#clock = clock
    this.#random = random
    this.#egress = egress
  }

  // interfaces

  /** It is the default route from now on. */
  plug(options: InterfaceOptions): void {
    const member: Member = { isRouter: false, link: options.link, receive: (packet) => this.#receive(packet) }
    const one: Interface = { ...options, member }
    for (const host of addressesOf(one)) one.segment.attach(host, member)
    if (one.v6 !== undefined) one.router?.announce(one.v6)
    this.#interfaces.push(one)
    this.#addresses = this.#interfaces.flatMap(addressesOf)
  }

  /** What `plug` takes to have it back. */
  unplug(name: string): InterfaceOptions {
    const index = this.#interfaces.findIndex((one) => one.name === name)
    if (index < 0) throw new Error(`${this.name} has no ${name}`)
    const [one] = this.#interfaces.splice(index, 1)
    this.#addresses = this.#interfaces.flatMap(addressesOf)
    for (const host of addressesOf(one!)) one!.segment.detach(host)
    if (one!.v6 !== undefined) one!.router?.withdraw(one!.v6)
    for (const host of addressesOf(one!)) this.onAddressGone(host)
    return one!
  }

  interfaces(): InterfaceAddress[] {
    const found = [...LOOPBACK]
    for (const one of this.#interfaces)
      for (const host of addressesOf(one)) found.push({ name: one.name, host, family: familyOf(host), internal: false })
    return found
  }

  /** Its own, loopback left out. */
  get addresses(): readonly string[] {
    return this.#addresses
  }

  defaultRoutes(): { v4?: string; v6?: string } {
    const [v4, v6] = [this.#default(4), this.#default(6)]
    return { ...(v4 === undefined ? {} : { v4: v4.name }), ...(v6 === undefined ? {} : { v6: v6.name }) }
  }

  #default(family: Family): Interface | undefined {
    return this.#interfaces.findLast((one) => addressOf(one, family) !== undefined)
  }

  /** For what goes to the world over TCP: the address it comes from and the access links on the way; undefined: no way out. */
  uplink(): { readonly host: string; readonly links: readonly AccessLink[] } | undefined {
    const one = this.#default(4) ?? this.#default(6)
    if (one === undefined) return undefined
    const links = [one.link]
    for (let { router } = one; router !== undefined; router = router.upstream) links.push(router.link)
    return { host: addressesOf(one)[0]!, links: links.filter((link) => link !== undefined) }
  }

  // sockets

  open(host: string, port: number): SimSocket {
    const bound = formatIp(parseIp(host))
    if (!isAny(bound) && !this.#owns(bound)) throw new Error(`EADDRNOTAVAIL: ${this.name} has no ${bound}`)
    const isTaken = (candidate: number): boolean =>
      [...this.#sockets].some((other) => other.port === candidate && other.family === familyOf(bound))
    let chosen = port
    while (chosen === 0 || (port === 0 && isTaken(chosen))) chosen = this.#random.int(FIRST_PORT, LAST_PORT)
    if (isTaken(chosen)) throw new Error(`EADDRINUSE: ${bound} ${chosen}`)
    const socket = new SimSocket(this, this.#clock, this.name, bound, chosen, undefined)
    this.#sockets.add(socket)
    return socket
  }

  get openSockets(): number {
    return this.#sockets.size
  }

  detach(socket: SimSocket): void {
    this.#sockets.delete(socket)
  }

  /** Where there is no way, the datagram is lost: to QUIC that is the same. */
  transmit(socket: SimSocket, bytes: Uint8Array, host: string, port: number): void {
    const { family } = socket
    const target = { host: family === 4 ? host : formatIp(parseIp(host)), port }
    if (familyOf(target.host) !== family) return
    if (this.#owns(target.host)) {
      const source = { host: isAny(socket.host) ? target.host : socket.host, port: socket.port }
      this.#egress(this, { source, target, bytes })
      this.#clock.schedule(this.#clock.now, () => this.#receive({ source, target, bytes }))
      return
    }
    const out = this.#routeTo(target.host, socket)
    if (out === undefined) return
    const source = { host: isAny(socket.host) ? addressOf(out, family)! : socket.host, port: socket.port }
    const packet = { source, target, bytes }
    this.#egress(this, packet)
    out.segment.send(packet, out.member)
  }

  /** The interface of the bound address, one on the target's own network, else the default route. */
  #routeTo(host: string, { host: bound, family }: SimSocket): Interface | undefined {
    const fits = this.#interfaces.filter((one) => addressOf(one, family) !== undefined)
    if (!isAny(bound)) return fits.find((one) => addressOf(one, family) === bound)
    return fits.findLast((one) => one.router !== undefined && one.segment.has(host)) ?? this.#default(family)
  }

  #owns(host: string): boolean {
    return LOOPBACK.some((one) => one.host === host) || this.#addresses.includes(host)
  }

  #receive({ source, target, bytes }: Packet): void {
    if (!this.#owns(target.host)) return
    const family = familyOf(target.host)
    for (const socket of this.#sockets) {
      if (socket.port !== target.port || socket.family !== family) continue
      if (socket.host === target.host || isAny(socket.host)) {
        socket.onMessage(bytes, source.host, source.port)
        return
      }
    }
  }
}

/** The directions in which something passes them, on the way to the world and back. */
export function waysOf(links: readonly AccessLink[]): { readonly up: readonly Way[]; readonly down: readonly Way[] } {
  return { up: links.map(({ up }) => up), down: links.map(({ down }) => down).reverse() }
}

function addressesOf({ v4, v6 }: InterfaceOptions): string[] {
  return [v4, v6].filter((host) => host !== undefined)
}

function addressOf(one: InterfaceOptions, family: Family): string | undefined {
  return family === 4 ? one.v4 : one.v6
}

function familyOf(host: string): Family {
  return host.includes(':') ? 6 : 4
}

function isAny(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
