import fc from 'fast-check'
import { expect, test } from 'vitest'
import { copyBytes, RepeatedSource } from '../../../src/quic/streams/copy.ts'

test('both ways of copying do what a loop does, whatever was copied before', () => {
  const piece = fc.record({
    source: fc.nat(1),
    start: fc.oneof(fc.nat(40), fc.constantFrom(0, 8)),
    length: fc.oneof(fc.nat(60), fc.constantFrom(24, 25, 40)),
    at: fc.nat(10),
    fill: fc.nat(255),
  })
  fc.assert(
    fc.property(fc.array(piece, { minLength: 10, maxLength: 60 }), (pieces) => {
      const memory = new Uint8Array(300)
      // Two arrays over one memory: equal starts, different bytes.
      const sources = [memory.subarray(0, 150), memory.subarray(150)]
      const repeated = new RepeatedSource()
      for (const { source, start, length, at, fill } of pieces) {
        const from = sources[source]!
        for (let index = 0; index < from.length; index++) from[index] = (fill + index) & 0xff
        const [expected, once, again] = [new Uint8Array(80), new Uint8Array(80), new Uint8Array(80)]
        for (let index = 0; index < length; index++) expected[at + index] = from[start + index]!
        copyBytes(from, start, length, once, at)
        repeated.copy(from, start, length, again, at)
        expect(once).toEqual(expected)
        expect(again).toEqual(expected)
      }
    }),
  )
})
