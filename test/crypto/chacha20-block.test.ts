import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chacha20Block, chacha20KeyWords } from '../../src/crypto/chacha20-block.ts'
import { toHex } from './hex.ts'

test('RFC 9001 §5.4.4: the block agrees with OpenSSL for any key and sample', () => {
  const bytes = (length: number) =>
    fc.oneof(
      fc.uint8Array({ minLength: length, maxLength: length }),
      // Carries and sign bits everywhere.
      fc
        .array(fc.constantFrom(0, 0x7f, 0x80, 0xff), { minLength: length, maxLength: length })
        .map((a) => Uint8Array.from(a)),
    )
  fc.assert(
    fc.property(bytes(32), bytes(16), fc.nat(5), (key, sample, at) => {
      const buffer = new Uint8Array(24).fill(0xee)
      buffer.set(sample, at)
      const mask = new Uint8Array(5)
      chacha20Block(chacha20KeyWords(key), buffer, at, mask)
      expect(toHex(mask)).toBe(createCipheriv('chacha20', key, sample).update(new Uint8Array(5)).toString('hex'))
    }),
    { numRuns: 1000 },
  )
})
