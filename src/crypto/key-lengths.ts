/**
 * Byte lengths that every provider agrees on, and the checks of what callers hand in. Meets RFC 9001 §5.1 and §5.3 (key and IV
 * lengths), RFC 5869 §2.3 (longest output) and the fixed formats of RFC 7748 and RFC 8032.
 */
import { type AeadName, CryptoError, type GroupName, type HashName } from './provider.ts'
import { fitsKey, type SignatureAlgorithm, type SignatureKeyKind } from './signature-algorithms.ts'

/** Bytes of the authentication tag, for all AEADs. */
export const TAG_LENGTH = 16
/** Bytes of the header protection sample, RFC 9001 §5.4.2. */
export const SAMPLE_LENGTH = 16

/** The kernel is the fastest for all but datagrams above 9 kB; without it, AES in hardware is, and without that ChaCha20 again. */
export const CHACHA20_FIRST: readonly AeadName[] = ['chacha20-poly1305', 'aes-128-gcm', 'aes-256-gcm']
export const AES_FIRST: readonly AeadName[] = ['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305']

const IV_LENGTH = 12
const PRIVATE_KEY_LENGTH = 32

export function hashLength(name: HashName): number {
  return name === 'sha256' ? 32 : 48
}

export function publicKeyLength(group: GroupName): number {
  return group === 'x25519' ? 32 : 65
}

export function checkAeadKey(name: AeadName, key: Uint8Array, iv: Uint8Array): void {
  checkHeaderKey(name, key)
  if (iv.length !== IV_LENGTH) throw new CryptoError(`${name}: IV of ${iv.length} bytes, ${IV_LENGTH} expected`)
}

export function checkHeaderKey(name: AeadName, key: Uint8Array): void {
  const expected = name === 'aes-128-gcm' ? 16 : 32
  if (key.length !== expected) throw new CryptoError(`${name}: key of ${key.length} bytes, ${expected} expected`)
}

/** A kept AES cipher that is fed a short block would give wrong masks for ever, so this is checked per packet. */
export function checkSample(bytes: Uint8Array, sampleStart: number): void {
  if (sampleStart < 0 || sampleStart + SAMPLE_LENGTH > bytes.length)
    throw new RangeError('the sample leaves the buffer')
}

/** Private keys of both groups and Ed25519 seeds have the same length. */
export function checkPrivateKey(what: string, privateKey: Uint8Array): void {
  if (privateKey.length !== PRIVATE_KEY_LENGTH) {
    throw new CryptoError(`${what}: private key of ${privateKey.length} bytes, ${PRIVATE_KEY_LENGTH} expected`)
  }
}

export function checkPublicKey(group: GroupName, publicKey: Uint8Array): void {
  const expected = publicKeyLength(group)
  if (publicKey.length !== expected) {
    throw new CryptoError(`${group}: public key of ${publicKey.length} bytes, ${expected} expected`)
  }
  // RFC 8446 §4.2.8.2: TLS 1.3 knows only the uncompressed form.
  if (group === 'p256' && publicKey[0] !== 4) throw new CryptoError('p256: only uncompressed points are taken')
}

/** RFC 7748 §6.1: the peer chose a point of small order. Without a branch per byte, since honest secrets pass here too. */
export function checkNotAllZero(sharedSecret: Uint8Array): void {
  let bits = 0
  for (let i = 0; i < sharedSecret.length; i++) bits |= sharedSecret[i]!
  if (bits === 0) throw new CryptoError('x25519: the shared secret is all zero')
}

export function checkExpandLength(name: HashName, length: number): void {
  const longest = 255 * hashLength(name)
  if (!(length >= 0 && length <= longest)) throw new RangeError(`HKDF with ${name} gives at most ${longest} bytes`)
}

export function checkFitsKey(algorithm: SignatureAlgorithm, kind: SignatureKeyKind): void {
  if (!fitsKey(algorithm, kind)) throw new CryptoError(`a key of kind ${kind} does not sign with ${algorithm}`)
}
