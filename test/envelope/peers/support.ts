/** What the tests of this folder share: keys, announcements and tables with a seeded source of chance. */
import { PeerTable } from '../../../src/envelope/peers/peer-table.ts'
import type { PeerSettings } from '../../../src/envelope/peers/settings.ts'
import type { PeerAnnounce, Role, RoleChange } from '../../../src/envelope/wire/bodies.ts'
import type { PeerKey } from '../../../src/envelope/wire/envelope.ts'
import { SimRandom } from '../../sim/support/random.ts'

export const WALL = 1_772_000_000_000
export const HOUR_MS = 3_600_000
export const SELF = key(0)

export function key(number: number): PeerKey {
  return number.toString(16).padStart(64, '0')
}

export function announce(
  peer: PeerKey,
  options: { name?: string; roles?: readonly Role[]; timestamp?: number } = {},
): PeerAnnounce {
  return { peer, name: options.name ?? '', roles: options.roles ?? ['Peer'], timestamp: options.timestamp ?? WALL }
}

export function roleChange(peer: PeerKey, role: Role, timestamp = WALL, score = 0): RoleChange {
  return { peer, role, score, timestamp, signature: new Uint8Array(64) }
}

export function makeTable(settings: Partial<PeerSettings> = {}, seed = 'peers'): PeerTable {
  return new PeerTable({ self: SELF, random: new SimRandom(seed), settings })
}

/** Ticks at every deadline up to `until`, as a messenger does, and once at `until`; returns what changed, in its order. */
export function runUntil(table: PeerTable, until: number): ReturnType<PeerTable['tick']> {
  const changes: ReturnType<PeerTable['tick']> = []
  for (let deadline = table.deadline(); deadline < until; ) {
    changes.push(...table.tick(deadline))
    const next = table.deadline()
    if (next <= deadline) throw new Error(`the deadline ${deadline} was not met`)
    deadline = next
  }
  changes.push(...table.tick(until))
  return changes
}
