import { expect, test } from 'vitest'
import { CryptoError } from '../../src/crypto/index.ts'
import { checkNotAllZero } from '../../src/crypto/key-lengths.ts'

test('RFC 7748 §6.1: our own all-zero check, which both libraries make before us', () => {
  expect(() => checkNotAllZero(new Uint8Array(32))).toThrow(CryptoError)
  for (let i = 0; i < 32; i++) {
    const secret = new Uint8Array(32)
    secret[i] = 0x80
    expect(() => checkNotAllZero(secret)).not.toThrow()
  }
})
