/** Hosts, boxes and the networks between them, in a few lines each: who is where, and what is seen on the way. */
import type { VirtualClock } from '../clock.ts'
import type { SimRandom } from '../random.ts'
import { AccessLink, type LineShape } from './access-link.ts'
import { type Egress, type InterfaceOptions, SimHost } from './host.ts'
import type { NatBehaviour } from './nat-table.ts'
import { FIREWALL, Router } from './router.ts'
import { type Packet, Segment } from './segment.ts'

export interface RouterShape {
  readonly behaviour: NatBehaviour
  /** Between the box and its provider. */
  readonly line?: LineShape | undefined
  /** Behind another box. */
  readonly behind?: Router | undefined
  /** Outside address; default: the next one. */
  readonly host?: string
  /** The first three bytes of its inside. Default `192.168.1`, like most. */
  readonly net?: string
  /** IPv6 passes without a filter. Default: RFC 6092's firewall. */
  readonly isV6Open?: boolean
}

export interface PlugShape {
  /** Default `eth0`. */
  readonly name?: string
  /** Default: straight on the internet, with a public address. */
  readonly behind?: Router | undefined
  /** Default: the next one of the network. */
  readonly v4?: string | false
  /** Default: none. */
  readonly v6?: string
  readonly line?: LineShape | undefined
}

export class Internet {
  readonly core: Segment
  readonly hosts: SimHost[] = []
  /** Called with each datagram that leaves a host. */
  readonly egress: Egress[] = []
  readonly #clock: VirtualClock
  readonly #random: SimRandom
  readonly #nets = new Map<Router | undefined, { readonly prefix: string; last: number }>([
    [undefined, { prefix: '203.0.113', last: 9 }],
  ])

  constructor(clock: VirtualClock, random: SimRandom) {
    this.#clock = clock
    this.#random = random
    this.core = new Segment(clock)
  }

  router(name: string, { behaviour, line, behind, host, net, isV6Open = false }: RouterShape): Router {
    const random = this.#random.fork(`router ${name}`)
    const router = new Router({
      clock: this.#clock,
      random,
      outer: behind?.inner ?? this.core,
      inner: new Segment(this.#clock),
      host: host ?? this.#nextHost(behind),
      behaviour,
      firewall: isV6Open ? undefined : FIREWALL,
      link: this.link(`line of ${name}`, line),
      upstream: behind,
    })
    this.#nets.set(router, { prefix: net ?? '192.168.1', last: 9 })
    return router
  }

  link(name: string, shape: LineShape | undefined): AccessLink | undefined {
    return shape === undefined ? undefined : new AccessLink(shape, this.#random.fork(name))
  }

  /** With one interface; `plug` adds more. */
  host(name: string, shape: PlugShape = {}): SimHost {
    const egress: Egress = (from, packet) => {
      for (const one of this.egress) one(from, packet)
    }
    const host = new SimHost(name, this.#clock, this.#random.fork(`host ${name}`), egress)
    this.hosts.push(host)
    this.plug(host, shape)
    return host
  }

  plug(host: SimHost, { name = 'eth0', behind, v4, v6, line }: PlugShape = {}): InterfaceOptions {
    const options: InterfaceOptions = {
      name,
      segment: behind?.inner ?? this.core,
      router: behind,
      link: this.link(`${name} of ${host.name}`, line),
      v4: v4 === false ? undefined : (v4 ?? this.#nextHost(behind)),
      v6,
    }
    host.plug(options)
    return options
  }

  /** A datagram with any source, from anywhere on the internet. */
  forge(packet: Packet): void {
    this.core.send(packet, undefined)
  }

  /** Public addresses on the internet; households may all be numbered alike. */
  #nextHost(behind: Router | undefined): string {
    const net = this.#nets.get(behind)!
    return `${net.prefix}.${++net.last}`
  }
}
