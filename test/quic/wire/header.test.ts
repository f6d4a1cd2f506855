import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Writer } from '../../../src/bytes/writer.ts'
import {
  longHeaderLength,
  PacketHeader,
  PacketKind,
  parseHeader,
  patchLength,
  QUIC_V1,
  writeLongHeader,
  writeShortHeader,
} from '../../../src/quic/wire/header.ts'
import { embedded, fromHex, toHex, written } from './bytes.ts'

const EMPTY = new Uint8Array(0)

/** Parses and gives the fields as hex and numbers relative to the packet's start. */
function parsed(bytes: Uint8Array, shortIdLength = 8) {
  const { buffer, start, end } = embedded(bytes)
  const header = new PacketHeader()
  if (!parseHeader(buffer, start, end, shortIdLength, header)) return undefined
  const part = (at: number, length: number) => toHex(buffer.subarray(at, at + length))
  return {
    kind: header.kind,
    version: header.version,
    destination: part(header.destinationStart, header.destinationLength),
    source: part(header.sourceStart, header.sourceLength),
    token: part(header.tokenStart, header.tokenLength),
    packetNumberStart: header.packetNumberStart - start,
    end: header.end - start,
  }
}

function padded(hex: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  bytes.set(fromHex(hex))
  return bytes
}

/** Writes a long header and states `payload` bytes (tag included) after the packet number. */
function longHeader(
  kind: PacketKind,
  destination: string,
  source: string,
  token: string,
  packetNumber: number,
  packetNumberLength: number,
  payload: number,
): string {
  return written((writer) => {
    const lengthAt = writeLongHeader(
      writer,
      kind,
      QUIC_V1,
      fromHex(destination),
      fromHex(source),
      fromHex(token),
      packetNumber,
      packetNumberLength,
    )
    patchLength(writer.bytes, lengthAt, packetNumberLength + payload)
    expect(writer.position).toBe(
      longHeaderLength(kind, destination.length / 2, source.length / 2, token.length / 2, packetNumberLength),
    )
  })
}

