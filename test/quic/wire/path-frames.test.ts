import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Reader } from '../../../src/bytes/reader.ts'
import type { Writer } from '../../../src/bytes/writer.ts'
import { ErrorCode } from '../../../src/quic/errors.ts'
import { FrameType } from '../../../src/quic/wire/frame-types.ts'
import {
  PathErrorCode,
  readMaxPathId,
  readPathAbandon,
  readPathCidsBlocked,
  readPathData,
  readPathStatus,
  readPathsBlocked,
  writeMaxPathId,
  writePathAbandon,
  writePathChallenge,
  writePathCidsBlocked,
  writePathResponse,
  writePathStatus,
  writePathsBlocked,
} from '../../../src/quic/wire/path-frames.ts'
import { frame, fromHex, written } from './bytes.ts'

type Row = [
  hex: string,
  value: unknown,
  write: (writer: Writer) => void,
  read: (reader: Reader, type: number) => unknown,
]

const ROWS: Row[] = [
  ['7e752a00', { pathId: 42, errorCode: 0 }, (w) => writePathAbandon(w, 42, 0), readPathAbandon],
  [
    '7e75013e',
    { pathId: 1, errorCode: 0x3e },
    (w) => writePathAbandon(w, 1, PathErrorCode.APPLICATION_ABANDON),
    readPathAbandon,
  ],
  [
    '7e75017e76',
    { pathId: 1, errorCode: 0x3e76 },
    (w) => writePathAbandon(w, 1, PathErrorCode.UNSTABLE_OR_POOR),
    readPathAbandon,
  ],
  ['7e762a4049', { pathId: 42, sequence: 73, backup: true }, (w) => writePathStatus(w, 42, 73, true), readPathStatus],
  ['7e772a4049', { pathId: 42, sequence: 73, backup: false }, (w) => writePathStatus(w, 42, 73, false), readPathStatus],
  ['7e770002', { pathId: 0, sequence: 2, backup: false }, (w) => writePathStatus(w, 0, 2, false), readPathStatus],
  ['7e7a08', 8, (w) => writeMaxPathId(w, 8), readMaxPathId],
  ['7e7a17', 23, (w) => writeMaxPathId(w, 23), readMaxPathId],
  ['7e7b16', 22, (w) => writePathsBlocked(w, 22), readPathsBlocked],
  ['7e7c1720', { pathId: 23, nextSequence: 32 }, (w) => writePathCidsBlocked(w, 23, 32), readPathCidsBlocked],
  ['7e7c0100', { pathId: 1, nextSequence: 0 }, (w) => writePathCidsBlocked(w, 1, 0), readPathCidsBlocked],
]

describe('path frames', () => {
  test.each(ROWS)('spec/quic.md §8.4: %s', (hex, value, write, read) => {
    const { reader, type } = frame(hex)
    expect(read(reader, type)).toEqual(value)
    expect(reader.remaining).toBe(0)
    expect(written(write)).toBe(hex)
  })

  test('RFC 9000 §19.17, §19.18: PATH_CHALLENGE and PATH_RESPONSE, with a copy of the data', () => {
    const data = fromHex('0102030405060708')
    expect(written((writer) => writePathChallenge(writer, data))).toBe('1a0102030405060708')
    expect(written((writer) => writePathResponse(writer, data))).toBe('1b0102030405060708')
    const { reader } = frame('1a0102030405060708')
    const read = readPathData(reader)
    reader.bytes.fill(0)
    expect(read).toEqual(data)
  })

  test('draft-ietf-quic-multipath: round trips', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 32 - 1 }), fc.maxSafeNat(), fc.boolean(), (pathId, number, backup) => {
        const trip = (write: (writer: Writer) => void, read: (reader: Reader, type: number) => unknown) => {
          const { reader, type } = frame(written(write))
          const value = read(reader, type)
          expect(reader.remaining).toBe(0)
          return value
        }
        expect(trip((w) => writePathAbandon(w, pathId, number), readPathAbandon)).toEqual({ pathId, errorCode: number })
        expect(trip((w) => writePathStatus(w, pathId, number, backup), readPathStatus)).toEqual({
          pathId,
          sequence: number,
          backup,
        })
        expect(trip((w) => writeMaxPathId(w, pathId), readMaxPathId)).toBe(pathId)
        expect(trip((w) => writePathsBlocked(w, pathId), readPathsBlocked)).toBe(pathId)
        expect(trip((w) => writePathCidsBlocked(w, pathId, number), readPathCidsBlocked)).toEqual({
          pathId,
          nextSequence: number,
        })
      }),
    )
  })

  test('draft-ietf-quic-multipath §4: path ids above 2^32 - 1 are PROTOCOL_VIOLATION', () => {
    for (const [type, read] of [
      [FrameType.PATH_ABANDON, readPathAbandon],
      [FrameType.PATH_STATUS_BACKUP, readPathStatus],
      [FrameType.PATH_STATUS_AVAILABLE, readPathStatus],
      [FrameType.MAX_PATH_ID, readMaxPathId],
      [FrameType.PATHS_BLOCKED, readPathsBlocked],
      [FrameType.PATH_CIDS_BLOCKED, readPathCidsBlocked],
    ] as const) {
      const { reader } = frame(`${(0x4000 | type).toString(16)}c00000010000000000`)
      expect(() => read(reader, type)).toThrowError(
        expect.objectContaining({ code: ErrorCode.PROTOCOL_VIOLATION, frameType: type }),
      )
    }
  })
})
