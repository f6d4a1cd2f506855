/** Each repair as a defect of the upstream profile and as it is in the default one (spec/gossip.md §7.3 to §7.6, §11.1 P8 to P11), and what the default profile does beyond. */
import { describe, expect, test } from 'vitest'
import { announcementsPerMessage } from '../../../src/gossip/proto/plumtree-queue.ts'
import { gossip, graft, ihave, PRUNE, RecordedTree, type TreeOptions } from './plumtree-recorder.ts'

const upstream = (options: Partial<TreeOptions> = {}) => new RecordedTree({ isRepaired: false, ...options })
const repaired = (options: Partial<TreeOptions> = {}) => new RecordedTree({ isRepaired: true, ...options })

describe('spec/gossip.md §11.1 P8: what belongs to peers that left', () => {
  const announceThenLeave = (node: RecordedTree) => {
    node.up(1, 2).receive(1, PRUNE).broadcast('a').down(1)
    node.take()
    return node.wait(10).take()
  }

  test('upstream announces to a peer that left, which dials it', () => {
    expect(announceThenLeave(upstream())).toEqual(['ihave #a 0 -> 1'])
  })

  test('default: its announcements are dropped', () => {
    expect(announceThenLeave(repaired())).toEqual([])
  })

  test('upstream keeps what nobody sends for ever', () => {
    const node = upstream()
      .up(1)
      .receive(1, ihave(['a', 1]))
      .wait(1_000_000)
    expect(node.tree.held.missing).toBe(1)
  })

  test('default: it is forgotten after 90 s', () => {
    const node = repaired()
      .up(1)
      .receive(1, ihave(['a', 1]))
      .wait(89_000)
    expect(node.tree.held.missing).toBe(1)
    node.wait(2_000)
    expect(node.tree.held.missing).toBe(0)
    expect(node.timers).toEqual([])
  })

  test('default: what we write ourselves is not missing any more', () => {
    const announced = (node: RecordedTree) =>
      node
        .up(1)
        .receive(1, ihave(['a', 1]))
        .broadcast('a')
    expect(announced(upstream()).tree.held.missing).toBe(1)
    expect(announced(repaired()).tree.held.missing).toBe(0)
  })

  test('default: what only peers that left had is forgotten at once, and its timer does nothing', () => {
    const node = repaired()
      .up(1, 2)
      .receive(1, PRUNE)
      .receive(1, ihave(['a', 1]))
      .wait(390)
      .down(1)
    expect(node.tree.held.missing).toBe(0)
    node.receive(2, ihave(['a', 3]))
    node.take()
    node.wait(300)
    expect(node.take()).toEqual([])
    node.wait(100)
    expect(node.take()[0]).toBe('graft #a 3 -> 2')
  })
})

describe('spec/gossip.md §11.1 P9: a payload that is only slow', () => {
  const slow = (node: RecordedTree) =>
    node
      .up(1, 2)
      .receive(2, PRUNE)
      .receive(2, ihave(['a', 1]))
      .wait(120)
      .receive(1, gossip('a', 1))

  test('upstream asks for it after 80 ms, and once more 40 ms later', () => {
    expect(slow(upstream()).tree.stats.graftsSent).toBe(1)
  })

  test('default waits', () => {
    expect(slow(repaired()).tree.stats.graftsSent).toBe(0)
  })

  /** 1 delivers so long after 2 announced. */
  const late = (node: RecordedTree, name: string, ms: number) => {
    node
      .receive(2, ihave([name, 1]))
      .wait(ms)
      .receive(1, gossip(name, 1))
      .wait(20_000)
    return node.tree.stats.graftsSent
  }

  test('default asks for it in vain once, then waits longer', () => {
    const node = repaired().up(1, 2).receive(2, PRUNE)
    expect(late(node, 'a', 500)).toBe(1)
    node.receive(2, PRUNE)
    expect(late(node, 'b', 500)).toBe(1)
    expect(late(node, 'c', 500)).toBe(1)
  })

  test('default waits less again after many payloads that were in time', () => {
    const node = repaired().up(1, 2).receive(2, PRUNE)
    late(node, 'a', 500)
    const longest = node.tree.graftTimeoutMs
    expect(longest).toBeGreaterThan(500)
    for (let at = 0; at < 300; at++) late(node, `in time ${at}`, 10)
    expect(node.tree.graftTimeoutMs).toBeLessThan(405)
  })

  test('default goes on asking when the one that was asked delivers: the link is broken', () => {
    const node = repaired().up(1, 2, 3).receive(2, PRUNE)
    for (const name of ['a', 'b', 'c']) {
      node
        .receive(2, PRUNE)
        .receive(2, ihave([name, 1]))
        .wait(450)
      node.receive(2, gossip(name, 1)).wait(20_000)
    }
    expect(node.tree.stats.graftsSent).toBe(3)
    expect(node.tree.graftTimeoutMs).toBe(400)
  })
})

