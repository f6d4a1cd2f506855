/**
 * Fresh X25519 pairs on node:crypto. In Node 20 `export` of a KeyObject as JWK locks the pair while it allocates; if that allocation collects the generator of the same pair, which locks it
 * too, the process stops for ever: with a small heap one process in three within 2,000 pairs, with a usual one some time in 50,000 messages.
 */
import { generateKeyPairSync } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'

test('RFC 7748 §6.1: the public half of a fresh pair does not come from an export, which may never return', () => {
  const exporting = vi.spyOn(Object.getPrototypeOf(generateKeyPairSync('x25519').publicKey), 'export')
  const crypto = createNodeCrypto()
  const [alice, bob] = [crypto.keyExchange('x25519'), crypto.keyExchange('x25519')]
  try {
    expect(exporting).not.toHaveBeenCalled()
    expect(alice.publicKey).toHaveLength(32)
    expect(alice.agree(bob.publicKey)).toEqual(bob.agree(alice.publicKey))
    // pairs of a known private key have no generator that could be collected
    crypto.keyExchange('x25519', new Uint8Array(32).fill(1)).free()
    expect(exporting).toHaveBeenCalled()
  } finally {
    exporting.mockRestore()
    alice.free()
    bob.free()
  }
})
