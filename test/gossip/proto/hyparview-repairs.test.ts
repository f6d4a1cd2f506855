/** Each defect of spec/gossip.md §11.1 as iroh-gossip 0.101 has it, and without it. */
import { expect, test } from 'vitest'
import { Partings } from '../../../src/gossip/proto/hyparview-partings.ts'
import { type GossipProfile, UPSTREAM_GOSSIP_PROFILE } from '../../../src/gossip/proto/settings.ts'
import { disconnect, JOIN, neighbor, Recorder, type RecorderOptions, reply } from './hyparview-recorder.ts'

/** A repeated Join, and before it the word that a peer waits for which takes us for its neighbour still (P2). */
const again = (peer: number): string[] => [`send ${peer} neighbor high`, `send ${peer} join`]

const both = (options: RecorderOptions = {}) => ({
  upstream: new Recorder({ ...options, profile: UPSTREAM_GOSSIP_PROFILE as GossipProfile }),
  repaired: new Recorder(options),
})

test('spec/gossip.md §11.1 P1: who answered a request has its places free for others', () => {
  const { upstream, repaired } = both({ settings: { activeViewCapacity: 4 } })
  for (const node of [upstream, repaired]) {
    node.receive(2, neighbor('high'))
    node.receive(3, neighbor('high'))
  }
  expect(upstream.machine.pending).toEqual([2, 3])
  expect(upstream.receive(2, reply(20))).toEqual([])
  expect(repaired.machine.pending).toEqual([])
  expect(repaired.receive(2, reply(20))).toEqual(['send 20 neighbor low', 'timer pending-neighbor 20 #1 500'])
})

test('spec/gossip.md §11.1 P1: a request that nobody answers ends, after 3 s', () => {
  const { upstream, repaired } = both()
  for (const node of [upstream, repaired]) {
    node.befriend(10)
    node.receive(10, { kind: 'forward-join', peer: { id: 2, data: undefined }, ttl: 0 })
    expect(node.machine.pending).toEqual([2])
  }
  // no timer was set there
  expect(upstream.take()).toEqual([])
  expect(repaired.fireRequest(2, 1)).toEqual(['release 2'])
  expect(repaired.machine.pending).toEqual([])
})

test('spec/gossip.md §11.1 P2: whoever joins is answered, whatever was between us', () => {
  const { upstream, repaired } = both()
  for (const node of [upstream, repaired]) node.receive(2, neighbor('high'))
  // 2 is started anew
  expect(upstream.receive(2, JOIN)).toEqual([])
  expect(repaired.receive(2, JOIN)).toEqual(['send 2 neighbor high'])
})

test('spec/gossip.md §11.1 P2: the same when we asked it to be a neighbour', () => {
  const { upstream, repaired } = both()
  for (const node of [upstream, repaired]) {
    node.befriend(10)
    node.receive(10, reply(2))
    expect(node.machine.pending).toEqual([2])
  }
  expect(upstream.receive(2, JOIN)).not.toContain('send 2 neighbor high')
  expect(repaired.receive(2, JOIN)).toContain('send 2 neighbor high')
  expect(repaired.fireRequest(2, 1)).toEqual([])
  expect(repaired.machine.active).toContain(2)
})

test('spec/gossip.md §11.1 P3: who was sent away and comes back is answered', () => {
  const { upstream, repaired } = both({ settings: { activeViewCapacity: 1 } })
  for (const node of [upstream, repaired]) {
    node.receive(2, neighbor('high'))
    node.receive(3, JOIN)
    expect(node.machine.active).toEqual([3])
  }
  expect(upstream.receive(2, neighbor('high'))).not.toContain('send 2 neighbor high')
  expect(repaired.receive(2, neighbor('high'))).toContain('send 2 neighbor high')
})

test('spec/gossip.md §11.1 P4: Joins that nobody answers are repeated, after 1, 2, 4 … 30 s', () => {
  const { upstream, repaired } = both()
  expect(upstream.join(2)).toEqual(['send 2 join', 'timer shuffle 60000'])
  expect(repaired.join(2)).toEqual(['send 2 join', 'timer rejoin #1 1000', 'timer shuffle 60000'])
  repaired.now += 1_000
  expect(repaired.fireRejoin(1)).toEqual([...again(2), 'timer rejoin #2 2000'])
  repaired.now += 2_000
  expect(repaired.fireRejoin(2)).toEqual(['join-failed 2', ...again(2), 'timer rejoin #3 4000'])
  const delays: string[] = []
  for (let serial = 3; serial < 8; serial++) {
    repaired.now += 40_000
    delays.push(repaired.fireRejoin(serial).at(-1)!)
  }
  expect(delays.map((line) => line.split(' ').at(-1))).toEqual(['8000', '16000', '30000', '30000', '30000'])
})

