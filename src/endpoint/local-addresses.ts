/**
 * Which addresses of ours a peer may be told: those of the sockets, and for sockets bound to "any" those of the interfaces that make
 * sense elsewhere (spec/endpoint.md §3.2). A pure function of what the platform reports.
 */
import { canonicalIp, parseIp, type SocketAddress } from '../bytes/index.ts'
import type { InterfaceAddress } from '../platform/index.ts'

export interface BoundSocket {
  readonly host: string
  readonly port: number
}

type Scope = 'regular' | 'loopback' | 'link-local' | 'unique-local' | 'never'

/** Our direct addresses, without duplicates. */
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
    const zone = host.indexOf('%')
    const ip = parseIp(zone < 0 ? host : host.slice(0, zone))
    const scope = internal ? 'loopback' : scopeOf(ip)
    byScope.set(scope, [...(byScope.get(scope) ?? []), ip])
  }
  const of = (scope: Scope): Uint8Array[] => byScope.get(scope) ?? []
  if (of('regular').length > 0) return of('regular')
  const second = [...of('link-local'), ...of('unique-local')]
  return second.length > 0 ? second : of('loopback')
}

function scopeOf(ip: Uint8Array): Scope {
  if (isUnspecified(ip)) return 'never'
  if (ip.length === 4) {
    if (ip[0] === 127) return 'loopback'
    // 169.254/16: only where there is nothing better.
    return ip[0] === 169 && ip[1] === 254 ? 'link-local' : 'regular'
  }
  // fe80::/10: never, for it means nothing without an interface.
  if (ip[0] === 0xfe && (ip[1]! & 0xc0) === 0x80) return 'never'
  if ((ip[0]! & 0xfe) === 0xfc) return 'unique-local'
  return isLoopback6(ip) ? 'loopback' : 'regular'
}

function isLoopback6(ip: Uint8Array): boolean {
  return ip[15] === 1 && isUnspecified(ip.subarray(0, 15))
}

function isUnspecified(ip: Uint8Array): boolean {
  return ip.every((byte) => byte === 0)
}

/** Whether anybody can be there: not port 0, not "any", not multicast, not broadcast. */
export function isDialable({ ip, port }: SocketAddress): boolean {
  if (port === 0 || isUnspecified(ip)) return false
  if (ip.length === 16) return ip[0] !== 0xff
  return ip[0]! < 224
}
