import { expect, test } from 'vitest'
import type { PeerChange, PeerTable } from '../../../src/envelope/peers/peer-table.ts'
import { announce, key, makeTable, roleChange, runUntil, SELF, WALL } from './support.ts'

const A = key(1)
const NAME = 'alice'

type State = 'unknown' | 'hinted' | 'online' | 'connected' | 'stale' | 'offline'

function stateOf(table: PeerTable): State {
  const record = table.get(A)
  if (record === undefined) return 'unknown'
  if (!record.isVerified) return 'hinted'
  return record.isConnected ? 'connected' : record.liveness
}

/** Each state, reached at 100 s; the peer's last signed announcement is a second old. */
const REACH: Record<State, (table: PeerTable) => void> = {
  unknown: () => undefined,
  hinted: (table) => table.hinted(announce(A, { name: NAME }), 100_000, WALL),
  online: (table) => table.announced(announce(A, { name: NAME, timestamp: WALL - 1_000 }), 100_000, WALL),
  connected: (table) => {
    REACH.online(table)
    table.connected(A, 100_000)
  },
  stale: (table) => {
    REACH.online(table)
    table.unreachable(A, 100_000)
  },
  offline: (table) => {
    REACH.stale(table)
    table.unreachable(A, 100_000)
  },
}

const INPUTS = {
  envelope: (table: PeerTable) => table.alive(A, 100_001),
  neighbor: (table: PeerTable) => table.neighbor(A, 100_001),
  connected: (table: PeerTable) => table.connected(A, 100_001),
  disconnected: (table: PeerTable) => table.disconnected(A, 100_001),
  unreachable: (table: PeerTable) => table.unreachable(A, 100_001),
  hint: (table: PeerTable) => table.hinted(announce(A, { name: NAME }), 100_001, WALL),
  'signed announcement': (table: PeerTable) => table.announced(announce(A, { name: NAME }), 100_001, WALL),
  'old signed announcement': (table: PeerTable) =>
    table.announced(announce(A, { name: NAME, timestamp: WALL - 300_001 }), 100_001, WALL),
  replay: (table: PeerTable) =>
    table.announced(announce(A, { name: NAME, timestamp: WALL - 1_000 }), 100_001, WALL + 1_000),
  'role change': (table: PeerTable) => table.roleChanged(roleChange(A, 'Relay'), 100_001, WALL),
  silence: (table: PeerTable) => table.tick(table.deadline())[0],
}

/** What each input leads to; `!`: a change is told. */
const TRANSITIONS: Record<State, Record<keyof typeof INPUTS, string>> = {
  unknown: {
    envelope: 'online!',
    neighbor: 'online!',
    connected: 'connected!',
    disconnected: 'unknown',
    unreachable: 'unknown',
    hint: 'hinted!',
    'signed announcement': 'online!',
    'old signed announcement': 'offline!',
    replay: 'online!',
    'role change': 'unknown',
    silence: 'unknown',
  },
  hinted: {
    envelope: 'online!',
    neighbor: 'online!',
    connected: 'connected!',
    disconnected: 'hinted',
    unreachable: 'hinted',
    hint: 'hinted',
    'signed announcement': 'online!',
    'old signed announcement': 'offline!',
    replay: 'online!',
    'role change': 'hinted!',
    silence: 'unknown!',
  },
  online: {
    envelope: 'online',
    neighbor: 'online',
    connected: 'connected',
    disconnected: 'online',
    unreachable: 'stale!',
    hint: 'online',
    'signed announcement': 'online',
    'old signed announcement': 'online',
    replay: 'online',
    'role change': 'online!',
    silence: 'stale!',
  },
  connected: {
    envelope: 'connected',
    neighbor: 'connected',
    connected: 'connected',
    disconnected: 'online',
    unreachable: 'connected',
    hint: 'connected',
    'signed announcement': 'connected',
    'old signed announcement': 'connected',
    replay: 'connected',
    'role change': 'connected!',
    silence: 'connected',
  },
  stale: {
    envelope: 'online!',
    neighbor: 'online!',
    connected: 'connected!',
    disconnected: 'stale',
    unreachable: 'offline!',
    hint: 'stale',
    'signed announcement': 'online!',
    'old signed announcement': 'stale',
    replay: 'stale',
    'role change': 'stale!',
    silence: 'offline!',
  },
  offline: {
    envelope: 'online!',
    neighbor: 'online!',
    connected: 'connected!',
    disconnected: 'offline',
    unreachable: 'offline',
    hint: 'offline',
    'signed announcement': 'online!',
    'old signed announcement': 'offline',
    replay: 'offline',
    'role change': 'offline!',
    silence: 'unknown!',
  },
}

for (const [state, row] of Object.entries(TRANSITIONS)) {
  test(`spec/envelope.md §5.6: what a peer that is ${state} becomes`, () => {
    const outcome = Object.entries(INPUTS).map(([name, input]) => {
      const table = makeTable()
      REACH[state as State](table)
      expect(stateOf(table)).toBe(state)
      const change = input(table)
      if (change !== undefined) expectTrue(table, change)
      return [name, `${stateOf(table)}${change === undefined ? '' : '!'}`]
    })
    expect(Object.fromEntries(outcome)).toEqual(row)
  })
}

/** A change says what `get` says. */
function expectTrue(table: PeerTable, change: PeerChange): void {
  const record = table.get(A)
  expect(change.peer).toBe(A)
  expect(change.liveness).toBe(record?.liveness ?? 'forgotten')
  if (record === undefined) return
  expect([change.name, change.role, change.isVerified]).toEqual([record.name, record.role, record.isVerified])
}

