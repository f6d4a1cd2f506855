import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  BufferFullError,
  decodeHex,
  encodeHex,
  GrowingWriter,
  Reader,
  TruncatedError,
  Writer,
} from '../../src/bytes/index.ts'

type Field = readonly ['u8' | 'u16' | 'u24' | 'u32' | 'varint', number] | readonly ['raw', Uint8Array]

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.tuple(fc.constant('u8' as const), fc.nat(0xff)),
  fc.tuple(fc.constant('u16' as const), fc.nat(0xffff)),
  fc.tuple(fc.constant('u24' as const), fc.nat(0xffffff)),
  fc.tuple(fc.constant('u32' as const), fc.nat(0xffffffff)),
  fc.tuple(fc.constant('varint' as const), fc.maxSafeNat()),
  fc.tuple(fc.constant('raw' as const), fc.uint8Array({ maxLength: 40 })),
)

function write(writer: Writer, [kind, value]: Field): void {
  if (kind === 'raw') writer.raw(value)
  else writer[kind](value)
}

test('what a growing writer writes, a reader reads', () => {
  fc.assert(
    fc.property(fc.array(field), fc.nat(8), (fields, capacity) => {
      const writer = new GrowingWriter(capacity)
      for (const item of fields) write(writer, item)
      const reader = new Reader(writer.finish())
      for (const [kind, value] of fields) {
        if (kind === 'raw') expect(reader.copy(value.length)).toEqual(value)
        else expect(reader[kind]()).toBe(value)
      }
      expect(reader.remaining).toBe(0)
    }),
  )
})

describe('Reader', () => {
  test('stays inside its range', () => {
    const reader = new Reader(decodeHex('0102030405'), 1, 4)
    expect(() => reader.u32()).toThrow(TruncatedError)
    expect(reader.u24()).toBe(0x020304)
    for (const read of ['u8', 'u16', 'u24', 'u32', 'varint'] as const)
      expect(() => reader[read]()).toThrow(TruncatedError)
    expect(() => reader.view(1)).toThrow(TruncatedError)
    expect(() => reader.skip(1)).toThrow(TruncatedError)
  })

  test('a failed read moves nothing', () => {
    const reader = new Reader(decodeHex('010203'))
    expect(() => reader.u32()).toThrow(TruncatedError)
    expect(reader.position).toBe(0)
  })

  test('a view shares memory, a copy does not', () => {
    const bytes = decodeHex('01020304')
    const reader = new Reader(bytes)
    const view = reader.view(2)
    const copy = reader.copy(2)
    bytes.fill(9)
    expect(encodeHex(view)).toBe('0909')
    expect(encodeHex(copy)).toBe('0304')
  })

  test('skip says where the bytes are', () => {
    const reader = new Reader(new Uint8Array(10), 2, 10)
    expect(reader.skip(3)).toBe(2)
    expect(reader.position).toBe(5)
  })
})

describe('Writer', () => {
  test('refuses what does not fit and leaves the rest alone', () => {
    const bytes = new Uint8Array(6).fill(0xee)
    const writer = new Writer(bytes, 1, 4)
    writer.u16(0x0102)
    expect(() => writer.u16(3)).toThrow(BufferFullError)
    expect(() => writer.raw(new Uint8Array(2))).toThrow(BufferFullError)
    expect(() => writer.varint(64)).toThrow(BufferFullError)
    writer.u8(3)
    expect(encodeHex(bytes)).toBe('ee010203eeee')
    expect(writer.room).toBe(0)
  })
})

describe('GrowingWriter', () => {
  test('RFC 8446 §3.4: a vector has its length in front', () => {
    const writer = new GrowingWriter(1)
    writer.vector(2, () => {
      writer.u8(7)
      writer.vector(3, () => writer.fill(1, 300))
    })
    const bytes = writer.finish()
    expect(encodeHex(bytes.subarray(0, 6))).toBe('013007' + '00012c')
    expect(bytes.length).toBe(306)
  })
})

test('a copy is one, also of a Buffer, whose slice is a view', () => {
  const buffer = Buffer.from([1, 2, 3, 4])
  const copy = new Reader(buffer, 1).copy(2)
  buffer.fill(0)
  expect(copy).toEqual(Uint8Array.of(2, 3))
})
