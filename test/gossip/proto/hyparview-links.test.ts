/** What the default profile does beyond the list of spec/gossip.md §11.1: all of it within what iroh-gossip 0.101 understands. */
import { expect, test } from 'vitest'
import { UPSTREAM_GOSSIP_PROFILE } from '../../../src/gossip/proto/settings.ts'
import { disconnect, forwardJoin, JOIN, neighbor, Recorder, reply, shuffle } from './hyparview-recorder.ts'

const asked = (outputs: readonly string[]) =>
  outputs.flatMap((line) => {
    const [verb, peer, word, priority] = line.split(' ')
    return verb === 'send' && word === 'neighbor' ? [`${peer} ${priority}`] : []
  })

test('spec/gossip.md §10.1: as many remembered peers are asked at once as there are places', () => {
  const node = new Recorder()
  node.befriend(10)
  expect(asked(node.receive(10, reply(20, 21, 22, 23, 24, 25)))).toEqual(['20 low', '21 low', '22 low', '23 low'])
  // a place that is refused goes to the next one, one that is taken is taken
  expect(asked(node.receive(20, disconnect(true)))).toEqual(['24 low'])
  expect(asked(node.receive(21, neighbor('low')))).toEqual([])
  // a failed dial, too: upstream waits for the next shuffle then
  expect(asked(node.disconnected(22))).toEqual(['25 low'])
})

test('spec/gossip.md §13: a request that is not answered in 500 ms is not waited for, and may still be answered', () => {
  const node = new Recorder({ settings: { activeViewCapacity: 2 } })
  node.befriend(10)
  expect(asked(node.receive(10, reply(20, 21)))).toEqual(['20 low'])
  node.now += 500
  expect(node.fireRequest(20, 1)).toEqual([
    'timer pending-neighbor 20 #1 2500',
    'send 21 neighbor low',
    'timer pending-neighbor 21 #2 500',
  ])
  expect(node.receive(20, neighbor('low'))).toEqual(['up 20'])
  // the other comes too late: it has a place less to give, and nobody has to go for it
  expect(node.receive(21, neighbor('low'))).toEqual([
    'send 21 shuffle-reply 10 20',
    'send 21 disconnect alive',
    'release 21',
  ])
})

test('spec/gossip.md §6.7: a node that finds nobody with a place does not ask for ever', () => {
  const node = new Recorder()
  node.befriend(10, 11, 12, 13)
  let count = 0
  let waiting = asked(node.receive(10, reply(20)))
  let next = 21
  while (waiting.length > 0) {
    count++
    const peer = Number(waiting[0]!.split(' ')[0])
    node.receive(peer, reply(next++, next++, next++))
    waiting = asked(node.receive(peer, disconnect(true)))
    if (count > 100) break
  }
  // the first answer of each refusal asks on, so this counts only some
  expect(count).toBeLessThanOrEqual(10)
  expect(asked(node.receive(10, reply(300)))).toEqual([])
  // with the next cycle it tries again
  expect(asked(node.fireShuffle())).toHaveLength(1)
})

test('spec/gossip.md §6.7: nor does it ask the same one twice in a cycle', () => {
  const node = new Recorder()
  node.befriend(10, 11, 12, 13)
  expect(asked(node.receive(10, reply(20)))).toEqual(['20 low'])
  node.receive(20, disconnect(true))
  expect(node.receive(10, reply(20))).toEqual([])
  expect(asked(node.fireShuffle())).toEqual(['20 low'])
})

test('spec/gossip.md §11.1 P5: a node without neighbours asks so that nobody can refuse', () => {
  const node = new Recorder()
  node.befriend(10)
  node.receive(10, reply(20))
  node.receive(20, disconnect(true))
  // asked already, and refused
  expect(asked(node.disconnected(10))).toEqual(['20 high'])
  const other = new Recorder()
  other.befriend(10)
  other.receive(10, reply(20))
  other.receive(20, disconnect(true))
  expect(asked(other.receive(10, disconnect(true)))).toEqual(['20 high'])
})

