import { describe } from 'vitest'
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
