import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Reader } from '../../../src/bytes/reader.ts'
import { VARINT_MAX } from '../../../src/bytes/varint.ts'
import type { Writer } from '../../../src/bytes/writer.ts'
import { ErrorCode } from '../../../src/quic/errors.ts'
import { FrameType } from '../../../src/quic/wire/frame-types.ts'
import {
  readDataBlocked,
  readMaxData,
  readMaxStreamData,
  readMaxStreams,
  readStreamDataBlocked,
  readStreamsBlocked,
  writeDataBlocked,
  writeMaxData,
  writeMaxStreamData,
  writeMaxStreams,
  writeStreamDataBlocked,
  writeStreamsBlocked,
} from '../../../src/quic/wire/limit-frames.ts'
import { frame, written } from './bytes.ts'

const counts: [string, number, (writer: Writer, n: number) => void, (reader: Reader) => number][] = [
  ['§19.9: MAX_DATA', FrameType.MAX_DATA, writeMaxData, readMaxData],
  ['§19.11: MAX_STREAMS', FrameType.MAX_STREAMS_BIDI, (writer, n) => writeMaxStreams(writer, true, n), readMaxStreams],
  ['§19.11: MAX_STREAMS', FrameType.MAX_STREAMS_UNI, (writer, n) => writeMaxStreams(writer, false, n), readMaxStreams],
  ['§19.12: DATA_BLOCKED', FrameType.DATA_BLOCKED, writeDataBlocked, readDataBlocked],
  [
    '§19.14: STREAMS_BLOCKED',
    FrameType.STREAMS_BLOCKED_BIDI,
    (w, n) => writeStreamsBlocked(w, true, n),
    readStreamsBlocked,
  ],
  [
    '§19.14: STREAMS_BLOCKED',
    FrameType.STREAMS_BLOCKED_UNI,
    (w, n) => writeStreamsBlocked(w, false, n),
    readStreamsBlocked,
  ],
]

describe('limits', () => {
  test.each(counts)('RFC 9000 %s (0x%x) round trip', (_name, type, write, read) => {
    fc.assert(
      fc.property(fc.oneof(fc.nat({ max: 70_000 }), fc.maxSafeNat()), (limit) => {
        const back = frame(written((writer) => write(writer, limit)))
        expect(back.type).toBe(type)
        expect(read(back.reader)).toBe(limit)
        expect(back.reader.remaining).toBe(0)
      }),
    )
  })

  test.each([
    ['§19.10: MAX_STREAM_DATA', FrameType.MAX_STREAM_DATA, writeMaxStreamData, readMaxStreamData],
    ['§19.13: STREAM_DATA_BLOCKED', FrameType.STREAM_DATA_BLOCKED, writeStreamDataBlocked, readStreamDataBlocked],
  ])('RFC 9000 %s (0x%x) round trip', (_name, type, write, read) => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (streamId, limit) => {
        const back = frame(written((writer) => write(writer, streamId, limit)))
        expect(back.type).toBe(type)
        expect(read(back.reader)).toEqual({ streamId, limit })
        expect(back.reader.remaining).toBe(0)
      }),
    )
  })

  test('RFC 9000 §16: "no limit" is written as 2^62 - 1 and read as the largest exact number', () => {
    expect(written((writer) => writeMaxData(writer, VARINT_MAX))).toBe('10ffffffffffffffff')
    expect(readMaxData(frame('10ffffffffffffffff').reader)).toBe(Number.MAX_SAFE_INTEGER)
  })

  test('RFC 9000 §4.6: stream counts end at 2^60, exactly', () => {
    for (const [type, read] of [
      [FrameType.MAX_STREAMS_BIDI, readMaxStreams],
      [FrameType.MAX_STREAMS_UNI, readMaxStreams],
      [FrameType.STREAMS_BLOCKED_BIDI, readStreamsBlocked],
      [FrameType.STREAMS_BLOCKED_UNI, readStreamsBlocked],
    ] as const) {
      const at = (hex: string) => () => read(frame(type.toString(16) + hex).reader, type)
      expect(at('d000000000000000')()).toBe(Number.MAX_SAFE_INTEGER)
      expect(at('cfffffffffffffff')()).toBe(Number.MAX_SAFE_INTEGER)
      for (const hex of ['d000000000000001', 'd100000000000000', 'ffffffffffffffff']) {
        expect(at(hex)).toThrowError(expect.objectContaining({ code: ErrorCode.FRAME_ENCODING_ERROR, frameType: type }))
      }
    }
  })
})
