import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openSecretBox, sealSecretBox, secretBoxKey, secretBoxPublicKey } from '../../src/crypto/index.ts'
import { counting, hex, toHex } from './hex.ts'

/** spec/envelope.md appendix B, H_v1. */
const BOX = {
  recipientSecret: hex('12'.repeat(32)),
  recipientPublic: hex('052a50773ac8d91773f2dc9662e12f0defe915e415b8a1c8e20a5a3d6ab2b843'),
  ephemeralSecret: hex('14'.repeat(32)),
  ephemeralPublic: hex('18a6f8c1a7fddf22bd410138f79f7298cd38d1d0a542d4266d556be8609d8862'),
  nonce: hex('15'.repeat(24)),
  key: 'b4d665d796294ebcedd2f776a4e23664c5b19dd0b9855cac530172d8c3a9ae89',
  plain: new TextEncoder().encode('{"text":"hello"}'),
  box: '0d8f55c64d4708d967ab92b81f17ccc722801896396def2c80f0cf85f013dd70',
}

test('spec/envelope.md §2.3: vector H_v1 of the box, both ways', () => {
  expect(secretBoxPublicKey(BOX.recipientSecret)).toEqual(BOX.recipientPublic)
  expect(secretBoxPublicKey(BOX.ephemeralSecret)).toEqual(BOX.ephemeralPublic)
  const key = secretBoxKey(BOX.ephemeralSecret, BOX.recipientPublic)!
  expect(toHex(key)).toBe(BOX.key)
  expect(secretBoxKey(BOX.recipientSecret, BOX.ephemeralPublic)).toEqual(key)
  expect(toHex(sealSecretBox(key, BOX.nonce, BOX.plain))).toBe(BOX.box)
  expect(openSecretBox(key, BOX.nonce, hex(BOX.box))).toEqual(BOX.plain)
})

test('spec/envelope.md §2.3: each byte that was changed, another key or nonce, and what is too short, open nothing', () => {
  const key = hex(BOX.key)
  for (let at = 0; at < BOX.box.length / 2; at++) {
    const box = hex(BOX.box)
    box[at]! ^= 1
    expect(openSecretBox(key, BOX.nonce, box), `byte ${at}`).toBe(undefined)
  }
  expect(openSecretBox(hex('ff'.repeat(32)), BOX.nonce, hex(BOX.box))).toBe(undefined)
  expect(openSecretBox(key, hex('16'.repeat(24)), hex(BOX.box))).toBe(undefined)
  expect(openSecretBox(key, hex('15'.repeat(23)), hex(BOX.box))).toBe(undefined)
  expect(openSecretBox(key, BOX.nonce, hex(BOX.box).subarray(0, 15))).toBe(undefined)
})

test('RFC 7748 §6.1: an exchange that gives zeros has no key, nor has a key of another length', () => {
  expect(secretBoxKey(BOX.recipientSecret, new Uint8Array(32))).toBe(undefined)
  expect(secretBoxKey(BOX.recipientSecret, counting(1, 31))).toBe(undefined)
})

test('what was sealed opens, whatever its length', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  fc.assert(
    fc.property(bytes(32), bytes(24), fc.uint8Array({ maxLength: 300 }), (key, nonce, plain) => {
      expect(openSecretBox(key, nonce, sealSecretBox(key, nonce, plain))).toEqual(plain)
    }),
    { numRuns: 50 },
  )
})
