/**
 * XChaCha20-Poly1305 as draft-irtf-cfrg-xchacha §2 has it: HChaCha20 makes the key of one message, ChaCha20-Poly1305 (RFC 8439 §2.8) does the rest, with what the
 * provider has for it. No associated data; the tag stands behind the text.
 */
import type { AeadKey, CryptoProvider } from './provider.ts'
import { hchacha20 } from './stream-core.ts'

/** Bytes. Drawn at random for each message, or made so that it is not used twice with a key. */
export const XCHACHA_NONCE_LENGTH = 24

/** Encrypts `bytes[0, length)` where it stands and writes the 16-byte tag behind it. `key` is 32 bytes, `nonce` 24. */
export function sealXChaCha(
  crypto: CryptoProvider,
  key: Uint8Array,
  nonce: Uint8Array,
  bytes: Uint8Array,
  length: number,
): void {
  const message = messageKey(crypto, key, nonce)
  message.seal(bytes, 0, 0, length, 0, 0)
  message.free()
}

/** Undoes `sealXChaCha` in place. The length of the text; -1 where it is too short or does not authenticate: then it is garbage. */
export function openXChaCha(crypto: CryptoProvider, key: Uint8Array, nonce: Uint8Array, bytes: Uint8Array): number {
  const message = messageKey(crypto, key, nonce)
  const end = message.open(bytes, 0, 0, bytes.length, 0, 0)
  message.free()
  return end
}

/** Path 0 and packet 0 leave the IV as it is. */
function messageKey(crypto: CryptoProvider, key: Uint8Array, nonce: Uint8Array): AeadKey {
  const subkey = hchacha20(key, nonce)
  const message = crypto.aeadKey('chacha20-poly1305', subkey, innerNonce(nonce))
  subkey.fill(0)
  return message
}

/** Four zeros and the last 8 bytes. */
function innerNonce(nonce: Uint8Array): Uint8Array {
  const inner = new Uint8Array(12)
  inner.set(nonce.subarray(16), 4)
  return inner
}