test('spec/gossip.md §11.1 P5: when Joins are repeated, those that refused are asked again', () => {
  const node = new Recorder()
  node.befriend(10)
  node.receive(10, reply(20))
  node.disconnected(10)
  node.receive(20, disconnect(true))
  expect(node.machine.pending).toEqual([])
  expect(node.fireRejoin(1)).toEqual([
    'send 10 neighbor high',
    'send 10 join',
    'timer rejoin #2 2000',
    'send 20 neighbor high',
    'timer pending-neighbor 20 #2 500',
  ])
})

test('spec/gossip.md §6.3: the walk of a newcomer that is asked already ends', () => {
  const node = new Recorder()
  node.befriend(10, 11)
  node.receive(10, reply(20))
  expect(node.machine.pending).toEqual([20])
  expect(node.receive(10, forwardJoin(20, 6))).toEqual([])
  expect(node.receive(10, forwardJoin(21, 6))).toEqual(['send 11 forward-join 21 5'])
})

test('spec/gossip.md §4.6: the owner hears of data once, and what is forgotten is new again', () => {
  const node = new Recorder()
  const data = Uint8Array.of(7)
  expect(node.receive(2, { kind: 'join', data })).toContain('learned 2 7')
  expect(node.receive(2, neighbor('high', data))).toEqual([])
  expect(node.receive(2, neighbor('high', Uint8Array.of(8)))).toContain('learned 2 8')
  expect(node.receive(2, neighbor('high', Uint8Array.of()))).toEqual([])
  expect(node.machine.knownDataCount).toBe(1)
  node.disconnected(2)
  expect(node.machine.knownDataCount).toBe(0)
})

test('spec/gossip.md §10.1: a shuffle that goes no further is accepted', () => {
  const node = new Recorder()
  node.befriend(10, 11)
  expect(node.receive(10, shuffle(11, [11, 20], 4))).toContain('send 11 shuffle-reply 20 10')
  expect(node.machine.pending).toContain(20)
  const upstream = new Recorder({ profile: UPSTREAM_GOSSIP_PROFILE })
  upstream.befriend(10, 11)
  expect(upstream.receive(10, shuffle(11, [11, 20], 4))).toEqual([])
})

test('spec/gossip.md §11.3: walks and node lists of others have our bounds', () => {
  const node = new Recorder()
  node.befriend(10, 11, 12, 13, 14)
  expect(node.receive(10, forwardJoin(20, 65_535))).toEqual(['send 11 forward-join 20 5'])
  expect(node.receive(10, shuffle(20, [20], 65_535))).toEqual(['send 11 shuffle 20 20 ttl=5'])
  const many = Array.from({ length: 1_000 }, (_, index) => index + 100)
  const [answer] = node.receive(10, shuffle(20, many, 0))
  expect(answer?.split(' ').length).toBeLessThanOrEqual(3 + 30)
  expect(node.machine.passive.length).toBe(30)
  expect(node.machine.passive).not.toContain(1_099)
})

test('spec/gossip.md §3.2: nothing is sent to ourselves, whatever others say', () => {
  const node = new Recorder()
  node.befriend(10)
  for (const outputs of [
    node.join(1),
    node.receive(10, forwardJoin(1, 0)),
    node.receive(10, shuffle(1, [20], 0)),
    node.receive(10, reply(1)),
    node.receive(10, { kind: 'shuffle-reply', nodes: [{ id: 1, data: Uint8Array.of(6) }] }),
    node.receive(1, JOIN),
  ])
    expect(outputs).toEqual([])
})

