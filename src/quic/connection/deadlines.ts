/**
 * The clocks of a connection that is alive: when the next one goes off, and what follows. Lifecycle, paths, links and loss detection keep
 * their own; here they are put together. All times in ms.
 */
import type { CloseReason } from '../errors.ts'
import { ErrorCode } from '../errors.ts'
import type { Path } from '../path/path.ts'
import { revert } from './migration.ts'
import type { Parts } from './parts.ts'

const NEVER = Number.POSITIVE_INFINITY

/** The earliest of all; Infinity when there is nothing to wait for. */
export function earliestDeadline(parts: Parts): number {
  const { lifecycle, paths, handshake, traversal } = parts
  if (lifecycle.state === 'drained') return NEVER
  let earliest = lifecycle.deadline
  if (lifecycle.isEnded) return earliest
  earliest = Math.min(earliest, paths.deadline, handshake.oneRtt?.deadline ?? NEVER, traversal.probes.deadline)
  for (const path of paths.live) earliest = Math.min(earliest, pathDeadline(parts, path))
  return earliest
}

function pathDeadline(parts: Parts, path: Path): number {
  const { handshake, paths } = parts
  // who cannot answer is answered for by another path, if there is one that can
  const canAck = !paths.isMute(path) || (paths.hasAlternative(path) && !paths.isMute(paths.preferred))
  const acks = canAck ? path.space.ackPolicy.deadline() : NEVER
  if (!path.isOpen) return Math.min(acks, path.carriesLastWord ? path.detection.deadline() : NEVER)
  let earliest = Math.min(
    path.detection.deadline(),
    paths.isBlocked(path.link.route) ? NEVER : path.pacedUntil,
    path.keepAliveAt,
    path.link.deadline,
    path.previous?.deadline ?? NEVER,
  )
  if (paths.live.length > 1) earliest = Math.min(earliest, path.idleAt, paths.watching.deadline(path))
  if (handshake.oneRtt !== undefined) earliest = Math.min(earliest, acks)
  if (handshake.isConfirmed || path.id !== 0 || paths.isMute(path)) return earliest
  if (handshake.initialSpace !== undefined) earliest = Math.min(earliest, handshake.initialSpace.ackPolicy.deadline())
  if (handshake.handshakeSend !== undefined && handshake.handshakeSpace !== undefined)
    earliest = Math.min(earliest, handshake.handshakeSpace.ackPolicy.deadline())
  return earliest
}

/**
 * Time passed: what is due becomes pending. The lifecycle has had its turn. Returns the reason when the connection must vanish without a word, for
 * want of a path.
 */
export function tickPaths(parts: Parts, now: number): CloseReason | undefined {
  const { paths, handshake } = parts
  handshake.oneRtt?.tick(now)
  parts.traversal.probes.tick(now)
  for (const path of [...paths.live]) {
    if (path.isOpen && tickPath(parts, path, now) === 'unreachable') return { kind: 'idle-timeout' }
    if (!path.isOpen && path.carriesLastWord && path.detection.deadline() <= now) path.detection.timeout(now)
  }
  if (!paths.tick(now)) return undefined
  // spec/quic.md §5.5: the peer gave up the last path, and no other came
  const reason = 'the peer abandoned the last path'
  return { kind: 'local-transport', code: ErrorCode.NO_VIABLE_PATH, frameType: 0, reason }
}

function tickPath(parts: Parts, path: Path, now: number): 'fine' | 'unreachable' {
  const { paths } = parts
  const { detection, link } = path
  if (detection.deadline() <= now) {
    if (detection.timeout(now) !== undefined) paths.probeTimedOut(path, now)
    if (link.mtu.timedOut(detection.ptoCount, now)) link.recovery.setMtu(link.mtu.current)
    if (path.isSuspect && paths.hasAlternative(path)) detection.resendElsewhere(path.space)
  }
  if (path.pacedUntil <= now) path.pacedUntil = NEVER
  if (path.keepAliveAt <= now) path.keepAlive(now)
  if (path.liveness !== undefined) paths.watching.tick(path, now)
  // the link before stays the one to go back to, answered or not
  path.previous?.tick(now)
  if (link.tick(now) === 'failed' && !link.validated && !revert(parts, path, now)) {
    // RFC 9000 §9.3.2: no validated path is left. With multipath the client may open one, as long as nobody is idle for too long.
    if (!paths.multipath) return 'unreachable'
    paths.giveUp(path, now)
  } else if (path.idleAt <= now) paths.giveUp(path, now)
  return 'fine'
}
