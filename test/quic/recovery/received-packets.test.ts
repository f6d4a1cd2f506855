import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Reader } from '../../../src/bytes/reader.ts'
import { Level } from '../../../src/quic/level.ts'
import { PacketWriter, SentFramePool } from '../../../src/quic/recovery/frame-owner.ts'
import { MAX_RANGES, ReceivedPackets } from '../../../src/quic/recovery/received-packets.ts'
import { AckFrame, readAckFrame } from '../../../src/quic/wire/ack-frames.ts'
import { ackOfSet } from './support.ts'

function written(received: ReceivedPackets, now: number, room = 1200, pathId = -1): AckFrame | undefined {
  const packet = new PacketWriter(new SentFramePool())
  packet.begin(new Uint8Array(room), 0, room, Level.OneRtt, 0, false)
  if (!received.writeAck(packet, pathId, 3, now)) {
    expect(packet.position).toBe(0)
    return undefined
  }
  const reader = new Reader(packet.bytes, 0, packet.position)
  const ack = new AckFrame()
  readAckFrame(reader, reader.varint(), ack)
  expect(reader.remaining).toBe(0)
  return ack
}

function ranges(ack: AckFrame): [number, number][] {
  return Array.from({ length: ack.count }, (_, index) => [ack.smallest[index]!, ack.largest[index]!])
}

