import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { providerSuite } from './provider-suite.ts'

providerSuite(createNodeCrypto)
