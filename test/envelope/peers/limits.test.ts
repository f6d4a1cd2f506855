import { expect, test } from 'vitest'
import { announce, key, makeTable, roleChange, runUntil, WALL } from './support.ts'

function kinds(table: ReturnType<typeof makeTable>) {
  const records = [...table.list()]
  return { verified: records.filter((record) => record.isVerified).length, all: records.length }
}

test('spec/envelope.md §5.6: the 10,001st peer pushes out the one that was silent for the longest', () => {
  const table = makeTable()
  for (let number = 1; number <= 10_000; number++) table.alive(key(number), number)
  table.alive(key(1), 10_001)
  expect(table.alive(key(10_001), 10_002)?.liveness).toBe('online')
  expect(table.size).toBe(10_000)
  expect([1, 2, 3, 10_001].map((number) => table.livenessOf(key(number)))).toEqual([
    'online',
    undefined,
    'online',
    'online',
  ])
  expect(table.deadline()).toBe(10_002)
  expect(table.tick(10_002)).toMatchObject([{ peer: key(2), liveness: 'forgotten', before: 'online' }])
  expect(table.deadline()).toBeGreaterThan(10_002)
})

test('what is known of a peer survives that the table grows', () => {
  const table = makeTable()
  table.announced(announce(key(1), { name: 'first', roles: ['Relay'], timestamp: WALL + 5 }), 5_000, WALL)
  table.hinted(announce(key(2), { name: 'second' }), 5_000, WALL)
  const before = [table.get(key(1)), table.get(key(2))]
  for (let number = 3; number <= 1_000; number++) table.alive(key(number), 6_000)
  expect([table.get(key(1)), table.get(key(2))]).toEqual(before)
  expect(table.announced(announce(key(1), { name: 'old', timestamp: WALL + 5 }), 6_000, WALL)).toBeUndefined()
  expect(table.hinted(announce(key(2), { name: 'other' }), 34_999, WALL)).toBeUndefined()
  expect(table.deadline()).toBe(25_000)
})

test('those who made room are told as soon as the first had to', () => {
  const table = makeTable({ maxPeers: 1 })
  for (const number of [1, 2, 3]) table.alive(key(number), number * 100)
  expect(table.deadline()).toBe(200)
  expect(table.tick(300).map((change) => change.peer)).toEqual([key(1), key(2)])
  expect(table.deadline()).toBe(20_300)
})

test('W10: hints make room first, then whom we never met, then whom we did, the offline, the stale and the online, and who has a connection last', () => {
  const table = makeTable({ maxPeers: 8 })
  table.connected(key(1), 0)
  for (const met of [2, 3, 4]) table.alive(key(met), met)
  for (const stranger of [5, 6, 7]) table.announced(announce(key(stranger)), stranger, WALL)
  for (const quiet of [3, 4, 4, 6, 7, 7]) table.unreachable(key(quiet), 8)
  table.hinted(announce(key(8)), 4, WALL)
  for (let number = 11; number <= 17; number++) table.connected(key(number), number)
  expect(table.tick(17).map((change) => change.peer)).toEqual([8, 7, 6, 5, 4, 3, 2].map(key))
  // All have a connection: even then nobody is refused.
  table.announced(announce(key(18)), 18, WALL)
  expect(table.tick(18)).toMatchObject([{ peer: key(1), before: 'online' }])
  expect(table.disconnected(key(1), 18)).toBeUndefined()
  expect(table.size).toBe(8)
})

test('W10: a flood of signed announcements, each by a key of its own, pushes out nobody we ever met', () => {
  const table = makeTable({ maxPeers: 1_000 })
  const met = Array.from({ length: 100 }, (_, index) => key(index + 1))
  for (const peer of met) table.alive(peer, 0)
  table.unreachable(key(1), 0)
  table.unreachable(key(1), 0)
  table.announced(announce(key(2), { timestamp: WALL + 1 }), 0, WALL)
  for (let fake = 0; fake < 5_000; fake++) table.announced(announce(key(1_000_000 + fake)), 1, WALL)
  expect(met.filter((peer) => table.get(peer) === undefined)).toEqual([])
  expect(table.size).toBe(1_000)
})

test('W10: 100,000 fake peers push out no verified one, and stay within their lane', () => {
  const table = makeTable()
  for (let number = 1; number <= 3_000; number++) table.alive(key(number), 0)
  table.hinted(announce(key(4_000)), 0, WALL, key(1))
  for (let fake = 0; fake < 100_000; fake++) table.hinted(announce(key(1_000_000 + fake)), 1, WALL, key(2))
  expect(kinds(table)).toEqual({ verified: 3_000, all: 3_000 + 1 + 1_024 })
  // What an honest neighbour said stays.
  expect(table.get(key(4_000))).toBeDefined()
  expect(table.get(key(1_000_000 + 98_975))).toBeUndefined()
  expect(table.get(key(1_000_000 + 98_976))).toBeDefined()
  expect(table.tick(1).length).toBe(100_000 - 1_024)
})

