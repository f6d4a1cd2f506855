import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ErrorCode } from '../../../src/quic/errors.ts'
import { FrameType } from '../../../src/quic/wire/frame-types.ts'
import {
  newConnectionIdLength,
  readNewConnectionId,
  readRetireConnectionId,
  writeNewConnectionId,
  writeRetireConnectionId,
} from '../../../src/quic/wire/id-frames.ts'
import { frame, fromHex, written } from './bytes.ts'

const ID = fromHex('abababababababab')
const TOKEN = fromHex('cd'.repeat(16))

function read(hex: string) {
  const { reader, type } = frame(hex)
  const value = readNewConnectionId(reader, type)
  expect(reader.remaining).toBe(0)
  return value
}

describe('NEW_CONNECTION_ID', () => {
  test('spec/quic.md §8.4: with and without a path', () => {
    const plain = '181f0d08ababababababababcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd'
    const path = '7e78161f0d08ababababababababcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd'
    const common = { sequence: 31, retirePriorTo: 13, id: ID, resetToken: TOKEN }
    expect(read(plain)).toEqual({ ...common, pathId: 0 })
    expect(read(path)).toEqual({ ...common, pathId: 22 })
    expect(written((writer) => writeNewConnectionId(writer, -1, 31, 13, ID, TOKEN))).toBe(plain)
    expect(written((writer) => writeNewConnectionId(writer, 22, 31, 13, ID, TOKEN))).toBe(path)
  })

  test('RFC 9000 §19.15: round trip, and the length that was promised', () => {
    const pathIds = fc.oneof(fc.constant(-1), fc.nat({ max: 2 ** 32 - 1 }))
    const token = fc.uint8Array({ minLength: 16, maxLength: 16 })
    const id = fc.uint8Array({ minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(pathIds, fc.maxSafeNat(), fc.nat(), id, token, (pathId, sequence, retire, id, resetToken) => {
        const retirePriorTo = Math.min(retire, sequence)
        const hex = written((writer) => writeNewConnectionId(writer, pathId, sequence, retirePriorTo, id, resetToken))
        expect(hex.length / 2).toBe(newConnectionIdLength(pathId, sequence, retirePriorTo, id.length))
        expect(read(hex)).toEqual({ pathId: Math.max(0, pathId), sequence, retirePriorTo, id, resetToken })
      }),
    )
  })

  test('RFC 9000 §19.15: empty and overlong ids, and retiring what is not yet issued', () => {
    const refused: [string, number][] = [
      [`18 05 00 00 ${'cd'.repeat(16)}`, FrameType.NEW_CONNECTION_ID],
      [`18 05 00 15 ${'ab'.repeat(21)} ${'cd'.repeat(16)}`, FrameType.NEW_CONNECTION_ID],
      [`18 05 06 01 ab ${'cd'.repeat(16)}`, FrameType.NEW_CONNECTION_ID],
      [`7e78 01 05 06 01 ab ${'cd'.repeat(16)}`, FrameType.PATH_NEW_CONNECTION_ID],
    ]
    for (const [hex, frameType] of refused) {
      expect(() => read(hex)).toThrowError(expect.objectContaining({ code: ErrorCode.FRAME_ENCODING_ERROR, frameType }))
    }
    expect(read(`18 05 05 01 ab ${'cd'.repeat(16)}`).retirePriorTo).toBe(5)
  })

  test('draft-ietf-quic-multipath §4: path ids above 2^32 - 1', () => {
    const token = 'cd'.repeat(16)
    expect(read(`7e78 c0000000ffffffff 05 05 01 ab ${token}`).pathId).toBe(2 ** 32 - 1)
    expect(() => read(`7e78 c000000100000000 05 05 01 ab ${token}`)).toThrowError(
      expect.objectContaining({ code: ErrorCode.PROTOCOL_VIOLATION, frameType: FrameType.PATH_NEW_CONNECTION_ID }),
    )
  })
})

describe('RETIRE_CONNECTION_ID', () => {
  test('spec/quic.md §8.4: with and without a path', () => {
    const plain = frame('191f')
    expect(readRetireConnectionId(plain.reader, plain.type)).toEqual({ pathId: 0, sequence: 31 })
    const path = frame('7e79161f')
    expect(readRetireConnectionId(path.reader, path.type)).toEqual({ pathId: 22, sequence: 31 })
    expect(written((writer) => writeRetireConnectionId(writer, -1, 31))).toBe('191f')
    expect(written((writer) => writeRetireConnectionId(writer, 22, 31))).toBe('7e79161f')
  })
})
