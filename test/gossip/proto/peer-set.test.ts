import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Dice } from '../../../src/gossip/proto/effects.ts'
import { PeerSet } from '../../../src/gossip/proto/peer-set.ts'
import { seededDice } from './swarm.ts'

function setOf(...peers: number[]): PeerSet<number> {
  const set = new PeerSet<number>()
  for (const peer of peers) set.add(peer, peer * 10)
  return set
}

const always = (value: number): Dice => ({ below: (limit) => Math.min(value, limit - 1) })

test('spec/gossip.md §6.1: the last one fills the hole, with its note', () => {
  const set = setOf(1, 2, 3, 4)
  expect(set.remove(2)).toBe(true)
  expect(set.remove(2)).toBe(false)
  expect(set.list).toEqual([1, 4, 3])
  expect(set.noteAt(1)).toBe(40)
  expect(set.add(4, 7)).toBe(false)
  expect(set.noteAt(1)).toBe(40)
})

test('spec/gossip.md §6.1: a random removal keeps the order of the others', () => {
  const set = setOf(1, 2, 3, 4)
  expect(set.removeRandom(always(1))).toBe(2)
  expect(set.list).toEqual([1, 3, 4])
  expect([0, 1, 2].map((index) => set.noteAt(index))).toEqual([10, 30, 40])
})

test('a random choice is among the others only, and reaches all of them', () => {
  const set = setOf(1, 2, 3, 4, 5)
  const dice = seededDice(5)
  const chosen = new Set(Array.from({ length: 200 }, () => set.randomExcept(dice, 2, 9)))
  expect([...chosen].sort()).toEqual([1, 3, 4, 5])
  expect(setOf(1, 2).randomExcept(dice, 2, 1)).toBeUndefined()
  expect(setOf().random(dice)).toBeUndefined()
})

test('a sample has different peers, never the excepted one, and as many as there are', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(20), { maxLength: 12 }),
      fc.nat(20),
      fc.nat(14),
      fc.nat(),
      (peers, except, count, seed) => {
        const into = [99]
        setOf(...peers).sample(seededDice(seed), count, except, into)
        const others = peers.filter((peer) => peer !== except)
        expect(into[0]).toBe(99)
        expect(into.length - 1).toBe(Math.min(count, others.length))
        expect(new Set(into).size).toBe(into.length)
        for (const peer of into.slice(1)) expect(others).toContain(peer)
      },
    ),
    { numRuns: 200 },
  )
})

test('a sample favours nobody', () => {
  const counts = new Array<number>(6).fill(0)
  const dice = seededDice(11)
  for (let round = 0; round < 6_000; round++) {
    const into: number[] = []
    setOf(0, 1, 2, 3, 4, 5).sample(dice, 2, undefined, into)
    for (const peer of into) counts[peer]!++
  }
  for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(200)
})
