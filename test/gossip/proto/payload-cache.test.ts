/** What is remembered of payloads, and how long (spec/gossip.md §7.1, §16 #9). */
import { expect, test } from 'vitest'
import { PayloadCache } from '../../../src/gossip/proto/payload-cache.ts'
import { gossip } from './plumtree-recorder.ts'

const SETTINGS = {
  payloadRetentionMs: 30_000,
  idRetentionMs: 90_000,
  maxBytes: Number.POSITIVE_INFINITY,
  maxIds: Number.POSITIVE_INFINITY,
}

test('spec/gossip.md §16 #9: a payload is kept 30 s, its id 90 s', () => {
  const cache = new PayloadCache(SETTINGS)
  const payload = gossip('a', 4)
  cache.add(payload, 5)
  cache.evict(30_004)
  expect(cache.payload('#a')).toBe(payload)
  cache.evict(30_005)
  expect(cache.payload('#a')).toBeUndefined()
  expect(cache.has('#a')).toBe(true)
  cache.evict(90_004)
  expect(cache.has('#a')).toBe(true)
  expect(cache.isEmpty).toBe(false)
  cache.evict(90_005)
  expect(cache.has('#a')).toBe(false)
  expect(cache.isEmpty).toBe(true)
})

test('spec/gossip.md §7.1: without an eviction nothing goes', () => {
  const cache = new PayloadCache(SETTINGS)
  cache.add(gossip('a', 4), 0)
  expect(cache.payload('#a')).toBeDefined()
  expect(cache.has('#a')).toBe(true)
})

test('what is added again lives longer, with its new round', () => {
  const cache = new PayloadCache(SETTINGS)
  cache.add(gossip('a', 4), 0)
  cache.add(gossip('b', 1), 1_000)
  cache.add(gossip('a', 0), 20_000)
  expect(cache.payloads).toBe(2)
  cache.evict(40_000)
  expect(cache.payload('#a')?.round).toBe(0)
  expect(cache.payload('#b')).toBeUndefined()
  cache.evict(100_000)
  expect(cache.has('#a')).toBe(true)
  expect(cache.has('#b')).toBe(false)
})

test('an eviction finds the expired ones when a payload outlives others', () => {
  const cache = new PayloadCache(SETTINGS)
  for (let at = 0; at < 100; at++) cache.add(gossip(`${at}`, 0), at * 1_000)
  cache.evict(99_000)
  expect(cache.payloads).toBe(30)
  expect(cache.ids).toBe(90)
})

test('bounds: the oldest go first', () => {
  const cache = new PayloadCache({ ...SETTINGS, maxBytes: 1_000, maxIds: 5 })
  for (let at = 0; at < 8; at++) cache.add(gossip(`${at}`, 0), at)
  expect(cache.bytes).toBe(4 * 201)
  expect(cache.payload('#3')).toBeUndefined()
  expect(cache.payload('#4')).toBeDefined()
  expect(cache.has('#2')).toBe(false)
  expect(cache.has('#3')).toBe(true)
})

test('bounds: a payload that alone is too large is not kept, its id is', () => {
  const cache = new PayloadCache({ ...SETTINGS, maxBytes: 100 })
  cache.add(gossip('a', 0), 0)
  expect(cache.payload('#a')).toBeUndefined()
  expect(cache.bytes).toBe(0)
  expect(cache.has('#a')).toBe(true)
})
