/** What holds after any sequence of inputs (spec/gossip.md §7.1, §7.4, §7.6). */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { gossip, graft, ihave, PRUNE, RecordedTree } from './plumtree-recorder.ts'

const PEERS = [1, 2, 3, 4, 5, 6, 7]
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f']

const peer = fc.constantFrom(...PEERS)
const name = fc.constantFrom(...NAMES)
const round = fc.integer({ min: 0, max: 30 })
const input = fc.oneof(
  fc.record({ kind: fc.constant('up' as const), peer }),
  fc.record({ kind: fc.constant('down' as const), peer }),
  fc.record({ kind: fc.constant('broadcast' as const), name, isForNeighbors: fc.boolean() }),
  fc.record({ kind: fc.constant('gossip' as const), peer, name, round: fc.option(round, { nil: undefined }) }),
  fc.record({ kind: fc.constant('ihave' as const), peer, list: fc.array(fc.tuple(name, round), { maxLength: 4 }) }),
  fc.record({ kind: fc.constant('graft' as const), peer, name: fc.option(name, { nil: undefined }), round }),
  fc.record({ kind: fc.constant('prune' as const), peer }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 5, 40, 100, 400, 1_000, 3_000, 30_000) }),
)
type Input = typeof input extends fc.Arbitrary<infer T> ? T : never
const inputs = fc.array(input, { minLength: 1, maxLength: 80 })

function apply(node: RecordedTree, step: Input): void {
  switch (step.kind) {
    case 'up':
      node.up(step.peer)
      break
    case 'down':
      node.down(step.peer)
      break
    case 'broadcast':
      node.broadcast(step.name, step.isForNeighbors)
      break
    case 'gossip':
      node.receive(step.peer, gossip(step.name, step.round))
      break
    case 'ihave':
      node.receive(step.peer, ihave(...step.list))
      break
    case 'graft':
      node.receive(step.peer, graft(step.name, step.round))
      break
    case 'prune':
      node.receive(step.peer, PRUNE)
      break
    case 'wait':
      node.wait(step.ms)
      break
  }
}

const isAscending = (peers: readonly number[]) => peers.every((at, index) => index === 0 || peers[index - 1]! < at)

test.each([false, true])(
  'spec/gossip.md §7.1: a peer is eager or lazy, not both, in ascending order (repaired: %s)',
  (isRepaired) => {
    fc.assert(
      fc.property(inputs, (steps) => {
        const node = new RecordedTree({ isRepaired })
        for (const step of steps) {
          apply(node, step)
          const { eager, lazy } = node.tree
          expect(eager.filter((one) => lazy.includes(one))).toEqual([])
          expect(isAscending(eager) && isAscending(lazy)).toBe(true)
        }
      }),
    )
  },
)

test('spec/gossip.md §7.6: in the default profile every neighbour is eager or lazy, and nobody else', () => {
  fc.assert(
    fc.property(inputs, (steps) => {
      const node = new RecordedTree({ isRepaired: true })
      const neighbors = new Set<number>()
      for (const step of steps) {
        if (step.kind === 'up') neighbors.add(step.peer)
        if (step.kind === 'down') neighbors.delete(step.peer)
        apply(node, step)
        const members = [...node.tree.eager, ...node.tree.lazy].sort((a, b) => a - b)
        expect(members).toEqual([...neighbors].sort((a, b) => a - b))
      }
    }),
  )
})

test('spec/gossip.md §7.6: in the default profile nobody is asked or announced to who is no neighbour', () => {
  fc.assert(
    fc.property(inputs, (steps) => {
      const node = new RecordedTree({ isRepaired: true })
      for (const step of steps) {
        node.sent.length = 0
        apply(node, step)
        const { eager, lazy } = node.tree
        for (const { peer: to, message } of node.sent) {
          if (message.kind === 'graft' || message.kind === 'ihave') expect([...eager, ...lazy]).toContain(to)
        }
      }
    }),
  )
})

test.each([false, true])(
  'spec/gossip.md §7.4: nothing of the swarm is delivered twice within 90 s (repaired: %s)',
  (isRepaired) => {
    fc.assert(
      fc.property(inputs, (steps) => {
        const node = new RecordedTree({ isRepaired })
        const known = new Map<string, number>()
        for (const step of steps) {
          node.delivered.length = 0
          if (step.kind === 'broadcast' && !step.isForNeighbors) known.set(`#${step.name}`, node.now)
          apply(node, step)
          for (const { id, round: hops } of node.delivered) {
            const since = known.get(id)
            expect(since === undefined || node.now - since >= 90_000).toBe(true)
            if (hops !== undefined) known.set(id, node.now)
          }
        }
      }),
    )
  },
)

test.each([false, true])(
  'spec/gossip.md §7.2: nothing goes back to who sent it, nothing to ourselves (repaired: %s)',
  (isRepaired) => {
    fc.assert(
      fc.property(inputs, (steps) => {
        const node = new RecordedTree({ isRepaired })
        for (const step of steps) {
          node.sent.length = 0
          apply(node, step)
          if (step.kind !== 'gossip') continue
          for (const { peer: to, message } of node.sent) if (message.kind === 'gossip') expect(to).not.toBe(step.peer)
        }
        expect(node.sent.every(({ peer: to }) => PEERS.includes(to))).toBe(true)
      }),
    )
  },
)

test('spec/gossip.md §11.1 P8: in the default profile nothing is left after two minutes of rest', () => {
  fc.assert(
    fc.property(inputs, (steps) => {
      const node = new RecordedTree({ isRepaired: true })
      for (const step of steps) apply(node, step)
      node.wait(121_000)
      expect(node.tree.held).toEqual({ missing: 0, queued: 0, payloads: 0, ids: 0, bytes: 0 })
      expect(node.timers).toEqual([])
    }),
  )
})

test('in the default profile an announced payload is asked for within the longest timeout, once from each announcer', () => {
  fc.assert(
    fc.property(inputs, (steps) => {
      const node = new RecordedTree({ isRepaired: true })
      for (const step of steps) apply(node, step)
      // a payload that nobody has seen yet
      node.up(1, 2, 3)
      node.sent.length = 0
      node
        .receive(2, ihave(['new', 3]))
        .receive(1, ihave(['new', 2]))
        .wait(10_000)
      const asked = node.sent.flatMap(({ peer: to, message }) =>
        message.kind === 'graft' && message.id === '#new' ? [to] : [],
      )
      expect(asked).toEqual([2, 1])
    }),
  )
})