describe('ReceivedPackets', () => {
  test('RFC 9000 §12.3: a duplicate is refused, in order, in the middle and at the edges', () => {
    const received = new ReceivedPackets()
    for (const number of [0, 1, 2, 5, 7, 6]) expect(received.add(number, 0)).toBe(true)
    for (const number of [0, 2, 5, 6, 7]) {
      expect(received.isDuplicate(number)).toBe(true)
      expect(received.add(number, 0)).toBe(false)
    }
    expect(received.isDuplicate(3)).toBe(false)
    expect(received.isDuplicate(8)).toBe(false)
    expect(received.add(4, 0)).toBe(true)
    expect(received.add(3, 0)).toBe(true)
    expect(received.rangeCount).toBe(1)
    expect(received.hasGaps).toBe(false)
  })

  test('RFC 9000 §13.2.5: the delay runs from the arrival of the largest, in units of the exponent', () => {
    const received = new ReceivedPackets()
    received.add(9, 100)
    received.add(3, 104)
    const ack = written(received, 108)!
    expect(ack.delay).toBe(1000)
    expect(ranges(ack)).toEqual([
      [9, 9],
      [3, 3],
    ])
    expect(ack.pathId).toBe(0)
    expect(written(received, 108, 1200, 7)!.pathId).toBe(7)
  })

  test('RFC 9000 §13.2.3: at most 64 ranges, the oldest make room and count as received', () => {
    const received = new ReceivedPackets()
    for (let number = 0; number < 2 * MAX_RANGES; number += 2) received.add(number, 0)
    expect(received.rangeCount).toBe(MAX_RANGES)
    expect(received.isDuplicate(1)).toBe(false)
    received.add(1000, 0)
    expect(received.rangeCount).toBe(MAX_RANGES)
    expect(received.isDuplicate(0)).toBe(true)
    expect(received.isDuplicate(1)).toBe(false)
    expect(received.add(1, 0)).toBe(true)
    received.add(1002, 0)
    expect(received.add(1, 0)).toBe(false)
  })

  test('RFC 9000 §13.2.3: a packet older than a full table is not taken', () => {
    const received = new ReceivedPackets()
    for (let index = 1; index <= MAX_RANGES; index++) received.add(index * 10, 0)
    expect(received.add(3, 0)).toBe(false)
    expect(received.add(9, 0)).toBe(true)
    expect(received.rangeCount).toBe(MAX_RANGES)
  })

  test('RFC 9000 §13.2.4: what the peer knows is no longer sent, and still found to be a duplicate', () => {
    const received = new ReceivedPackets()
    for (const number of [0, 1, 2, 4, 5, 6, 9, 10, 140]) received.add(number, 0)
    received.prune(5)
    expect(ranges(written(received, 0)!)).toEqual([
      [140, 140],
      [9, 10],
      [6, 6],
    ])
    for (const number of [0, 3, 5, 6]) expect(received.add(number, 0)).toBe(false)
    expect(received.add(7, 0)).toBe(true)
    received.add(1000, 0)
    received.prune(1000)
    // The largest stays: every ACK needs a range.
    expect(ranges(written(received, 0)!)).toEqual([[1000, 1000]])
    expect(received.add(140, 0)).toBe(false)
    expect(received.add(1001, 0)).toBe(true)
    expect(ranges(written(received, 0)!)).toEqual([[1000, 1001]])
  })

  test('a packet that 127 others overtook is no duplicate, whatever the peer knows of those: probes come by slower routes', () => {
    const received = new ReceivedPackets()
    for (let number = 0; number < 1000; number++) if (number % 500 !== 300) received.add(number, 0)
    received.prune(999)
    expect(received.isDuplicate(999 - 127)).toBe(true)
    const late = new ReceivedPackets()
    for (let number = 0; number < 1000; number++) if (number !== 872 && number !== 871) late.add(number, 0)
    late.prune(999)
    expect(late.isDuplicate(872)).toBe(false)
    expect(late.add(872, 0)).toBe(true)
    expect(late.isDuplicate(871)).toBe(true)
  })

  test('RFC 9000 §13.2.3: no room writes nothing, little room the newest ranges', () => {
    const received = new ReceivedPackets()
    expect(written(received, 0)).toBeUndefined()
    for (const number of [1, 3, 5, 7]) received.add(number, 0)
    expect(written(received, 0, 4)).toBeUndefined()
    expect(ranges(written(received, 0, 7)!)).toEqual([
      [7, 7],
      [5, 5],
    ])
  })

  test('RFC 9000 §12.3: against a plain set, with any order, duplicates and pruning', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ add: fc.integer({ min: 0, max: 60 }) }) },
      { weight: 2, arbitrary: fc.record({ add: fc.integer({ min: 160, max: 190 }) }) },
      { weight: 1, arbitrary: fc.record({ prune: fc.integer({ min: 0, max: 190 }) }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const received = new ReceivedPackets()
        // The twin: these numbers cannot make more than 47 ranges, so nothing is dropped but by pruning.
        const seen = new Set<number>()
        let floor = -1
        let largest = -1
        for (const action of steps) {
          if ('add' in action) {
            const fresh = action.add > floor && !seen.has(action.add)
            expect(received.isDuplicate(action.add)).toBe(!fresh)
            expect(received.add(action.add, 0)).toBe(fresh)
            seen.add(action.add)
            largest = Math.max(largest, action.add)
          } else {
            // The peer can only have seen an ACK of something received.
            const upTo = Math.min(action.prune, largest)
            received.prune(upTo)
            floor = Math.max(floor, Math.min(upTo, largest - 128))
          }
          if (largest < 0) continue
          const expected = ackOfSet([...seen].filter((number) => number > floor))
          expect(ranges(written(received, 0)!)).toEqual(ranges(expected))
          const missing = Array.from({ length: 91 }, (_, number) => number).find(
            (number) => number >= 10 && number <= 60 && number > floor && !seen.has(number),
          )
          expect(received.firstMissing(10, 60)).toBe(missing ?? -1)
        }
      }),
      { numRuns: 200 },
    )
  })

  test('RFC 9000 §13.2.3: with more ranges than fit, nothing is taken twice', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 600 }), { minLength: 100, maxLength: 400 }), (numbers) => {
        const received = new ReceivedPackets()
        const taken = new Set<number>()
        for (const number of numbers) {
          const before = taken.size
          const fresh = received.add(number, 0)
          if (fresh) taken.add(number)
          if (fresh && taken.size === before) throw new Error(`${number} was taken twice`)
          if (received.rangeCount > MAX_RANGES) throw new Error('too many ranges')
        }
        const claimed = ranges(written(received, 0)!).flatMap(([low, high]) =>
          Array.from({ length: high - low + 1 }, (_, index) => low + index),
        )
        expect(claimed.filter((number) => !taken.has(number))).toEqual([])
      }),
      { numRuns: 100 },
    )
  })
})
