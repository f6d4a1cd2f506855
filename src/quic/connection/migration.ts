/**
 * A path that moves to another route (RFC 9000 §9): the server follows its client, the client moves on purpose. A new link is made,
 * the old one is kept until the new one is validated.
 */
import { MIN_DATAGRAM } from '../config.ts'
import { makeLink, newRecovery } from '../path/make-link.ts'
import type { Path } from '../path/path.ts'
import type { PathLink } from '../path/path-link.ts'
import type { Route } from '../path/route.ts'
import type { Parts } from './parts.ts'

function newLink(parts: Parts, path: Path, route: Route): PathLink {
  const { recovery, route: oldRoute } = path.link
  const peerLimit = parts.handshake.peerParameters?.maxUdpPayloadSize ?? MIN_DATAGRAM
  // RFC 9000 §9.4: only the port changed, so it is the same way through the network
  return makeLink(parts, route, peerLimit, parts.routes.sameHost(oldRoute, route) ? recovery : newRecovery(parts))
}

/** Datagrams go over `link` from now on. */
function use(parts: Parts, path: Path, link: PathLink, now: number): void {
  path.link = link
  path.detection.link = link.recovery
  // links of one host share their recovery, but each knows its own datagram size
  link.recovery.setMtu(link.mtu.current)
  path.pacedUntil = Number.POSITIVE_INFINITY
  // RFC 9000 §9.5: another address, another id, where the peer gave us one
  path.peerIds.advance()
  parts.paths.moved(path)
  parts.events.push({ type: 'path-migrated', path: path.id, route: link.route })
  parts.trace?.event(now, 'connectivity:path_assigned', { path_id: path.id, route: link.route })
}

/** Begins to use a link whose address is not validated yet. */
function tryOut(parts: Parts, path: Path, link: PathLink, now: number): void {
  const old = path.link
  // RFC 9000 §8.2.4: three PTOs, of the old path or of one that was never measured
  const giveUpAt = now + 3 * Math.max(path.detection.ptoMs(), 3 * parts.settings.initialRttMs)
  link.startValidation(giveUpAt)
  if (old.validated) {
    path.previous = old
    // RFC 9000 §9.3.3: also ask on the old path whether the peer is still there
    if (parts.role === 'server') old.startValidation(giveUpAt)
  }
  use(parts, path, link, now)
}

/** Back to the last validated link. */
function goBack(parts: Parts, path: Path, now: number): void {
  const back = path.previous!
  path.previous = undefined
  path.link.stopValidation()
  back.stopValidation()
  use(parts, path, back, now)
}

/** Server: the newest non-probing packet came from elsewhere. */
export function follow(parts: Parts, path: Path, route: Route, datagramLength: number, now: number): void {
  if (!parts.handshake.isConfirmed) return
  if (path.previous?.route === route) {
    // the peer went back, or an attacker's copy came first (RFC 9000 §9.3.3): the old address is validated
    goBack(parts, path, now)
    return
  }
  const link = newLink(parts, path, route)
  link.bytesReceived = datagramLength
  tryOut(parts, path, link, now)
}

/** Client: go on over another route. */
export function migrate(parts: Parts, path: Path, route: Route, now: number): void {
  if (path.previous?.route === route) {
    goBack(parts, path, now)
    return
  }
  const link = newLink(parts, path, route)
  // we know that this address is ours: the amplification limit is for servers
  link.bytesReceived = Number.MAX_SAFE_INTEGER
  tryOut(parts, path, link, now)
}

/** Validation of the link in use was given up (RFC 9000 §9.3.2). Returns false when there is nothing to go back to. */
export function revert(parts: Parts, path: Path, now: number): boolean {
  if (path.previous === undefined) return false
  goBack(parts, path, now)
  return true
}
