/** Who is there, handed from neighbour to neighbour: `core/roster.ts`. */
import { expect, test } from 'vitest'
import {
  decodeRosterMessage,
  encodeOffer,
  encodeWant,
  ROSTER_AT_ONCE,
  shortOf,
} from '../../../src/envelope/wire/roster-codec.ts'
import { encodeSignedAnnounce } from '../../../src/envelope/wire/signed-announce.ts'
import { Liar } from '../locks-support.ts'
import { type CoreNode, CoreSwarm } from './support/swarm.ts'

const SECOND = 1_000

function online(node: CoreNode): string[] {
  return [...node.messenger.peers()]
    .filter(({ liveness, isOurs }) => liveness === 'online' && isOurs)
    .map(({ name }) => name)
    .sort()
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, '0')}`)
}

/** More than are greeted, each a neighbour of the first. */
function star(count: number, seed = 'roster'): [CoreSwarm, CoreNode[]] {
  const core = new CoreSwarm(seed)
  core.isStar = true
  const nodes = names('n', count).map((name) => core.node(name))
  core.run(30 * SECOND)
  return [core, nodes]
}

/** Contents for neighbours only, from now on. */
function listen(core: CoreSwarm): { from: string; to: string; content: Uint8Array }[] {
  core.handed.length = 0
  return core.handed
}

test('spec/envelope.md §8.1, PoC-3: a newcomer knows all of a large swarm after a round trip, and nobody announces itself for it', () => {
  const [core, nodes] = star(24)
  const before = nodes.map((node) => node.messenger.metrics().announced)
  const late = core.node('late')
  core.run(200)
  expect(online(late)).toEqual(names('n', 24))
  const announced = nodes.map((node, index) => node.messenger.metrics().announced - before[index]!)
  // its neighbour greets it, and a few may have been due
  expect(announced.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(6)
  expect(nodes[0]!.messenger.metrics().handedOn).toBeGreaterThanOrEqual(24)
})

test('two halves that meet know each other, hop by hop, before anybody speaks again', () => {
  const core = new CoreSwarm()
  const left = names('l', 12)
  const right = names('r', 12)
  for (const one of left) for (const other of right) core.cuts.add(`${one} ${other}`)
  const nodes = [...left, ...right].map((name) => core.node(name))
  core.run(60 * SECOND)
  expect(online(nodes[0]!)).toEqual(left.slice(1))
  // only these two can hear each other
  core.cuts.delete('l011 r011')
  core.meet(nodes[11]!, nodes[23]!)
  core.run(500)
  for (const node of nodes) expect(online(node)).toHaveLength(23)
})

test('what several offer is asked of one, and once', () => {
  const [core, nodes] = star(20)
  const late = core.node('late')
  for (const other of nodes.slice(1, 5)) core.meet(late, other)
  const handed = listen(core)
  core.run(500)
  const asked = handed
    .filter(({ from, content }) => from === 'late' && content[1] === 2)
    .flatMap(({ content }) => {
      const message = decodeRosterMessage(content)
      return message.kind === 'want' ? message.shorts : []
    })
  expect(asked).toHaveLength(new Set(asked).size)
  expect(online(late)).toEqual(names('n', 20))
})

test('who does not answer is asked in vain for two seconds; then another is', () => {
  const [core, nodes] = star(15)
  core.handsOn = false
  const late = core.node('late')
  const shorts = nodes.slice(1, 8).map(({ key }) => ({ short: shortOf(key), timestamp: core.wall }))
  late.act((messenger) => messenger.gossip(encodeOffer(shorts), nodes[1]!.key, core.now, true))
  core.handsOn = true
  const offer = (): void => {
    core.meet(late, nodes[0]!)
    core.run(200)
  }
  const missing = (): string[] => names('n', 15).filter((name) => !online(late).includes(name))
  offer()
  expect(missing().length).toBeGreaterThan(0)
  core.run(2_000)
  offer()
  expect(missing()).toEqual([])
})

test('nobody hears of the dead: what is older than a peer may be silent is not handed on', () => {
  const [core, nodes] = star(20)
  nodes[7]!.crash()
  // longer than it may be silent without being stale
  core.run(25 * SECOND)
  const late = core.node('late')
  core.run(500)
  expect(online(late)).toHaveLength(19)
  expect(late.messenger.peer(nodes[7]!.key)).toBeUndefined()
})

test('what went through the swarm is no question of a neighbour', () => {
  const [core, nodes] = star(12)
  const handed = listen(core)
  const want = encodeWant(nodes.slice(2, 6).map(({ key }) => shortOf(key)))
  nodes[0]!.act((messenger) => messenger.gossip(want, nodes[1]!.key, core.now))
  core.run(100)
  expect(handed.filter(({ from, to }) => from === 'n000' && to === 'n001')).toEqual([])
  nodes[0]!.act((messenger) => messenger.gossip(want, nodes[1]!.key, core.now, true))
  core.run(100)
  expect(handed.filter(({ from, to }) => from === 'n000' && to === 'n001')).toHaveLength(4)
})

test('who asks again and again gets 512 announcements, and 50 more each second', () => {
  const [core, nodes] = star(12)
  const handed = listen(core)
  const want = encodeWant(nodes.slice(2, 12).map(({ key }) => shortOf(key)))
  const ask = (): number => {
    handed.length = 0
    for (let round = 0; round < 100; round++)
      nodes[0]!.act((messenger) => messenger.gossip(want, nodes[1]!.key, core.now, true))
    core.run(10)
    return handed.filter(({ to }) => to === 'n001').length
  }
  expect(ask()).toBe(512)
  core.run(990)
  expect(ask()).toBe(50)
  // others are not touched by that
  nodes[0]!.act((messenger) => messenger.gossip(want, nodes[2]!.key, core.now, true))
  core.run(10)
  expect(handed.filter(({ to }) => to === 'n002')).toHaveLength(10)
})

test('offers of what does not exist take a bounded place, and a lie about the time nothing', () => {
  const [core, nodes] = star(12)
  const [first, liar] = nodes as [CoreNode, CoreNode]
  const handed = listen(core)
  for (let message = 0; message < 12; message++) {
    const entries = Array.from({ length: ROSTER_AT_ONCE }, (_, index) => ({
      short: (message * ROSTER_AT_ONCE + index).toString(16).padStart(16, '0'),
      timestamp: core.wall,
    }))
    first.act((messenger) => messenger.gossip(encodeOffer(entries), liar.key, core.now, true))
  }
  core.run(100)
  const asked = handed.filter(({ from, to }) => from === first.name && to === liar.name)
  const count = asked.reduce((sum, { content }) => {
    const message = decodeRosterMessage(content)
    return sum + (message.kind === 'want' ? message.shorts.length : 0)
  }, 0)
  expect(count).toBe(1_024)
  const before = online(first)
  const future = nodes.slice(2).map(({ key }) => ({ short: shortOf(key), timestamp: 2 ** 48 - 1 }))
  core.run(3 * SECOND)
  first.act((messenger) => messenger.gossip(encodeOffer(future), liar.key, core.now, true))
  core.run(100)
  expect(online(first)).toEqual(before)
})

test('of a large swarm a neighbour is offered some at random, and only the latest are kept', () => {
  const core = new CoreSwarm('roster')
  const first = core.node('first', { settings: { rosterSize: 100, offerAtMost: 50 } })
  for (let index = 0; index < 110; index++) {
    const member = new Liar(`member ${index}`)
    const announce = { peer: member.key, name: `m${index}`, roles: ['Peer' as const], timestamp: core.wall }
    const payload = encodeSignedAnnounce({ announce, addr: undefined })
    first.act((messenger) =>
      messenger.gossip(member.seal(member.key, 'PeerAnnounce', payload, core.wall), member.key, core.now),
    )
  }
  expect(online(first)).toHaveLength(110)
  const [late, later] = [core.node('late'), core.node('later')]
  core.cuts.add('late later')
  core.run(200)
  // and the first itself
  expect(online(late)).toHaveLength(51)
  expect(online(later)).toHaveLength(51)
  const shared = online(late).filter((name) => online(later).includes(name))
  expect(shared.length).toBeLessThan(50)
  // those that had spoken before the last hundred
  expect([...online(late), ...online(later)].filter((name) => /^m\d$/.test(name))).toEqual([])
})

test('a forged announcement is refused, whoever hands it on', () => {
  const [core, nodes] = star(12)
  const handed = listen(core)
  const late = core.node('late')
  core.run(300)
  const announcement = handed.find(({ to, content }) => to === 'late' && content[0] === 0x9a)!.content
  const forged = announcement.slice()
  forged[forged.length - 1]! ^= 1
  const other = core.node('other')
  other.act((messenger) => messenger.gossip(forged, nodes[0]!.key, core.now, true))
  expect(other.messenger.metrics().refused).toEqual({ BAD_SIGNATURE: 1 })
  expect(late.messenger.metrics().refused).toEqual({})
})