test('spec/gossip.md §11.1 P4: a Join whose connection fails is reported at once, and repeated', () => {
  const { upstream, repaired } = both()
  for (const node of [upstream, repaired]) node.join(2)
  expect(upstream.disconnected(2)).toEqual([])
  expect(repaired.machine.needs(2)).toBe(true)
  expect(repaired.disconnected(2)).toEqual(['join-failed 2'])
  expect(repaired.machine.needs(2)).toBe(false)
  repaired.now += 1_000
  expect(repaired.fireRejoin(1)).toContain('send 2 join')
})

test('spec/gossip.md §11.1 P4: who has a neighbour repeats nothing, and says who did not answer', () => {
  const { repaired } = both()
  repaired.join(2, 3)
  repaired.receive(3, neighbor('high'))
  expect(repaired.machine.needs(2)).toBe(true)
  repaired.now += 1_000
  expect(repaired.fireRejoin(1)).toEqual(['timer rejoin #2 3000'])
  repaired.now += 3_000
  expect(repaired.fireRejoin(2)).toEqual(['join-failed 2', 'release 2'])
  expect(repaired.fireRejoin(2)).toEqual([])
})

test('spec/gossip.md §11.1 P4: an answer ends the asking', () => {
  const { repaired } = both()
  repaired.join(2)
  repaired.receive(2, neighbor('high'))
  repaired.now += 1_000
  expect(repaired.fireRejoin(1)).toEqual([])
})

test('spec/gossip.md §11.1 P4: a new command begins the back-off anew', () => {
  const { repaired } = both()
  repaired.join(2)
  for (const serial of [1, 2, 3]) repaired.fireRejoin(serial)
  expect(repaired.join(3)).toEqual(['send 3 join', 'timer rejoin #5 1000'])
  expect(repaired.fireRejoin(4)).toEqual([])
  expect(repaired.fireRejoin(5)).toEqual([...again(2), ...again(3), 'timer rejoin #6 2000'])
})

test('spec/gossip.md §11.1 P5: alone for 5 s, a node joins its contacts and former neighbours', () => {
  const { upstream, repaired } = both()
  for (const node of [upstream, repaired]) {
    node.join(2)
    node.befriend(2, 3)
    node.disconnected(2)
  }
  expect(upstream.disconnected(3)).toEqual(['down 3 connection-lost', 'release 3'])
  expect(repaired.disconnected(3)).toEqual(['down 3 connection-lost', 'timer rejoin #2 5000'])
  repaired.now += 5_000
  expect(repaired.fireRejoin(2)).toEqual([...again(2), ...again(3), 'timer rejoin #3 2000'])
})

test('spec/gossip.md §11.1 P5: who left by its own word is not called back, unless the application named it', () => {
  const node = new Recorder()
  node.join(2)
  node.befriend(2, 3, 4)
  for (const peer of [2, 3]) node.receive(peer, disconnect(false))
  expect(node.disconnected(4)).toEqual(['down 4 connection-lost', 'timer rejoin #2 5000'])
  expect(node.fireRejoin(2)).toEqual([...again(2), ...again(4), 'timer rejoin #3 2000'])
})

test('spec/gossip.md §11.1 P5: a neighbour that comes within the 5 s ends it', () => {
  const node = new Recorder()
  node.befriend(2)
  expect(node.disconnected(2)).toContain('timer rejoin #1 5000')
  node.befriend(3)
  expect(node.fireRejoin(1)).toEqual([])
})

test('spec/gossip.md §11.1 P5: as many are asked as there are places, the next ones each time', () => {
  const node = new Recorder({ settings: { activeViewCapacity: 2 } })
  node.join(2, 3, 4, 5)
  expect(node.fireRejoin(1).slice(0, 4)).toEqual([...again(2), ...again(3)])
  expect(node.fireRejoin(2).slice(0, 4)).toEqual([...again(4), ...again(5)])
  expect(node.fireRejoin(3).slice(0, 4)).toEqual([...again(2), ...again(3)])
})

test('spec/gossip.md §11.1 P5: each time alone, the back-off begins anew', () => {
  const node = new Recorder()
  node.join(2)
  for (let serial = 1; serial < 5; serial++) node.fireRejoin(serial)
  node.befriend(2)
  expect(node.disconnected(2).at(-1)).toBe('timer rejoin #6 5000')
  expect(node.fireRejoin(6).at(-1)).toBe('timer rejoin #7 2000')
})

test('spec/gossip.md §11.1 P5: those who lost the same neighbour do not come back at the same instant', () => {
  const node = new Recorder({ dice: { below: (limit) => limit - 1 } })
  expect(node.join(2)).toContain('timer rejoin #1 1250')
})

test('spec/gossip.md §11.1 P5: the last 32 contacts are remembered, and 64 answers waited for', () => {
  const node = new Recorder()
  const peers = Array.from({ length: 100 }, (_, index) => index + 2)
  expect(node.join(...peers).filter((line) => line.endsWith('join'))).toHaveLength(100)
  expect(peers.filter((peer) => node.machine.needs(peer))).toHaveLength(64)
  const joined = new Set<string>()
  for (let serial = 1; serial <= 10; serial++) for (const line of node.fireRejoin(serial)) joined.add(line)
  expect([...joined].filter((line) => line.endsWith('join')).sort()).toEqual(
    peers
      .slice(-32)
      .map((peer) => `send ${peer} join`)
      .sort(),
  )
})

