import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Writer } from '../../../src/bytes/writer.ts'
import { ErrorCode } from '../../../src/quic/errors.ts'
import {
  readConnectionClose,
  readNewToken,
  writeConnectionClose,
  writeNewToken,
} from '../../../src/quic/wire/control-frames.ts'
import { FrameType } from '../../../src/quic/wire/frame-types.ts'
import { frame, fromHex, toHex, written } from './bytes.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)

function read(hex: string) {
  const { reader, type } = frame(hex)
  const value = readConnectionClose(reader, type)
  expect(reader.remaining).toBe(0)
  return value
}

describe('CONNECTION_CLOSE', () => {
  test('RFC 9000 §19.19: the two forms', () => {
    expect(written((writer) => writeConnectionClose(writer, false, 0x0a, 0x06, utf8('no')))).toBe('1c0a06026e6f')
    expect(written((writer) => writeConnectionClose(writer, true, 5, 0x06, utf8('done')))).toBe('1d0504646f6e65')
    expect(read('1c0a06026e6f')).toEqual({ application: false, code: 0x0a, frameType: 0x06, reason: 'no' })
    expect(read('1d0504646f6e65')).toEqual({ application: true, code: 5, frameType: 0, reason: 'done' })
    expect(read('1c413000 00')).toEqual({ application: false, code: 0x130, frameType: 0, reason: '' })
  })

  test('RFC 9000 §19.19: a reason that is not UTF-8 does no harm', () => {
    expect(read('1d0003ff41fe').reason).toBe('\ufffdA\ufffd')
  })

  test('RFC 9000 §19.19: round trip; what does not fit is cut between characters', () => {
    const text = fc.string({ unit: 'binary', maxLength: 120 })
    fc.assert(
      fc.property(fc.boolean(), fc.maxSafeNat(), fc.maxSafeNat(), text, fc.integer({ min: 18, max: 200 }), (...all) => {
        const [application, code, frameType, reason, room] = all
        const writer = new Writer(new Uint8Array(300), 20, 20 + room)
        writeConnectionClose(writer, application, code, frameType, utf8(reason))
        const back = read(toHex(writer.bytes.subarray(20, writer.position)))
        expect(back).toMatchObject({ application, code, frameType: application ? 0 : frameType })
        expect(reason.startsWith(back.reason)).toBe(true)
        // At most a character and the shorter length field are given away.
        if (back.reason !== reason) expect(writer.room).toBeLessThanOrEqual(4)
      }),
    )
  })

  test('RFC 9000 §19.19: a reason of bytes that begin no character is cut all the same', () => {
    const hex = written((writer) => writeConnectionClose(writer, true, 0, 0, new Uint8Array(50).fill(0x80)), 20)
    expect(read(hex).reason.length).toBeGreaterThan(10)
  })
})

describe('NEW_TOKEN', () => {
  test('RFC 9000 §19.7: a token, as a copy', () => {
    expect(written((writer) => writeNewToken(writer, fromHex('0102')))).toBe('07020102')
    const { reader } = frame('07020102')
    const token = readNewToken(reader)
    reader.bytes.fill(0)
    expect(toHex(token)).toBe('0102')
  })

  test('RFC 9000 §19.7: an empty token is FRAME_ENCODING_ERROR', () => {
    expect(() => readNewToken(frame('0700').reader)).toThrowError(
      expect.objectContaining({ code: ErrorCode.FRAME_ENCODING_ERROR, frameType: FrameType.NEW_TOKEN }),
    )
  })
})
