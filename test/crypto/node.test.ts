import { describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { packetSuite } from './packet-suite.ts'
import { providerSuite } from './provider-suite.ts'
import { wholePacketSuite } from './whole-packet-suite.ts'

describe('with the kernel', () => providerSuite(createNodeCrypto))
// The rest of the provider does not know of it.
describe('without the kernel', () => {
  packetSuite(createNodeCrypto({ kernel: false }))
  wholePacketSuite(createNodeCrypto({ kernel: false }), ['chacha20-poly1305'])
})

test('RFC 8446 §4.2.8: a key pair that was made ahead is given out once', async () => {
  const crypto = createNodeCrypto()
  const publicKeys = new Set<string>()
  for (let turn = 0; turn < 10; turn++) {
    for (let index = 0; index < 3; index++) {
      const [ours, theirs] = [crypto.keyExchange('x25519'), crypto.keyExchange('x25519')]
      expect(ours.agree(theirs.publicKey)).toEqual(theirs.agree(ours.publicKey))
      for (const pair of [ours, theirs]) {
        publicKeys.add(Buffer.from(pair.publicKey).toString('hex'))
        pair.free()
      }
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(publicKeys.size).toBe(60)
})
