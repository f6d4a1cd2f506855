/**
 * A path that moves to another route (RFC 9000 §9): the server follows its client, the client moves on purpose. A new link is made,
 * the old one is kept until the new one is validated.
 */
import { MIN_DATAGRAM } from '../config.ts'
import { MtuDiscovery } from '../path/mtu-discovery.ts'
import { PathLink } from '../path/path-link.ts'
import type { Route } from '../path/route.ts'
import { createCongestion } from '../recovery/congestion.ts'
import { LinkRecovery } from '../recovery/link-recovery.ts'
import type { Parts } from './parts.ts'

/** The least of what the settings allow, the peer takes and the route carries. */
export function mtuLimit(parts: Pick<Parts, 'settings' | 'routes' | 'slots'>, route: Route, peerLimit: number): number {
  return Math.max(
    MIN_DATAGRAM,
    Math.min(parts.settings.maxMtu, peerLimit, parts.routes.maxDatagramSize(route), parts.slots.slotSize),
  )
}

function newLink(parts: Parts, route: Route): PathLink {
  const { path, handshake, routes, settings } = parts
  const old = path.link
  // RFC 9000 §9.4: only the port changed, so it is the same way through the network
  const recovery = routes.sameHost(old.route, route)
    ? old.recovery
    : new LinkRecovery(createCongestion(settings.congestion, MIN_DATAGRAM), settings.initialRttMs, MIN_DATAGRAM)
  const mtu = new MtuDiscovery(mtuLimit(parts, route, handshake.peerParameters?.maxUdpPayloadSize ?? MIN_DATAGRAM))
  return new PathLink(route, recovery, mtu, false)
}

/** Datagrams go over `link` from now on. */
function use(parts: Parts, link: PathLink, now: number): void {
  const { path } = parts
  path.link = link
  path.detection.link = link.recovery
  // links of one host share their recovery, but each knows its own datagram size
  link.recovery.setMtu(link.mtu.current)
  path.pacedUntil = Number.POSITIVE_INFINITY
  // RFC 9000 §9.5: another address, another id, where the peer gave us one
  path.peerIds.advance()
  parts.events.push({ type: 'path-migrated', path: path.id, route: link.route })
  parts.trace?.event(now, 'connectivity:path_assigned', { path_id: path.id, route: link.route })
}

/** Begins to use a link whose address is not validated yet. */
function tryOut(parts: Parts, link: PathLink, now: number): void {
  const { path } = parts
  const old = path.link
  // RFC 9000 §8.2.4: three PTOs, of the old path or of one that was never measured
  const giveUpAt = now + 3 * Math.max(path.detection.ptoMs(), 3 * parts.settings.initialRttMs)
  link.startValidation(giveUpAt)
  if (old.validated) {
    path.previous = old
    // RFC 9000 §9.3.3: also ask on the old path whether the peer is still there
    if (parts.role === 'server') old.startValidation(giveUpAt)
  }
  use(parts, link, now)
}

/** Back to the last validated link. */
function goBack(parts: Parts, now: number): void {
  const { path } = parts
  const back = path.previous!
  path.previous = undefined
  path.link.stopValidation()
  back.stopValidation()
  use(parts, back, now)
}

/** Server: the newest non-probing packet came from elsewhere. */
export function follow(parts: Parts, route: Route, datagramLength: number, now: number): void {
  const { path, handshake } = parts
  if (!handshake.isConfirmed) return
  if (path.previous?.route === route) {
    // the peer went back, or an attacker's copy came first (RFC 9000 §9.3.3): the old address is validated
    goBack(parts, now)
    return
  }
  const link = newLink(parts, route)
  link.bytesReceived = datagramLength
  tryOut(parts, link, now)
}

/** Client: go on over another route. */
export function migrate(parts: Parts, route: Route, now: number): void {
  const { path } = parts
  if (path.previous?.route === route) {
    goBack(parts, now)
    return
  }
  const link = newLink(parts, route)
  // we know that this address is ours: the amplification limit is for servers
  link.bytesReceived = Number.MAX_SAFE_INTEGER
  tryOut(parts, link, now)
}

/** Validation of the link in use was given up (RFC 9000 §9.3.2). Returns false when there is nothing to go back to. */
export function revert(parts: Parts, now: number): boolean {
  if (parts.path.previous === undefined) return false
  goBack(parts, now)
  return true
}
