import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Reader, TruncatedError } from '../../../src/bytes/reader.ts'
import { Writer } from '../../../src/bytes/writer.ts'
import { ErrorCode, TransportError } from '../../../src/quic/errors.ts'
import {
  AckFrame,
  readAckFrame,
  readAckFrequency,
  writeAckFrame,
  writeAckFrequency,
} from '../../../src/quic/wire/ack-frames.ts'
import { FrameType } from '../../../src/quic/wire/frame-types.ts'
import { frame, toHex, written } from './bytes.ts'

/** 14, 10 and 11, 5, 1 to 3. */
const LARGEST = [14, 11, 5, 3]
const SMALLEST = [14, 10, 5, 1]

function read(hex: string, out = new AckFrame()) {
  const { reader, type } = frame(hex)
  readAckFrame(reader, type, out)
  expect(reader.remaining).toBe(0)
  return {
    pathId: out.pathId,
    delay: out.delay,
    largest: [...out.largest.subarray(0, out.count)],
    smallest: [...out.smallest.subarray(0, out.count)],
    ecn: out.hasEcn ? [out.ect0, out.ect1, out.ce] : undefined,
  }
}

function errorOf(hex: string): unknown {
  try {
    read(hex)
  } catch (error) {
    return error
  }
  return undefined
}

