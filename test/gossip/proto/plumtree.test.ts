/** What a tree does with each input, and in which order: both profiles where they agree (spec/gossip.md §7.2, §16 #8, #9). */
import { describe, expect, test } from 'vitest'
import { MIN_MESSAGE_SIZE } from '../../../src/gossip/proto/settings.ts'
import { gossip, graft, hashOf, ihave, ME, PRUNE, RecordedTree } from './plumtree-recorder.ts'

const FIXED = { graft: { kind: 'fixed', firstMs: 80, nextMs: 40 } } as const

for (const isRepaired of [false, true]) {
  const make = (settings = {}) => new RecordedTree({ isRepaired, settings: { ...FIXED, ...settings } })
  /** 1, 3, 5 eager and 2, 4 lazy. */
  const makeFull = () => make().up(5, 4, 3, 2, 1).receive(2, PRUNE).receive(4, PRUNE)

  describe(isRepaired ? 'default' : 'upstream-0.101', () => {
    test('spec/gossip.md §7.2: neighbours begin eager, a prune makes them lazy, a graft eager again, and they go when they are down', () => {
      const { tree } = makeFull()
      expect(tree.eager).toEqual([1, 3, 5])
      expect(tree.lazy).toEqual([2, 4])
      tree.receive(2, graft(undefined, 3), 1)
      tree.neighborUp(4, 1)
      expect(tree.eager).toEqual([1, 2, 3, 4, 5])
      expect(tree.lazy).toEqual([])
      tree.receive(3, PRUNE, 1)
      tree.neighborDown(3, 1)
      tree.neighborDown(5, 1)
      expect(tree.eager).toEqual([1, 2, 4])
      expect(tree.lazy).toEqual([])
    })

    test('spec/gossip.md §7.2: an own broadcast: dispatch timer, then the payload to eager peers in ascending order; announcements later', () => {
      const node = makeFull().broadcast('a')
      expect(node.take()).toEqual(['timer dispatch 5', 'gossip #a 0 -> 1', 'gossip #a 0 -> 3', 'gossip #a 0 -> 5'])
      node.wait(4.9)
      expect(node.take()).toEqual([])
      node.wait(0.2)
      expect(node.take()).toEqual(['ihave #a 0 -> 2', 'ihave #a 0 -> 4'])
    })

    test('spec/gossip.md §7.2: a payload goes on with one round more, not back to its sender: payloads, dispatch timer, event', () => {
      const node = makeFull().receive(3, gossip('a', 6))
      expect(node.take()).toEqual([
        'gossip #a 7 -> 1',
        'gossip #a 7 -> 5',
        'timer dispatch 5',
        'received #a from 3 round 6',
      ])
      node.wait(5)
      expect(node.take()).toEqual(['ihave #a 7 -> 2', 'ihave #a 7 -> 4'])
      expect(node.tree.stats.maxHop).toBe(6)
    })

    test('spec/gossip.md §7.2: a payload from a lazy peer is not announced to it', () => {
      const node = makeFull().receive(2, gossip('a', 0)).wait(5)
      expect(node.take()).toEqual([
        'gossip #a 1 -> 1',
        'gossip #a 1 -> 3',
        'gossip #a 1 -> 5',
        'timer dispatch 5',
        'received #a from 2 round 0',
        'ihave #a 1 -> 4',
      ])
    })

    test('spec/gossip.md §7.2: the second copy is pruned and not delivered', () => {
      const node = makeFull().receive(3, gossip('a', 6))
      node.take()
      node.receive(5, gossip('a', 1))
      expect(node.take()).toEqual(['prune -> 5'])
      expect(node.tree.lazy).toEqual([2, 4, 5])
      expect(node.tree.stats).toMatchObject({ payloadsReceived: 2, duplicates: 1, prunesSent: 1 })
    })

    test('spec/gossip.md §7.4: the author gets no event, and its own payload coming back is a duplicate', () => {
      const node = makeFull().broadcast('a')
      node.take()
      node.receive(1, gossip('a', 3))
      expect(node.take()).toEqual(['prune -> 1'])
      expect(node.delivered).toEqual([])
    })

    test('spec/gossip.md §16 #8: a payload with a wrong id is ignored', () => {
      const node = makeFull().receive(3, { ...gossip('a', 0), id: '#b' })
      expect(node.takeAll()).toEqual([])
      expect(node.tree.stats.badIds).toBe(1)
      node.receive(3, gossip('b', 0))
      expect(node.delivered.map(({ id }) => id)).toEqual(['#b'])
    })

    test('spec/gossip.md §7.2: a missing payload is asked for after 80 ms, from the next announcer after 40 ms more, in the order of arrival', () => {
      const node = makeFull()
        .receive(4, ihave(['a', 2]))
        .receive(2, ihave(['a', 1]))
      expect(node.take()).toEqual(['timer graft #a 80'])
      node.wait(79.9)
      expect(node.take()).toEqual([])
      node.wait(0.2)
      expect(node.take()).toEqual(['graft #a 2 -> 4', 'timer graft #a 40'])
      expect(node.tree.eager).toEqual([1, 3, 4, 5])
      node.wait(40)
      expect(node.take()).toEqual(['graft #a 1 -> 2', 'timer graft #a 40'])
      expect(node.tree.lazy).toEqual([])
      node.wait(1_000)
      expect(node.take()).toEqual([])
    })

    test('spec/gossip.md §7.2: no graft when the payload came in time', () => {
      const node = makeFull()
        .receive(2, ihave(['a', 1]))
        .wait(79)
        .receive(3, gossip('a', 1))
      node.take()
      node.wait(500)
      expect(node.take()).toEqual(isRepaired ? ['ihave #a 2 -> 4'] : ['ihave #a 2 -> 2', 'ihave #a 2 -> 4'])
    })

    test('spec/gossip.md §7.2: what is announced and known already is no news', () => {
      const node = makeFull().receive(3, gossip('a', 1)).wait(5)
      node.take()
      node.receive(2, ihave(['a', 1])).wait(500)
      expect(node.take()).toEqual([])
    })

    test('spec/gossip.md §7.2: announcers that are gone are not asked', () => {
      const node = makeFull()
        .receive(2, ihave(['a', 1]))
        .receive(4, ihave(['a', 1], ['b', 1]))
        .down(2)
      node.take()
      node.wait(80)
      expect(node.take()).toEqual(['graft #a 1 -> 4', 'timer graft #a 40', 'graft #b 1 -> 4', 'timer graft #b 40'])
    })

    test('spec/gossip.md §4.4, §7.2: a graft is answered from the cache with the round this node sends on; without the payload only the link changes', () => {
      const node = makeFull().receive(3, gossip('a', 6))
      node.take()
      node.receive(2, graft('a', 9)).receive(4, graft('b', 1))
      expect(node.take()).toEqual(['gossip #a 7 -> 2'])
      expect(node.tree.eager).toEqual([1, 2, 3, 4, 5])
      expect(node.tree.stats.graftsInVain).toBe(1)
    })

    test('spec/gossip.md §7.5: for neighbours: not announced, not sent on, not known afterwards', () => {
      const node = makeFull().receive(3, gossip('a', undefined))
      expect(node.takeAll()).toEqual(['received #a from 3 round undefined'])
      node.wait(10).receive(5, gossip('a', undefined))
      expect(node.take()).toEqual(['received #a from 5 round undefined'])
      node.broadcast('b', true).wait(10)
      expect(node.sent.every(({ message }) => message.kind === 'gossip' && message.round === undefined)).toBe(true)
      node.receive(1, graft('b', 0))
      expect(node.tree.stats.graftsInVain).toBe(1)
    })

    test('spec/gossip.md §4.5: 116 announcements fit into 4096 bytes, 13 into 512', () => {
      for (const [maxMessageSize, batch] of [
        [4096, 116],
        [MIN_MESSAGE_SIZE, 13],
      ] as const) {
        const node = make({ maxMessageSize }).up(1).receive(1, PRUNE)
        for (let index = 0; index < 2 * batch + 1; index++) node.broadcast(`${index}`)
        node.wait(5)
        const lists = node.sent.flatMap(({ message }) => (message.kind === 'ihave' ? [message.announcements] : []))
        expect(lists.map((list) => list.length)).toEqual([batch, batch, 1])
        expect(lists.flat().map(({ id }) => id)).toEqual(Array.from({ length: 2 * batch + 1 }, (_, at) => `#${at}`))
      }
    })

    test('spec/gossip.md §4.5: peers with the same announcements get the same object', () => {
      const node = makeFull().broadcast('a').broadcast('b').wait(5)
      const [first, second, ...rest] = node.sent.filter(({ message }) => message.kind === 'ihave')
      expect(first!.message).toBe(second!.message)
      expect(rest).toEqual([])
      node.take()
      node.receive(4, gossip('c', 0)).broadcast('d').receive(4, PRUNE).wait(5)
      expect(node.take().filter((line) => line.startsWith('ihave'))).toEqual(
        isRepaired ? ['ihave #c 1, #d 0 -> 2'] : ['ihave #c 1, #d 0 -> 2', 'ihave #d 0 -> 4'],
      )
    })

    test('spec/gossip.md §4.5: peers with as many, but other announcements get their own', () => {
      const node = makeFull()
      if (isRepaired) {
        node
          .receive(4, ihave(['c', 5]))
          .receive(2, ihave(['d', 5]))
          .receive(1, gossip('c', 0))
          .receive(3, gossip('d', 0))
      } else node.receive(4, gossip('c', 0)).receive(2, gossip('d', 0))
      node.wait(5)
      expect(node.take().filter((line) => line.startsWith('ihave'))).toEqual(['ihave #c 1 -> 2', 'ihave #d 1 -> 4'])
    })

    test('spec/gossip.md §7.2: what we broadcast ourselves after it was announced is not asked for', () => {
      const node = makeFull()
        .receive(4, ihave(['a', 2]))
        .broadcast('a')
        .wait(1_000)
      expect(node.tree.stats.graftsSent).toBe(0)
    })

    test('spec/gossip.md §7.2: what only peers announced that are gone is not missing', () => {
      const node = makeFull()
        .receive(4, ihave(['a', 2]))
        .receive(2, ihave(['a', 2], ['b', 2]))
        .down(4)
      expect(node.tree.held.missing).toBe(2)
      expect(node.down(2).tree.held.missing).toBe(0)
    })

    test('spec/gossip.md §7.2: the queue is empty after a dispatch', () => {
      const node = makeFull().broadcast('a').wait(5)
      node.take()
      node.broadcast('b').wait(5)
      expect(node.take().filter((line) => line.startsWith('ihave'))).toEqual(['ihave #b 0 -> 2', 'ihave #b 0 -> 4'])
    })

    test('spec/gossip.md §16 #9: a payload is there after 1 s and gone at the first tick after 30 s; its id after 90 s', () => {
      // the grid begins at the first input
      const node = make().up(1, 2).wait(300).receive(1, gossip('a', 0)).wait(1_000)
      node.take()
      expect(node.receive(2, graft('a', 0)).take()).toEqual(['gossip #a 1 -> 2'])
      // known for 29.95 s, 30.65 s: the tick is at 30.7 s
      node.wait(29_650)
      expect(node.receive(2, graft('a', 0)).take()).toEqual(['gossip #a 1 -> 2'])
      node.wait(100)
      expect(node.receive(2, graft('a', 0)).take()).toEqual([])
      node.wait(59_900)
      expect(node.receive(1, gossip('a', 0)).take()).toEqual(['prune -> 1'])
      node.wait(100)
      expect(node.receive(1, gossip('a', 0)).take().at(-1)).toBe('received #a from 1 round 0')
    })

    test('spec/gossip.md §12.8 S9: no timer runs while nothing is held', () => {
      const node = make().up(1, 2).wait(300).receive(1, gossip('a', 0)).wait(200_000)
      expect(node.timers).toEqual([])
      expect(node.tree.held).toEqual({ missing: 0, queued: 0, payloads: 0, ids: 0, bytes: 0 })
      node.wait(123.4).receive(1, gossip('b', 0))
      // 1 s ticks from the first input, 0.3 + 200 + 0.1234 s ago
      expect(node.takeAll()).toContain('timer evict 576.6')
    })

    test('spec/gossip.md §7.4: equal bytes are sent again when they are broadcast again', () => {
      const node = make().up(1).broadcast('a')
      node.take()
      node.broadcast('a')
      expect(node.take()).toContain('gossip #a 0 -> 1')
    })

    test('spec/gossip.md §4.4: the round stays a u16', () => {
      const node = make().up(1, 2).receive(1, gossip('a', 0xffff))
      expect(node.take()).toContain('gossip #a 65535 -> 2')
    })

    test('spec/gossip.md §3.2: nothing is sent to ourselves', () => {
      const node = make().up(ME, 1).broadcast('a').broadcast('b', true).receive(1, gossip('c', 0)).wait(10)
      expect(node.sent.map(({ peer }) => peer)).not.toContain(ME)
    })
  })
}

test('the fake hash of these tests tells payloads apart', () => {
  expect(hashOf(Uint8Array.of(97))).toBe('#a')
})
