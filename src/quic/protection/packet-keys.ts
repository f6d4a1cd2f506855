/**
 * From traffic secrets to the key handles of one direction (RFC 9001 §5.1, §5.2, §6.1). Whoever holds a `PacketKeys` frees it.
 */
import type { AeadKey, CryptoProvider, HeaderKey } from '../../crypto/index.ts'
import type { Role } from '../level.ts'
import { type CipherSuite, TLS_AES_128_GCM_SHA256 } from '../tls/cipher-suites.ts'
import { hkdfExpandLabel } from '../tls/key-schedule.ts'

const EMPTY = new Uint8Array(0)

/** RFC 9001 §5.2, the salt of QUIC version 1. */
const INITIAL_SALT_V1 = Uint8Array.from([
  0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f,
  0x0a,
])

/** AEAD and header key of one direction at one level. */
export interface PacketKeys {
  readonly aead: AeadKey
  readonly header: HeaderKey
}

/** RFC 9001 §5.1: "quic key" and "quic iv". */
export function deriveAead(crypto: CryptoProvider, suite: CipherSuite, secret: Uint8Array): AeadKey {
  const key = hkdfExpandLabel(crypto, suite.hash, secret, 'quic key', EMPTY, suite.keyLength)
  const iv = hkdfExpandLabel(crypto, suite.hash, secret, 'quic iv', EMPTY, 12)
  const aead = crypto.aeadKey(suite.aead, key, iv)
  key.fill(0)
  return aead
}

export function deriveKeys(crypto: CryptoProvider, suite: CipherSuite, secret: Uint8Array): PacketKeys {
  const header = hkdfExpandLabel(crypto, suite.hash, secret, 'quic hp', EMPTY, suite.keyLength)
  const keys = { aead: deriveAead(crypto, suite, secret), header: crypto.headerKey(suite.aead, header) }
  header.fill(0)
  return keys
}

/** RFC 9001 §6.1: the secret of the next key phase. */
export function nextSecret(crypto: CryptoProvider, suite: CipherSuite, secret: Uint8Array): Uint8Array {
  return hkdfExpandLabel(crypto, suite.hash, secret, 'quic ku', EMPTY, suite.hashLength)
}

/** Both directions' Initial keys as `role` uses them, RFC 9001 §5.2. `destinationId` is the one of the client's first Initial (or of the Retry's source). */
export function initialKeys(
  crypto: CryptoProvider,
  destinationId: Uint8Array,
  role: Role,
): { send: PacketKeys; receive: PacketKeys } {
  const suite = TLS_AES_128_GCM_SHA256
  const initial = crypto.hkdfExtract('sha256', INITIAL_SALT_V1, destinationId)
  const client = hkdfExpandLabel(crypto, 'sha256', initial, 'client in', EMPTY, 32)
  const server = hkdfExpandLabel(crypto, 'sha256', initial, 'server in', EMPTY, 32)
  const clientKeys = deriveKeys(crypto, suite, client)
  const serverKeys = deriveKeys(crypto, suite, server)
  return role === 'client' ? { send: clientKeys, receive: serverKeys } : { send: serverKeys, receive: clientKeys }
}

export function freeKeys(keys: PacketKeys | undefined): void {
  keys?.aead.free()
  keys?.header.free()
}
