import fc from 'fast-check'
import { expect, test } from 'vitest'
import { writeNonce } from '../../src/crypto/nonce.ts'
import { hex, toHex } from './hex.ts'

test('draft-ietf-quic-multipath §2.4: the nonce of path 3, packet 0xaead', () => {
  const nonce = new Uint8Array(12)
  writeNonce(nonce, hex('6b26114b9cba2b63a9e8dd4f'), 3, 0xaead)
  expect(toHex(nonce)).toBe('6b2611489cba2b63a9e873e2')
})

test('RFC 9001 §5.3: the nonce is IV xor (path id ‖ packet number), for all numbers below 2^53', () => {
  const iv = fc.uint8Array({ minLength: 12, maxLength: 12 })
  const pathId = fc.integer({ min: 0, max: 0xffff_ffff })
  const edge = fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER)
  fc.assert(
    fc.property(iv, pathId, fc.oneof(fc.maxSafeNat(), edge), (ivBytes, path, packetNumber) => {
      const nonce = new Uint8Array(12)
      writeNonce(nonce, ivBytes, path, packetNumber)
      const mixed = BigInt(`0x${toHex(ivBytes)}`) ^ ((BigInt(path) << 64n) | BigInt(packetNumber))
      expect(toHex(nonce)).toBe(mixed.toString(16).padStart(24, '0'))
    }),
  )
})
