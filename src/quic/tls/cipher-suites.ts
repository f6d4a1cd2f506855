/** The TLS 1.3 cipher suites of this stack: RFC 8446 §B.4 with the limits of RFC 9001 §6.6. */
import type { AeadName, HashName } from '../../crypto/index.ts'

export interface CipherSuite {
  readonly id: number
  readonly name: string
  readonly aead: AeadName
  readonly hash: HashName
  readonly keyLength: 16 | 32
  readonly hashLength: 32 | 48
  /** Packets that may be sealed with one key, RFC 9001 §6.6. */
  readonly confidentialityLimit: number
  /** Packets that may fail to open over all keys of a connection, RFC 9001 §6.6. */
  readonly integrityLimit: number
}

export const TLS_AES_128_GCM_SHA256: CipherSuite = {
  id: 0x1301,
  name: 'TLS_AES_128_GCM_SHA256',
  aead: 'aes-128-gcm',
  hash: 'sha256',
  keyLength: 16,
  hashLength: 32,
  confidentialityLimit: 2 ** 23,
  integrityLimit: 2 ** 52,
}

export const TLS_AES_256_GCM_SHA384: CipherSuite = {
  id: 0x1302,
  name: 'TLS_AES_256_GCM_SHA384',
  aead: 'aes-256-gcm',
  hash: 'sha384',
  keyLength: 32,
  hashLength: 48,
  confidentialityLimit: 2 ** 23,
  integrityLimit: 2 ** 52,
}

export const TLS_CHACHA20_POLY1305_SHA256: CipherSuite = {
  id: 0x1303,
  name: 'TLS_CHACHA20_POLY1305_SHA256',
  aead: 'chacha20-poly1305',
  hash: 'sha256',
  keyLength: 32,
  hashLength: 32,
  confidentialityLimit: Number.MAX_SAFE_INTEGER,
  integrityLimit: 2 ** 36,
}

export const CIPHER_SUITES: readonly CipherSuite[] = [
  TLS_AES_128_GCM_SHA256,
  TLS_AES_256_GCM_SHA384,
  TLS_CHACHA20_POLY1305_SHA256,
]

export function cipherSuite(id: number): CipherSuite | undefined {
  return CIPHER_SUITES.find((suite) => suite.id === id)
}

/** Ids of the suites with these AEADs, in their order. */
export function suitesInOrder(aeads: readonly AeadName[]): readonly number[] {
  return aeads.flatMap((aead) => CIPHER_SUITES.filter((suite) => suite.aead === aead).map((suite) => suite.id))
}
