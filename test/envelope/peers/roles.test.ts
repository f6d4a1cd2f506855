import { expect, test } from 'vitest'
import { announce, HOUR_MS, key, makeTable, roleChange, runUntil, SELF, WALL } from './support.ts'

const A = key(1)

test('W10: a role that only an unsigned announcement claims is none', () => {
  const table = makeTable()
  table.alive(A, 0)
  expect(table.hinted(announce(A, { roles: ['Relay'] }), 0, WALL)).toBeUndefined()
  expect(table.hinted(announce(key(2), { roles: ['Relay'] }), 0, WALL)?.role).toBe('Peer')
  expect(table.get(A)?.role).toBe('Peer')
})

test('W10: a signed announcement and a signed role change set the role, the newer one counts', () => {
  const table = makeTable()
  expect(table.announced(announce(A, { roles: ['Peer', 'Relay'] }), 0, WALL)?.role).toBe('Relay')
  expect(table.roleChanged(roleChange(A, 'Peer', WALL - 1), 0, WALL)).toBeUndefined()
  expect(table.roleChanged(roleChange(A, 'Peer', WALL), 0, WALL)).toBeUndefined()
  expect(table.get(A)?.role).toBe('Relay')
  expect(table.roleChanged(roleChange(A, 'Peer', WALL + 1), 0, WALL)?.role).toBe('Peer')
  expect(table.announced(announce(A, { roles: ['Relay'], timestamp: WALL + 1 }), 1, WALL)).toBeUndefined()
  expect(table.announced(announce(A, { roles: ['Relay'], timestamp: WALL + 2 }), 1, WALL)?.role).toBe('Relay')
  expect(table.hinted(announce(A, { roles: ['Peer'], timestamp: WALL + 3 }), 2, WALL)).toBeUndefined()
  expect(table.get(A)?.role).toBe('Relay')
})

test('PRS-5: no sign of life resets a role', () => {
  const table = makeTable()
  table.announced(announce(A, { roles: ['Relay'] }), 0, WALL)
  table.neighbor(A, 1)
  table.connected(A, 2)
  table.disconnected(A, 3)
  table.alive(A, 4)
  table.unreachable(A, 5)
  table.tick(45_000)
  expect(table.get(A)).toMatchObject({ role: 'Relay', liveness: 'offline' })
  expect(table.neighbor(A, 45_001)).toMatchObject({ role: 'Relay', liveness: 'online' })
})

test('ROL-3: a role change more than five minutes from our clock is nothing', () => {
  const table = makeTable()
  table.alive(A, 0)
  expect(table.roleChanged(roleChange(A, 'Relay', WALL - 300_001), 0, WALL)).toBeUndefined()
  expect(table.roleChanged(roleChange(A, 'Relay', WALL + 300_001), 0, WALL)).toBeUndefined()
  expect(table.get(A)?.role).toBe('Peer')
  expect(table.roleChanged(roleChange(A, 'Relay', WALL - 300_000), 0, WALL)?.role).toBe('Relay')
  expect(table.roleChanged(roleChange(A, 'Peer', WALL + 300_000), 30_000, WALL)?.role).toBe('Peer')
})

test('ROL-3: a role change is no sign of life', () => {
  const table = makeTable()
  table.alive(A, 0)
  table.tick(20_000)
  expect(table.roleChanged(roleChange(A, 'Relay'), 20_001, WALL)).toMatchObject({ liveness: 'stale', before: 'stale' })
  expect(table.get(A)?.lastSeen).toBe(0)
  expect(table.tick(45_000)[0]?.liveness).toBe('offline')
})

test('spec/envelope.md §5.5: one role change of a peer in 30 s, and no other word throttles it', () => {
  const table = makeTable()
  table.alive(A, 0)
  table.hinted(announce(A, { name: 'a' }), 0, WALL)
  expect(table.roleChanged(roleChange(A, 'Relay', WALL), 0, WALL)?.role).toBe('Relay')
  expect(table.roleChanged(roleChange(A, 'Peer', WALL + 1), 29_999, WALL)).toBeUndefined()
  expect(table.roleChanged(roleChange(A, 'Peer', WALL + 1), 30_000, WALL)?.role).toBe('Peer')
  table.alive(key(2), 0)
  expect(table.roleChanged(roleChange(key(2), 'Relay', WALL), 30_000, WALL)?.role).toBe('Relay')
})

test('W11: the score that comes with a role change is never used', () => {
  const table = makeTable()
  table.alive(A, 0)
  table.roleChanged(roleChange(A, 'Relay', WALL, 1e9), 0, WALL)
  expect(table.score(A, 0)).toBe(0)
})