describe('long headers', () => {
  test('RFC 9001 §A.2: client Initial', () => {
    const hex = 'c300000001088394c8f03e5157080000449e00000002'
    expect(longHeader(PacketKind.Initial, '8394c8f03e515708', '', '', 2, 4, 1178)).toBe(hex)
    const onTheWire = 'c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11'
    expect(parsed(padded(onTheWire, 1200))).toEqual({
      kind: PacketKind.Initial,
      version: 1,
      destination: '8394c8f03e515708',
      source: '',
      token: '',
      packetNumberStart: 18,
      end: 1200,
    })
  })

  test('RFC 9001 §A.3: server Initial', () => {
    expect(longHeader(PacketKind.Initial, '', 'f067a5502a4262b5', '', 1, 2, 115)).toBe(
      'c1000000010008f067a5502a4262b50040750001',
    )
    expect(parsed(padded('cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a', 135))).toEqual({
      kind: PacketKind.Initial,
      version: 1,
      destination: '',
      source: 'f067a5502a4262b5',
      token: '',
      packetNumberStart: 18,
      end: 135,
    })
  })

  test('RFC 9001 §A.4: Retry', () => {
    expect(parsed(fromHex('ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba'))).toEqual({
      kind: PacketKind.Retry,
      version: 1,
      destination: '',
      source: 'f067a5502a4262b5',
      token: toHex(new TextEncoder().encode('token')),
      packetNumberStart: 36,
      end: 36,
    })
  })

  test('spec/quic.md §8.1: the Initial of a client', () => {
    expect(longHeader(PacketKind.Initial, '06b858ec6f80452b', '', '', 0, 1, 32)).toBe(
      'c0000000010806b858ec6f80452b0000402100',
    )
    const packet = fromHex(
      'c8000000010806b858ec6f80452b00004021be3ef50807b84191a196f760a6dad1e9d1c430c48952cba0148250c21c0a6a70e1',
    )
    expect(parsed(packet)).toMatchObject({ destination: '06b858ec6f80452b', packetNumberStart: 18, end: packet.length })
  })

  test('RFC 9000 §12.2: coalesced packets follow one another', () => {
    const first = `${longHeader(PacketKind.Initial, 'aabb', 'cc', '0102', 7, 1, 20)}${'00'.repeat(20)}`
    const second = `${longHeader(PacketKind.Handshake, 'aabb', 'cc', '', 8, 3, 17)}${'00'.repeat(17)}`
    const third = `41aabb${'00'.repeat(21)}`
    const bytes = fromHex(first + second + third)
    const header = new PacketHeader()
    expect(parseHeader(bytes, 0, bytes.length, 2, header)).toBe(true)
    expect([header.kind, header.tokenLength, header.end]).toEqual([PacketKind.Initial, 2, first.length / 2])
    expect(parseHeader(bytes, header.end, bytes.length, 2, header)).toBe(true)
    expect([header.kind, header.tokenLength, header.end]).toEqual([
      PacketKind.Handshake,
      0,
      (first.length + second.length) / 2,
    ])
    expect(parseHeader(bytes, header.end, bytes.length, 2, header)).toBe(true)
    expect([header.kind, header.end, header.tokenLength]).toEqual([PacketKind.OneRtt, bytes.length, 0])
    expect(parseHeader(bytes, header.end, bytes.length, 2, header)).toBe(false)
  })

  test('RFC 9000 §17.2: the Length field may be of any size', () => {
    for (const length of ['14', '4014', '80000014', 'c000000000000014']) {
      const bytes = fromHex(`e000000001 02aabb 00 ${length} ${'00'.repeat(20)}`)
      expect(parsed(bytes)).toMatchObject({ kind: PacketKind.Handshake, end: bytes.length })
    }
  })

  test('RFC 9000 §17.2: a Length or token that leaves the datagram is no packet', () => {
    expect(parsed(fromHex(`e000000001 02aabb 00 4015 ${'00'.repeat(20)}`))).toBeUndefined()
    expect(parsed(fromHex(`e000000001 02aabb 00 ffffffffffffffff ${'00'.repeat(20)}`))).toBeUndefined()
    expect(parsed(fromHex(`c000000001 02aabb 00 4064 ${'00'.repeat(20)}`))).toBeUndefined()
    expect(parsed(fromHex(`c000000001 02aabb 00 ffffffffffffffff ${'00'.repeat(20)}`))).toBeUndefined()
  })

  test('RFC 9000 §17.2: version 1 has no connection ids above 20 bytes, other versions do', () => {
    const ids = `15${'11'.repeat(21)} 15${'22'.repeat(21)}`
    expect(parsed(fromHex(`e000000001 15${'11'.repeat(21)} 00 14 ${'00'.repeat(20)}`))).toBeUndefined()
    expect(parsed(fromHex(`e000000001 00 15${'22'.repeat(21)} 14 ${'00'.repeat(20)}`))).toBeUndefined()
    expect(parsed(fromHex(`e000000001 14${'11'.repeat(20)} 14${'22'.repeat(20)} 14 ${'00'.repeat(20)}`))).toBeDefined()
    expect(parsed(fromHex(`e0ff00001d ${ids} 14 ${'00'.repeat(20)}`))).toMatchObject({
      kind: PacketKind.UnknownVersion,
      version: 0xff00001d,
      destination: '11'.repeat(21),
      source: '22'.repeat(21),
    })
  })

  test('RFC 8999 §6: version 0 is Version Negotiation whatever the type bits are', () => {
    expect(parsed(fromHex('80 00000000 04 22222222 08 1111111111111111 00000001'))).toMatchObject({
      kind: PacketKind.VersionNegotiation,
      destination: '22222222',
      source: '1111111111111111',
      end: 23,
    })
  })

  test('RFC 9000 §17.2.5: a Retry without room for its tag is no packet', () => {
    expect(parsed(fromHex(`f000000001 00 00 ${'00'.repeat(15)}`))).toBeUndefined()
    expect(parsed(fromHex(`f000000001 00 00 ${'00'.repeat(16)}`))).toMatchObject({ kind: PacketKind.Retry, token: '' })
  })

  test('RFC 9000 §17.2: every header that is cut short is no packet', () => {
    const whole = fromHex(
      `${longHeader(PacketKind.Initial, 'aabbccdd', 'eeff', '0102030405', 3, 2, 18)}${'00'.repeat(18)}`,
    )
    for (let length = 0; length < whole.length; length++) {
      expect(parsed(whole.subarray(0, length)), `${length} bytes`).toBeUndefined()
    }
  })

  test('RFC 9000 §17.2: what is written is read again', () => {
    const id = fc.uint8Array({ maxLength: 20 })
    const kind = fc.constantFrom(PacketKind.Initial, PacketKind.ZeroRtt, PacketKind.Handshake)
    const token = fc.uint8Array({ maxLength: 100 })
    fc.assert(
      fc.property(
        kind,
        id,
        id,
        token,
        fc.maxSafeNat(),
        fc.integer({ min: 1, max: 4 }),
        fc.nat({ max: 300 }),
        (...all) => {
          const [packetKind, destination, source, initialToken, packetNumber, width, payload] = all
          const writer = new Writer(new Uint8Array(600), 3)
          const lengthAt = writeLongHeader(
            writer,
            packetKind,
            QUIC_V1,
            destination,
            source,
            initialToken,
            packetNumber,
            width,
          )
          const used = longHeaderLength(packetKind, destination.length, source.length, initialToken.length, width)
          expect(writer.position - 3).toBe(used)
          patchLength(writer.bytes, lengthAt, width + payload)
          expect(parsed(writer.bytes.subarray(3, 3 + used + payload))).toEqual({
            kind: packetKind,
            version: 1,
            destination: toHex(destination),
            source: toHex(source),
            token: packetKind === PacketKind.Initial ? toHex(initialToken) : '',
            packetNumberStart: used - width,
            end: used + payload,
          })
          const low = toHex(writer.bytes.subarray(writer.position - width, writer.position))
          expect(BigInt(`0x${low}`)).toBe(BigInt.asUintN(8 * width, BigInt(packetNumber)))
          expect((writer.bytes[3]! & 0xcf) - 0xc0).toBe(width - 1)
        },
      ),
    )
  })
})

