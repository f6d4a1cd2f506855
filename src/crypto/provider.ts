/**
 * The narrow synchronous interface to cryptography. Packet keys work in place inside a datagram slot; keys are handles that are
 * freed by their owner. Providers: `node` (node:crypto), `portable` (noble), later the WebAssembly kernel.
 */

export type HashName = 'sha256' | 'sha384'
export type AeadName = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305'
export type GroupName = 'x25519' | 'p256'

/** A key, point or signature that the primitive refuses. Never carries secret material. */
export class CryptoError extends Error {
  override readonly name = 'CryptoError'
}

/** Running hash; `digest` may be taken many times, and the hash goes on. */
export interface RunningHash {
  update(data: Uint8Array): void
  /** Of all bytes so far. A fresh array. */
  digest(): Uint8Array
}

/** AEAD key and IV of one direction and one key phase. Tag length is 16 bytes for all three algorithms. */
export interface AeadKey {
  readonly name: AeadName
  /**
   * Seals in place: authenticates `bytes[headerStart, payloadStart)`, encrypts `bytes[payloadStart, payloadEnd)` where it stands and
   * writes the 16-byte tag at `payloadEnd`. Nonce: IV xor (path id as 32 bits ‖ packet number as 64 bits); draft-ietf-quic-multipath, for path 0 RFC 9001 §5.3.
   */
  seal(
    bytes: Uint8Array,
    headerStart: number,
    payloadStart: number,
    payloadEnd: number,
    pathId: number,
    packetNumber: number,
  ): void
  /**
   * Opens in place; `sealedEnd` is after the tag. Returns the end of the plaintext, or -1 when authentication failed: then the payload
   * bytes are garbage and must be dropped, but the last 16 bytes before `sealedEnd` are untouched.
   */
  open(
    bytes: Uint8Array,
    headerStart: number,
    payloadStart: number,
    sealedEnd: number,
    pathId: number,
    packetNumber: number,
  ): number
  free(): void
}

/** Header protection key, RFC 9001 §5.4. Kept over key updates. */
export interface HeaderKey {
  /** Writes the 5-byte mask for the 16-byte sample at `bytes[sampleStart]` into `mask`. */
  mask(bytes: Uint8Array, sampleStart: number, mask: Uint8Array): void
  free(): void
}

/** One side of a Diffie-Hellman exchange. */
export interface KeyExchange {
  readonly group: GroupName
  /** 32 bytes for x25519; 65 bytes, uncompressed, for p256. */
  readonly publicKey: Uint8Array
  /** The shared secret (32 bytes for both groups). Throws CryptoError for an invalid point, a wrong length or an all-zero x25519 result (RFC 7748 §6.1). */
  agree(peerPublicKey: Uint8Array): Uint8Array
  free(): void
}

export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** Ed25519 signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array
  free(): void
}

export interface CryptoProvider {
  readonly name: string
  createHash(name: HashName): RunningHash
  hash(name: HashName, data: Uint8Array): Uint8Array
  hmac(name: HashName, key: Uint8Array, data: Uint8Array): Uint8Array
  /** RFC 5869. An empty salt means hash-length zero bytes. */
  hkdfExtract(name: HashName, salt: Uint8Array, inputKey: Uint8Array): Uint8Array
  hkdfExpand(name: HashName, pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array
  /** `iv` is 12 bytes; key 16 or 32 bytes by name. */
  aeadKey(name: AeadName, key: Uint8Array, iv: Uint8Array): AeadKey
  headerKey(name: AeadName, key: Uint8Array): HeaderKey
  /** A fresh pair, or the pair of a given 32-byte private key (tests, simulator). */
  keyExchange(group: GroupName, privateKey?: Uint8Array): KeyExchange
  /** From the 32-byte Ed25519 seed. */
  signer(seed: Uint8Array): Signer
  /** Strict Ed25519 verification: refuses small-order keys and non-canonical S. Never throws. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** Constant time for equal lengths. */
  equal(left: Uint8Array, right: Uint8Array): boolean
}