test('spec/gossip.md §11.1 P6: who has just made room for others is not joined again', () => {
  const { upstream, repaired } = both()
  for (const node of [upstream, repaired]) {
    node.befriend(2, 3)
    node.receive(2, disconnect(true))
  }
  expect(upstream.join(2)).toEqual(['send 2 join'])
  expect(repaired.join(2)).toEqual([])
  repaired.now += 10_000
  expect(repaired.join(2)).toContain('send 2 join')
})

test('spec/gossip.md §11.1 P6: but a node without neighbours may', () => {
  const node = new Recorder()
  node.befriend(2)
  node.receive(2, disconnect(true))
  expect(node.join(2)).toContain('send 2 join')
})

test('spec/gossip.md §11.1 P7: a timer only hits the request that it was set for', () => {
  const { upstream, repaired } = both()
  for (const node of [upstream, repaired]) {
    node.befriend(10)
    node.receive(10, reply(2))
    // refused, and asked again
    node.receive(2, disconnect(true))
    node.fireShuffle()
    node.receive(10, reply(2))
    expect(node.machine.pending).toEqual([2])
  }
  upstream.fireRequest(2, 0)
  expect(upstream.machine.pending).toEqual([])
  expect(repaired.fireRequest(2, 1)).toEqual([])
  expect(repaired.machine.pending).toEqual([2])
})

test('spec/gossip.md §11.1 P8: what is known of peers is forgotten with them', () => {
  const data = Uint8Array.of(7)
  const settings = { passiveViewCapacity: 3, activeViewCapacity: 2 }
  const { upstream, repaired } = both({ settings })
  for (const node of [upstream, repaired]) {
    for (let peer = 2; peer < 102; peer++) {
      node.receive(peer, { kind: 'join', data })
      node.receive(peer, { kind: 'shuffle-reply', nodes: [{ id: peer + 1_000, data }] })
      node.receive(peer + 2_000, neighbor('low', data))
      node.receive(peer, { kind: 'forward-join', peer: { id: peer + 3_000, data }, ttl: 0 })
    }
  }
  expect(upstream.machine.knownDataCount).toBeGreaterThan(100)
  expect(repaired.machine.knownDataCount).toBeLessThanOrEqual(5)
  expect(repaired.machine.pending.length).toBeLessThanOrEqual(3)
})

test('spec/gossip.md §11.1 P8: partings are forgotten, the oldest first', () => {
  const partings = new Partings<number>()
  for (let peer = 1; peer <= 40; peer++) partings.note(peer, 100)
  const recent = Array.from({ length: 41 }, (_, peer) => peer).filter((peer) => partings.isRecent(peer, 200))
  expect(recent).toEqual(Array.from({ length: 16 }, (_, index) => index + 25))
  partings.note(30, 5_000)
  expect(partings.isRecent(31, 10_100)).toBe(false)
  expect(partings.isRecent(30, 10_100)).toBe(true)
})

test('spec/gossip.md §6.2: upstream keeps a peer whose connection ends after its word that it lives', () => {
  const { upstream } = both({ settings: { activeViewCapacity: 2 } })
  upstream.befriend(10, 11)
  upstream.receive(10, reply(20, 21))
  upstream.receive(20, disconnect(true))
  upstream.disconnected(20)
  upstream.disconnected(21)
  expect(upstream.machine.passive).toEqual([20])
  // once
  upstream.disconnected(20)
  expect(upstream.machine.passive).toEqual([])
})

test('spec/gossip.md §11.1 P13: an answer to a shuffle from far leaves no connection behind', () => {
  const { upstream, repaired } = both()
  for (const node of [upstream, repaired]) node.befriend(10)
  const shuffle = { kind: 'shuffle', origin: 20, nodes: [{ id: 20, data: undefined }], ttl: 0 } as const
  expect(upstream.receive(10, shuffle)).toEqual(['send 20 shuffle-reply 20'])
  repaired.befriend(11, 12, 13, 14)
  expect(repaired.receive(10, shuffle)).toEqual(['send 20 shuffle-reply 10', 'release 20'])
})

test('spec/gossip.md §11.1 P13: where there is room the origin is asked to be a neighbour, and its connection stays', () => {
  const node = new Recorder()
  node.befriend(10)
  const shuffle = { kind: 'shuffle', origin: 20, nodes: [{ id: 20, data: undefined }], ttl: 0 } as const
  const asked = ['send 20 neighbor low', 'timer pending-neighbor 20 #1 500']
  expect(node.receive(10, shuffle)).toEqual(['send 20 shuffle-reply 10', ...asked])
})

test('spec/gossip.md §11.1 P13: an origin that is needed is not released', () => {
  const node = new Recorder()
  node.befriend(10, 20)
  const shuffle = { kind: 'shuffle', origin: 20, nodes: [{ id: 20, data: undefined }], ttl: 0 } as const
  expect(node.receive(10, shuffle)).toEqual(['send 20 shuffle-reply 10'])
})
