/** A home with a router that maps ports: client, NAT with a real MiniUPnPd, and a host outside, in network namespaces with no other way out. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Namespaces } from './namespaces.ts'
import type { LabProcess } from './process.ts'

const MINIUPNPD = '/usr/sbin/miniupnpd'
/** Looks public, for MiniUPnPd maps nothing on an address that does not (spec/disco-stun-nat.md §7.4). */
export const OUTER = '5.6.7.2'
const OUTSIDE = '5.6.7.9'
export const ROUTER = '10.83.0.1'
const INNER = '10.83.0.2'

export interface MiniupnpdOptions {
  readonly hasNatPmp?: boolean
  readonly hasUpnp?: boolean
  readonly isIgd1?: boolean
  /** Requests of PCP do not arrive: a router that speaks NAT-PMP alone. */
  readonly dropsPcp?: boolean
  /** On the side of the net, /24; default: `OUTER`. */
  readonly outer?: string
}

/** Why the lab cannot run here; undefined when it can. */
export function miniupnpdMissing(canMakeNamespaces: boolean): string | undefined {
  if (!canMakeNamespaces) return 'needs root on Linux with iproute2 and nftables'
  return existsSync(MINIUPNPD) ? undefined : 'needs MiniUPnPd (Debian: miniupnpd-nftables)'
}

const RULES = (dropsPcp: boolean): string => `
table inet filter {
  chain input {
    type filter hook input priority 0; policy accept;
    iifname "wan" meta l4proto udp drop
    ${dropsPcp ? 'iifname "lan" udp dport 5351 @th,64,8 2 drop' : ''}
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "lan" accept
    jump miniupnpd
  }
  chain prerouting { type nat hook prerouting priority dstnat; policy accept; jump prerouting_miniupnpd; }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    jump postrouting_miniupnpd
    oifname "wan" masquerade
  }
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
}
`

export class MappingHome {
  readonly #spaces: Namespaces
  readonly #folder = mkdtempSync(join(tmpdir(), 'tom-portmap-'))
  readonly #options: MiniupnpdOptions
  #daemon: LabProcess | undefined = undefined
  #starts = 0

  private constructor(label: string, options: MiniupnpdOptions) {
    this.#spaces = new Namespaces(`portmap${label}`)
    this.#options = options
  }

  static async create(label: string, options: MiniupnpdOptions): Promise<MappingHome> {
    const home = new MappingHome(label, options)
    try {
      await home.#build()
    } catch (error) {
      await home.close()
      throw error
    }
    return home
  }

  async #build(): Promise<void> {
    const spaces = this.#spaces
    for (const name of ['client', 'router', 'outside']) await spaces.add(name)
    await spaces.ip('router', [
      `link add lan type veth peer name eth0 netns ${spaces.full('client')}`,
      `link add wan type veth peer name eth0 netns ${spaces.full('outside')}`,
      `address add ${ROUTER}/24 dev lan`,
      `address add ${this.#options.outer ?? OUTER}/24 dev wan`,
      'link set lan up',
      'link set wan up',
      'route add 239.0.0.0/8 dev lan',
    ])
    await spaces.ip('client', [
      `address add ${INNER}/24 dev eth0`,
      'link set eth0 up',
      `route add default via ${ROUTER}`,
      'route add 239.0.0.0/8 dev eth0',
    ])
    await spaces.ip('outside', [`address add ${OUTSIDE}/24 dev eth0`, 'link set eth0 up'])
    await spaces.sysctl('router', ['net.ipv4.ip_forward=1'])
    await this.#resetRules()
    await this.startDaemon()
  }

  async startDaemon(): Promise<void> {
    const { hasNatPmp = false, hasUpnp = false, isIgd1 = false } = this.#options
    const yes = (value: boolean): string => (value ? 'yes' : 'no')
    const file = join(this.#folder, `miniupnpd-${++this.#starts}.conf`)
    const lines = [
      'ext_ifname=wan',
      'listening_ip=lan',
      // Another one each time, as routers have it.
      `port=${4999 + this.#starts}`,
      `enable_natpmp=${yes(hasNatPmp)}`,
      `enable_upnp=${yes(hasUpnp)}`,
      `force_igd_desc_v1=${yes(isIgd1)}`,
      'secure_mode=yes',
      'ipv6_disable=yes',
      'upnp_table_name=filter',
      'upnp_nat_table_name=filter',
      'upnp_forward_chain=miniupnpd',
      'upnp_nat_chain=prerouting_miniupnpd',
      'upnp_nat_postrouting_chain=postrouting_miniupnpd',
      `lease_file=${this.#leaseFile}`,
      'system_uptime=no',
      'uuid=00000000-1111-2222-3333-444444444444',
      'allow 1024-65535 10.83.0.0/24 1024-65535',
      'deny 0-65535 0.0.0.0/0 0-65535',
    ]
    writeFileSync(file, `${lines.join('\n')}\n`)
    const args = ['-d', '-f', file, '-P', join(this.#folder, `pid-${this.#starts}`)]
    this.#daemon = this.#spaces.start('router', MINIUPNPD, args)
    await this.#daemon.match(/(Listening for NAT-PMP\/PCP|HTTP listening on port)/, 10_000)
  }

  /** The router loses all it knew, and comes back. */
  async reboot(): Promise<void> {
    await this.#daemon?.stop('SIGKILL')
    rmSync(this.#leaseFile, { force: true })
    await this.#resetRules()
    await this.startDaemon()
  }

  get daemonOutput(): readonly string[] {
    return this.#daemon?.errors ?? []
  }

  /** Waits until the router's log, since its last start, has a line that matches. */
  async daemonSays(pattern: RegExp): Promise<void> {
    await this.#daemon!.match(pattern, 20_000)
  }

  get #leaseFile(): string {
    return join(this.#folder, 'leases')
  }

  async #resetRules(): Promise<void> {
    await this.#spaces.nft('router', 'table inet filter\ndelete table inet filter\n')
    await this.#spaces.nft('router', RULES(this.#options.dropsPcp ?? false))
  }

  client(command: string, args: readonly string[]): LabProcess {
    return this.#spaces.start('client', command, args)
  }

  /** One datagram from the host outside. */
  async sendFromOutside(host: string, port: number, text: string): Promise<void> {
    const to = `${JSON.stringify(text)}, ${port}, ${JSON.stringify(host)}`
    const program = `const socket = require('node:dgram').createSocket('udp4'); socket.send(${to}, () => socket.close())`
    await this.#spaces.run('outside', process.execPath, ['-e', program])
  }

  /** Mappings that the router has, as it notes them: protocol, ports, when each ends (seconds since 1970). */
  leases(): { readonly line: string; readonly endsAt: number }[] {
    if (!existsSync(this.#leaseFile)) return []
    const lines = readFileSync(this.#leaseFile, 'utf8').split('\n').filter(Boolean)
    return lines.map((line) => ({ line, endsAt: Number(line.split(':')[4]) }))
  }

  /** Rules that the router has because of mappings. */
  async rules(): Promise<string[]> {
    const text = await this.#spaces.run('router', 'nft', ['list', 'table', 'inet', 'filter'])
    return text.split('\n').filter((line) => line.includes(INNER))
  }

  async close(): Promise<void> {
    await this.#spaces.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
