import { expect, test } from 'vitest'
import type { PeerTable } from '../../../src/envelope/peers/peer-table.ts'
import type { PeerKey } from '../../../src/envelope/wire/envelope.ts'
import { announce, HOUR_MS, key, makeTable, roleChange, WALL } from './support.ts'

/** How often each hop is chosen in so many tries, by its number. */
function chosenHops(
  table: PeerTable,
  tries: number,
  now: number,
  exclude: readonly PeerKey[] = [],
): Map<number, number> {
  const counts = new Map<number, number>()
  for (let count = 0; count < tries; count++) {
    const hop = Number.parseInt(table.chooseHop(exclude, now) ?? '-1', 16)
    counts.set(hop, (counts.get(hop) ?? 0) + 1)
  }
  return counts
}

function ours(table: PeerTable, from: number, to: number): void {
  for (let number = from; number <= to; number++) table.announced(announce(key(number)), 0, WALL)
}

test('spec/envelope.md §5.6: a hop is online and none of those excluded', () => {
  const table = makeTable({ hintSources: 1 })
  expect(table.chooseHop([], 0)).toBeUndefined()
  table.hinted(announce(key(1), { roles: ['Relay'] }), 0, WALL)
  table.alive(key(2), 0)
  table.unreachable(key(2), 0)
  table.forwardedBy(key(2), 0, 0)
  table.forwardedBy(key(3), 0, 0)
  expect(table.chooseHop([], 0)).toBeUndefined()
  table.alive(key(4), 0)
  table.connected(key(5), 0)
  table.forwardedBy(key(5), 0, 0)
  expect([...chosenHops(table, 100, 0).keys()].sort()).toEqual([4, 5])
  expect([...chosenHops(table, 100, 0, [key(5)]).keys()]).toEqual([4])
  expect(table.chooseHop([key(4), key(5)], 0)).toBeUndefined()
})

test('W26: among equals all are chosen, whoever was seen last', () => {
  const table = makeTable()
  for (let number = 1; number <= 10; number++) table.alive(key(number), number)
  const counts = chosenHops(table, 2_000, 10)
  expect(counts.size).toBe(10)
  for (const count of counts.values()) expect(Math.abs(count - 200)).toBeLessThan(70)
})

test('W26: measured success wins, and is spread over the best few', () => {
  const table = makeTable()
  for (let number = 1; number <= 40; number++) table.alive(key(number), 0)
  for (let number = 1; number <= 4; number++)
    for (let count = 0; count < 20; count++) table.forwardedBy(key(number), 0, 0)
  const counts = chosenHops(table, 1_000, 0)
  const proven = [1, 2, 3, 4].map((number) => counts.get(number) ?? 0)
  for (const count of proven) expect(count).toBeGreaterThan(150)
  const ofProven = proven.reduce((sum, count) => sum + count, 0)
  expect(ofProven).toBeGreaterThan(800)
  // Others get their chance.
  expect(ofProven).toBeLessThan(970)
  expect(counts.size).toBeGreaterThan(20)
})

test('W26: a proven hop is found among thousands that are online', () => {
  const table = makeTable()
  for (let number = 1; number <= 5_000; number++) table.alive(key(number), 0)
  for (let count = 0; count < 20; count++) table.forwardedBy(key(4_321), 0, 0)
  const counts = chosenHops(table, 300, 0)
  expect(counts.get(4_321) ?? 0).toBeGreaterThan(60)
})

test('W26: a connection is worth more than a claimed role, and success more than both', () => {
  const table = makeTable()
  table.alive(key(1), 0)
  table.roleChanged(roleChange(key(1), 'Relay'), 0, WALL)
  table.connected(key(2), 0)
  const fresh = chosenHops(table, 1_000, 0)
  expect(fresh.get(2)!).toBeGreaterThan(fresh.get(1)! * 1.3)
  for (let count = 0; count < 20; count++) table.failedVia(key(2), 0)
  const failed = chosenHops(table, 1_000, 0)
  expect(failed.get(1)!).toBeGreaterThan(failed.get(2)! * 5)
})

