import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SlotPool } from '../../src/driver/slot-pool.ts'

test('by default 256 slots of 2,048 bytes in one memory', () => {
  const pool = new SlotPool()
  expect(pool.bytes.length).toBe(256 * 2048)
  expect(pool.offset(255)).toBe(255 * 2048)
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

test('a memory that is too small is refused', () => {
  expect(() => new SlotPool({ count: 2, size: 64, memory: new Uint8Array(127) })).toThrow(RangeError)
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