describe('ACK and PATH_ACK', () => {
  test('spec/quic.md §8.4: the rows of ACK, PATH_ACK and PATH_ACK_ECN', () => {
    const ranges = { delay: 42, largest: LARGEST, smallest: SMALLEST }
    expect(read('020e2a0300010103000002')).toEqual({ ...ranges, pathId: 0, ecn: undefined })
    expect(read('3e010e2a0300010103000002')).toEqual({ ...ranges, pathId: 1, ecn: undefined })
    expect(read('3ec0000000ffffffff0e2a0300010103000002')).toEqual({ ...ranges, pathId: 2 ** 32 - 1, ecn: undefined })
    expect(read('3fc0000000ffffffff0e2a03000101030000022a180c')).toEqual({
      ...ranges,
      pathId: 2 ** 32 - 1,
      ecn: [42, 24, 12],
    })
    const write = (pathId: number) => written((writer) => writeAckFrame(writer, pathId, 42, 4, LARGEST, SMALLEST))
    expect(write(-1)).toBe('020e2a0300010103000002')
    expect(write(0)).toBe('3e000e2a0300010103000002')
    expect(write(1)).toBe('3e010e2a0300010103000002')
    expect(write(2 ** 32 - 1)).toBe('3ec0000000ffffffff0e2a0300010103000002')
  })

  test('RFC 9000 §19.3.2: ECN counts', () => {
    expect(read('03050000010101 02')).toEqual({
      pathId: 0,
      delay: 0,
      largest: [5],
      smallest: [4],
      ecn: [1, 1, 2],
    })
  })

  test('RFC 9000 §19.3.1: ranges below packet number 0 are FRAME_ENCODING_ERROR', () => {
    // First range of 6 below largest 5; a gap below 0; a length below 0.
    for (const hex of ['0205000006', '020500010304 00', '02050001010102']) {
      const error = errorOf(hex)
      expect(error, hex).toBeInstanceOf(TransportError)
      expect(error).toMatchObject({ code: ErrorCode.FRAME_ENCODING_ERROR, frameType: FrameType.ACK })
    }
    expect(read('020500010101 01').smallest).toEqual([4, 0])
  })

  test('RFC 9000 §19.3: a range count beyond the packet takes no memory', () => {
    const out = new AckFrame()
    const { reader, type } = frame('02 05 00 bfffffff 00 00 00')
    expect(() => readAckFrame(reader, type, out)).toThrow(TransportError)
    expect(out.largest.length).toBe(32)
  })

  test('RFC 9000 §19.3: a frame cut anywhere is refused', () => {
    const whole = '3f010e2a03000101030000022a180c'
    for (let length = 2; length < whole.length; length += 2) {
      const error = errorOf(whole.slice(0, length))
      expect(error instanceof TruncatedError || error instanceof TransportError, `${length / 2} bytes`).toBe(true)
    }
  })

  test('draft-ietf-quic-multipath §4: path ids end at 2^32 - 1', () => {
    expect(errorOf('3ec0000001000000000e2a0000')).toMatchObject({
      code: ErrorCode.PROTOCOL_VIOLATION,
      frameType: FrameType.PATH_ACK,
    })
  })

  test('RFC 9000 §19.3: the arrays are reused once they have grown', () => {
    const out = new AckFrame()
    const many = `02 4200 00 4040 00 ${'0000'.repeat(64)}`
    expect(read(many, out).largest).toHaveLength(65)
    const { largest, smallest } = out
    expect(read('020e2a0300010103000002', out).largest).toEqual(LARGEST)
    read(many, out)
    expect(out.largest).toBe(largest)
    expect(out.smallest).toBe(smallest)
  })

  /** Descending ranges that do not touch, from gaps and lengths. */
  const rangeLists = fc
    .array(fc.tuple(fc.nat({ max: 20_000 }), fc.nat({ max: 300 })), { minLength: 1, maxLength: 90 })
    .map((steps) => {
      const ascending = { largest: [] as number[], smallest: [] as number[] }
      let next = 0
      for (const [gap, length] of steps) {
        ascending.smallest.push(next + gap)
        ascending.largest.push(next + gap + length)
        next += gap + length + 2
      }
      return { largest: ascending.largest.reverse(), smallest: ascending.smallest.reverse() }
    })

  test('RFC 9000 §19.3: what is written is read again; too little room keeps the highest ranges', () => {
    const pathIds = fc.oneof(fc.constant(-1), fc.nat({ max: 2 ** 32 - 1 }))
    fc.assert(
      fc.property(
        rangeLists,
        pathIds,
        fc.nat({ max: 2 ** 20 }),
        fc.nat({ max: 400 }),
        (ranges, pathId, delay, room) => {
          const { largest, smallest } = ranges
          const writer = new Writer(new Uint8Array(1000), 10, 10 + room)
          const count = writeAckFrame(writer, pathId, delay, largest.length, largest, smallest)
          if (count === 0) {
            expect(writer.position).toBe(10)
            // Nothing fits: even the largest single range takes 23 bytes at most.
            expect(room).toBeLessThan(24)
            return
          }
          const back = read(toHex(writer.bytes.subarray(10, writer.position)))
          expect(back).toEqual({
            pathId: Math.max(pathId, 0),
            delay,
            largest: largest.slice(0, count),
            smallest: smallest.slice(0, count),
            ecn: undefined,
          })
          if (count === largest.length) return
          // One more would not have fit.
          const wider = new Writer(new Uint8Array(1000), 0, room)
          expect(() => {
            const all = new Writer(new Uint8Array(2000))
            writeAckFrame(all, pathId, delay, count + 1, largest, smallest)
            wider.raw(all.bytes.subarray(0, all.position))
          }).toThrow()
        },
      ),
    )
  })

  test('RFC 9000 §19.3: whatever the room, it is filled and not overrun', () => {
    const largest = Array.from({ length: 80 }, (_, index) => 2 * (80 - index))
    for (let room = 0; room < 180; room++) {
      const writer = new Writer(new Uint8Array(200), 0, room)
      const count = writeAckFrame(writer, -1, 0, 80, largest, largest)
      // Type, largest (2 bytes above 63), delay, count (2 bytes above 63 further ranges), first range; then 2 bytes a range.
      const further = (room - 6) / 2 < 64 ? Math.min(63, Math.floor((room - 6) / 2)) : Math.floor((room - 7) / 2)
      expect(count, `room ${room}`).toBe(room < 6 ? 0 : 1 + Math.min(79, further))
    }
  })

  test('RFC 9000 §19.3: nothing to acknowledge, nothing written', () => {
    expect(written((writer) => expect(writeAckFrame(writer, -1, 0, 0, [], [])).toBe(0))).toBe('')
  })
})

describe('ACK_FREQUENCY', () => {
  test('spec/quic.md §8.4: sequence 42, threshold 20, 50000 µs, reordering 1', () => {
    const { reader, type } = frame('40af2a148000c35001')
    expect(type).toBe(FrameType.ACK_FREQUENCY)
    expect(readAckFrequency(reader)).toEqual({
      sequence: 42,
      threshold: 20,
      maxAckDelayUs: 50000,
      reorderingThreshold: 1,
    })
    expect(written((writer) => writeAckFrequency(writer, 42, 20, 50000, 1))).toBe('40af2a148000c35001')
  })

  test('spec/quic.md §8.4: IMMEDIATE_ACK is its type alone', () => {
    expect(written((writer) => writer.varint(FrameType.IMMEDIATE_ACK))).toBe('1f')
  })
})

test('RFC 9000 §16: longer varints than needed are accepted in frames', () => {
  const reader = new Reader(Uint8Array.of(0x40, 0x02, 0x40, 0x05, 0x40, 0x00, 0x40, 0x00, 0x40, 0x01))
  const out = new AckFrame()
  readAckFrame(reader, reader.varint(), out)
  expect([out.largest[0], out.smallest[0], out.count]).toEqual([5, 4, 1])
})