test('spec/envelope.md §5.6: 20 s, 45 s and 135 s after the last sign of life', () => {
  const table = makeTable()
  table.alive(A, 1_000)
  table.alive(A, 3_000)
  const seen: [number, string][] = []
  for (let at = table.deadline(); at !== Number.POSITIVE_INFINITY; at = table.deadline()) {
    for (const change of table.tick(at)) seen.push([at, `${change.before} → ${change.liveness}`])
  }
  expect(seen).toEqual([
    [23_000, 'online → stale'],
    [48_000, 'stale → offline'],
    [138_000, 'offline → forgotten'],
  ])
  expect(table.size).toBe(0)
})

test('spec/envelope.md §5.6: nothing happens before it is due', () => {
  const table = makeTable()
  table.alive(A, 0)
  expect(table.tick(19_999)).toEqual([])
  expect(table.deadline()).toBe(20_000)
})

test('spec/envelope.md §5.6: a tick after a long sleep goes all the way', () => {
  const table = makeTable()
  table.alive(A, 0)
  table.alive(key(2), 100_000)
  const changes = table.tick(135_000).map(({ peer, liveness }) => [peer, liveness])
  expect(changes).toEqual([
    [A, 'stale'],
    [key(2), 'stale'],
    [A, 'offline'],
    [A, 'forgotten'],
  ])
  expect(table.livenessOf(key(2))).toBe('stale')
})

test('PRS-4: a hint is no life: it does not keep a peer online, nor bring it back', () => {
  const table = makeTable()
  table.alive(A, 0)
  for (let now = 5_000; now <= 45_000; now += 5_000) {
    table.hinted(announce(A, { name: 'x', timestamp: WALL + now }), now, WALL + now)
    table.tick(now)
  }
  expect(table.get(A)).toMatchObject({ liveness: 'offline', lastSeen: 0 })
  table.hinted(announce(key(2)), 45_000, WALL)
  expect(table.get(key(2))).toMatchObject({ liveness: 'offline', isVerified: false, lastSeen: undefined })
  expect(table.onlineCount).toBe(0)
})

test('PRS-4: hints keep a hinted peer known as long as they come', () => {
  const table = makeTable()
  for (let now = 0; now <= 500_000; now += 100_000) {
    table.hinted(announce(A, { timestamp: WALL + now }), now, WALL + now)
    table.tick(now)
  }
  expect(table.get(A)?.isVerified).toBe(false)
  expect(runUntil(table, 635_000).map((change) => [change.before, change.liveness, change.isVerified])).toEqual([
    ['offline', 'forgotten', false],
  ])
})

test('PRS-4: a connection is life for as long as it lasts, then silence begins', () => {
  const table = makeTable()
  table.connected(A, 0)
  expect(table.deadline()).toBe(Number.POSITIVE_INFINITY)
  expect(table.tick(10_000_000)).toEqual([])
  expect(table.disconnected(A, 10_000_000)).toBeUndefined()
  expect(table.get(A)).toMatchObject({ liveness: 'online', isConnected: false, lastSeen: 10_000_000 })
  expect(table.deadline()).toBe(10_020_000)
})

test('PRS-4: a recorded announcement raises the dead for five minutes at most', () => {
  const recorded = announce(A, { name: NAME })
  const inTime = makeTable()
  inTime.announced(recorded, 0, WALL + 300_000)
  expect(inTime.livenessOf(A)).toBe('online')
  const late = makeTable()
  late.announced(recorded, 0, WALL + 300_001)
  expect(late.get(A)).toMatchObject({ liveness: 'offline', isVerified: true, isOurs: true, lastSeen: undefined })
})

test('spec/envelope.md §5.4: announcements from the future or older than an hour are nothing', () => {
  const table = makeTable()
  for (const age of [-300_001, 3_600_001]) {
    const stray = announce(A, { timestamp: WALL - age })
    expect(table.hinted(stray, 0, WALL)).toBeUndefined()
    expect(table.announced(stray, 0, WALL)).toBeUndefined()
  }
  expect(table.size).toBe(0)
  expect(table.hinted(announce(A, { timestamp: WALL + 300_000 }), 0, WALL)).toBeDefined()
  expect(table.announced(announce(key(2), { timestamp: WALL - 3_600_000 }), 0, WALL)).toBeDefined()
})

test('nobody is a peer of itself', () => {
  const table = makeTable()
  table.alive(SELF, 0)
  table.neighbor(SELF, 0)
  table.connected(SELF, 0)
  table.hinted(announce(SELF), 0, WALL)
  table.announced(announce(SELF), 0, WALL)
  expect(table.size).toBe(0)
})

test('W10: an unsigned name counts until the peer signs one, and once in 30 s', () => {
  const table = makeTable()
  const hint = (name: string, now: number) => table.hinted(announce(A, { name }), now, WALL)
  hint('first', 0)
  expect(hint('second', 29_999)).toBeUndefined()
  expect(hint('second', 30_000)).toMatchObject({ name: 'second', liveness: 'offline', before: 'offline' })
  table.announced(announce(A, { name: 'signed' }), 31_000, WALL)
  expect(hint('third', 1_000_000)).toBeUndefined()
  expect(table.get(A)?.name).toBe('signed')
})

test('a peer we exchange messages with gets its name from a hint', () => {
  const table = makeTable()
  table.alive(A, 0)
  expect(table.hinted(announce(A, { name: NAME }), 1, WALL)).toMatchObject({ name: NAME, liveness: 'online' })
})

test('list has every peer once', () => {
  const table = makeTable()
  table.alive(A, 0)
  table.hinted(announce(key(2)), 0, WALL)
  table.connected(key(3), 0)
  expect([...table.list()].map((record) => record.key).sort()).toEqual([A, key(2), key(3)])
  expect([...table.list()].find((record) => record.key === A)).toEqual(table.get(A))
})
