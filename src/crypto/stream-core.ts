/**
 * HChaCha20 (draft-irtf-cfrg-xchacha §2.2) and its elder sister HSalsa20 over bytes: keys out of keys, which boxes and extended nonces are made of. noble's for every provider.
 */
import { hchacha } from '@noble/ciphers/chacha.js'
import { hsalsa } from '@noble/ciphers/salsa.js'
import { chacha20KeyWords } from './chacha20-block.ts'

const KEY_LENGTH = 32
/** Bytes of the nonce that go in. */
const INPUT_LENGTH = 16

/** 32 bytes from a key of 32 and the first 16 bytes of `nonce`; none: zeros. Secret. */
export function hchacha20(key: Uint8Array, nonce?: Uint8Array): Uint8Array {
  return derive(hchacha, key, nonce)
}

/** As `hchacha20`, for what still goes by Salsa20. */
export function hsalsa20(key: Uint8Array, nonce?: Uint8Array): Uint8Array {
  return derive(hsalsa, key, nonce)
}

function derive(core: typeof hchacha, key: Uint8Array, nonce?: Uint8Array): Uint8Array {
  // "expand 32-byte k", RFC 8439 §2.3
  const sigma = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)
  const padded = new Uint8Array(KEY_LENGTH)
  if (nonce !== undefined) padded.set(nonce.subarray(0, INPUT_LENGTH))
  const input = new Uint32Array(chacha20KeyWords(padded).subarray(0, INPUT_LENGTH / 4))
  const words = new Uint32Array(KEY_LENGTH / 4)
  core(sigma, new Uint32Array(chacha20KeyWords(key)), input, words)
  const derived = new Uint8Array(KEY_LENGTH)
  const view = new DataView(derived.buffer)
  for (let index = 0; index < words.length; index++) view.setUint32(4 * index, words[index]!, true)
  return derived
}
