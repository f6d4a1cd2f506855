/** What peers that flood or lie can cost in the default profile: bounds of everything that is held (spec/gossip.md §11.1 P8, §11.3). */
import { describe, expect, test } from 'vitest'
import { MAX_CACHED_BYTES } from '../../../src/gossip/proto/plumtree.ts'
import { MAX_MISSING_PER_PEER } from '../../../src/gossip/proto/plumtree-grafts.ts'
import { announcementsPerMessage } from '../../../src/gossip/proto/plumtree-queue.ts'
import { type Gossip, gossip, ihave, PRUNE, RecordedTree } from './plumtree-recorder.ts'

const repaired = () => new RecordedTree({ isRepaired: true })

/** As many announcements as fit, again and again. */
const flood = (node: RecordedTree, peer: number, messages: number, label = 'f') => {
  for (let at = 0; at < messages; at++) {
    const names = Array.from({ length: 116 }, (_, index): [string, number] => [`${label}${at}-${index}`, 0])
    node.receive(peer, ihave(...names))
  }
}

describe('a flood of announcements', () => {
  test('one neighbour cannot make us hold more than its share', () => {
    const node = repaired().up(1, 2)
    flood(node, 1, 100)
    expect(node.tree.held.missing).toBe(MAX_MISSING_PER_PEER)
    expect(node.timers.length).toBeLessThanOrEqual(MAX_MISSING_PER_PEER + 1)
    expect(node.tree.stats.droppedAnnouncements).toBe(11_600 - MAX_MISSING_PER_PEER)
  })

  test('it does not cost others theirs: their payloads are asked for', () => {
    const node = repaired().up(1, 2)
    flood(node, 1, 100)
    node.take()
    node.receive(2, ihave(['a', 1])).wait(500)
    expect(node.take()).toContain('graft #a 1 -> 2')
  })

  test('who was asked in vain gets no new share before 90 s: one request for each announcement, and no more', () => {
    const node = repaired().up(1)
    flood(node, 1, 100)
    node.wait(20_000)
    flood(node, 1, 100, 'g')
    node.wait(20_000)
    expect(node.tree.held.missing).toBe(MAX_MISSING_PER_PEER)
    expect(node.tree.stats.graftsSent).toBe(MAX_MISSING_PER_PEER)
    node.wait(60_000)
    expect(node.tree.held.missing).toBe(0)
    expect(node.timers).toEqual([])
    flood(node, 1, 1, 'h')
    expect(node.tree.held.missing).toBe(116)
  })

  test('when it leaves, all of it is gone, and its share with it', () => {
    const node = repaired().up(1)
    flood(node, 1, 100)
    node.wait(1_000).down(1)
    expect(node.tree.held.missing).toBe(0)
    node.up(1)
    flood(node, 1, 100, 'g')
    expect(node.tree.held.missing).toBe(MAX_MISSING_PER_PEER)
  })

  test('who is no neighbour cannot make us hold anything', () => {
    const node = repaired().up(1)
    for (let peer = 1_000; peer < 1_100; peer++) flood(node, peer, 1)
    expect(node.tree.held.missing).toBe(0)
    expect(node.timers).toEqual([])
    expect(node.tree.stats.strangerAnnouncements).toBe(11_600)
  })

  test('the upstream profile has no bound', () => {
    const node = new RecordedTree({ isRepaired: false }).up(1)
    flood(node, 7, 100)
    expect(node.tree.held.missing).toBe(11_600)
  })
})

test('a flood of payloads: the cache has a bound in bytes, and whoever asks gets the newest', () => {
  const node = repaired().up(1, 2)
  const size = 1024 * 1024
  for (let at = 0; at < 40; at++) {
    const content = new Uint8Array(size).fill(97)
    const name = `${at}`.padStart(8, '0')
    content.set(new TextEncoder().encode(name))
    const payload: Gossip = { kind: 'gossip', id: `#${name}${'a'.repeat(size - 8)}`, content, round: 0 }
    node.receive(1, payload)
  }
  expect(node.delivered).toHaveLength(40)
  expect(node.tree.held.bytes).toBeLessThanOrEqual(MAX_CACHED_BYTES)
  expect(node.tree.held.bytes).toBeGreaterThan(MAX_CACHED_BYTES - 2 * size)
  expect(node.tree.held.ids).toBe(40)
})

test('many payloads within a dispatch: for each lazy neighbour less than one message waits', () => {
  const node = repaired().up(1, 2, 3).receive(2, PRUNE).receive(3, PRUNE)
  for (let at = 0; at < 5_000; at++) {
    node.receive(1, gossip(`${at}`, 0))
    expect(node.tree.held.queued).toBeLessThan(2 * announcementsPerMessage(4096))
  }
})

test('a wrong payload for an announced id is not taken, and the id stays missing', () => {
  const node = repaired()
    .up(1, 2)
    .receive(1, ihave(['a', 1]))
  node.receive(2, { ...gossip('b', 1), id: '#a' })
  expect(node.delivered).toEqual([])
  expect(node.tree.held.missing).toBe(1)
  expect(node.tree.stats.badIds).toBe(1)
})

test('announcers that never send cost one round trip each, then the next is asked', () => {
  const node = new RecordedTree({ isRepaired: true, roundTripMs: () => 60 }).up(1, 2, 3, 4, 5)
  for (const peer of [1, 2, 3, 4]) node.receive(peer, ihave(['a', 0]))
  node.take()
  node.wait(400 + 3 * 120)
  expect(node.take().filter((line) => line.startsWith('graft'))).toEqual(
    [1, 2, 3, 4].map((peer) => `graft #a 0 -> ${peer}`),
  )
})

test('one lie about a round does not keep the tree from settling', () => {
  const node = new RecordedTree({ isRepaired: true, roundTripMs: () => 100 }).up(1, 2)
  for (const [at, round] of [3, 3, 3, 0xffff, 3].entries()) node.receive(1, gossip(`${at}`, round)).wait(20_000)
  node.sent.length = 0
  node.receive(1, gossip('a', 3)).receive(2, gossip('a', 3))
  expect(node.sent.filter(({ message }) => message.kind === 'prune')).toEqual([{ peer: 2, message: PRUNE }])
})
