import fc from 'fast-check'
import { expect, test } from 'vitest'
import { StreamTable } from '../../../src/quic/streams/stream-table.ts'

test('against a map: any order of adding, asking and deleting', () => {
  const step = fc.record({ verb: fc.constantFrom('add', 'get', 'has', 'delete', 'all', 'clear'), id: fc.nat(5) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const table = new StreamTable<{ id: number }>()
      const twin = new Map<number, { id: number }>()
      for (const { verb, id } of steps) {
        if (verb === 'get') expect(table.get(id)).toBe(twin.get(id))
        else if (verb === 'has') expect(table.has(id)).toBe(twin.has(id))
        else if (verb === 'delete') expect(table.delete(id)).toBe(twin.delete(id))
        else if (verb === 'all') expect(new Set(table.all())).toEqual(new Set(twin.values()))
        else if (verb === 'clear' && id === 0) {
          table.clear()
          twin.clear()
        } else if (verb === 'add' && !twin.has(id)) {
          const item = { id }
          table.add(item)
          twin.set(id, item)
        }
      }
      expect(table.all().length).toBe(twin.size)
    }),
    { numRuns: 500 },
  )
})
