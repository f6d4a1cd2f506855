import { describe } from 'vitest'
import { createPortableCrypto } from '../../src/crypto/portable/index.ts'
import { packetSuite } from './packet-suite.ts'
import { providerSuite } from './provider-suite.ts'
import { wholePacketSuite } from './whole-packet-suite.ts'

describe('without the kernel', () => providerSuite(() => createPortableCrypto({ kernel: false })))
// The rest of the provider does not know of it.
describe('with the kernel', () => {
  packetSuite(createPortableCrypto())
  wholePacketSuite(createPortableCrypto(), ['chacha20-poly1305'])
})
