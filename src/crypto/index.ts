/**
 * The door of the crypto room: the provider interface, its error, and the simulator's wrapper. Providers have doors of their own
 * (`node/index.ts`, `portable/index.ts`), so that a browser bundle never meets node:crypto.
 */
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
} from './provider.ts'
export { seededKeyExchange } from './seeded-key-exchange.ts'
