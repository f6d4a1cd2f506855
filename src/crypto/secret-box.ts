/**
 * NaCl's `crypto_box` and `crypto_secretbox` as they are: X25519, HSalsa20, XSalsa20-Poly1305 with the tag in front (spec/envelope.md §2.3), for envelopes of
 * ToM's earlier stack. `crypto-box.ts` is its sister with ChaCha20. noble's for every provider: node:crypto has no Salsa20.
 */
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js'
import { x25519 } from '@noble/curves/ed25519.js'
import { sharedSecret } from './crypto-box.ts'
import { hsalsa20 } from './stream-core.ts'

/** Bytes. Drawn at random for each box. */
export const SECRET_BOX_NONCE_LENGTH = 24
/** Bytes that sealing adds. */
export const SECRET_BOX_TAG_LENGTH = 16

/** The X25519 public key of 32 secret bytes, which are clamped for the purpose. */
export function secretBoxPublicKey(secret: Uint8Array): Uint8Array {
  return x25519.getPublicKey(secret)
}

/** The key both ends of a box have (`crypto_box_beforenm`), 32 bytes; undefined where X25519 gives zeros (RFC 7748 §6.1). Secret. */
export function secretBoxKey(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  const shared = sharedSecret(secret, publicKey)
  if (shared === undefined) return undefined
  const key = hsalsa20(shared)
  shared.fill(0)
  return key
}

/** Tag and ciphertext of `plain`, 16 bytes longer. `nonce` is 24 bytes and never used twice with a key. */
export function sealSecretBox(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array): Uint8Array {
  return xsalsa20poly1305(key, nonce).encrypt(plain)
}

/** What `sealSecretBox` put in; undefined when it is too short or was not sealed with this key and nonce. */
export function openSecretBox(key: Uint8Array, nonce: Uint8Array, box: Uint8Array): Uint8Array | undefined {
  if (nonce.length !== SECRET_BOX_NONCE_LENGTH || box.length < SECRET_BOX_TAG_LENGTH) return undefined
  try {
    return xsalsa20poly1305(key, nonce).decrypt(box)
  } catch {
    return undefined
  }
}
