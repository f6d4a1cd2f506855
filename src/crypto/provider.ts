/**
 * The narrow synchronous interface to cryptography. Packet keys work in place inside a datagram slot; keys are handles that are
 * freed by their owner. Providers: `node` (node:crypto) and `portable` (noble); both take the WebAssembly kernel for ChaCha20-Poly1305
 * where it runs.
 */
import type { SignatureAlgorithm, SignatureKeyKind } from './signature-algorithms.ts'

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

/** What `AeadKey.unprotect` returns instead of the end of the plaintext. */
export const Unprotect = {
  /** The packet did not authenticate. Its header is unmasked, its payload is garbage. */
  Failed: -1,
  /** The packet is too short to hold a sample (RFC 9001 §5.4.2). Nothing was changed. */
  TooShort: -2,
  /** The key phase bit is not the expected one. The header is unmasked, the payload untouched: pick another key and `open`. */
  OtherPhase: -3,
} as const

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
  /**
   * Protects a whole packet in place: seals `bytes[payloadStart, payloadEnd)` as `seal` does with the header from `start`, then masks the first byte
   * and the packet number at `[packetNumberStart, payloadStart)` (RFC 9001 §5.4). The packet ends at `payloadEnd + 16`. Packet number and
   * payload together have 4 bytes or more, or the sample leaves the packet. Throws RangeError for positions outside of `bytes`.
   */
  protect(
    header: HeaderKey,
    bytes: Uint8Array,
    start: number,
    packetNumberStart: number,
    payloadStart: number,
    payloadEnd: number,
    pathId: number,
    packetNumber: number,
  ): void
  /**
   * Undoes `protect` in place for the packet `bytes[start, end)`: unmasks the header, expands the packet number against `largest` (the largest
   * received in its space, -1 for none) and opens. `phase` is the key phase bit this key is for, 0 or 1; -1 for long headers, which have none.
   * Returns the end of the plaintext, or one of `Unprotect`. The length of the packet number stands in the unmasked first byte.
   */
  unprotect(
    header: HeaderKey,
    bytes: Uint8Array,
    start: number,
    packetNumberStart: number,
    end: number,
    pathId: number,
    largest: number,
    phase: number,
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

/** A private key for certificates: what a TLS server with X.509 signs with. */
export interface SigningKey {
  readonly kind: SignatureKeyKind
  /** The DER SubjectPublicKeyInfo of its public half, as it stands in the certificate. */
  readonly publicKeyInfo: Uint8Array
  /** Throws CryptoError for an algorithm that is not one of this kind of key. */
  sign(algorithm: SignatureAlgorithm, message: Uint8Array): Uint8Array
  free(): void
}

export interface CryptoProvider {
  readonly name: string
  /** All AEADs, the fastest for full packets first: the order in which cipher suites are offered and chosen. */
  readonly aeadPreference: readonly AeadName[]
  /**
   * Memory for datagrams, of which packets are protected without a copy: the kernel's own on the first call where there is one, else a
   * fresh array. It never grows or moves. Zeroed.
   */
  packetMemory(length: number): Uint8Array
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
  /** What `verifySignature` can check here; TLS offers nothing else. */
  readonly signatureAlgorithms: readonly SignatureAlgorithm[]
  /** Checks with a key in its DER SubjectPublicKeyInfo. False also for a malformed key and one that does not fit the algorithm. Never throws. */
  verifySignature(
    algorithm: SignatureAlgorithm,
    publicKeyInfo: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ): boolean
  /** From PKCS #8 DER (RFC 5958), not encrypted. Throws CryptoError for what is malformed, or of a kind or size that this provider does not do. */
  signingKey(pkcs8: Uint8Array): SigningKey
  /** Constant time for equal lengths. */
  equal(left: Uint8Array, right: Uint8Array): boolean
}