test('L4b: the worst history is chosen rarely, more often with time, and like any other after enough good forwards', () => {
  const table = makeTable()
  for (let number = 1; number <= 20; number++) {
    table.connected(key(number), 0)
    if (number > 1) table.forwardedBy(key(number), 0, 0)
  }
  for (let count = 0; count < 200; count++) table.failedVia(key(1), 0)
  const tries = 800
  const atOnce = chosenHops(table, tries, 0).get(1) ?? 0
  expect(atOnce).toBeLessThan(10)
  const later = chosenHops(table, tries, 48 * HOUR_MS).get(1) ?? 0
  expect(later).toBeGreaterThan(atOnce)
  for (let count = 0; count < 30; count++) table.forwardedBy(key(1), 0, 0)
  expect(chosenHops(table, tries, 0).get(1) ?? 0).toBeGreaterThan(tries / 8)
})

test('L4b: the only one that is there is chosen, whatever its history', () => {
  const table = makeTable()
  table.alive(key(1), 0)
  for (let count = 0; count < 1_000; count++) table.failedVia(key(1), 0)
  expect(table.chooseHop([], 0)).toBe(key(1))
})

test('holders are different nodes of ours that are online', () => {
  const table = makeTable()
  ours(table, 1, 3)
  table.alive(key(4), 0)
  table.hinted(announce(key(5)), 0, WALL)
  ours(table, 6, 6)
  table.unreachable(key(6), 0)
  expect(table.chooseHolders([], 10, 0).sort()).toEqual([key(1), key(2), key(3)])
  expect(table.chooseHolders([key(2)], 10, 0).sort()).toEqual([key(1), key(3)])
  expect(table.chooseHolders([], 2, 0)).toHaveLength(2)
  expect(table.chooseHolders([], 0, 0)).toEqual([])
  table.alive(key(6), 1)
  expect(table.chooseHolders([], 10, 0)).toContain(key(6))
})

test('a peer that turns out to be ours while online can hold', () => {
  const table = makeTable()
  table.connected(key(1), 0)
  expect(table.chooseHolders([], 1, 0)).toEqual([])
  table.announced(announce(key(1)), 0, WALL)
  expect(table.chooseHolders([], 1, 0)).toEqual([key(1)])
})

test('an old word that it is ours is enough where a peer is online by itself', () => {
  const table = makeTable()
  table.alive(key(1), 0)
  table.announced(announce(key(1), { timestamp: WALL - 300_001 }), 0, WALL)
  expect(table.chooseHolders([], 1, 0)).toEqual([key(1)])
})

test('holders are spread: each as likely as the others', () => {
  const table = makeTable()
  ours(table, 1, 10)
  const counts = new Map<PeerKey, number>()
  for (let count = 0; count < 1_000; count++) {
    const holders = table.chooseHolders([], 2, 0)
    expect(new Set(holders).size).toBe(2)
    for (const holder of holders) counts.set(holder, (counts.get(holder) ?? 0) + 1)
  }
  expect(counts.size).toBe(10)
  for (const count of counts.values()) expect(Math.abs(count - 200)).toBeLessThan(60)
})

test('holders with a connection come first, and others fill up', () => {
  const table = makeTable()
  ours(table, 1, 50)
  for (const number of [7, 8]) table.connected(key(number), 0)
  table.connected(key(99), 0)
  expect(table.chooseHolders([], 2, 0).sort()).toEqual([key(7), key(8)])
  const three = table.chooseHolders([key(8)], 3, 0)
  expect(three[0]).toBe(key(7))
  expect(new Set(three).size).toBe(3)
  expect(three).not.toContain(key(8))
  expect(three).not.toContain(key(99))
})
