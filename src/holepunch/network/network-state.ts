/**
 * What a host's network is at one moment, and what changed from one moment to another (spec/endpoint.md §5.1). Pure; when to look is the monitor's
 * business.
 */
import { parseReportedIp } from '../../bytes/index.ts'
import type { DefaultRoutes, InterfaceAddress } from '../../platform/index.ts'
import { isLinkLocal6, isLoopback } from '../candidates/interface-addresses.ts'

export interface NetworkState {
  /**
   * Addresses of each interface that has one of use to anybody elsewhere. Without loopback and fe80::/10: those are nowhere to be reached at, and
   * interfaces that have nothing else come and go with every container.
   */
  readonly interfaces: ReadonlyMap<string, ReadonlySet<string>>
  /** Everything else the system reported, as one text. */
  readonly rest: string
  /** An IPv4 address that is not loopback. */
  readonly hasV4: boolean
  /** An IPv6 address in 2000::/3 or fc00::/7. */
  readonly hasV6: boolean
  /** Undefined: the system does not say. */
  readonly routes: DefaultRoutes | undefined
}

export interface NetworkDifference {
  readonly isMajor: boolean
  /** For people: what is different, with commas. */
  readonly reason: string
}

/** Addresses that cannot be read are passed over. */
export function networkState(addresses: readonly InterfaceAddress[], routes: DefaultRoutes | undefined): NetworkState {
  const interfaces = new Map<string, Set<string>>()
  const rest: string[] = []
  let hasV4 = false
  let hasV6 = false
  for (const { name, host, internal } of addresses) {
    const ip = readIp(host)
    if (ip === undefined) continue
    if (internal || isLoopback(ip) || isLinkLocal6(ip)) {
      rest.push(`${name} ${host}`)
      continue
    }
    if (ip.length === 4) hasV4 = true
    else if ((ip[0]! & 0xe0) === 0x20 || (ip[0]! & 0xfe) === 0xfc) hasV6 = true
    const known = interfaces.get(name)
    if (known === undefined) interfaces.set(name, new Set([host]))
    else known.add(host)
  }
  return { interfaces, rest: rest.sort().join(','), hasV4, hasV6, routes }
}

function readIp(host: string): Uint8Array | undefined {
  try {
    return parseReportedIp(host)
  } catch {
    return undefined
  }
}

/** Undefined when nothing is different. */
export function networkDifference(before: NetworkState, after: NetworkState): NetworkDifference | undefined {
  const major = [...familyChanges(before, after), ...routeChanges(before, after), ...interfaceChanges(before, after)]
  if (major.length > 0) return { isMajor: true, reason: major.join(', ') }
  if (before.rest !== after.rest) return { isMajor: false, reason: 'local addresses are others' }
  return undefined
}

function familyChanges(before: NetworkState, after: NetworkState): string[] {
  const changes: string[] = []
  if (before.hasV4 !== after.hasV4) changes.push(after.hasV4 ? 'IPv4 came' : 'IPv4 went')
  if (before.hasV6 !== after.hasV6) changes.push(after.hasV6 ? 'IPv6 came' : 'IPv6 went')
  return changes
}

function routeChanges(before: NetworkState, after: NetworkState): string[] {
  // A system that suddenly says nothing about its routes has not changed them.
  if (before.routes === undefined || after.routes === undefined) return []
  const changes: string[] = []
  for (const [family, from, to] of [
    ['IPv4', before.routes.v4, after.routes.v4],
    ['IPv6', before.routes.v6, after.routes.v6],
  ] as const) {
    if (from !== to) changes.push(`${family} goes by ${to ?? 'no interface'} instead of ${from ?? 'none'}`)
  }
  return changes
}

function interfaceChanges(before: NetworkState, after: NetworkState): string[] {
  const changes: string[] = []
  for (const [name, addresses] of after.interfaces) {
    const old = before.interfaces.get(name)
    if (old === undefined) changes.push(`${name} came with ${[...addresses].join(' and ')}`)
    else {
      for (const address of addresses) if (!old.has(address)) changes.push(`${name} got ${address}`)
      for (const address of old) if (!addresses.has(address)) changes.push(`${name} lost ${address}`)
    }
  }
  for (const name of before.interfaces.keys()) if (!after.interfaces.has(name)) changes.push(`${name} went`)
  return changes
}

/** Whether there is an address that anybody elsewhere could know. */
export function hasAddress({ hasV4, hasV6 }: NetworkState): boolean {
  return hasV4 || hasV6
}

/**
 * Whether packets can go anywhere (spec/endpoint.md §5.2): there is an address, and a default route where the system tells of them. `usual` is how the
 * network was when it last had an address: a host that had no default route then lives in a network without one, and waits for none.
 */
export function isUsable(state: NetworkState, usual: NetworkState): boolean {
  return hasAddress(state) && (hasDefaultRoute(state) || (hasAddress(usual) && !hasDefaultRoute(usual)))
}

function hasDefaultRoute({ routes }: NetworkState): boolean {
  return routes === undefined || routes.v4 !== undefined || routes.v6 !== undefined
}
