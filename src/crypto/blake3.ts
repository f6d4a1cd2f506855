/**
 * BLAKE3 as a key derivation function, for the relay handshake (spec/relay.md §2.3). It is noble's for every provider: node:crypto has no BLAKE3, and
 * one derivation per relay connection is no cost. The plain hash, which is on a hot path, is `blake3-hash.ts`'s.
 */
import { blake3 } from '@noble/hashes/blake3.js'

/** BLAKE3's derive_key mode: 32 bytes from any key material, bound to `context` (UTF-8 without terminator). */
export function blake3DeriveKey(context: string, keyMaterial: Uint8Array): Uint8Array {
  return blake3(keyMaterial, { context: new TextEncoder().encode(context) })
}
