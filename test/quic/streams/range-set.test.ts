import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RangeSet } from '../../../src/quic/streams/range-set.ts'

function rangesOf(set: RangeSet): [number, number][] {
  return Array.from({ length: set.count }, (_, index) => [set.start(index), set.end(index)])
}

/** The twin: every number by itself. */
function rangesOfNumbers(numbers: Set<number>): [number, number][] {
  const out: [number, number][] = []
  for (const value of [...numbers].sort((left, right) => left - right)) {
    const last = out.at(-1)
    if (last?.[1] === value) last[1] = value + 1
    else out.push([value, value + 1])
  }
  return out
}

test('a set of ranges is what a set of numbers is', () => {
  const step = fc.record({ add: fc.boolean(), start: fc.nat(60), length: fc.nat(20) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.nat(90), (steps, probe) => {
      const set = new RangeSet()
      const twin = new Set<number>()
      for (const { add, start, length } of steps) {
        if (add) set.add(start, start + length)
        else set.remove(start, start + length)
        for (let value = start; value < start + length; value++) {
          if (add) twin.add(value)
          else twin.delete(value)
        }
        expect(rangesOf(set)).toEqual(rangesOfNumbers(twin))
      }
      const index = set.after(probe)
      expect(index).toBe(rangesOf(set).filter(([, end]) => end <= probe).length)
    }),
    { numRuns: 100 },
  )
})
