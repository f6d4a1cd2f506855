import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Reader } from '../../../src/bytes/reader.ts'
import type { Writer } from '../../../src/bytes/writer.ts'
import {
  readAddAddress,
  readObservedAddress,
  readReachOut,
  readRemoveAddress,
  writeAddAddress,
  writeObservedAddress,
  writeReachOut,
  writeRemoveAddress,
} from '../../../src/quic/wire/address-frames.ts'
import { FrameType } from '../../../src/quic/wire/frame-types.ts'
import { frame, fromHex, written } from './bytes.ts'

const LOCAL4 = { ip: fromHex('7f000001'), port: 4242 }
const LOCAL6 = { ip: fromHex('00000000000000000000000000000001'), port: 4242 }
const MAPPED = { ip: fromHex('00000000000000000000ffff7f000001'), port: 4242 }

type Row = [
  hex: string,
  value: unknown,
  write: (writer: Writer) => void,
  read: (reader: Reader, type: number) => unknown,
]

const ROWS: Row[] = [
  [
    '809f81a62a7f0000011092',
    { sequence: 42, address: LOCAL4 },
    (w) => writeObservedAddress(w, 42, LOCAL4),
    readObservedAddress,
  ],
  [
    '809f81a72a000000000000000000000000000000011092',
    { sequence: 42, address: LOCAL6 },
    (w) => writeObservedAddress(w, 42, LOCAL6),
    readObservedAddress,
  ],
  [
    '809f81a70000000000000000000000ffff7f0000011092',
    { sequence: 0, address: MAPPED },
    (w) => writeObservedAddress(w, 0, MAPPED),
    readObservedAddress,
  ],
  ['803d7f902a7f0000011092', { sequence: 42, address: LOCAL4 }, (w) => writeAddAddress(w, 42, LOCAL4), readAddAddress],
  [
    '803d7f912a000000000000000000000000000000011092',
    { sequence: 42, address: LOCAL6 },
    (w) => writeAddAddress(w, 42, LOCAL6),
    readAddAddress,
  ],
  ['803d7f922a7f0000011092', { round: 42, address: LOCAL4 }, (w) => writeReachOut(w, 42, LOCAL4), readReachOut],
  [
    '803d7f932a000000000000000000000000000000011092',
    { round: 42, address: LOCAL6 },
    (w) => writeReachOut(w, 42, LOCAL6),
    readReachOut,
  ],
  ['803d7f940a', 10, (w) => writeRemoveAddress(w, 10), readRemoveAddress],
]

describe('address frames', () => {
  test.each(ROWS)('spec/quic.md §8.4: %s', (hex, value, write, read) => {
    const { reader, type } = frame(hex)
    expect(read(reader, type)).toEqual(value)
    expect(reader.remaining).toBe(0)
    expect(written(write)).toBe(hex)
  })

  test('spec/quic.md §4.1: round trips, with a copy of the address', () => {
    const ip = fc.constantFrom(4, 16).chain((length) => fc.uint8Array({ minLength: length, maxLength: length }))
    fc.assert(
      fc.property(fc.maxSafeNat(), ip, fc.nat({ max: 65535 }), (number, ip, port) => {
        const isIpv4 = ip.length === 4
        const trip = (
          write: (w: Writer) => void,
          read: (r: Reader, type: number) => unknown,
          v4: number,
          v6: number,
        ) => {
          const { reader, type } = frame(written(write))
          expect(type).toBe(isIpv4 ? v4 : v6)
          expect(reader.end).toBeLessThanOrEqual(30)
          const value = read(reader, type)
          expect(reader.remaining).toBe(0)
          reader.bytes.fill(0)
          return value
        }
        const address = { ip, port }
        expect(
          trip(
            (w) => writeObservedAddress(w, number, address),
            readObservedAddress,
            FrameType.OBSERVED_ADDRESS_V4,
            FrameType.OBSERVED_ADDRESS_V6,
          ),
        ).toEqual({ sequence: number, address })
        expect(
          trip(
            (w) => writeAddAddress(w, number, address),
            readAddAddress,
            FrameType.ADD_ADDRESS_V4,
            FrameType.ADD_ADDRESS_V6,
          ),
        ).toEqual({ sequence: number, address })
        expect(
          trip((w) => writeReachOut(w, number, address), readReachOut, FrameType.REACH_OUT_V4, FrameType.REACH_OUT_V6),
        ).toEqual({ round: number, address })
      }),
    )
  })
})