describe('spec/gossip.md §11.1 P10: a broadcast for neighbours', () => {
  const lists = (node: RecordedTree) => node.up(1, 2, 3).receive(2, PRUNE).broadcast('a', true).take()

  test('upstream leaves out lazy neighbours', () => {
    expect(lists(upstream())).toEqual(['gossip #a undefined -> 1', 'gossip #a undefined -> 3'])
  })

  test('default reaches all', () => {
    const all = ['gossip #a undefined -> 1', 'gossip #a undefined -> 3', 'gossip #a undefined -> 2']
    expect(lists(repaired())).toEqual(all)
  })

  test('default: known bytes that come for neighbours do not cost the link its place in the tree', () => {
    const known = (node: RecordedTree) => node.up(1, 2).receive(1, gossip('a', 0)).receive(2, gossip('a', undefined))
    expect(known(upstream()).tree.lazy).toEqual([2])
    const node = known(repaired())
    expect(node.tree.eager).toEqual([1, 2])
    expect(node.delivered).toHaveLength(1)
    expect(node.sent.map(({ message }) => message.kind)).toEqual(['gossip'])
  })
})

describe('spec/gossip.md §7.6, §11.1 P11: peers that are no neighbours', () => {
  const strange = [
    ['a prune', (node: RecordedTree) => node.receive(9, PRUNE), [], [9]],
    ['a graft', (node: RecordedTree) => node.receive(9, graft(undefined, 1)), [9], []],
    ['a duplicate', (node: RecordedTree) => node.broadcast('a').receive(9, gossip('a', 1)), [], [9]],
    ['an announcement', (node: RecordedTree) => node.receive(9, ihave(['a', 1])).wait(1_000), [9], []],
  ] as const

  test.each(strange)('%s puts it into the tree of upstream', (_, act, eager, lazy) => {
    const { tree } = act(upstream().up(1).down(1))
    expect(tree.eager).toEqual(eager)
    expect(tree.lazy).toEqual(lazy)
  })

  test.each(strange)('default: %s does not', (_, act) => {
    const { tree } = act(repaired().up(1, 9).down(9))
    expect(tree.eager).toEqual([1])
    expect(tree.lazy).toEqual([])
  })

  test('default: it is not asked, gets its answer and its prune, and its payload counts', () => {
    const node = repaired()
      .up(1)
      .receive(9, ihave(['a', 1]))
      .wait(5_000)
    expect(node.sent).toEqual([])
    expect(node.tree.stats.strangerAnnouncements).toBe(1)
    expect(node.tree.held.missing).toBe(0)
    node.receive(9, gossip('a', 1))
    expect(node.take()).toEqual(['gossip #a 2 -> 1', 'received #a from 9 round 1'])
    node.receive(8, graft('a', 0)).wait(5_000).receive(8, gossip('a', 7))
    expect(node.take()).toEqual(['gossip #a 2 -> 8', 'prune -> 8'])
  })
})

describe('default: what is known of others is not told to them', () => {
  const announced = (node: RecordedTree) => {
    node
      .up(1, 2, 3, 4)
      .receive(2, PRUNE)
      .receive(3, PRUNE)
      .receive(2, ihave(['a', 1]))
    node.take()
    return node.receive(1, gossip('a', 2)).wait(5).take()
  }

  test('no announcement to announcers', () => {
    expect(announced(upstream()).filter((line) => line.startsWith('ihave'))).toEqual([
      'ihave #a 3 -> 2',
      'ihave #a 3 -> 3',
    ])
    expect(announced(repaired()).filter((line) => line.startsWith('ihave'))).toEqual(['ihave #a 3 -> 3'])
  })

  test('no payload to a peer that was asked for it', () => {
    const asked = (node: RecordedTree) => {
      node
        .up(1, 2)
        .receive(2, PRUNE)
        .receive(2, ihave(['a', 1]))
        .wait(450)
      node.take()
      return node.receive(1, gossip('a', 2)).take()
    }
    expect(asked(upstream())[0]).toBe('gossip #a 3 -> 2')
    expect(asked(repaired())).toEqual(['received #a from 1 round 2'])
  })
})

