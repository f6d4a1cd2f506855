/** When a nearer announcer replaces the neighbour that delivered: at once in the upstream profile, when it lasts in the default one (spec/gossip.md §7.2, §16 #6, #7, #7b). */
import { describe, expect, test } from 'vitest'
import { gossip, graft, ihave, PRUNE, RecordedTree } from './plumtree-recorder.ts'

const lonely = (isRepaired: boolean) => new RecordedTree({ isRepaired }).up(2, 3).receive(2, PRUNE)

describe('upstream-0.101', () => {
  const after = (round: number, node = lonely(false)) => {
    node.receive(2, ihave(['a', 2]))
    node.take()
    return node.receive(3, gossip('a', round))
  }

  test.each([6, 7])('spec/gossip.md §16 #6, #7b: none at round %i', (round) => {
    const node = after(round)
    expect(node.take()).toEqual(['timer dispatch 5', `received #a from 3 round ${round}`])
    expect(node.tree.eager).toEqual([3])
  })

  test.each([8, 9])('spec/gossip.md §16 #7, #7b: at round %i: Graft without id, Prune, event', (round) => {
    const node = after(round)
    expect(node.take()).toEqual([
      'timer dispatch 5',
      'graft undefined 2 -> 2',
      'prune -> 3',
      `received #a from 3 round ${round}`,
    ])
    expect(node.tree.eager).toEqual([2])
    expect(node.tree.lazy).toEqual([3])
    expect(node.tree.stats.optimizations).toBe(1)
  })

  test('spec/gossip.md §16 #7: without any neighbour, as upstream tests it', () => {
    const node = after(9, new RecordedTree({ isRepaired: false }))
    expect(node.take().slice(1)).toEqual(['graft undefined 2 -> 2', 'prune -> 3', 'received #a from 3 round 9'])
  })

  test('spec/gossip.md §10.2: an announcer that is eager already: Prune only', () => {
    const node = after(9, lonely(false).receive(2, graft(undefined, 0)))
    expect(node.take()).toEqual(['gossip #a 10 -> 2', 'timer dispatch 5', 'prune -> 3', 'received #a from 3 round 9'])
    expect(node.tree.lazy).toEqual([3])
  })

  test('spec/gossip.md §7.2: the nearest of all announcers is taken, the first of equals', () => {
    const node = new RecordedTree({ isRepaired: false }).up(1, 2, 3, 4)
    for (const peer of [1, 2, 4]) node.receive(peer, PRUNE)
    node
      .receive(1, ihave(['a', 5]))
      .receive(4, ihave(['a', 1]))
      .receive(2, ihave(['a', 1]))
    node.take()
    expect(node.receive(3, gossip('a', 20)).take()).toEqual([
      'timer dispatch 5',
      'graft undefined 1 -> 4',
      'prune -> 3',
      'received #a from 3 round 20',
    ])
  })
})

describe('default', () => {
  /** A message that 2 announces with round 2 and 3 delivers with `round`, and then a long pause. */
  const message = (node: RecordedTree, name: string, round: number) => {
    node.receive(2, ihave([name, 2]))
    node.take()
    node.receive(3, gossip(name, round))
    const outputs = node.take()
    node.wait(20_000)
    return outputs
  }

  test('the third message on end that was 7 hops nearer elsewhere: Graft without id, Prune, event', () => {
    const node = lonely(true)
    expect(message(node, 'a', 8)).toEqual(['received #a from 3 round 8'])
    expect(message(node, 'b', 8)).toEqual(['received #b from 3 round 8'])
    expect(node.tree.eager).toEqual([3])
    expect(message(node, 'c', 8)).toEqual(['graft undefined 2 -> 2', 'prune -> 3', 'received #c from 3 round 8'])
    expect(node.tree.eager).toEqual([2])
    expect(node.tree.lazy).toEqual([3])
  })

  test('6 hops are not enough', () => {
    const node = lonely(true)
    for (const name of ['a', 'b', 'c', 'd', 'e']) message(node, name, 7)
    expect(node.tree.stats.optimizations).toBe(0)
    expect(node.tree.eager).toEqual([3])
  })

  test('twice as much nearer counts at once', () => {
    const node = lonely(true)
    expect(message(node, 'a', 14)).toEqual(['received #a from 3 round 14'])
    expect(message(lonely(true), 'b', 15)).toEqual([
      'graft undefined 2 -> 2',
      'prune -> 3',
      'received #b from 3 round 15',
    ])
  })

  test('one message that came well begins the count anew: with changing authors the tree stays', () => {
    const node = lonely(true)
    for (const [at, round] of [9, 9, 5, 9, 9, 5, 9, 9].entries()) message(node, `${at}`, round)
    expect(node.tree.stats.optimizations).toBe(0)
    message(node, 'x', 9)
    expect(node.tree.stats.optimizations).toBe(1)
  })

  test('spec/gossip.md §11.1 P11: nobody is replaced by a peer that is no neighbour', () => {
    const node = new RecordedTree({ isRepaired: true }).up(3)
    for (const name of ['a', 'b', 'c', 'd']) message(node, name, 20)
    expect(node.tree.eager).toEqual([3])
    expect(node.sent).toEqual([])
  })

  test('of messages that overlap few may replace a neighbour', () => {
    const node = lonely(true)
    let optimized = 0
    for (let at = 0; at < 300; at++) {
      node
        .receive(2, ihave([`${at}`, 2]))
        .receive(3, gossip(`${at}`, 12))
        .wait(20)
      if (node.tree.stats.optimizations === 0) continue
      // back as it was
      optimized++
      node.tree.stats.optimizations = 0
      node.receive(2, PRUNE).receive(3, graft(undefined, 0))
    }
    expect(optimized).toBeGreaterThan(0)
    expect(optimized).toBeLessThan(50)
  })
})
