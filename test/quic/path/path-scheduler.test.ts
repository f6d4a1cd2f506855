import { expect, test } from 'vitest'
import type { Path, PathStatus } from '../../../src/quic/path/path.ts'
import { bestRank, hasAlternative, preferredPath, Rank, rankOf } from '../../../src/quic/path/path-scheduler.ts'

function path(
  id: number,
  {
    status = 'available',
    peerStatus = 'available',
    validated = true,
    suspect = false,
    clogged = false,
    isOpen = true,
  } = {},
): Path {
  return {
    id,
    isOpen,
    isSuspect: suspect,
    status: status as PathStatus,
    peerStatus: peerStatus as PathStatus,
    link: { validated },
    space: { isClogged: clogged },
  } as unknown as Path
}

const KINDS = {
  available: path(0),
  peerBackup: path(1, { peerStatus: 'backup' }),
  backup: path(2, { status: 'backup' }),
  bothBackup: path(3, { status: 'backup', peerStatus: 'backup' }),
  suspect: path(4, { suspect: true }),
  clogged: path(5, { clogged: true }),
  unvalidated: path(6, { validated: false, suspect: true }),
  abandoned: path(7, { isOpen: false }),
}

test('quic.md §5.6: validated and available, then backups, then what may be dead, then what is unproved', () => {
  expect(Object.values(KINDS).map(rankOf)).toEqual([
    Rank.Available,
    Rank.PeerBackup,
    Rank.Backup,
    Rank.Backup,
    Rank.Suspect,
    Rank.Suspect,
    Rank.Unvalidated,
    Rank.LastResort,
  ])
})

test('quic.md §5.6: data goes first over the lowest id of the best rank', () => {
  const { available, peerBackup, backup, suspect, unvalidated, abandoned } = KINDS
  const all = [abandoned, unvalidated, suspect, backup, peerBackup, path(8), available]
  expect(preferredPath(all).id).toBe(8)
  for (let count = all.length; count > 0; count--) {
    const some = all.slice(0, count)
    expect(rankOf(preferredPath(some))).toBe(bestRank(some))
  }
  expect(preferredPath([unvalidated, suspect])).toBe(suspect)
  expect(preferredPath([abandoned])).toBe(abandoned)
})

test('quic.md §5.6: an alternative is a validated path that answers', () => {
  const { available, backup, suspect, clogged, unvalidated, abandoned } = KINDS
  expect(hasAlternative([available], available)).toBe(false)
  expect(hasAlternative([available, suspect, clogged, unvalidated, abandoned], available)).toBe(false)
  expect(hasAlternative([available, backup], available)).toBe(true)
  expect(hasAlternative([available, backup], suspect)).toBe(true)
})
