import { createPortableCrypto } from '../../src/crypto/portable/index.ts'
import { providerSuite } from './provider-suite.ts'

providerSuite(createPortableCrypto)
