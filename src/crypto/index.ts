/**
 * The door of the crypto room: the provider interface, its error, the forms of keys (DER, PEM), and the simulator's wrapper. Providers have doors of their own
 * (`node/index.ts`, `portable/index.ts`), so that a browser bundle never meets node:crypto.
 */
export { blake3DeriveKey } from './blake3.ts'
export { blake3Hash } from './blake3-hash.ts'
export { chacha20Block, chacha20KeyWords } from './chacha20-block.ts'
export {
  BOX_NONCE_LENGTH,
  BOX_TAG_LENGTH,
  boxKey,
  openBox,
  sealBox,
  x25519PublicOf,
  x25519SecretOf,
} from './crypto-box.ts'
export { contextTag, DerError, DerReader, DerTag, readDer } from './der.ts'
export { decodePacketNumber, readTruncated } from './packet-number.ts'
export { unmaskHeader } from './packet-steps.ts'
export { decodePem } from './pem.ts'
export {
  type AeadKey,
  type AeadName,
  CryptoError,
  type CryptoProvider,
  type GroupName,
  type HashName,
  type HeaderKey,
  type KeyExchange,
  type RunningHash,
  type Signer,
  type SigningKey,
  Unprotect,
} from './provider.ts'
export { decodePublicKeyInfo, type PublicKeyInfo } from './public-key-info.ts'
export {
  openSecretBox,
  SECRET_BOX_NONCE_LENGTH,
  SECRET_BOX_TAG_LENGTH,
  sealSecretBox,
  secretBoxKey,
  secretBoxPublicKey,
} from './secret-box.ts'
export { seededKeyExchange } from './seeded-key-exchange.ts'
export { fitsKey, type SignatureAlgorithm, type SignatureKeyKind } from './signature-algorithms.ts'
export { hchacha20 } from './stream-core.ts'
export { openXChaCha, sealXChaCha, XCHACHA_NONCE_LENGTH } from './xchacha20-poly1305.ts'
