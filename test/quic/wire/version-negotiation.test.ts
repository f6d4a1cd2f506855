import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PacketHeader, PacketKind, parseHeader, QUIC_V1 } from '../../../src/quic/wire/header.ts'
import { readVersionNegotiation, writeVersionNegotiation } from '../../../src/quic/wire/version-negotiation.ts'
import { embedded, fromHex, toHex, written } from './bytes.ts'

function read(bytes: Uint8Array): number[] {
  const { buffer, start, end } = embedded(bytes)
  const header = new PacketHeader()
  expect(parseHeader(buffer, start, end, 8, header)).toBe(true)
  expect(header.kind).toBe(PacketKind.VersionNegotiation)
  return readVersionNegotiation(buffer, header, header.end)
}

describe('version negotiation', () => {
  test('spec/quic.md §8.6: reads the captured packet', () => {
    const captured =
      'd8 00000000 04 22222222 08 1111111111111111 0a1a2a4a 00000001 ff00001d ff00001e ff00001f ff000020 ff000021 ff000022'
    expect(read(fromHex(captured))).toEqual([
      0x0a1a2a4a, 1, 0xff00001d, 0xff00001e, 0xff00001f, 0xff000020, 0xff000021, 0xff000022,
    ])
  })

  test('spec/quic.md §8.6: writes the same, without the drafts', () => {
    const hex = written((writer) =>
      writeVersionNegotiation(writer, fromHex('22222222'), fromHex('1111111111111111'), 0x18, 0x0a1a2a3a),
    )
    expect(hex).toBe('d8000000000422222222081111111111111111' + '0a1a2a4a' + '00000001')
  })

  test('RFC 9000 §15, §6: a reserved version that the client did not ask for, and v1', () => {
    const ids = fc.uint8Array({ maxLength: 255 })
    const versions = fc.oneof(fc.nat({ max: 0xffffffff }), fc.constantFrom(0x0a1a2a3a, 0x0a1a2a4a))
    fc.assert(
      fc.property(ids, ids, fc.nat({ max: 255 }), versions, (destination, source, randomByte, clientVersion) => {
        const hex = written((w) => writeVersionNegotiation(w, destination, source, randomByte, clientVersion))
        const bytes = fromHex(hex)
        const header = new PacketHeader()
        expect(bytes[0]! & 0xc0).toBe(0xc0)
        expect(parseHeader(bytes, 0, bytes.length, 8, header)).toBe(true)
        expect(toHex(bytes.subarray(header.destinationStart, header.destinationStart + header.destinationLength))).toBe(
          toHex(destination),
        )
        expect(header.sourceLength).toBe(source.length)
        const [grease, v1, ...more] = read(bytes)
        expect(grease! & 0x0f0f0f0f).toBe(0x0a0a0a0a)
        expect(grease).not.toBe(clientVersion)
        expect([v1, ...more]).toEqual([QUIC_V1])
      }),
    )
  })

  test('RFC 9000 §17.2.1: a list that ends inside a version is no list', () => {
    expect(read(fromHex('80 00000000 00 00 00000001 0000'))).toEqual([])
    expect(read(fromHex('80 00000000 00 00'))).toEqual([])
  })
})