describe('short headers', () => {
  const id = fromHex('a0a1a2a3a4a5a6a7')

  test('spec/quic.md §8.2: headers before protection', () => {
    expect(written((writer) => writeShortHeader(writer, id, false, 0, 2, 1))).toBe('40a0a1a2a3a4a5a6a702')
    expect(written((writer) => writeShortHeader(writer, id, false, 1, 1000, 2))).toBe('45a0a1a2a3a4a5a6a703e8')
  })

  test('RFC 9001 §A.5: packet number in three bytes, no connection id', () => {
    expect(written((writer) => writeShortHeader(writer, EMPTY, false, 0, 654360564, 3))).toBe('4200bff4')
  })

  test('RFC 9000 §17.4: the spin bit', () => {
    expect(written((writer) => writeShortHeader(writer, EMPTY, true, 1, 0x1_0203_0405, 4))).toBe('6702030405')
  })

  test('RFC 9000 §17.3: a short header runs to the end of the datagram', () => {
    expect(parsed(fromHex('40a0a1a2a3a4a5a6a7020000'))).toEqual({
      kind: PacketKind.OneRtt,
      version: 0,
      destination: 'a0a1a2a3a4a5a6a7',
      source: '',
      token: '',
      packetNumberStart: 9,
      end: 12,
    })
    expect(parsed(fromHex('40a0a1a2a3a4a5a6'))).toBeUndefined()
  })
})

test('RFC 8999 §5: parsing anything never throws and never leaves the datagram', () => {
  const anything = fc.uint8Array({ maxLength: 120 })
  // Random bytes are mostly unknown versions, so most inputs get the version that is parsed further.
  const versionOne = fc.tuple(fc.integer({ min: 0x80, max: 0xff }), anything).map(([first, rest]) => {
    const bytes = new Uint8Array(5 + rest.length)
    bytes.set([first, 0, 0, 0, 1])
    bytes.set(rest, 5)
    if (bytes.length > 5) bytes[5]! &= 0x0f
    return bytes
  })
  fc.assert(
    fc.property(fc.oneof(anything, versionOne), fc.integer({ min: 0, max: 20 }), (bytes, shortIdLength) => {
      const { buffer, start, end } = embedded(bytes, 3, 200)
      const header = new PacketHeader()
      if (!parseHeader(buffer, start, end, shortIdLength, header)) return
      expect(header.end).toBeGreaterThan(start)
      expect(header.end).toBeLessThanOrEqual(end)
      for (const [at, length] of [
        [header.destinationStart, header.destinationLength],
        [header.sourceStart, header.sourceLength],
        [header.tokenStart, header.tokenLength],
        [header.packetNumberStart, 0],
      ] as const) {
        expect(at).toBeGreaterThanOrEqual(start)
        expect(length).toBeGreaterThanOrEqual(0)
        expect(at + length).toBeLessThanOrEqual(header.end)
      }
    }),
    { numRuns: 3000 },
  )
})