test('spec/envelope.md §5.2: we become a relay at 10 within a minute, and no more below 2, after 32.2 h', () => {
  const table = makeTable()
  for (let count = 0; count < 5; count++) table.forwardedForOthers(0, 1_000)
  expect(table.ownScore(1_000)).toBe(10)
  expect(table.deadline()).toBe(61_000)
  // What came in the minute keeps the score up until it is looked at.
  table.forwardedForOthers(0, 60_000)
  expect(table.ownRole).toBe('Peer')
  table.tick(60_999)
  expect(table.ownRole).toBe('Peer')
  table.tick(61_000)
  expect(table.ownRole).toBe('Relay')
  const full = table.ownScore(60_000)
  const untilTwo = (Math.log(full / 2) / 0.05) * HOUR_MS
  runUntil(table, 60_000 + untilTwo - 60_000)
  expect(table.ownRole).toBe('Relay')
  runUntil(table, 60_000 + untilTwo + 60_000)
  expect(table.ownRole).toBe('Peer')
  expect(table.deadline()).toBe(Number.POSITIVE_INFINITY)
})

test('spec/envelope.md §5.2: between 2 and 10 a role stays what it was', () => {
  const table = makeTable()
  for (let count = 0; count < 4; count++) table.forwardedForOthers(0, 0)
  table.tick(table.deadline())
  expect(table.ownScore(0)).toBe(9)
  expect(table.ownRole).toBe('Peer')
})

test('ROL-2: a hop that passed on enough for us is a relay, by our own measurement', () => {
  const table = makeTable()
  table.alive(A, 0)
  for (let count = 0; count < 6; count++) table.forwardedBy(A, 0, 1_000)
  table.alive(A, 60_000)
  expect(runUntil(table, 61_000)).toMatchObject([{ peer: A, role: 'Relay', liveness: 'online', before: 'online' }])
  table.connected(A, 61_000)
  const changes = runUntil(table, 61_000 + 40 * HOUR_MS)
  expect(changes).toMatchObject([{ peer: A, role: 'Peer', liveness: 'online', before: 'online' }])
})

test('ROL-2: what a peer signed is not taken back by what we have not measured', () => {
  const table = makeTable()
  table.connected(A, 0)
  table.roleChanged(roleChange(A, 'Relay'), 0, WALL)
  table.failedVia(A, 0)
  expect(runUntil(table, HOUR_MS)).toEqual([])
  expect(table.get(A)?.role).toBe('Relay')
})

test('ROL-2: where a peer signed that it is a relay, our measurement changes nothing that could be seen', () => {
  const table = makeTable()
  table.connected(A, 0)
  table.roleChanged(roleChange(A, 'Relay'), 0, WALL)
  for (let count = 0; count < 6; count++) table.forwardedBy(A, 0, 0)
  expect(runUntil(table, 60_000)).toEqual([])
})

test('ROL-2: successes and failures of a hop are its own', () => {
  const table = makeTable()
  table.forwardedBy(A, 1_048_576, 0)
  table.failedVia(A, 0)
  table.failedVia(key(2), 0)
  expect(table.score(A, 0)).toBeCloseTo(1 + 2.5 + 0.2 + 1.5, 12)
  expect(table.score(key(2), 0)).toBe(0)
  expect(table.score(key(3), 0)).toBe(0)
})

test('L4c: going offline, being forgotten and coming back erases no measurement', () => {
  const table = makeTable()
  table.alive(A, 0)
  for (let count = 0; count < 8; count++) table.forwardedBy(A, 0, 0)
  const before = table.score(A, 135_000)
  runUntil(table, 135_000)
  expect(table.get(A)).toBeUndefined()
  expect(table.score(A, 135_000)).toBe(before)
  expect(table.alive(A, 135_000)?.role).toBe('Relay')
})

test('our own score is found under our own key as well', () => {
  const table = makeTable()
  table.forwardedForOthers(0, 0)
  expect(table.score(SELF, 0)).toBe(table.ownScore(0))
  expect(table.ownScore(0)).toBe(6)
})

test('L5d: sending through others, and whatever others say or do, never raises our own score', () => {
  const table = makeTable()
  table.forwardedForOthers(1_000, 0)
  const before = table.ownScore(0)
  for (let count = 0; count < 100; count++) {
    table.forwardedBy(A, 1_000_000, 0)
    table.failedVia(key(2), 0)
    table.alive(A, 0)
    table.roleChanged(roleChange(A, 'Relay', WALL + count), 0, WALL)
  }
  expect(table.ownScore(0)).toBe(before)
  table.failedForOthers(0)
  expect(table.ownScore(0)).toBeLessThan(before)
  table.receivedForOthers(1_000_000, 0)
  expect(table.ownScore(0)).toBeLessThan(before - 2.5)
})

test('L4a: the measurement that was not touched for the longest makes room, and only for another', () => {
  const table = makeTable({ maxMeasured: 3 })
  const measured = (...hops: readonly number[]) => {
    for (const number of hops) table.forwardedBy(key(number), 0, 0)
    return [1, 2, 3, 4, 5].filter((number) => table.score(key(number), 0) > 0)
  }
  expect(measured(1, 2, 3, 2)).toEqual([1, 2, 3])
  expect(measured(4)).toEqual([2, 3, 4])
  expect(measured(5)).toEqual([2, 4, 5])
  expect(table.score(key(2), 0)).toBe(7)
})
