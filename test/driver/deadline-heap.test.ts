import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Deadlined, DeadlineHeap } from '../../src/driver/deadline-heap.ts'

const NEVER = Number.POSITIVE_INFINITY

class Item implements Deadlined {
  deadline = NEVER
  heapIndex = -1
}

test('the earliest comes first, moves, and leaves with Infinity', () => {
  const heap = new DeadlineHeap<Item>()
  const [first, second] = [new Item(), new Item()]
  expect(heap.earliest).toBe(NEVER)
  heap.set(first, 20)
  heap.set(second, 10)
  expect(heap.peek()).toBe(second)
  heap.set(second, 30)
  expect(heap.peek()).toBe(first)
  heap.set(first, NEVER)
  heap.set(first, NEVER)
  expect(heap.earliest).toBe(30)
  expect(heap.size).toBe(1)
})

test('after clear the items can go into another heap', () => {
  const heap = new DeadlineHeap<Item>()
  const item = new Item()
  heap.set(item, 5)
  heap.clear()
  expect(heap.size).toBe(0)
  heap.set(item, 7)
  expect(heap.earliest).toBe(7)
})

test('it agrees with a list that is searched each time', () => {
  const step = fc.tuple(fc.nat(15), fc.oneof(fc.nat(50), fc.constant(NEVER)))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const heap = new DeadlineHeap<Item>()
      const items = Array.from({ length: 16 }, () => new Item())
      const twin = new Map<Item, number>()
      for (const [index, deadline] of steps) {
        const item = items[index]!
        heap.set(item, deadline)
        twin.set(item, deadline)
        expect(heap.earliest).toBe(Math.min(NEVER, ...twin.values()))
        const first = heap.peek()
        if (first !== undefined) expect(twin.get(first)).toBe(heap.earliest)
      }
      const order: number[] = []
      for (let first = heap.peek(); first !== undefined; first = heap.peek()) {
        order.push(first.deadline)
        heap.set(first, NEVER)
      }
      expect(order).toEqual([...twin.values()].filter((deadline) => deadline !== NEVER).sort((a, b) => a - b))
    }),
  )
})