test('spec/gossip.md §7.6, §11.1: somebody who takes us for a neighbour becomes one, or learns that it is none', () => {
  const node = new Recorder()
  node.befriend(10, 11, 12, 13)
  const heard = (peer: number) => {
    node.machine.heardFrom(peer, node.now)
    return node.take()
  }
  expect(heard(2)).toEqual(['send 2 neighbor low', 'timer pending-neighbor 2 #1 500'])
  expect(heard(2)).toEqual([])
  expect(heard(3)).toEqual(['send 3 disconnect alive', 'release 3'])
  expect(heard(3)).toEqual([])
  node.now += 10_000
  expect(heard(3)).toEqual(['send 3 disconnect alive', 'release 3'])
})

test('spec/gossip.md §7.6: but not who was a neighbour until now, or is about to be one', () => {
  const node = new Recorder({ settings: { activeViewCapacity: 2 } })
  node.befriend(10, 11)
  node.receive(12, JOIN)
  expect(node.machine.active).not.toContain(10)
  node.join(13)
  node.receive(11, forwardJoin(14, 0))
  node.take()
  for (const peer of [10, 13, 14]) node.machine.heardFrom(peer, node.now)
  expect(node.take()).toEqual([])
})

test('spec/gossip.md §3.8 C9, §5: a neighbour that says nothing is asked twice, and then dropped', () => {
  const node = new Recorder()
  node.befriend(2, 3)
  // the cycle of the Joins
  node.fireShuffle()
  const cycle = () => {
    node.receive(3, reply())
    node.now += 60_000
    return node.fireShuffle().filter((line) => line.includes(' 2') && !line.includes('shuffle 1'))
  }
  expect(cycle()).toEqual([])
  expect(cycle()).toEqual(['send 2 neighbor low'])
  expect(cycle()).toEqual(['send 2 neighbor low'])
  expect(cycle()).toEqual(['down 2 connection-lost', 'send 2 disconnect alive', 'release 2'])
  expect(node.machine.active).toEqual([3])
  // it has left, as far as we know
  node.disconnected(3)
  expect(node.fireRejoin(1)).toEqual(['send 3 neighbor high', 'send 3 join', 'timer rejoin #2 2000'])
})

test('spec/gossip.md §3.8 C9: a contact that was dropped is not joined in the same breath', () => {
  const node = new Recorder()
  node.join(2)
  node.befriend(2, 3)
  const outputs = Array.from({ length: 5 }, () => {
    node.receive(3, reply())
    return node.fireShuffle()
  })
  expect(outputs[4]).toContain('down 2 connection-lost')
  expect(outputs[4]).not.toContain('send 2 join')
  expect(node.fireShuffle()).toContain('send 2 join')
})

test('spec/gossip.md §11.1 P1: an answer to the question is answered, so that no entry of 0.101 stays behind', () => {
  const node = new Recorder()
  node.befriend(2)
  for (let cycle = 0; cycle < 3; cycle++) node.fireShuffle()
  expect(node.receive(2, neighbor('low'))).toEqual(['send 2 neighbor low'])
  // as the peer has it
  const upstream = new Recorder({ profile: UPSTREAM_GOSSIP_PROFILE })
  upstream.receive(2, neighbor('high'))
  upstream.receive(2, neighbor('low'))
  expect(upstream.machine.pending).toEqual([])
  expect(upstream.receive(2, neighbor('low'))).toEqual(['send 2 neighbor low'])
  expect(upstream.receive(2, neighbor('low'))).toEqual([])
  expect(upstream.machine.pending).toEqual([])
  // it was heard: the count begins anew
  node.fireShuffle()
  expect(asked(node.fireShuffle())).toEqual([])
})

test('spec/gossip.md §6.2: the end of a connection that nobody needed says nothing about the peer', () => {
  const node = new Recorder()
  node.befriend(10, 11, 12, 13, 14)
  node.receive(10, reply(20))
  expect(node.disconnected(20)).toEqual([])
  expect(node.machine.passive).toEqual([20])
  const upstream = new Recorder({ profile: UPSTREAM_GOSSIP_PROFILE })
  upstream.befriend(10, 11, 12, 13, 14)
  upstream.receive(10, reply(20))
  upstream.disconnected(20)
  expect(upstream.machine.passive).toEqual([])
})

