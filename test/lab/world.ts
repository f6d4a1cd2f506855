/**
 * A world of its own: an internet that routes documentation prefixes, two relays and a STUN server in it, and the homes, carriers and hosts that a scenario adds. Everything is
 * network namespaces of this machine; no packet leaves them.
 */

import { Link, type LinkConditions } from './link.ts'
import { Namespaces } from './namespaces.ts'
import type { LabPrograms } from './programs.ts'
import { RelayHosts } from './relay-hosts.ts'
import { CORE_RULES, type Firewall, HOST_RULES, type NatKind, routerRules } from './router-rules.ts'

export type Family = 'v4' | 'v6' | 'dual'

export interface RouterOptions {
  /** Default moderate. */
  readonly nat?: NatKind
  /** Default: home; none without NAT. */
  readonly firewall?: Firewall
  /** Default v4. */
  readonly family?: Family
  /** The router that its uplink goes to: a carrier's. Default: the internet. */
  readonly behind?: Router
  /** Its inner network is 100.64.0.0/10, as carriers have it. */
  readonly isCarrier?: boolean
  /** Of its uplink; default: a wire. */
  readonly link?: LinkConditions
}

export interface HostOptions {
  /** Of its access link; default: a wire. */
  readonly link?: LinkConditions
  /** Of its default routes: the lowest wins. Default: none, which wins over all. */
  readonly metric?: number
}

export interface Router {
  readonly name: string
  readonly number: number
  readonly nat: NatKind
  readonly hasV4: boolean
  readonly hasV6: boolean
  readonly lan4: Subnet
  readonly lan6: Subnet
  /** Interface of the internet that leads here; undefined behind a carrier. */
  readonly site: string | undefined
  readonly link: Link | undefined
  /** Of the next neighbour inside, the last number of its address. */
  next: number
  taps: number
}

export interface Host {
  readonly name: string
  /** By interface. */
  readonly links: Map<string, Link>
  readonly routers: Map<string, Router>
}

interface Subnet {
  readonly prefix: string
  readonly length: number
  readonly base: number
}

interface Ends {
  readonly near: string
  readonly nearIf: string
  readonly far: string
  readonly farIf: string
}

const GATEWAY = 1

function address({ prefix, base }: Subnet, number: number): string {
  return prefix.includes(':') ? `${prefix}${number.toString(16)}` : `${prefix}${base + number}`
}

/** At most so many routers at the internet: their public /29 are cut from one /24. */
const MAX_ROUTERS = 31

let worlds = 0

export class World {
  readonly spaces: Namespaces
  readonly relays: RelayHosts
  readonly #programs: LabPrograms | undefined
  #routers = 0
  readonly #logs: (() => readonly string[])[] = []
  readonly #closers: (() => Promise<void>)[] = []

  private constructor(programs: LabPrograms | undefined) {
    this.#programs = programs
    this.spaces = new Namespaces(String(worlds++))
    this.relays = new RelayHosts(this.spaces)
  }

