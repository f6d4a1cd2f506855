import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../src/crypto/portable/index.ts'
import { differentialSuite } from './differential-suite.ts'

differentialSuite(createNodeCrypto(), createPortableCrypto())
