import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeHex,
  encodeHex,
  Reader,
  TruncatedError,
  VARINT_MAX,
  varintLength,
  Writer,
} from '../../src/bytes/index.ts'

function encoded(value: number): string {
  const writer = new Writer(new Uint8Array(8))
  writer.varint(value)
  return encodeHex(writer.bytes.subarray(0, writer.position))
}

test.each([
  ['9d7f3e7d', 494878333],
  ['7bbd', 15293],
  ['25', 37],
  ['c000000100000000', 2 ** 32],
  ['c01fffffffffffff', Number.MAX_SAFE_INTEGER],
])('RFC 9000 §16 and A.1: %s is %i', (hex, value) => {
  expect(new Reader(decodeHex(hex)).varint()).toBe(value)
  expect(encoded(value)).toBe(hex)
})

test('RFC 9000 A.1: longer forms than needed are read', () => {
  expect(new Reader(decodeHex('4025')).varint()).toBe(37)
  expect(new Reader(decodeHex('c000000000000025')).varint()).toBe(37)
})

test('RFC 9000 §16: beyond 2^53 - 1 a value reads as the largest safe integer, and 2^62 - 1 is written for "no limit"', () => {
  expect(new Reader(decodeHex('c2197c5eff14e88c')).varint()).toBe(Number.MAX_SAFE_INTEGER)
  expect(encoded(VARINT_MAX)).toBe('ffffffffffffffff')
})

test('RFC 9000 §16: every number comes back from the shortest form', () => {
  const values = fc.oneof(fc.maxSafeNat(), fc.nat(0x4000), fc.nat(0x40000000))
  fc.assert(
    fc.property(values, (value) => {
      const hex = encoded(value)
      expect(hex.length).toBe(2 * varintLength(value))
      expect(BigInt(`0x${hex}`) & ((1n << BigInt(hex.length * 4 - 2)) - 1n)).toBe(BigInt(value))
      expect(new Reader(decodeHex(hex)).varint()).toBe(value)
    }),
  )
})

test('RFC 9000 §16: a varint cut short is an error, at every length', () => {
  for (const hex of ['', '40', '800000', 'c0000000000000']) {
    expect(() => new Reader(decodeHex(hex)).varint()).toThrow(TruncatedError)
  }
})
