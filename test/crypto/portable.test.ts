import { describe } from 'vitest'
import { createPortableCrypto } from '../../src/crypto/portable/index.ts'
import { packetSuite } from './packet-suite.ts'
import { providerSuite } from './provider-suite.ts'
import { wholePacketSuite } from './whole-packet-suite.ts'

describe('without the kernel', () => providerSuite(() => createPortableCrypto({ kernel: false })))
// Only packets know of it, and P-256 on noble is slow.
describe('with the kernel', () => {
  packetSuite(createPortableCrypto())
  wholePacketSuite(createPortableCrypto())
})
