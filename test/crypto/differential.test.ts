import { describe } from 'vitest'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../src/crypto/portable/index.ts'
import { differentialPackets, differentialSuite } from './differential-suite.ts'

differentialSuite(createNodeCrypto({ kernel: false }), createPortableCrypto({ kernel: false }))

describe('the kernel against node:crypto', () => {
  differentialPackets(createNodeCrypto(), createNodeCrypto({ kernel: false }), ['chacha20-poly1305'])
})
