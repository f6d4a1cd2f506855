import { ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isCurvePoint } from '../../src/identity/index.ts'
import { hex } from '../crypto/hex.ts'

/** Public keys of RFC 8032 §7.1, tests 1 to 3. */
const A = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
const B = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'
const C = 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025'

/** The slow twin: decompression itself. */
function isPoint(bytes: Uint8Array): boolean {
  try {
    return ed25519.Point.fromBytes(Uint8Array.from(bytes), true) !== undefined
  } catch {
    return false
  }
}

test('RFC 8032 §5.1.3: any 32 bytes are a key exactly where they decompress', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      expect(isCurvePoint(bytes)).toBe(isPoint(bytes))
    }),
    { numRuns: 300 },
  )
})

test('RFC 8032 §5.1.3: true keys are keys', () => {
  for (const key of [A, B, C]) expect(isCurvePoint(hex(key))).toBe(true)
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
      expect(isCurvePoint(ed25519.getPublicKey(seed))).toBe(true)
    }),
    { numRuns: 20 },
  )
})

test('RFC 8032 §5.1.3: the edges: small y, y about the prime and above it, either sign', () => {
  const edges: Uint8Array[] = []
  for (let low = 0; low < 40; low++) {
    const small = new Uint8Array(32)
    small[0] = low
    const large = new Uint8Array(32).fill(0xff)
    large[0] = 0xff - low
    edges.push(small, large)
  }
  for (const edge of edges.slice()) {
    const turned = edge.slice()
    turned[31]! ^= 0x80
    edges.push(turned)
  }
  const verdicts = edges.map(isCurvePoint)
  expect(verdicts).toEqual(edges.map(isPoint))
  expect(new Set(verdicts).size).toBe(2)
})

test.each([
  [32, '5d7d66a90fe4eabbc8951db89e293edd4697f41b4aad4c35ca23f8e466a35151', true],
  [33, '4b104d5991f927b44f0fff831e5d0f5dadbb120dc8716a6b46f41e59862fe507', false],
  [64, '4cd4b43027e77af6baa5cadc425dfa10c45dbf46b34aa2e402f050a359d1f242', false],
  [100, 'b0c00425b9dc35bfe0908ccb7a822269d7c7710547d159a122cc89b5d4fdb83a', false],
])('RFC 8032 §5.1.3: the number whose square root is asked for ends in %i zero bits', (_bits, key, verdict) => {
  expect(isCurvePoint(hex(key))).toBe(verdict)
  expect(isPoint(hex(key))).toBe(verdict)
})

test('an unaligned view is read where it is', () => {
  const bytes = new Uint8Array(40)
  bytes.set(hex(A), 5)
  expect(isCurvePoint(bytes.subarray(5, 37))).toBe(true)
})
