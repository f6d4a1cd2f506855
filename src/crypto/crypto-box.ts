/**
 * NaCl's `crypto_box` with XChaCha20 in place of XSalsa20, keyed by Ed25519 identities, as disco needs it (spec/disco-stun-nat.md §1.2). It is not the IETF's
 * XChaCha20-Poly1305: the tag covers the ciphertext alone and stands before it, and no block of the key stream is skipped. noble's for every provider: a
 * few packets a second are no cost, and node:crypto has no Poly1305.
 */
import { poly1305 } from '@noble/ciphers/_poly1305.js'
import { xchacha20 } from '@noble/ciphers/chacha.js'
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { hchacha20 } from './stream-core.ts'

/** Bytes that a box adds to what is in it. */
export const BOX_TAG_LENGTH = 16
/** Bytes. Drawn at random for each box. */
export const BOX_NONCE_LENGTH = 24
const KEY_LENGTH = 32

/** The X25519 private key that belongs to an Ed25519 seed of 32 bytes: the clamped first half of its hash (RFC 8032 §5.1.5). Secret. */
export function x25519SecretOf(seed: Uint8Array): Uint8Array {
  const secret = sha512(seed).slice(0, KEY_LENGTH)
  secret[0]! &= 248
  secret[31] = (secret[31]! & 127) | 64
  return secret
}

/**
 * The X25519 public key of an Ed25519 key of 32 bytes (RFC 7748 §4.1); undefined where they are no point of the curve. Decodes what ZIP 215 does,
 * a y above the field's prime too, for so do the peers.
 */
export function x25519PublicOf(ed25519Key: Uint8Array): Uint8Array | undefined {
  try {
    const { y } = ed25519.Point.fromBytes(Uint8Array.from(ed25519Key), true)
    const field = ed25519.Point.Fp
    // y = 1 has no image on the Montgomery curve; the exchange would refuse it anyway.
    if (field.eql(y, field.ONE)) return undefined
    return field.toBytes(field.div(field.add(field.ONE, y), field.sub(field.ONE, y)))
  } catch {
    return undefined
  }
}

/** What X25519 makes of both keys, 32 bytes; undefined where that is zeros (RFC 7748 §6.1). Secret: wipe it. */
export function sharedSecret(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  try {
    return x25519.getSharedSecret(secret, publicKey)
  } catch {
    return undefined
  }
}

/** The key both ends of an exchange have, 32 bytes; undefined where X25519 gives zeros (RFC 7748 §6.1). Costs a scalar multiplication: keep it. Secret. */
export function boxKey(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  const shared = sharedSecret(secret, publicKey)
  if (shared === undefined) return undefined
  const key = hchacha20(shared)
  shared.fill(0)
  return key
}

/** Tag and ciphertext of `plain`, 16 bytes longer. `nonce` is 24 bytes and never used twice with a key. */
export function sealBox(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array): Uint8Array {
  const stream = new Uint8Array(KEY_LENGTH + plain.length)
  stream.set(plain, KEY_LENGTH)
  // The first 32 bytes of the key stream are the authenticator's key, the text begins right behind them.
  const sealed = xchacha20(key, nonce, stream)
  const text = sealed.subarray(KEY_LENGTH)
  const box = new Uint8Array(BOX_TAG_LENGTH + text.length)
  box.set(poly1305(text, sealed.subarray(0, KEY_LENGTH)))
  box.set(text, BOX_TAG_LENGTH)
  return box
}

/** What `sealBox` put in; undefined when it is too short or was not sealed with this key and nonce. */
export function openBox(key: Uint8Array, nonce: Uint8Array, box: Uint8Array): Uint8Array | undefined {
  if (box.length < BOX_TAG_LENGTH) return undefined
  const text = box.subarray(BOX_TAG_LENGTH)
  const stream = new Uint8Array(KEY_LENGTH + text.length)
  stream.set(text, KEY_LENGTH)
  const opened = xchacha20(key, nonce, stream)
  const tag = poly1305(text, opened.subarray(0, KEY_LENGTH))
  let difference = 0
  for (let index = 0; index < BOX_TAG_LENGTH; index++) difference |= tag[index]! ^ box[index]!
  return difference === 0 ? opened.slice(KEY_LENGTH) : undefined
}
