import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SlotPool } from '../../src/driver/slot-pool.ts'

test('by default 160 slots of 16,384 bytes in one memory', () => {
  const pool = new SlotPool()
  expect(pool.bytes.length).toBe(160 * 16_384)
  expect(pool.offset(159)).toBe(159 * 16_384)
  expect(pool.inUse).toBe(0)
})

test('an empty pool says -1 until something is released', () => {
  const pool = new SlotPool({ count: 2, size: 64 })
  const first = pool.acquire()
  const second = pool.acquire()
  expect(pool.acquire()).toBe(-1)
  expect(pool.inUse).toBe(2)
  pool.release(first)
  expect(pool.available).toBe(1)
  expect(pool.acquire()).toBe(first)
  expect(second).not.toBe(first)
})

test('releasing twice, or what was never acquired, throws', () => {
  const pool = new SlotPool({ count: 2, size: 64 })
  const slot = pool.acquire()
  pool.release(slot)
  expect(() => pool.release(slot)).toThrow(/not in use/)
  expect(() => pool.release(1)).toThrow(/not in use/)
  expect(() => pool.release(99)).toThrow(/not in use/)
  expect(pool.available).toBe(2)
})

test('the memory is asked for once, whole; one that is too small is refused', () => {
  const asked: number[] = []
  const memory = new Uint8Array(200)
  const pool = new SlotPool({
    count: 2,
    size: 64,
    allocate: (length) => {
      asked.push(length)
      return memory
    },
  })
  expect(asked).toEqual([128])
  expect(pool.bytes).toBe(memory)
  expect(() => new SlotPool({ count: 2, size: 64, allocate: () => new Uint8Array(127) })).toThrow(RangeError)
})

test('a view shows the first bytes of its slot, and is made anew only for another length', () => {
  const pool = new SlotPool({ count: 3, size: 16 })
  for (let index = 0; index < 48; index++) pool.bytes[index] = index
  const view = pool.view(1, 4)
  expect([...view]).toEqual([16, 17, 18, 19])
  expect(pool.view(1, 4)).toBe(view)
  expect([...pool.view(1, 5)]).toEqual([16, 17, 18, 19, 20])
  expect([...pool.view(2, 4)]).toEqual([32, 33, 34, 35])
})

test('no slot is ever handed out twice, whatever the order', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 200 }), (steps) => {
      const pool = new SlotPool({ count: 8, size: 16 })
      const held: number[] = []
      for (const step of steps) {
        if (step < 12) {
          const slot = pool.acquire()
          expect(slot === -1).toBe(held.length === 8)
          if (slot >= 0) {
            expect(held).not.toContain(slot)
            held.push(slot)
          }
        } else if (held.length > 0) {
          pool.release(held.splice(step % held.length, 1)[0]!)
        }
        expect(pool.inUse).toBe(held.length)
      }
    }),
  )
})
