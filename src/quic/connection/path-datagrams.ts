/**
 * Datagrams that ask or answer questions about a route: path validation (RFC 9000 §8.2) and MTU probes (§14.4). They travel alone,
 * outside congestion control where the RFC says so.
 */
import { MIN_DATAGRAM } from '../config.ts'
import type { Path } from '../path/path.ts'
import type { PathLink } from '../path/path-link.ts'
import type { Route } from '../path/route.ts'
import type { PacketWriter } from '../recovery/frame-owner.ts'
import type { Transmit } from '../slots.ts'
import { FrameType } from '../wire/frame-types.ts'
import { writePathChallenge, writePathResponse } from '../wire/path-frames.ts'
import type { DatagramBuilder } from './datagram-builder.ts'
import type { Parts } from './parts.ts'

/** PATH_CHALLENGE or PATH_RESPONSE with its type, bytes. */
const FRAME_LENGTH = 9
/** A datagram with less than this, bytes, has no room for one of them behind the longest header. */
const LEAST_DATAGRAM = 64

/** The next datagram with PATH_RESPONSE or PATH_CHALLENGE frames. False when none is wanted, allowed, or has a slot. */
export function pollValidation(
  parts: Parts,
  builder: DatagramBuilder,
  path: Path,
  now: number,
  out: Transmit,
): boolean {
  const { handshake, paths } = parts
  if (handshake.oneRtt === undefined || !handshake.isComplete) return false
  const { responses, link, previous } = path
  if (path.space.isClogged) responses.length = 0
  for (let next = 0; next < responses.length; ) {
    const { route, received } = responses[next]!
    // it waits for the driver; others need not
    if (paths.isBlocked(route)) {
      next++
      continue
    }
    const on = path.linkOn(route)
    // RFC 9000 §8.1: what the challenge brought is all that an address without a link has
    const budget = on === undefined ? 3 * received : on.amplificationBudget
    if (budget >= LEAST_DATAGRAM) return validationDatagram(parts, builder, path, route, on, budget, now, out)
    responses.splice(next, 1)
  }
  for (const asking of [link, previous]) {
    if (asking?.challengePending !== true || paths.isBlocked(asking.route)) continue
    const budget = asking.amplificationBudget
    if (budget >= LEAST_DATAGRAM)
      return validationDatagram(parts, builder, path, asking.route, asking, budget, now, out)
  }
  return false
}

/** All answers for `route`, and the challenge of `link` when it is due. */
function validationDatagram(
  parts: Parts,
  builder: DatagramBuilder,
  path: Path,
  route: Route,
  link: PathLink | undefined,
  budget: number,
  now: number,
  out: Transmit,
): boolean {
  const { slots, traversal } = parts
  const slot = slots.acquire()
  if (slot === -1) return false
  const base = slots.offset(slot)
  // RFC 9000 §8.2.1, §8.2.2: 1200 bytes, where that does not break the amplification limit
  const size = Math.min(MIN_DATAGRAM, budget)
  const draft = builder.drafts[0]
  builder.begin(draft, base, base + size, path.space, path)
  const { writer } = draft
  const { responses } = path
  let kept = 0
  for (const response of responses) {
    if (response.route === route && writer.room >= FRAME_LENGTH) writePathResponse(writer, response.data)
    else responses[kept++] = response
  }
  responses.length = kept
  // a client has moved when it asks, so the server is to follow with this very packet: no probing packet (RFC 9000 §9.2)
  if (parts.role === 'client' && link === path.link && link.challengePending) writer.u8(FrameType.PING)
  if (link?.challengePending === true && writer.room >= FRAME_LENGTH) {
    const data = writeChallenge(parts, writer)
    link.challengeSent(data, size, now, Math.max(path.detection.ptoMs(), 1))
    if (link === path.link) path.challenged(now)
  } else if (link === undefined && traversal.mayRide && writer.room >= FRAME_LENGTH && !isProved(parts, route))
    traversal.probes.rode(route, writeChallenge(parts, writer))
  // where 1200 bytes are too many, and no path is to be proved, less will do
  if (link !== undefined || size === MIN_DATAGRAM) draft.padTo(base + size)
  const length = builder.seal(draft, now)
  // neither counted in flight nor timed: challenges have a schedule of their own, responses are not repeated (RFC 9000 §13.3)
  writer.inFlight = false
  path.detection.sent(path.space, draft.packetNumber, length, writer, link?.recovery, now, false, -1)
  builder.handOver(out, slot, length, path, link, route, 'probe')
  return true
}

function writeChallenge({ random }: Parts, writer: PacketWriter): Uint8Array {
  const data = new Uint8Array(8)
  random.fill(data)
  writePathChallenge(writer, data)
  return data
}

/** Some path is known to reach the peer there. */
function isProved({ paths }: Parts, route: Route): boolean {
  return paths.live.some((path) => path.isOpen && path.linkOn(route)?.validated === true)
}

/** A datagram larger than any before, to find out whether it arrives (RFC 9000 §14.4). */
export function pollMtuProbe(parts: Parts, builder: DatagramBuilder, path: Path, now: number, out: Transmit): boolean {
  const { handshake, slots } = parts
  const { link } = path
  const { mtu, recovery } = link
  if (!handshake.isConfirmed || !link.validated || parts.paths.isBlocked(link.route)) return false
  const size = mtu.probeSize(now)
  const window = Math.min(recovery.congestion.window, link.flightBound(parts.routes))
  if (size === 0 || recovery.bytesInFlight + size > window) return false
  const slot = slots.acquire()
  if (slot === -1) return false
  const base = slots.offset(slot)
  const draft = builder.drafts[0]
  builder.begin(draft, base, base + size, path.space, path)
  builder.writePing(draft)
  draft.padTo(base + size)
  const length = builder.seal(draft, now)
  mtu.probeSent(length)
  path.detection.sent(path.space, draft.packetNumber, length, draft.writer, recovery, now, true, -1)
  builder.handOver(out, slot, length, path, link, link.route, 'mtu')
  return true
}
