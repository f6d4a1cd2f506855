/**
 * Over which of IPv4 and IPv6 relays can be asked: a socket must be there, and an address that leads out. A pure function of what the
 * platform reports. spec/endpoint.md §5.1, §6.2.
 */
import type { InterfaceAddress } from '../../platform/index.ts'

/** IPv4 and IPv6. */
export type Family = 4 | 6

/** A socket of ours: its family, and the numeric address it is bound to. */
export interface BoundFamily {
  readonly family: Family
  readonly host: string
}

/** Where no address leads out, those of the host itself count, and where none is known at all, the sockets alone: then a relay may still be near. */
export function availableFamilies(
  sockets: readonly BoundFamily[],
  interfaces: readonly InterfaceAddress[],
): ReadonlySet<Family> {
  const bound = new Set(sockets.map(({ family }) => family))
  const leadsOut = (family: Family): boolean =>
    sockets.some((socket) => socket.family === family && !isUnspecified(socket.host)) ||
    interfaces.some((address) => address.family === family && isUseful(address))
  const outward = [...bound].filter(leadsOut)
  if (outward.length > 0) return new Set(outward)
  const inward = [...bound].filter((family) => interfaces.some((address) => address.family === family))
  return inward.length > 0 ? new Set(inward) : bound
}

function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function isUseful({ host, family, internal }: InterfaceAddress): boolean {
  if (internal) return false
  if (family === 4) return true
  const first = Number.parseInt(host.slice(0, host.indexOf(':')), 16)
  // 2000::/3 and fc00::/7; NaN where the address begins with zeros.
  return first >>> 13 === 1 || first >>> 9 === 0xfc >>> 1
}