test('W10: where everybody is verified, a hint finds no room', () => {
  const table = makeTable({ maxPeers: 100 })
  for (let number = 1; number <= 100; number++) table.announced(announce(key(number)), 0, WALL)
  expect(table.hinted(announce(key(200)), 0, WALL)).toBeUndefined()
  expect(kinds(table)).toEqual({ verified: 100, all: 100 })
})

test('W10: in a full table a hint pushes out another hint, of the fullest lane', () => {
  const table = makeTable({ maxPeers: 10 })
  for (let number = 1; number <= 5; number++) table.alive(key(number), 0)
  table.hinted(announce(key(6)), 0, WALL, key(1))
  for (let number = 7; number <= 10; number++) table.hinted(announce(key(number)), 0, WALL, key(2))
  table.hinted(announce(key(11)), 0, WALL, key(3))
  expect(table.tick(0).map((change) => change.peer)).toEqual([key(7)])
  expect(table.get(key(6))).toBeDefined()
})

test('W10: more sources than lanes share them, and what is in a lane stays bounded', () => {
  const table = makeTable({ hintSources: 2, maxHintsPerSource: 5 })
  for (let source = 1; source <= 7; source++) {
    for (let number = 0; number < 20; number++) table.hinted(announce(key(source * 100 + number)), 0, WALL, key(source))
  }
  expect(table.size).toBe(10)
})

test('a refreshed hint outlives those that were not repeated', () => {
  const table = makeTable({ maxHintsPerSource: 2 })
  table.hinted(announce(key(1)), 0, WALL)
  table.hinted(announce(key(2)), 0, WALL)
  table.hinted(announce(key(1)), 1, WALL)
  table.hinted(announce(key(3)), 1, WALL)
  expect([1, 2, 3].map((number) => table.get(key(number)) !== undefined)).toEqual([true, false, true])
})

test('a newcomer inherits nothing from whom it takes the place of', () => {
  const table = makeTable({ maxPeers: 1 })
  table.announced(announce(key(1), { name: 'old', roles: ['Relay'] }), 0, WALL)
  table.connected(key(1), 0)
  table.hinted(announce(key(1), { name: 'old' }), 0, WALL)
  table.roleChanged(roleChange(key(1), 'Relay', WALL + 1), 0, WALL)
  table.alive(key(2), 1)
  expect(table.get(key(2))).toEqual({
    key: key(2),
    name: '',
    liveness: 'online',
    role: 'Peer',
    isVerified: true,
    isOurs: false,
    isConnected: false,
    lastSeen: 1,
  })
  expect(table.chooseHolders([], 1, 1)).toEqual([])
  expect(table.hinted(announce(key(2), { name: 'new' }), 1, WALL)?.name).toBe('new')
  expect(table.roleChanged(roleChange(key(2), 'Relay', WALL), 1, WALL)?.role).toBe('Relay')
  expect(table.announced(announce(key(2), { name: 'newer', timestamp: WALL - 5 }), 1, WALL)?.name).toBe('newer')
})

test('spec/envelope.md §5.6: in a swarm of 500 silence means something after ten times as long', () => {
  const table = makeTable()
  for (let number = 1; number <= 500; number++) table.alive(key(number), 0)
  expect(runUntil(table, 199_999)).toEqual([])
  expect(table.intervalMs).toBe(100_000)
  expect(runUntil(table, 200_000).length).toBe(500)
})

test('spec/envelope.md §5.4: when most of a swarm leaves, those who stay are not given up with them', () => {
  const table = makeTable()
  const settled = 500
  // Each of 500 announces every 100 s, one after the other; at 200 s all but ten fall silent, and these ten go on for one more interval before they shorten it.
  const nextAt = Array.from({ length: settled }, (_, index) => index * 200)
  const wrong: string[] = []
  for (let now = 0; now <= 1_200_000; now += 200) {
    for (const change of table.tick(now)) {
      if (Number.parseInt(change.peer, 16) <= 10 && change.liveness !== 'online')
        wrong.push(`${now} ${change.liveness}`)
    }
    for (let index = 0; index < (now <= 200_000 ? settled : 10); index++) {
      if (nextAt[index]! > now) continue
      table.alive(key(index + 1), now)
      nextAt[index] = now + table.intervalMs
    }
  }
  expect(wrong).toEqual([])
  expect(table.onlineCount).toBe(10)
  expect(table.intervalMs).toBe(10_000)
})
