/**
 * BLAKE3: a hash, for the ids of gossip messages (spec/gossip.md §4.2), and a key derivation function, for the relay handshake (spec/relay.md §2.3). It is noble's for
 * every provider: node:crypto has no BLAKE3.
 */
import { blake3 } from '@noble/hashes/blake3.js'

/** BLAKE3's derive_key mode: 32 bytes from any key material, bound to `context` (UTF-8 without terminator). */
export function blake3DeriveKey(context: string, keyMaterial: Uint8Array): Uint8Array {
  return blake3(keyMaterial, { context: new TextEncoder().encode(context) })
}

/** 32 bytes; the default mode, without key or context. */
export function blake3Hash(data: Uint8Array): Uint8Array {
  return blake3(data)
}