  /** The internet and its relays, answering; without programs there is nothing on their hosts. `relayLink`: how far they are from everybody. */
  static async create(
    programs: LabPrograms | undefined,
    { relayLink }: { relayLink?: LinkConditions } = {},
  ): Promise<World> {
    const world = new World(programs)
    try {
      await world.spaces.add('core')
      await world.spaces.sysctl('core', ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
      await world.spaces.nft('core', CORE_RULES)
      for (const [index, name] of world.relays.names.entries()) await world.#addRelayHost(name, index, relayLink)
      if (programs !== undefined) await world.relays.start(programs)
    } catch (error) {
      await world.close()
      throw error
    }
    return world
  }

  /** Throws in a world without. */
  get programs(): LabPrograms {
    if (this.#programs === undefined) throw new Error('this world was made without programs')
    return this.#programs
  }

  async #addRelayHost(name: string, index: number, link: LinkConditions | undefined): Promise<void> {
    await this.spaces.add(name)
    const iface = `srv${index}`
    await this.#join({ near: name, nearIf: 'eth0', far: 'core', farIf: iface }, link)
    const third = 100 + index
    const own = this.relays.addressesOf(index)
    await this.spaces.ip('core', [
      `address add 198.51.${third}.1/24 dev ${iface}`,
      `address add 2001:db8:ff0${index}::1/64 dev ${iface} nodad`,
    ])
    await this.spaces.ip(name, [
      ...own.v4.map((one) => `address add ${one}/24 dev eth0`),
      `address add ${own.v6}/64 dev eth0 nodad`,
      `route add default via 198.51.${third}.1`,
      `route add default via 2001:db8:ff0${index}::1`,
    ])
  }

  async router(name: string, options: RouterOptions = {}): Promise<Router> {
    const { nat = 'moderate', family = 'v4', behind, isCarrier = false, link } = options
    const firewall = options.firewall ?? (nat === 'none' ? 'none' : 'home')
    const number = ++this.#routers
    if (number > MAX_ROUTERS) throw new Error(`the internet has room for ${MAX_ROUTERS} routers`)
    await this.spaces.add(name, this.relays.hostsFile)
    await this.spaces.sysctl(name, ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
    await this.spaces.nft(name, routerRules(nat, firewall))
    const inside = isCarrier ? `100.64.${number}.` : `192.168.${number}.`
    const site = behind === undefined ? `s${number}` : undefined
    const hasV6 = family !== 'v4'
    const uplink =
      site === undefined ? undefined : await this.#join({ near: name, nearIf: 'wan', far: 'core', farIf: site }, link)
    const router: Router = {
      name,
      number,
      nat,
      hasV4: family !== 'v6',
      hasV6,
      lan4:
        nat === 'none' ? { prefix: '192.0.2.', length: 29, base: 8 * number } : { prefix: inside, length: 24, base: 0 },
      lan6: { prefix: `2001:db8:${number.toString(16)}::`, length: 64, base: 0 },
      site,
      link: uplink,
      next: GATEWAY + 1,
      taps: 0,
    }
    await this.#makeLan(router)
    if (behind === undefined) await this.#joinInternet(router)
    else await this.#plugIn(name, 'wan', behind, link)
    return router
  }

  /** Its inner interface, a bridge that neighbours are plugged into. */
  async #makeLan({ name, hasV4, hasV6, lan4, lan6 }: Router): Promise<void> {
    await this.spaces.ip(name, [
      'link add lan0 type bridge',
      'link set lan0 up',
      ...(hasV4 ? [`address add ${address(lan4, GATEWAY)}/${lan4.length} dev lan0`] : []),
      ...(hasV6 ? [`address add ${address(lan6, GATEWAY)}/64 dev lan0 nodad`] : []),
    ])
  }

  async #joinInternet({ name, number, nat, hasV4, hasV6, lan4, lan6, site }: Router): Promise<void> {
    const [near4, far4] = [`203.0.113.${4 * number + 2}`, `203.0.113.${4 * number + 1}`]
    const [near6, far6] = [
      `2001:db8:fe${number.toString(16).padStart(2, '0')}::2`,
      `2001:db8:fe${number.toString(16).padStart(2, '0')}::1`,
    ]
    await this.spaces.ip('core', [
      ...(hasV4 ? [`address add ${far4}/30 dev ${site}`] : []),
      ...(hasV4 && nat === 'none' ? [`route add ${address(lan4, 0)}/29 via ${near4}`] : []),
      ...(hasV6 ? [`address add ${far6}/64 dev ${site} nodad`, `route add ${address(lan6, 0)}/64 via ${near6}`] : []),
    ])
    await this.spaces.ip(name, [
      ...(hasV4 ? [`address add ${near4}/30 dev wan`, `route add default via ${far4}`] : []),
      ...(hasV6 ? [`address add ${near6}/64 dev wan nodad`, `route add default via ${far6}`] : []),
    ])
  }

  /** A host with `eth0` behind a router. */
  async host(name: string, router: Router, options: HostOptions = {}): Promise<Host> {
    await this.spaces.add(name, this.relays.hostsFile)
    await this.spaces.nft(name, HOST_RULES)
    const host: Host = { name, links: new Map(), routers: new Map() }
    await this.plug(host, 'eth0', router, options)
    return host
  }

  /** One more interface. */
  async plug(host: Host, iface: string, router: Router, options: HostOptions = {}): Promise<void> {
    const running = await this.#plugIn(host.name, iface, router, options.link, options.metric)
    host.routers.set(iface, router)
    if (running !== undefined) host.links.set(iface, running)
  }

  /** The interface is gone, with its addresses and routes. */
  async unplug(host: Host, iface: string): Promise<void> {
    const link = host.links.get(iface)
    if (link === undefined) await this.spaces.ip(host.name, [`link delete ${iface}`])
    else await link.stop()
    host.links.delete(iface)
    host.routers.delete(iface)
  }

  /** To another router: another address, as from Wi-Fi to 4G. */
  async replug(host: Host, iface: string, router: Router, options: HostOptions = {}): Promise<void> {
    await this.unplug(host, iface)
    await this.plug(host, iface, router, options)
  }

