import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FairQueue, QueueNode } from '../../../src/quic/streams/send-queue.ts'

test('RFC 9000 §2.3: higher priority first, turns inside one priority', () => {
  const queue = new FairQueue<string>()
  const nodes = (['low 1', 'high 1', 'low 2', 'high 2'] as const).map(
    (name) => new QueueNode<string>(name, name.startsWith('high') ? 5 : -1),
  )
  for (const node of nodes) queue.add(node)
  const order: string[] = []
  for (let turn = 0; turn < 3; turn++) {
    order.push(queue.first!.item)
    queue.rotate(queue.first!)
  }
  for (let node = queue.first; node !== undefined; node = queue.first) {
    order.push(node.item)
    queue.remove(node)
  }
  expect(order).toEqual(['high 1', 'high 2', 'high 1', 'high 2', 'high 1', 'low 1', 'low 2'])
})

test('the queue is what a stably sorted list is, with more priorities than lanes are kept for', () => {
  const step = fc.record({ verb: fc.constantFrom('add', 'remove', 'rotate'), node: fc.nat(29) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
      const queue = new FairQueue<number>()
      const nodes = Array.from({ length: 30 }, (_, index) => new QueueNode(index, index % 25))
      let twin: number[] = []
      for (const { verb, node } of steps) {
        const isIn = twin.includes(node)
        if (verb === 'add') {
          queue.add(nodes[node]!)
          if (!isIn) twin.push(node)
        } else if (verb === 'remove') {
          queue.remove(nodes[node]!)
          twin = twin.filter((other) => other !== node)
        } else {
          queue.rotate(nodes[node]!)
          if (isIn) twin = [...twin.filter((other) => other !== node), node]
        }
        expect(queue.count).toBe(twin.length)
        expect(queue.isEmpty).toBe(twin.length === 0)
        expect(nodes[node]!.isQueued).toBe(twin.includes(node))
        // Stable: the first of the highest priority.
        const best = twin.toSorted((left, right) => (right % 25) - (left % 25))[0]
        expect(queue.first?.item).toBe(best)
      }
    }),
    { numRuns: 100 },
  )
})
