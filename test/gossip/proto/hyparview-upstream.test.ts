/** What the table does not show of the profile of iroh-gossip 0.101, and what both profiles share. */
import { describe, expect, test } from 'vitest'
import { DEFAULT_GOSSIP_PROFILE, UPSTREAM_GOSSIP_PROFILE } from '../../../src/gossip/proto/settings.ts'
import { disconnect, forwardJoin, JOIN, Recorder, reply, shuffle } from './hyparview-recorder.ts'

for (const profile of [UPSTREAM_GOSSIP_PROFILE, DEFAULT_GOSSIP_PROFILE]) {
  describe(profile.name, () => {
    test('spec/gossip.md §6.2: a shuffle has 3 + 4 peers and the node itself, and never its receiver', () => {
      const node = new Recorder({ profile })
      node.befriend(10, 11, 12, 13, 14)
      node.receive(10, reply(20, 21, 22, 23, 24, 25))
      expect(node.fireShuffle().slice(0, 2)).toEqual([
        'send 10 shuffle 1 11 12 13 20 21 22 23 1 ttl=6',
        'timer shuffle 60000',
      ])
    })

    test('spec/gossip.md §6.2: the shuffle timer runs without neighbours, too, from the first input on', () => {
      const node = new Recorder({ profile })
      expect(node.join()).toEqual([])
      expect(node.disconnected(9)).toEqual(['timer shuffle 60000'])
      expect(node.disconnected(9)).toEqual([])
      expect(node.fireShuffle()).toEqual(['timer shuffle 60000'])
    })

    test('spec/gossip.md §6.4: a shuffle is answered with as many, neighbours where others are too few', () => {
      const node = new Recorder({ profile })
      node.befriend(10, 11, 12, 13, 14)
      expect(node.receive(10, shuffle(40, [20, 20], 0))[0]).toBe('send 40 shuffle-reply 20 10')
    })

    test('spec/gossip.md §6.3: a newcomer is remembered where its walk has 3 hops left', () => {
      const node = new Recorder({ profile })
      node.befriend(10, 11, 12, 13, 14)
      for (const ttl of [6, 5, 4, 2, 1]) node.receive(10, forwardJoin(20 + ttl, ttl))
      expect(node.machine.passive).toEqual([])
      expect(node.receive(10, forwardJoin(20, 3))).toEqual(['send 11 forward-join 20 2'])
      expect(node.machine.passive).toEqual([20])
    })

    test('spec/gossip.md §6.4: the passive view keeps its size', () => {
      const node = new Recorder({ profile, settings: { passiveViewCapacity: 3 } })
      node.befriend(10, 11, 12, 13, 14)
      node.receive(10, reply(20, 21, 22))
      node.receive(10, reply(23, 21, 10))
      expect(node.machine.passive).toEqual([21, 22, 23])
    })

    test('spec/gossip.md §6.2: whoever leaves says so to all, and gives them others', () => {
      const node = new Recorder({ profile })
      node.befriend(10, 11, 12)
      node.machine.quit(node.now)
      const outputs = node.take()
      expect(outputs.filter((line) => line.endsWith('disconnect gone')).sort()).toEqual(
        [10, 11, 12].map((peer) => `send ${peer} disconnect gone`),
      )
      expect(outputs.filter((line) => line.startsWith('release')).sort()).toEqual(
        [10, 11, 12].map((peer) => `release ${peer}`),
      )
      expect(
        outputs
          .find((line) => line.startsWith('send 10 shuffle-reply'))
          ?.split(' ')
          .slice(3)
          .sort(),
      ).toEqual(['11', '12'])
      expect(node.machine.active).toEqual([])
    })
  })
}

test('spec/gossip.md §6.4: upstream keeps a neighbour whose connection ends, if it said once that it lives', () => {
  const node = new Recorder({ profile: UPSTREAM_GOSSIP_PROFILE, settings: { activeViewCapacity: 2 } })
  node.befriend(10, 11)
  node.receive(10, reply(20))
  node.receive(20, disconnect(true))
  node.receive(20, JOIN)
  expect(node.disconnected(20)).toContain('down 20 connection-lost')
  expect(node.machine.passive).toContain(20)
})

test('spec/gossip.md §6.4: upstream asks one peer at a time, urgently only without neighbours', () => {
  const node = new Recorder({ profile: UPSTREAM_GOSSIP_PROFILE })
  node.befriend(10)
  expect(node.receive(10, reply(20, 21))).toEqual(['send 20 neighbor low', 'timer pending-neighbor 20 #0 500'])
  expect(node.disconnected(10)).toContain('send 21 neighbor high')
})

test('spec/gossip.md §10.1: a node with room asks a newcomer that passes, instead of sending it on', () => {
  const node = new Recorder()
  node.befriend(10, 11)
  expect(node.receive(10, forwardJoin(20, 3))).toEqual(['send 20 neighbor low', 'timer pending-neighbor 20 #1 500'])
})