  async #plugIn(
    name: string,
    iface: string,
    router: Router,
    link: LinkConditions | undefined,
    metric?: number,
  ): Promise<Link | undefined> {
    const own = router.next++
    const tap = `${link === undefined ? 'p' : 'lan'}${++router.taps}`
    const running = await this.#join({ near: name, nearIf: iface, far: router.name, farIf: tap }, link)
    const { lan4, lan6, hasV4, hasV6 } = router
    const [own4, own6] = [address(lan4, own), address(lan6, own)]
    // a TUN device has one neighbour: the router is reached over it, and has a route to this host alone
    const isTun = running !== undefined
    await this.spaces.ip(
      router.name,
      isTun
        ? [
            ...(hasV4 ? [`route add ${own4}/32 dev ${tap}`] : []),
            ...(hasV6 ? [`route add ${own6}/128 dev ${tap}`] : []),
          ]
        : [`link set ${tap} master lan0`],
    )
    const tail = `dev ${iface}${isTun ? ' onlink' : ''}${metric === undefined ? '' : ` metric ${metric}`}`
    await this.spaces.ip(name, [
      ...(hasV4 ? [`address add ${own4}/${isTun ? 32 : lan4.length} dev ${iface}`] : []),
      ...(hasV6 ? [`address add ${own6}/${isTun ? 128 : 64} dev ${iface} nodad`] : []),
      ...(hasV4 ? [`route add default via ${address(lan4, GATEWAY)} ${tail}`] : []),
      ...(hasV6 ? [`route add default via ${address(lan6, GATEWAY)} ${tail}`] : []),
    ])
    return running
  }

  /** A cable between two namespaces, or a link with conditions. Both ends are up afterwards. */
  async #join({ near, nearIf, far, farIf }: Ends, conditions: LinkConditions | undefined): Promise<Link | undefined> {
    const other = this.spaces.full(far)
    let link: Link | undefined
    if (conditions === undefined) {
      await this.spaces.ip(near, [`link add ${nearIf} type veth peer name ${farIf} netns ${other}`])
    } else {
      link = await Link.start(this.spaces, near, nearIf, 'tomfar', conditions)
      await this.spaces.ip(near, [`link set tomfar netns ${other} name ${farIf}`])
    }
    await this.spaces.ip(near, [`link set ${nearIf} up`])
    await this.spaces.ip(far, [`link set ${farIf} up`])
    return link
  }

  /** Between two homes nothing passes any more; both still reach the relays. */
  async cutBetween(a: Router, b: Router): Promise<void> {
    await this.#apart('add', a, b)
  }

  async joinAgain(a: Router, b: Router): Promise<void> {
    await this.#apart('delete', a, b)
  }

  async #apart(verb: 'add' | 'delete', a: Router, b: Router): Promise<void> {
    const pairs = `{ "${a.site}" . "${b.site}", "${b.site}" . "${a.site}" }`
    await this.spaces.nft('core', `${verb} element inet core apart ${pairs}\n`)
  }

  /** The whole uplink of a home is dead, or alive again. */
  async setUplink(router: Router, isUp: boolean): Promise<void> {
    await this.spaces.nft('core', `${isUp ? 'delete' : 'add'} element inet core down { "${router.site}" }\n`)
  }

  /** The router gets other rules, and forgets all connections: another model, or a restart. */
  async setRules(router: Router, nat: NatKind, firewall: Firewall): Promise<void> {
    await this.spaces.nft(router.name, `flush ruleset\n${routerRules(nat, firewall)}`)
    await this.spaces.run(router.name, 'conntrack', ['-F']).catch(() => '')
  }

  /** UDP packets that a host has sent, those to relays and STUN servers left out. */
  async packetsSent(host: Host): Promise<number> {
    const text = await this.spaces.run(host.name, 'nft', ['-j', 'list', 'counter', 'inet', 'count', 'peer'])
    const { nftables } = JSON.parse(text) as { nftables: { counter?: { packets: number } }[] }
    return nftables.find(({ counter }) => counter !== undefined)?.counter?.packets ?? 0
  }

  /** What is told of the world at its end: `read` gives the lines of one program. */
  keepLog(read: () => readonly string[]): void {
    this.#logs.push(read)
  }

  get logs(): string[] {
    return this.#logs.flatMap((read) => read())
  }

  /** Ran before the namespaces go. */
  onClose(act: () => Promise<void>): void {
    this.#closers.push(act)
  }

  async close(): Promise<void> {
    await Promise.all(this.#closers.map((act) => act().catch(() => {})))
    await this.spaces.close()
  }
}
