/**
 * Which paths may carry what belongs to no path: streams, datagrams, control frames (spec/quic.md §5.6). Pure: it looks at paths and
 * answers. Congestion and pacing are asked later, path by path, so that one full path lets the next of its rank go on.
 */
import type { Path } from './path.ts'

/** Lower is better. */
export const Rank = {
  /** Validated, and neither side calls it a backup. */
  Available: 0,
  /** Validated, and the peer would rather have us elsewhere. */
  PeerBackup: 1,
  /** Validated, and we said so ourselves. */
  Backup: 2,
  /** Its last probes went unanswered, or nothing at all is acknowledged. */
  Suspect: 3,
  /** The peer is not yet known to receive there. */
  Unvalidated: 4,
  /** Abandoned: only the word that it is goes there, when there is no other path at all. */
  LastResort: 5,
} as const

export function rankOf(path: Path): number {
  if (!path.isOpen) return Rank.LastResort
  if (!path.link.validated) return Rank.Unvalidated
  if (path.isSuspect || path.space.isClogged) return Rank.Suspect
  if (path.status === 'backup') return Rank.Backup
  return path.peerStatus === 'backup' ? Rank.PeerBackup : Rank.Available
}

/** The best rank there is among `paths`, which has one entry or more. */
export function bestRank(paths: readonly Path[]): number {
  let best: number = Rank.LastResort
  for (const path of paths) best = Math.min(best, rankOf(path))
  return best
}

/** The path of the best rank with the lowest id: where data goes first. */
export function preferredPath(paths: readonly Path[]): Path {
  const best = bestRank(paths)
  return paths.find((path) => rankOf(path) === best)!
}

/** Another path that could take over what `path` carries now. */
export function hasAlternative(paths: readonly Path[], path: Path): boolean {
  return paths.some((other) => other !== path && rankOf(other) < Rank.Suspect)
}