test('spec/gossip.md §8.3: those that were asked learn that we left', () => {
  const node = new Recorder()
  node.befriend(10)
  node.receive(10, reply(20))
  node.join(30)
  node.machine.quit(node.now)
  expect(node.take()).toEqual([
    'down 10 quit',
    'send 10 shuffle-reply 20',
    'send 10 disconnect gone',
    'release 10',
    'send 20 disconnect gone',
    'release 20',
    'send 30 disconnect gone',
    'release 30',
  ])
  for (const outputs of [
    node.receive(10, JOIN),
    node.join(2),
    node.disconnected(20),
    node.fireShuffle(),
    node.fireRequest(20, 1),
    node.fireRejoin(1),
  ])
    expect(outputs).toEqual([])
})

test('spec/gossip.md §11.1 P12: with free places and nobody to ask, one that was known is joined with each shuffle', () => {
  const node = new Recorder()
  node.join(2, 3)
  node.befriend(10)
  node.fireRejoin(1)
  node.now += 3_000
  expect(node.fireRejoin(2)).toContain('join-failed 2')
  expect(node.fireShuffle()).toContain('send 2 join')
  node.now += 3_000
  // nobody is told: nobody asked for it
  expect(node.fireRejoin(3)).toEqual(['release 2'])
  expect(node.fireShuffle()).toContain('send 3 join')
  node.receive(3, neighbor('high'))
  expect(node.fireShuffle()).toContain('send 2 join')
})

test('spec/gossip.md §11.1 P12: who is joined in vain for that reason is forgotten, but not who the application named', () => {
  const node = new Recorder()
  node.befriend(2, 3)
  node.disconnected(2)
  expect(node.fireShuffle()).toContain('send 2 join')
  expect(node.disconnected(2)).toEqual([])
  expect(node.fireShuffle()).not.toContain('send 2 join')
  node.join(2)
  expect(node.disconnected(2)).toEqual(['join-failed 2'])
  expect(node.fireShuffle()).toContain('send 2 join')
  // the application asks meanwhile
  node.join(2)
  expect(node.disconnected(2)).toEqual(['join-failed 2'])
})

test('spec/gossip.md §11.1 P12: while there is somebody to ask nobody is joined', () => {
  const node = new Recorder()
  node.join(2)
  node.disconnected(2)
  node.befriend(10)
  node.receive(10, reply(20))
  expect(node.machine.pending).toEqual([20])
  expect(node.fireShuffle()).not.toContain('send 2 join')
})

test('spec/gossip.md §11.1 P12: nor does a node insist that has most of its neighbours, or gained one', () => {
  const rich = new Recorder()
  rich.befriend(10, 11, 12)
  const poor = new Recorder()
  poor.befriend(10)
  for (const node of [rich, poor]) {
    node.receive(10, reply(20))
    node.receive(20, disconnect(true))
    expect(asked(node.fireShuffle())).toEqual(['20 low'])
    node.receive(20, disconnect(true))
  }
  poor.befriend(11)
  for (const node of [rich, poor]) expect(asked(node.fireShuffle())).toEqual(['20 low'])
})

test('spec/gossip.md §11.1 P12: a node with few neighbours that gains none asks so that nobody can refuse', () => {
  const node = new Recorder()
  node.befriend(10, 11)
  expect(asked(node.receive(10, reply(20, 21)))).toEqual(['20 low', '21 low'])
  const refuse = () => {
    for (const peer of [20, 21]) node.receive(peer, disconnect(true))
  }
  refuse()
  // the cycle in which it gained 10 and 11
  expect(asked(node.fireShuffle())).toEqual(['20 low', '21 low'])
  refuse()
  for (const peer of [10, 11]) node.receive(peer, reply())
  // one of them
  expect(asked(node.fireShuffle())).toEqual(['20 high', '21 low'])
})
