import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Reassembly } from '../../../src/quic/streams/reassembly.ts'
import { join, outcome, pattern } from './pipe.ts'

const piece = fc.record({ offset: fc.nat(9000), length: fc.nat(3000), read: fc.nat(4000) })

test('RFC 9000 §2.2: what is read is what a map of bytes holds, whatever the order and overlap', () => {
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 40, size: 'max' }), (pieces) => {
      const reassembly = new Reassembly()
      const twin = new Map<number, number>()
      const read: Uint8Array[] = []
      let readOffset = 0
      let version = 0
      for (const { offset, length, read: max } of pieces) {
        // Each frame brings other bytes: the first to arrive counts.
        const bytes = new Uint8Array(length + 2).fill(++version)
        let fresh = 0
        for (let at = offset; at < offset + length; at++) {
          if (twin.has(at)) continue
          twin.set(at, version)
          fresh++
        }
        expect(reassembly.insert(offset, bytes, 1, length)).toBe(fresh)
        let contiguous = readOffset
        while (twin.has(contiguous)) contiguous++
        expect(reassembly.available).toBe(contiguous - readOffset)
        if (max === 0) continue
        const view = reassembly.read(max)
        expect(view === undefined).toBe(contiguous === readOffset)
        if (view === undefined) continue
        expect(view.length).toBeLessThanOrEqual(max)
        read.push(view)
        readOffset += view.length
      }
      // Checked at the end: no view changed after it was handed out.
      expect([...join(read)]).toEqual(Array.from({ length: readOffset }, (_, at) => twin.get(at)))
    }),
    { numRuns: 60 },
  )
})

test('small pieces are read as one view, and big data in slabs of 64 KiB', () => {
  const reassembly = new Reassembly()
  for (let offset = 0; offset < 1000; offset += 10) reassembly.insert(offset, pattern(offset, 10), 0, 10)
  expect(reassembly.read(100_000)).toEqual(pattern(0, 1000))
  reassembly.insert(1000, pattern(1000, 400_000), 0, 400_000)
  const lengths: number[] = []
  for (let view = reassembly.read(100_000); view !== undefined; view = reassembly.read(100_000))
    lengths.push(view.length)
  expect(lengths.slice(0, 7)).toEqual([1048, 4096, 8192, 16_384, 32_768, 65_536, 65_536])
  expect(reassembly.available).toBe(0)
})

test('a thousand gaps of tiny frames are the bound', () => {
  const reassembly = new Reassembly()
  const byte = new Uint8Array(1)
  const insert = (count: number) => {
    for (let index = 0; index < count; index++) reassembly.insert(1 + index * 2, byte, 0, 1)
  }
  expect(outcome(() => insert(1000))).toBe('ok')
  expect(reassembly.rangeCount).toBe(1000)
  expect(outcome(() => insert(1003))).toBe('PROTOCOL_VIOLATION')
})

test('ten thousand gaps between full packets are allowed, and close again', () => {
  const reassembly = new Reassembly()
  const data = new Uint8Array(1200)
  for (let index = 1; index < 20_000; index += 2) reassembly.insert(index * 1200, data, 0, 1200)
  expect(reassembly.rangeCount).toBe(10_000)
  for (let index = 0; index < 20_000; index += 2) reassembly.insert(index * 1200, data, 0, 1200)
  expect([reassembly.rangeCount, reassembly.available]).toEqual([0, 24_000_000])
  const byte = new Uint8Array(1)
  const from = 24_000_001
  for (let index = 0; index < 1000; index++) reassembly.insert(from + index * 2, byte, 0, 1)
  // The credit of the closed gaps is used up again.
  expect(outcome(() => reassembly.insert(from + 2002, byte, 0, 1))).toBe('PROTOCOL_VIOLATION')
})

test('an offset far beyond costs one slab', () => {
  const reassembly = new Reassembly()
  expect(reassembly.insert(2 ** 50, new Uint8Array(3), 0, 3)).toBe(3)
  expect(reassembly.available).toBe(0)
})
