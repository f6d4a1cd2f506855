import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { boxKey, openBox, sealBox, x25519PublicOf, x25519SecretOf } from '../../src/crypto/index.ts'
import { counting, hex, toHex } from './hex.ts'

/** spec/disco-stun-nat.md §5.2: the XChaCha20 vector of the crypto_box suite. */
const SUITE = {
  aliceSecret: hex('68f208412d8dd5db9d0c6d18512e86f0ec75665ab841372d57b042b27ef89d4c'),
  bobPublic: hex('e8980c86e032f1eb2975052e8d65bddd15c3b59641174ec9678a53789d92c754'),
  nonce: hex('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37'),
  key: '1a264334c607cf699fe93a6911d5058f20fa96f4255bc76793dde25082f45ad8',
  plain: hex(`be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c6129
    6cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde
    048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705`),
  box: hex(`0cd5ed093de698c8e410d0d451df2f5283057376b947b9b7392b956e5d675f309218acce8cf85f6cf6a9e2e09ef8c5b0
    f97c661ee21b1b3418be566692634056a92b4034d5d0cf14c52420a488b7f0da0c5740dfc6b85397d3a8f679e84303e8
    d3f8b048abdb2dd79183b0a62683a1bc2a527fc9b82c5ffac4a684bcfeadfdcd28930b2dbe597f4716a658ccfca5b440
    49e06c`),
}

/** spec/disco-stun-nat.md §5.3: seed of 32 times the number, and the keys that belong to it. */
const IDENTITIES = [
  [
    1,
    '8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c',
    '58e86efb75fa4e2c410f46e16de9f6acae1a1703528651b69bc176c088bef36e',
    '1b1b58dd50ea14b60da17b790cd02754d970c9bab864ebb3c0f3016fe51d3f57',
  ],
  [
    2,
    '8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394',
    'a83c626bc9c38c8c201878ebb1d5b0b50ac40e8986c78793db1d4ef369fca14e',
    '60346e7c911a5f6ba154129174cafe75b294ac3bbd5549632f48cec6266f8410',
  ],
] as const

const seedOf = (number: number): Uint8Array => new Uint8Array(32).fill(number)
const keyBetween = (own: number, other: number): string =>
  toHex(boxKey(x25519SecretOf(seedOf(own)), x25519PublicOf(ed25519.getPublicKey(seedOf(other)))!)!)

test('spec/disco-stun-nat.md §5.2: the vector of the crypto_box suite, both ways', () => {
  const key = boxKey(SUITE.aliceSecret, SUITE.bobPublic)!
  expect(toHex(key)).toBe(SUITE.key)
  expect(toHex(sealBox(key, SUITE.nonce, SUITE.plain))).toBe(toHex(SUITE.box))
  expect(openBox(key, SUITE.nonce, SUITE.box)).toEqual(SUITE.plain)
})

test.each(IDENTITIES)('spec/disco-stun-nat.md §5.3: the X25519 keys of seed %i', (number, id, secret, publicKey) => {
  expect(toHex(ed25519.getPublicKey(seedOf(number)))).toBe(id)
  expect(toHex(x25519SecretOf(seedOf(number)))).toBe(secret)
  expect(toHex(x25519PublicOf(hex(id))!)).toBe(publicKey)
  expect(toHex(x25519.getPublicKey(hex(secret)))).toBe(publicKey)
})

test('spec/disco-stun-nat.md §5.3: the box key, the same from both ends', () => {
  expect(keyBetween(1, 2)).toBe('851df5f0065cd66a44b1ca90856bb09074074bd52f27de4ea00cae1a764d368a')
  expect(keyBetween(2, 1)).toBe(keyBetween(1, 2))
  expect(keyBetween(1, 1)).toBe('749ee45304b68aeab8c98c7911d568084a51f1b033ece6e707661377de88fc95')
})

test('spec/disco-stun-nat.md §1.2: one changed bit anywhere, or a cut, and the box does not open', () => {
  const key = hex(SUITE.key)
  for (let bit = 0; bit < SUITE.box.length * 8; bit++) {
    const changed = SUITE.box.slice()
    changed[bit >> 3]! ^= 1 << (bit & 7)
    expect(openBox(key, SUITE.nonce, changed)).toBeUndefined()
  }
  for (let bit = 0; bit < 24 * 8; bit++) {
    const nonce = SUITE.nonce.slice()
    nonce[bit >> 3]! ^= 1 << (bit & 7)
    expect(openBox(key, nonce, SUITE.box)).toBeUndefined()
  }
  for (const length of [0, 15, 16, SUITE.box.length - 1])
    expect(openBox(key, SUITE.nonce, SUITE.box.subarray(0, length))).toBeUndefined()
})

test('spec/disco-stun-nat.md §1.2: any text comes back, an empty one too', () => {
  const key = counting(3, 32)
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 24, maxLength: 24 }), fc.uint8Array({ maxLength: 300 }), (nonce, plain) => {
      const box = sealBox(key, nonce, plain)
      expect(box).toHaveLength(plain.length + 16)
      expect(openBox(key, nonce, box)).toEqual(plain)
    }),
  )
})

test('RFC 7748 §6.1: points of small order give no key, and other bytes are no key at all', () => {
  const secret = x25519SecretOf(seedOf(1))
  const smallOrder = [
    '0100000000000000000000000000000000000000000000000000000000000000',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    '0000000000000000000000000000000000000000000000000000000000000000',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  ]
  for (const point of smallOrder) {
    const publicKey = x25519PublicOf(hex(point))
    expect(publicKey === undefined ? undefined : boxKey(secret, publicKey)).toBeUndefined()
  }
  // y = 2 is on no point
  expect(x25519PublicOf(hex(`02${'00'.repeat(31)}`))).toBeUndefined()
  expect(x25519PublicOf(new Uint8Array(31))).toBeUndefined()
  // y = p + 3 is y = 3 written otherwise; the peers take both
  const plain = x25519PublicOf(hex(`03${'00'.repeat(31)}`))
  expect(plain).toBeDefined()
  expect(x25519PublicOf(hex(`f0${'ff'.repeat(30)}7f`))).toEqual(plain)
})
