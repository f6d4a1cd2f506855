import { describe, expect, test } from 'vitest'
import { CryptoError, type CryptoProvider, seededKeyExchange } from '../../src/crypto/index.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../src/crypto/portable/index.ts'
import type { RandomSource } from '../../src/platform/platform.ts'
import { counting, hex } from './hex.ts'

/** Each draw counts up from where the last one ended. */
function counter(): RandomSource {
  let next = 1
  return {
    fill(out) {
      for (let i = 0; i < out.length; i++) out[i] = next++
    },
  }
}

/** Hands out the given draws, then the last one for ever. */
function scripted(...draws: readonly Uint8Array[]): RandomSource & { drawn: number } {
  return {
    drawn: 0,
    fill(out) {
      out.set(draws[Math.min(this.drawn++, draws.length - 1)]!)
    },
  }
}

describe.each([createNodeCrypto(), createPortableCrypto()])('seeded key exchange over $name', (provider) => {
  const publicKeys = (crypto: CryptoProvider) =>
    (['x25519', 'p256', 'x25519'] as const).map((group) => {
      const pair = crypto.keyExchange(group)
      pair.free()
      return pair.publicKey
    })

  test('the same source gives the same pairs, on any provider', () => {
    const expected = [
      createNodeCrypto().keyExchange('x25519', counting(1, 32)).publicKey,
      createNodeCrypto().keyExchange('p256', counting(33, 32)).publicKey,
      createNodeCrypto().keyExchange('x25519', counting(65, 32)).publicKey,
    ]
    expect(publicKeys(seededKeyExchange(provider, counter()))).toEqual(expected)
    expect(provider.liveKeys).toBe(0)
  })

  test('everything else is the provider’s own', () => {
    const seeded = seededKeyExchange(provider, counter())
    expect(seeded.aeadPreference).toEqual(provider.aeadPreference)
    // The packet memory can be told by its place: it stands behind the kernel's own.
    expect(seeded.packetMemory(64).byteOffset).toBeGreaterThan(0)
    expect(provider.packetMemory(64).byteOffset, 'handed out by the first call').toBe(0)
  })

  test('a given private key is used as it is', () => {
    const pair = seededKeyExchange(provider, counter()).keyExchange('x25519', counting(9, 32))
    const plain = provider.keyExchange('x25519', counting(9, 32))
    expect(pair.publicKey).toEqual(plain.publicKey)
    pair.free()
    plain.free()
  })

  test('a draw outside the P-256 scalars is drawn again, but not for ever', () => {
    const late = scripted(new Uint8Array(32), new Uint8Array(32).fill(0xff), counting(1, 32))
    const pair = seededKeyExchange(provider, late).keyExchange('p256')
    const plain = provider.keyExchange('p256', counting(1, 32))
    expect(pair.publicKey).toEqual(plain.publicKey)
    expect(late.drawn).toBe(3)
    pair.free()
    plain.free()
    const stuck = scripted(new Uint8Array(32))
    expect(() => seededKeyExchange(provider, stuck).keyExchange('p256')).toThrow(CryptoError)
    expect(provider.liveKeys).toBe(0)
  })

  test('everything else is the wrapped provider', () => {
    const seeded = seededKeyExchange(provider, counter())
    expect(seeded.name).toBe(provider.name)
    const data = hex('010203')
    const key = new Uint8Array(32)
    expect(seeded.hash('sha256', data)).toEqual(provider.hash('sha256', data))
    expect(seeded.createHash('sha384').digest()).toEqual(provider.createHash('sha384').digest())
    expect(seeded.hmac('sha256', key, data)).toEqual(provider.hmac('sha256', key, data))
    expect(seeded.hkdfExtract('sha256', data, key)).toEqual(provider.hkdfExtract('sha256', data, key))
    expect(seeded.hkdfExpand('sha256', key, data, 40)).toEqual(provider.hkdfExpand('sha256', key, data, 40))
    expect(seeded.equal(data, data)).toBe(true)
    const signer = seeded.signer(key)
    expect(seeded.verify(signer.publicKey, data, signer.sign(data))).toBe(true)
    const aead = seeded.aeadKey('chacha20-poly1305', key, new Uint8Array(12))
    const header = seeded.headerKey('chacha20-poly1305', key)
    expect(provider.liveKeys).toBe(3)
    for (const handle of [signer, aead, header]) handle.free()
    expect(provider.liveKeys).toBe(0)
  })
})
