import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isStrictEd25519 } from '../../src/crypto/ed25519-strict.ts'
import { hex, toHex } from './hex.ts'

const PRIME = 2n ** 255n - 19n
const ORDER = ed25519.Point.Fn.ORDER

const encode = (value: bigint) => hex(value.toString(16).padStart(64, '0')).reverse()
const point = ed25519.Point.BASE.toBytes()
const signature = (r: Uint8Array, s: bigint) => Uint8Array.from([...r, ...encode(s)])

describe('strict Ed25519 inputs', () => {
  test('RFC 8032 §5.1.7: S is below the group order', () => {
    for (const s of [0n, 1n, ORDER - 1n]) expect(isStrictEd25519(point, signature(point, s))).toBe(true)
    for (const s of [ORDER, ORDER + 1n, 2n * ORDER, 2n ** 253n, 2n ** 256n - 1n]) {
      expect(isStrictEd25519(point, signature(point, s))).toBe(false)
    }
    const near = fc.bigInt({ min: -300n, max: 300n }).map((offset) => ORDER + offset)
    const any = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n })
    fc.assert(
      fc.property(fc.oneof(near, any), (s) => {
        expect(isStrictEd25519(point, signature(point, s))).toBe(s < ORDER)
      }),
    )
  })

  test('RFC 8032 §5.1.3: y is below the field prime, in key and R', () => {
    for (const signBit of [0n, 2n ** 255n]) {
      for (let y = PRIME; y < 2n ** 255n; y++) {
        expect(isStrictEd25519(encode(y + signBit), signature(point, 1n))).toBe(false)
        expect(isStrictEd25519(point, signature(encode(y + signBit), 1n))).toBe(false)
      }
      expect(isStrictEd25519(encode(PRIME - 2n + signBit), signature(point, 1n))).toBe(true)
      expect(isStrictEd25519(encode(2n + signBit), signature(point, 1n))).toBe(true)
    }
  })

  test('the eight points of small order are refused in either place, with either sign', () => {
    expect(new Set(ED25519_TORSION_SUBGROUP).size).toBe(8)
    for (const encoded of ED25519_TORSION_SUBGROUP) {
      for (const sign of [0, 0x80]) {
        const bytes = hex(encoded)
        bytes[31]! ^= sign
        expect(isStrictEd25519(bytes, signature(point, 1n)), toHex(bytes)).toBe(false)
        expect(isStrictEd25519(point, signature(bytes, 1n)), toHex(bytes)).toBe(false)
        bytes[7]! ^= 1
        expect(isStrictEd25519(bytes, signature(point, 1n)), toHex(bytes)).toBe(true)
      }
    }
  })

  test('wrong lengths are refused', () => {
    expect(isStrictEd25519(point.slice(1), signature(point, 1n))).toBe(false)
    expect(isStrictEd25519(point, signature(point, 1n).slice(1))).toBe(false)
    expect(isStrictEd25519(point, new Uint8Array(65))).toBe(false)
  })
})
