/**
 * Which addresses make sense where: those of ours that a peer may be told (spec/endpoint.md §3.2), those that can be dialled at all, and those that
 * a peer may make us probe. Pure functions of addresses.
 */
import {
  canonicalIp,
  canonicalSocketAddress,
  compareSocketAddresses,
  parseIp,
  parseReportedIp,
  type SocketAddress,
} from '../../bytes/index.ts'
import type { InterfaceAddress } from '../../platform/index.ts'

export interface BoundSocket {
  readonly host: string
  readonly port: number
}

type Scope = 'regular' | 'loopback' | 'link-local' | 'unique-local' | 'never'

/**
 * Our direct addresses, without duplicates: those of the sockets, and for sockets bound to "any" those of the interfaces that make sense
 * elsewhere.
 */
export function localAddresses(
  sockets: readonly BoundSocket[],
  interfaces: readonly InterfaceAddress[],
): SocketAddress[] {
  const shared = sharedIps(interfaces)
  const found = new Map<string, SocketAddress>()
  const add = (ip: Uint8Array, port: number): void => {
    found.set(`${ip.join('.')}:${port}`, { ip, port })
  }
  for (const { host, port } of sockets) {
    const bound = parseIp(host)
    if (!isUnspecified(bound)) add(canonicalIp(bound), port)
    else for (const ip of shared) if (ip.length === bound.length) add(ip, port)
  }
  return [...found.values()]
}

function sharedIps(interfaces: readonly InterfaceAddress[]): Uint8Array[] {
  const byScope = new Map<Scope, Uint8Array[]>()
  for (const { host, internal } of interfaces) {
    const ip = parseReportedIp(host)
    const scope = internal ? 'loopback' : scopeOf(ip)
    byScope.set(scope, [...(byScope.get(scope) ?? []), ip])
  }
  const of = (scope: Scope): Uint8Array[] => byScope.get(scope) ?? []
  if (of('regular').length > 0) return of('regular')
  const second = [...of('link-local'), ...of('unique-local')]
  return second.length > 0 ? second : of('loopback')
}

function scopeOf(ip: Uint8Array): Scope {
  // fe80::/10: never, for it means nothing without an interface.
  if (isUnspecified(ip) || isLinkLocal6(ip)) return 'never'
  if (isLoopback(ip)) return 'loopback'
  // 169.254/16: only where there is nothing better.
  if (ip.length === 4) return ip[0] === 169 && ip[1] === 254 ? 'link-local' : 'regular'
  return (ip[0]! & 0xfe) === 0xfc ? 'unique-local' : 'regular'
}

function isUnspecified(ip: Uint8Array): boolean {
  return ip.every((byte) => byte === 0)
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback(ip: Uint8Array): boolean {
  if (ip.length === 4) return ip[0] === 127
  return ip[15] === 1 && isUnspecified(ip.subarray(0, 15))
}

/** fe80::/10. */
export function isLinkLocal6(ip: Uint8Array): boolean {
  return ip.length === 16 && ip[0] === 0xfe && (ip[1]! & 0xc0) === 0x80
}

/** Whether anybody can be there: not port 0, not "any", not multicast, not reserved (240/4), not broadcast; IPv4-mapped addresses count as IPv4. */
export function isDialable(address: SocketAddress): boolean {
  const { ip, port } = canonicalSocketAddress(address)
  if (port === 0 || isUnspecified(ip)) return false
  if (ip.length === 16) return ip[0] !== 0xff
  return ip[0]! < 224
}

/**
 * Whether we send probes where a peer asks us to: it names addresses unverified, and must not make us knock at this host (loopback, 0.0.0.0/8, one of
 * `own`), at a whole network (multicast, broadcast), or where no peer can be (port 0, 240/4, fe80::/10 without an interface); spec/endpoint.md §13.
 * `allowLoopback`: we have loopback sockets only, so whoever talks to us is on this host too.
 */
export function isProbeable(address: SocketAddress, own: readonly SocketAddress[], allowLoopback = false): boolean {
  const canonical = canonicalSocketAddress(address)
  const { ip } = canonical
  if (!isDialable(canonical) || isLinkLocal6(ip)) return false
  // RFC 1122 §3.2.1.3: "this host on this network"; some systems deliver it to themselves.
  if (ip.length === 4 && ip[0] === 0) return false
  if (isLoopback(ip) && !allowLoopback) return false
  return !own.some((ours) => compareSocketAddresses(canonicalSocketAddress(ours), canonical) === 0)
}
