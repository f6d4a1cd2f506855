/** How the trees of many nodes settle, mend and bear load, in both profiles (spec/gossip.md §7.3, §12.6, §13). */
import { describe, expect, test } from 'vitest'
import { DEFAULT_GOSSIP_PROFILE, UPSTREAM_GOSSIP_PROFILE } from '../../../src/gossip/proto/settings.ts'
import { TreeSwarm } from './plumtree-swarm.ts'

const NODES = 100

describe.each(['fixed:50', 'uniform:10..100', 'internet'])('latency %s', (latency) => {
  const swarm = (profile = DEFAULT_GOSSIP_PROFILE) => new TreeSwarm(NODES, latency, 'plumtree', profile)

  test('spec/gossip.md §13: one author: a tree after the first message', () => {
    const trees = swarm()
    const first = trees.rounds(1, 5_000, 7)
    expect(first.redundancy).toBeGreaterThan(2)
    const { redundancy, missed } = trees.rounds(30, 5_000, 7, 20)
    expect(redundancy).toBeLessThan(0.005)
    expect(missed).toBe(0)
    expect(trees.oneSided()).toBe(0)
  })

  test('spec/gossip.md §13: one author in a tree that others made: redundancy below 0.005', () => {
    const trees = swarm()
    trees.rounds(20, 5_000, undefined)
    const { redundancy, missed } = trees.rounds(60, 5_000, 7, 30)
    expect(redundancy).toBeLessThan(0.005)
    expect(missed).toBe(0)
  })

  test('spec/gossip.md §13: changing authors: redundancy below 0.05; §7.3: 0.3 and more in the upstream profile', () => {
    const { redundancy, missed } = swarm().rounds(40, 5_000, undefined, 20)
    expect(redundancy).toBeLessThan(0.05)
    expect(missed).toBe(0)
    expect(swarm(UPSTREAM_GOSSIP_PROFILE).rounds(40, 5_000, undefined, 20).redundancy).toBeGreaterThan(0.3)
  })

  test('spec/gossip.md §13: a fifth of all nodes vanishes without a word: nobody misses a message, and the tree is one again', () => {
    const trees = swarm()
    trees.rounds(20, 5_000, undefined)
    trees.kill(0.2)
    const first = trees.rounds(1, 5_000, undefined)
    expect(first.missed).toBe(0)
    expect(first.longestMs).toBeLessThan(6_000)
    const later = trees.rounds(40, 5_000, undefined, 20)
    expect(later.missed).toBe(0)
    expect(later.redundancy).toBeLessThan(0.05)
    expect(later.longestMs).toBeLessThan(3_000)
  })
})

test('messages of changing authors that overlap: the tree settles all the same; in the upstream profile it never does', () => {
  const overlap = (profile = DEFAULT_GOSSIP_PROFILE) =>
    new TreeSwarm(NODES, 'uniform:10..100', 'overlap', profile).rounds(400, 100, undefined, 100)
  const { redundancy, missed, medianMs } = overlap()
  expect(redundancy).toBeLessThan(0.25)
  expect(missed).toBe(0)
  const upstream = overlap(UPSTREAM_GOSSIP_PROFILE)
  expect(upstream.redundancy).toBeGreaterThan(0.8)
  expect(medianMs).toBeLessThan(upstream.medianMs * 1.25)
})

test('spec/gossip.md §13: a dead link costs at most one timeout', () => {
  const trees = new TreeSwarm(NODES, 'fixed:50', 'plumtree', DEFAULT_GOSSIP_PROFILE)
  const before = trees.rounds(20, 5_000, 7)
  // the author's first neighbour, and so all that hangs on it
  const dead = trees.trees[7]!.eager[0]!
  const waits = [...trees.neighbors[dead]!].map((node) => trees.trees[node]!.graftTimeoutMs)
  trees.gone.add(dead)
  const after = trees.rounds(1, 5_000, 7)
  expect(after.missed).toBe(0)
  expect(after.longestMs).toBeLessThanOrEqual(before.longestMs + Math.max(...waits) + 150)
  expect(trees.rounds(5, 5_000, 7).redundancy).toBeLessThan(0.005)
})

test('spec/gossip.md §11: both profiles in one swarm: all is delivered, before and after failures, with less redundancy than upstream alone', () => {
  const mixed = () => new TreeSwarm(NODES, 'uniform:10..100', 'mixed', UPSTREAM_GOSSIP_PROFILE, DEFAULT_GOSSIP_PROFILE)
  const trees = mixed()
  const { redundancy, missed } = trees.rounds(40, 5_000, undefined, 20)
  expect(missed).toBe(0)
  const alone = new TreeSwarm(NODES, 'uniform:10..100', 'mixed', UPSTREAM_GOSSIP_PROFILE).rounds(
    40,
    5_000,
    undefined,
    20,
  )
  expect(redundancy).toBeLessThan(alone.redundancy)
  trees.kill(0.2)
  expect(trees.rounds(10, 5_000, undefined).missed).toBe(0)
  expect(mixed().rounds(100, 100, undefined).missed).toBe(0)
})

test('links that come and go while messages overlap: all is delivered, nothing twice', () => {
  const trees = new TreeSwarm(60, 'uniform:10..100', 'changes', DEFAULT_GOSSIP_PROFILE)
  for (let change = 0; change < 80; change++) {
    trees.broadcast(trees.random.int(0, 59))
    const [a, b] = [trees.random.int(0, 59), trees.random.int(0, 59)]
    if (a !== b) trees.link(a, b)
    const c = trees.random.int(0, 59)
    const worst = [...trees.neighbors[c]!].find((peer) => trees.neighbors[peer]!.size > 4)
    if (worst !== undefined && trees.neighbors[c]!.size > 4) trees.unlink(c, worst)
    trees.run(150)
  }
  trees.run(30_000)
  expect(trees.delivered).toBe(80 * 59)
  expect(trees.repeated).toBe(0)
})
