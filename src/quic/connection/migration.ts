/**
 * A path that moves to another route (RFC 9000 §9): the server follows its client, the client moves on purpose. A new link is made,
 * the old one is kept until the new one is validated.
 */
import { MIN_DATAGRAM } from '../config.ts'
import { MtuDiscovery } from '../path/mtu-discovery.ts'
import { PathLink } from '../path/path-link.ts'
import type { Route } from '../path/route.ts'
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
    : new LinkRecovery(old.recovery.congestion.fresh(), settings.initialRttMs, MIN_DATAGRAM)
  const mtu = new MtuDiscovery(mtuLimit(parts, route, handshake.peerParameters?.maxUdpPayloadSize ?? MIN_DATAGRAM))
  if (recovery === old.recovery) recovery.setMtu(mtu.current)
  return new PathLink(route, recovery, mtu, false)
}

function install(parts: Parts, link: PathLink, now: number): void {
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
  path.link = link
  path.detection.link = link.recovery
  path.pacedUntil = Number.POSITIVE_INFINITY
  parts.events.push({ type: 'path-migrated', path: path.id, route: link.route })
  parts.trace?.event(now, 'connectivity:path_assigned', { path_id: path.id, route: link.route })
}

/** Server: the newest non-probing packet came from elsewhere. */
export function follow(parts: Parts, route: Route, datagramLength: number, now: number): void {
  const { path, handshake } = parts
  if (!handshake.isConfirmed) return
  if (path.previous?.route === route) {
    // the peer went back (or an attacker's copy came first, RFC 9000 §9.3.3): the old link is still good
    const back = path.previous
    path.previous = undefined
    back.stopValidation()
    path.link.stopValidation()
    path.link = back
    path.detection.link = back.recovery
    parts.events.push({ type: 'path-migrated', path: path.id, route })
    return
  }
  const link = newLink(parts, route)
  // a challenge that came from there and is still to be answered counts as well: its answer will
  link.bytesReceived = datagramLength
  for (const response of path.responses) if (response.route === route) link.bytesReceived += response.received
  install(parts, link, now)
  // RFC 9000 §9.5: a new address gets a new id, where the peer gave us one
  path.peerIds.advance()
}

/** Client: go on over another route. */
export function migrate(parts: Parts, route: Route, now: number): void {
  if (parts.path.link.route === route) return
  const link = newLink(parts, route)
  // we know that this address is ours: the amplification limit is for servers
  link.bytesReceived = Number.MAX_SAFE_INTEGER
  install(parts, link, now)
  parts.path.peerIds.advance()
}

/** Validation of the link in use was given up (RFC 9000 §9.3.2). Returns false when there is nothing to go back to. */
export function revert(parts: Parts): boolean {
  const { path } = parts
  const previous = path.previous
  if (previous === undefined || !previous.validated) return false
  path.link.stopValidation()
  path.previous = undefined
  path.link = previous
  path.detection.link = previous.recovery
  parts.events.push({ type: 'path-migrated', path: path.id, route: previous.route })
  return true
}
