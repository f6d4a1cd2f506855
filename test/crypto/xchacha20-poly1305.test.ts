import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hchacha20, openXChaCha, sealXChaCha } from '../../src/crypto/index.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../src/crypto/portable/index.ts'
import { VECTORS } from '../envelope/wire/vectors.ts'
import { counting, hex, toHex } from './hex.ts'

const PROVIDERS = [
  ['node', createNodeCrypto()],
  ['node without the kernel', createNodeCrypto({ kernel: false })],
  ['portable', createPortableCrypto()],
  ['portable without the kernel', createPortableCrypto({ kernel: false })],
] as const

const { C_encrypted: C, F_groups: F } = VECTORS

test('draft-irtf-cfrg-xchacha §2.2.1: HChaCha20', () => {
  const nonce = hex('000000090000004a0000000031415927')
  expect(toHex(hchacha20(counting(0, 32), nonce))).toBe(
    '82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc',
  )
})

test('spec/envelope.md §1.6 vector C: HChaCha20 takes the first 16 bytes of the nonce', () => {
  expect(toHex(hchacha20(hex(C.hkdf_key), hex(C.nonce)))).toBe(C.hchacha20_subkey)
  const other = hex(C.nonce)
  other.fill(0, 16)
  expect(toHex(hchacha20(hex(C.hkdf_key), other))).toBe(C.hchacha20_subkey)
})

describe.each(PROVIDERS)('XChaCha20-Poly1305 on %s', (_name, crypto) => {
  const seal = (key: Uint8Array, nonce: Uint8Array, plain: Uint8Array) => {
    const bytes = new Uint8Array(plain.length + 16)
    bytes.set(plain)
    sealXChaCha(crypto, key, nonce, bytes, plain.length)
    return bytes
  }

  test.each([
    ['§1.6 C', C.hkdf_key, C.nonce, '68656c6c6f', C.ciphertext_and_tag],
    [
      '§7.2 F',
      F.encrypted_message.sender_key,
      F.encrypted_message.nonce,
      F.encrypted_message.content,
      F.encrypted_message.ciphertext_and_tag,
    ],
  ])('spec/envelope.md %s, both ways', (_what, key, nonce, plain, sealed) => {
    expect(toHex(seal(hex(key), hex(nonce), hex(plain)))).toBe(sealed)
    const bytes = hex(sealed)
    expect(openXChaCha(crypto, hex(key), hex(nonce), bytes)).toBe(plain.length / 2)
    expect(toHex(bytes.subarray(0, plain.length / 2))).toBe(plain)
  })

  test('draft-irtf-cfrg-xchacha §2.3: what noble makes of it, for any length, longer than a datagram too', () => {
    for (const length of [0, 1, 63, 64, 65, 1_000, 66_528, 66_529, 100_000]) {
      const plain = new Uint8Array(length).map((_, index) => index * 7)
      const [key, nonce] = [counting(length & 0xff, 32), counting(3, 24)]
      const sealed = seal(key, nonce, plain)
      expect(Buffer.compare(sealed, xchacha20poly1305(key, nonce).encrypt(plain))).toBe(0)
      expect(openXChaCha(crypto, key, nonce, sealed)).toBe(length)
      expect(Buffer.compare(sealed.subarray(0, length), plain)).toBe(0)
    }
  })

  test('a changed bit, another key, another nonce, or too few bytes do not open', () => {
    const any = fc.record({
      plain: fc.uint8Array({ maxLength: 100 }),
      key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      nonce: fc.uint8Array({ minLength: 24, maxLength: 24 }),
      bit: fc.nat(),
    })
    const property = fc.property(any, ({ plain, key, nonce, bit }) => {
      const sealed = seal(key, nonce, plain)
      const flip = (bytes: Uint8Array) => {
        const changed = bytes.slice()
        const at = bit % (8 * bytes.length)
        changed[at >> 3]! ^= 1 << (at & 7)
        return changed
      }
      expect(openXChaCha(crypto, key, nonce, flip(sealed))).toBe(-1)
      expect(openXChaCha(crypto, flip(key), nonce, sealed.slice())).toBe(-1)
      expect(openXChaCha(crypto, key, flip(nonce), sealed.slice())).toBe(-1)
      expect(openXChaCha(crypto, key, nonce, sealed.slice(1))).toBe(-1)
      expect(openXChaCha(crypto, key, nonce, sealed.slice())).toBe(plain.length)
    })
    fc.assert(property, { numRuns: 25 })
    for (let length = 0; length < 16; length++)
      expect(openXChaCha(crypto, counting(0, 32), counting(0, 24), new Uint8Array(length))).toBe(-1)
  })

  test('no key is left over, whatever came of it', () => {
    const before = crypto.liveKeys
    const sealed = seal(counting(0, 32), counting(0, 24), counting(0, 9))
    openXChaCha(crypto, counting(0, 32), counting(0, 24), sealed)
    openXChaCha(crypto, counting(1, 32), counting(0, 24), sealed)
    expect(crypto.liveKeys).toBe(before)
  })
})
