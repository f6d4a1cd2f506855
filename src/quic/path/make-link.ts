/** New links, with the settings' congestion controller and the datagram size that a route and the peer allow (RFC 9000 §9.4, §14.2). */
import { MIN_DATAGRAM } from '../config.ts'
import { createCongestion } from '../recovery/congestion.ts'
import { LinkRecovery } from '../recovery/link-recovery.ts'
import type { Resources } from '../resources.ts'
import { MtuDiscovery } from './mtu-discovery.ts'
import { PathLink } from './path-link.ts'
import type { Route } from './route.ts'

/** Largest datagram to look for, bytes: the least of what the settings allow, the peer takes and the route carries. */
function mtuLimit(
  resources: Pick<Resources, 'settings' | 'routes' | 'slots'>,
  route: Route,
  peerLimit: number,
): number {
  const { settings, routes, slots } = resources
  return Math.max(MIN_DATAGRAM, Math.min(settings.maxMtu, peerLimit, routes.maxDatagramSize(route), slots.slotSize))
}

/** RTT and congestion state of a way not measured yet. */
export function newRecovery(resources: Pick<Resources, 'settings'>): LinkRecovery {
  const { congestion, initialRttMs } = resources.settings
  return new LinkRecovery(createCongestion(congestion, MIN_DATAGRAM), initialRttMs, MIN_DATAGRAM)
}

/** A link that is not validated. `peerLimit` is the peer's max_udp_payload_size, 1200 while it is not known. */
export function makeLink(
  resources: Pick<Resources, 'settings' | 'routes' | 'slots'>,
  route: Route,
  peerLimit: number,
  recovery: LinkRecovery = newRecovery(resources),
): PathLink {
  return new PathLink(route, recovery, new MtuDiscovery(mtuLimit(resources, route, peerLimit)), false)
}
