import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeHex,
  EncodingError,
  encodeHex,
  GrowingWriter,
  Reader,
  readPostcardBool,
  readPostcardBytes,
  readPostcardList,
  readPostcardOption,
  readPostcardString,
  readPostcardU64,
  readPostcardVarint,
  TruncatedError,
  type Writer,
  writePostcardBool,
  writePostcardBytes,
  writePostcardList,
  writePostcardOption,
  writePostcardString,
  writePostcardU64,
  writePostcardVarint,
} from '../../src/bytes/index.ts'

function written(write: (writer: Writer) => void): string {
  const writer = new GrowingWriter(1)
  write(writer)
  return encodeHex(writer.finish())
}

function reader(hex: string): Reader {
  return new Reader(decodeHex(hex))
}

describe('integers', () => {
  test.each([
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [4433, 'd122'],
    [65535, 'ffff03'],
    [2 ** 32 - 1, 'ffffffff0f'],
    [Number.MAX_SAFE_INTEGER, 'ffffffffffffff0f'],
  ])('%i is %s', (value, hex) => {
    expect(written((writer) => writePostcardVarint(writer, value))).toBe(hex)
    expect(readPostcardVarint(reader(hex), 64)).toBe(value)
  })

  test('come back; the number and the bigint forms agree', () => {
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeNat(), fc.nat(70000)), (value) => {
        const hex = written((writer) => writePostcardVarint(writer, value))
        expect(written((writer) => writePostcardU64(writer, BigInt(value)))).toBe(hex)
        expect(readPostcardVarint(reader(hex), 64)).toBe(value)
        expect(readPostcardU64(reader(hex))).toBe(BigInt(value))
      }),
    )
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (value) => {
        expect(readPostcardU64(reader(written((writer) => writePostcardU64(writer, value))))).toBe(value)
      }),
    )
  })

  test('padded forms are read as long as the width allows the bytes', () => {
    expect(readPostcardVarint(reader('808000'), 16)).toBe(0)
    expect(readPostcardVarint(reader('8180808000'), 32)).toBe(1)
    expect(readPostcardVarint(reader('80808080808080808000'), 64)).toBe(0)
    expect(() => readPostcardVarint(reader('80808000'), 16)).toThrow(EncodingError)
    expect(() => readPostcardVarint(reader('808080808000'), 32)).toThrow(EncodingError)
  })

  test.each([
    [16, 'ffff04'],
    [32, 'ffffffff10'],
    [64, 'ffffffffffffffffff02'],
    [64, 'ffffffffffffffffff01'],
    [64, '8080808080808010'],
  ] as const)('a value beyond %i bits, or beyond what a number holds, is refused: %s', (bits, hex) => {
    expect(() => readPostcardVarint(reader(hex), bits)).toThrow(EncodingError)
  })

  test('u64 takes 2^64 - 1 and not more', () => {
    expect(readPostcardU64(reader('ffffffffffffffffff01'))).toBe(2n ** 64n - 1n)
    expect(() => readPostcardU64(reader('ffffffffffffffffff02'))).toThrow(EncodingError)
  })

  test('what is no unsigned integer is not written', () => {
    const writer = new GrowingWriter()
    for (const value of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => writePostcardVarint(writer, value)).toThrow(EncodingError)
    }
    for (const value of [-1n, 2n ** 64n]) expect(() => writePostcardU64(writer, value)).toThrow(EncodingError)
    expect(writer.position).toBe(0)
  })

  test('a cut integer is truncated input', () => {
    for (const hex of ['', '80', 'ffff']) expect(() => readPostcardVarint(reader(hex), 16)).toThrow(TruncatedError)
  })
})

describe('bytes, text, bool, option, list', () => {
  test('have the forms of postcard', () => {
    expect(written((writer) => writePostcardBytes(writer, decodeHex('0102')))).toBe('020102')
    expect(written((writer) => writePostcardString(writer, 'hé'))).toBe('0368c3a9')
    expect(written((writer) => writePostcardBool(writer, true))).toBe('01')
    expect(written((writer) => writePostcardOption(writer, undefined, () => {}))).toBe('00')
    expect(written((writer) => writePostcardOption(writer, 300, (value) => writePostcardVarint(writer, value)))).toBe(
      '01ac02',
    )
    expect(written((writer) => writePostcardList(writer, [1, 2], (item) => writer.u8(item)))).toBe('020102')
  })

  test('come back', () => {
    const record = fc.record({
      data: fc.uint8Array(),
      text: fc.string({ unit: 'grapheme' }),
      flag: fc.boolean(),
      maybe: fc.option(fc.string(), { nil: undefined }),
      list: fc.array(fc.nat(0xffff)),
    })
    fc.assert(
      fc.property(record, ({ data, text, flag, maybe, list }) => {
        const writer = new GrowingWriter()
        writePostcardBytes(writer, data)
        writePostcardString(writer, text)
        writePostcardBool(writer, flag)
        writePostcardOption(writer, maybe, (value) => writePostcardString(writer, value))
        writePostcardList(writer, list, (item) => writePostcardVarint(writer, item))
        const input = new Reader(writer.finish())
        expect(readPostcardBytes(input)).toEqual(data)
        expect(readPostcardString(input)).toBe(text)
        expect(readPostcardBool(input)).toBe(flag)
        expect(readPostcardOption(input, () => readPostcardString(input))).toBe(maybe)
        expect(readPostcardList(input, 1, () => readPostcardVarint(input, 16))).toEqual(list)
        expect(input.remaining).toBe(0)
      }),
    )
  })

  test('a length beyond the input is refused before anything is reserved', () => {
    expect(() => readPostcardBytes(reader('ffffffff0f00'))).toThrow(TruncatedError)
    expect(() => readPostcardString(reader('0568'))).toThrow(TruncatedError)
    let calls = 0
    const claims = reader('808080800401')
    expect(() => readPostcardList(claims, 1, () => calls++)).toThrow(EncodingError)
    expect(() => readPostcardList(reader('03010203'), 2, () => calls++)).toThrow(EncodingError)
    expect(calls).toBe(0)
  })

  test('other bool bytes and bad UTF-8 are refused', () => {
    expect(() => readPostcardBool(reader('02'))).toThrow(EncodingError)
    expect(() => readPostcardString(reader('01ff'))).toThrow(EncodingError)
  })
})