describe('default: requests', () => {
  test('one after the other, though more announcements come; upstream starts a second timer', () => {
    const late = (node: RecordedTree, first: number) => {
      node
        .up(1, 2, 3)
        .receive(1, ihave(['a', 1]))
        .wait(first)
      node.take()
      node.receive(2, ihave(['a', 1])).receive(3, ihave(['a', 1]))
      return node.take()
    }
    expect(late(upstream(), 85)).toEqual(['timer graft #a 80'])
    expect(late(repaired(), 405)).toEqual([])
  })

  test('a late announcer is asked at once when all others were asked in vain', () => {
    const node = repaired()
      .up(1, 2)
      .receive(1, ihave(['a', 1]))
      .wait(2_000)
    expect(node.take().filter((line) => line.startsWith('graft'))).toEqual(['graft #a 1 -> 1'])
    node.receive(2, ihave(['a', 4]))
    expect(node.take()[0]).toBe('graft #a 4 -> 2')
  })

  test('an announcer that repeats itself is asked once', () => {
    const node = repaired().up(1, 2)
    for (let again = 0; again < 5; again++) node.receive(1, ihave(['a', 1], ['a', 1])).wait(500)
    expect(node.tree.stats.graftsSent).toBe(1)
  })

  test('when a neighbour that delivered is lost, what is missing is asked for after 100 ms, and so is what comes next', () => {
    const node = repaired()
      .up(1, 2, 3)
      .receive(2, PRUNE)
      .receive(1, gossip('w', 0))
      .receive(2, ihave(['a', 1]))
    node.take()
    node.down(1)
    expect(node.take()).toEqual(['timer graft #a 100'])
    node.wait(100)
    expect(node.take()).toContain('graft #a 1 -> 2')
    node.receive(3, ihave(['b', 1]))
    expect(node.take()).toEqual(['timer graft #b 100'])
    for (const name of ['x', 'y', 'z']) node.receive(3, gossip(name, 1))
    node.take()
    node.receive(3, ihave(['c', 1]))
    expect(node.take()).toEqual(['timer graft #c 400'])
  })

  test.each([
    ['is lazy', (node: RecordedTree) => node.receive(1, gossip('w', 0)).receive(1, PRUNE)],
    ['never delivered', (node: RecordedTree) => node.receive(3, gossip('w', 0))],
    [
      'delivered long ago',
      (node: RecordedTree) => {
        node.receive(1, gossip('w', 0))
        for (const name of ['1', '2', '3', '4']) node.receive(3, gossip(name, 0))
        return node
      },
    ],
  ] as const)('when a neighbour is lost that %s, nothing is asked for early', (_, prepare) => {
    const node = prepare(repaired().up(1, 2, 3)).receive(2, ihave(['a', 1]))
    node.take()
    node.down(1)
    expect(node.take()).toEqual([])
    node.receive(2, ihave(['b', 1]))
    expect(node.take()).not.toContain('timer graft #b 100')
  })
})

describe('default: links', () => {
  test('who delivers first is eager here too, as in the paper (§10.2)', () => {
    const delivered = (node: RecordedTree) => node.up(1, 2).receive(2, PRUNE).receive(2, gossip('a', 0)).tree.eager
    expect(delivered(upstream())).toEqual([1])
    expect(delivered(repaired())).toEqual([1, 2])
  })

  /** Two copies of each message, so close to each other that all are on their way at the same time. */
  const overlapping = (node: RecordedTree, count: number, pauseMs: number) => {
    node.up(1, 2)
    const pruned: number[] = []
    for (let at = 0; at < count; at++) {
      node
        .receive(1, gossip(`${at}`, 1))
        .wait(1)
        .receive(2, gossip(`${at}`, 1))
      if (node.sent.some(({ message }) => message.kind === 'prune')) pruned.push(at)
      node.sent.length = 0
      node.wait(pauseMs - 1)
    }
    return pruned
  }

  test('of messages that overlap few change the tree, the same at every node; upstream lets all', () => {
    expect(overlapping(upstream(), 400, 20)).toHaveLength(400)
    const one = overlapping(repaired(), 400, 20)
    expect(one.length).toBeGreaterThan(1)
    expect(one.length).toBeLessThan(40)
    expect(overlapping(repaired(), 400, 20)).toEqual(one)
  })

  test('so it is with messages of our own that come back', () => {
    const node = repaired().up(1)
    for (let at = 0; at < 400; at++)
      node
        .broadcast(`${at}`)
        .receive(1, gossip(`${at}`, 3))
        .wait(20)
    expect(node.tree.stats.prunesSent).toBeGreaterThan(1)
    expect(node.tree.stats.prunesSent).toBeLessThan(60)
  })

  test('of messages one after the other all do', () => {
    expect(overlapping(repaired(), 20, 10_000)).toHaveLength(20)
  })
})

describe('spec/gossip.md §4.5: the queue', () => {
  test('default: a full message goes at once', () => {
    const node = repaired().up(1).receive(1, PRUNE)
    const batch = announcementsPerMessage(4096)
    for (let index = 0; index < batch; index++) node.broadcast(`${index}`)
    expect(node.sent).toHaveLength(1)
    expect(node.tree.held.queued).toBe(0)
  })
})
