/**
 * Probes of NAT traversal on their way out (spec/quic.md §5.8): a PATH_CHALLENGE and nothing else, not padded, to a route that is no path's, with the
 * packet numbers and the connection id of a path that works. Outside congestion control; the schedule is traversal/probes.ts's.
 */
import { MIN_DATAGRAM } from '../config.ts'
import type { Path } from '../path/path.ts'
import type { Transmit } from '../slots.ts'
import { writePathChallenge } from '../wire/path-frames.ts'
import type { DatagramBuilder } from './datagram-builder.ts'
import type { Parts } from './parts.ts'

/** The path whose packet numbers probes take. */
function lender({ paths }: Parts): Path | undefined {
  const mayLend = (path: Path) => path.isOpen && path.link.validated && !path.space.isClogged
  const { preferred } = paths
  return mayLend(preferred) ? preferred : paths.live.find(mayLend)
}

/** The next probe that is due. False when there is none, no path to lend its packet numbers, or no slot. */
export function pollProbe(parts: Parts, builder: DatagramBuilder, now: number, out: Transmit): boolean {
  const { traversal, handshake, slots, paths, random } = parts
  if (handshake.oneRtt === undefined || !handshake.isComplete) return false
  const probe = traversal.probes.next((route) => paths.isBlocked(route))
  const path = lender(parts)
  if (probe === undefined || path === undefined) return false
  const slot = slots.acquire()
  if (slot === -1) return false
  const base = slots.offset(slot)
  const draft = builder.drafts[0]
  builder.begin(draft, base, base + MIN_DATAGRAM, path.space, path)
  const token = new Uint8Array(8)
  random.fill(token)
  writePathChallenge(draft.writer, token)
  const length = builder.seal(draft, now)
  path.detection.sent(path.space, draft.packetNumber, length, draft.writer, undefined, now, false, -1)
  traversal.probes.sent(probe, token, now)
  builder.handOver(out, slot, length, path, undefined, probe.route, 'probe')
  return true
}
