import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Reader } from '../../../src/bytes/reader.ts'
import { Writer } from '../../../src/bytes/writer.ts'
import { ErrorCode } from '../../../src/quic/errors.ts'
import { FrameType } from '../../../src/quic/wire/frame-types.ts'
import {
  cryptoFrameOverhead,
  readCryptoFrame,
  readDatagram,
  readResetStream,
  readStopSending,
  readStreamFrame,
  StreamFrame,
  streamFrameOverhead,
  writeCryptoHeader,
  writeDatagramHeader,
  writeResetStream,
  writeStopSending,
  writeStreamHeader,
} from '../../../src/quic/wire/stream-frames.ts'
import { frame, toHex, written } from './bytes.ts'

const varint = fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 20_000 }), fc.nat(), fc.maxSafeNat())

describe('STREAM', () => {
  test('RFC 9000 §19.8: the eight types', () => {
    const write = (offset: number, length: number, fin: boolean) =>
      written((writer) => writeStreamHeader(writer, 4, offset, length, fin))
    expect(write(0, -1, false)).toBe('0804')
    expect(write(0, -1, true)).toBe('0904')
    expect(write(0, 2, false)).toBe('0a0402')
    expect(write(0, 0, true)).toBe('0b0400')
    expect(write(5, -1, false)).toBe('0c0405')
    expect(write(5, -1, true)).toBe('0d0405')
    expect(write(5, 2, false)).toBe('0e040502')
    expect(write(5, 2, true)).toBe('0f040502')
  })

  test('RFC 9000 §19.8: without a Length field the data runs to the end of the packet', () => {
    const { reader, type } = frame('0c0405aabbcc')
    const out = new StreamFrame()
    readStreamFrame(reader, type, out)
    expect(out).toMatchObject({ streamId: 4, offset: 5, start: 3, length: 3, fin: false })
    expect(reader.remaining).toBe(0)
  })

  test('RFC 9000 §19.8: data, empty data and FIN round trip in place', () => {
    fc.assert(
      fc.property(varint, varint, fc.uint8Array({ maxLength: 300 }), fc.boolean(), fc.boolean(), (...all) => {
        const [streamId, offset, data, fin, withLength] = all
        fc.pre(offset + data.length <= Number.MAX_SAFE_INTEGER)
        const writer = new Writer(new Uint8Array(400), 7)
        const length = withLength ? data.length : -1
        writeStreamHeader(writer, streamId, offset, length, fin)
        expect(writer.position - 7).toBe(streamFrameOverhead(streamId, offset, length))
        writer.raw(data)
        const end = writer.position
        if (withLength) writer.u8(FrameType.PING)
        const reader = new Reader(writer.bytes, 7, writer.position)
        const out = new StreamFrame()
        readStreamFrame(reader, reader.varint(), out)
        expect(out).toMatchObject({ streamId, offset, length: data.length, fin })
        expect(toHex(reader.bytes.subarray(out.start, out.start + out.length))).toBe(toHex(data))
        expect(reader.position).toBe(end)
      }),
    )
  })

  test('RFC 9000 §19.8: data beyond the largest offset closes the connection', () => {
    const out = new StreamFrame()
    const { reader, type } = frame('0e04ffffffffffffffff0100')
    expect(() => readStreamFrame(reader, type, out)).toThrowError(
      expect.objectContaining({ code: ErrorCode.FLOW_CONTROL_ERROR, frameType: 0x0e }),
    )
  })
})

describe('CRYPTO', () => {
  test('RFC 9001 §A.2: the header of a 241 byte ClientHello', () => {
    expect(written((writer) => writeCryptoHeader(writer, 0, 241))).toBe('060040f1')
  })

  test('RFC 9000 §19.6: round trip', () => {
    fc.assert(
      fc.property(varint, fc.uint8Array({ maxLength: 300 }), (offset, data) => {
        fc.pre(offset + data.length <= Number.MAX_SAFE_INTEGER)
        const writer = new Writer(new Uint8Array(400))
        writeCryptoHeader(writer, offset, data.length)
        expect(writer.position).toBe(cryptoFrameOverhead(offset, data.length))
        writer.raw(data)
        const reader = new Reader(writer.bytes, 1, writer.position)
        const out = new StreamFrame()
        readCryptoFrame(reader, out)
        expect(out).toMatchObject({ offset, start: writer.position - data.length, length: data.length })
        expect(reader.remaining).toBe(0)
      }),
    )
  })

  test('RFC 9000 §19.6: data beyond the largest offset is CRYPTO_BUFFER_EXCEEDED', () => {
    const { reader } = frame('06ffffffffffffffff0100')
    expect(() => readCryptoFrame(reader, new StreamFrame())).toThrowError(
      expect.objectContaining({ code: ErrorCode.CRYPTO_BUFFER_EXCEEDED, frameType: FrameType.CRYPTO }),
    )
  })
})

describe('DATAGRAM', () => {
  test('RFC 9221 §4: with and without a length', () => {
    const out = new StreamFrame()
    const bare = frame('30aabb')
    readDatagram(bare.reader, bare.type, out)
    expect([out.start, out.length, bare.reader.remaining]).toEqual([1, 2, 0])
    const sized = frame('3102aabb01')
    readDatagram(sized.reader, sized.type, out)
    expect([out.start, out.length, sized.reader.remaining]).toEqual([2, 2, 1])
    expect(written((writer) => writeDatagramHeader(writer, 300))).toBe('31412c')
  })
})

describe('RESET_STREAM and STOP_SENDING', () => {
  test('RFC 9000 §19.4, §19.5: round trips', () => {
    fc.assert(
      fc.property(varint, varint, varint, (streamId, errorCode, finalSize) => {
        const reset = frame(written((writer) => writeResetStream(writer, streamId, errorCode, finalSize)))
        expect(reset.type).toBe(FrameType.RESET_STREAM)
        expect(readResetStream(reset.reader)).toEqual({ streamId, errorCode, finalSize })
        expect(reset.reader.remaining).toBe(0)
        const stop = frame(written((writer) => writeStopSending(writer, streamId, errorCode)))
        expect(stop.type).toBe(FrameType.STOP_SENDING)
        expect(readStopSending(stop.reader)).toEqual({ streamId, errorCode })
        expect(stop.reader.remaining).toBe(0)
      }),
    )
    expect(written((writer) => writeResetStream(writer, 4, 5, 6))).toBe('04040506')
    expect(written((writer) => writeStopSending(writer, 4, 5))).toBe('050405')
  })
})
