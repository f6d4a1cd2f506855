/**
 * Wycheproof against one provider, through the real interface: with path 0 and packet number 0 the nonce is the IV itself. Every
 * "valid" must be accepted and every "invalid" refused; what "acceptable" means for us is said at each primitive.
 */
import { describe, expect, test } from 'vitest'
import {
  type AeadName,
  CryptoError,
  type CryptoProvider,
  type GroupName,
  type HashName,
} from '../../src/crypto/index.ts'
import { hex, toHex } from './hex.ts'
import {
  type AeadVector,
  type DhVector,
  type HkdfVector,
  hasWycheproof,
  readGroups,
  type SignatureVector,
} from './wycheproof.ts'

export function wycheproofSuite(crypto: CryptoProvider): void {
  // The portable provider needs seconds for P-256, more on a busy machine.
  describe.skipIf(!hasWycheproof)('Wycheproof', { timeout: 60_000 }, () => {
    test('ChaCha20-Poly1305: all 325 vectors, 9 of them with a nonce length that we refuse', () => {
      const count = runAead(crypto, 'chacha20_poly1305', () => 'chacha20-poly1305')
      expect(count).toEqual({ run: 316, refusedNonce: 9, outOfScope: 0 })
    })

    test('AES-GCM: 133 vectors with 128- and 256-bit keys, 80 refused nonce lengths, 103 of 192-bit keys out of scope', () => {
      const count = runAead(crypto, 'aes_gcm', (keySize) =>
        keySize === 128 ? 'aes-128-gcm' : keySize === 256 ? 'aes-256-gcm' : undefined,
      )
      expect(count).toEqual({ run: 133, refusedNonce: 80, outOfScope: 103 })
    })

    test('X25519: 518 vectors', () => {
      // Acceptable: points on the twist and non-canonical u are taken, as RFC 7748 §5 wants; an all-zero result is refused (§6.1).
      expect(runDh(crypto, 'x25519', 'x25519', (flags) => flags.includes('ZeroSharedSecret'))).toBe(518)
    })

    test('P-256: 355 vectors', () => {
      // Acceptable: a valid compressed point is refused, since TLS 1.3 has no such form (RFC 8446 §4.2.8.2).
      expect(runDh(crypto, 'p256', 'ecdh_secp256r1_ecpoint', (flags) => flags.includes('CompressedPoint'))).toBe(355)
    })

    test('Ed25519: 151 vectors', () => {
      let run = 0
      for (const group of readGroups<SignatureVector>('ed25519')) {
        for (const vector of group.tests) {
          const accepted = crypto.verify(hex(group.publicKey.pk), hex(vector.msg), hex(vector.sig))
          expect(accepted, `${vector.tcId} ${vector.comment}`).toBe(vector.result === 'valid')
          run++
        }
      }
      expect(run).toBe(151)
    })

    test.each(['sha256', 'sha384'] as const)('HKDF with %s', (name) => {
      const vectors = readGroups<HkdfVector>(`hkdf_${name}`).flatMap((group) => group.tests)
      for (const vector of vectors)
        expect(hkdf(crypto, name, vector), `${vector.tcId} ${vector.comment}`).toBe(vector.okm)
      expect(vectors.length).toBe(name === 'sha256' ? 86 : 83)
    })
  })
}

function runAead(crypto: CryptoProvider, file: string, nameOf: (keySize: number) => AeadName | undefined) {
  const count = { run: 0, refusedNonce: 0, outOfScope: 0 }
  for (const group of readGroups<AeadVector>(file)) {
    const name = nameOf(group.keySize)
    expect(group.tagSize).toBe(128)
    for (const vector of group.tests) {
      if (name === undefined) {
        count.outOfScope++
      } else if (group.ivSize !== 96) {
        expect(() => crypto.aeadKey(name, hex(vector.key), hex(vector.iv)), `${vector.tcId}`).toThrow(CryptoError)
        count.refusedNonce++
      } else {
        runAeadVector(crypto, name, vector)
        count.run++
      }
    }
  }
  return count
}

function runAeadVector(crypto: CryptoProvider, name: AeadName, vector: AeadVector): void {
  const label = `${vector.tcId} ${vector.comment}`
  const aad = hex(vector.aad)
  const start = aad.length
  const key = crypto.aeadKey(name, hex(vector.key), hex(vector.iv))
  const sealed = hex(vector.aad + vector.ct + vector.tag)
  const end = key.open(sealed, 0, start, sealed.length, 0, 0)
  if (vector.result === 'valid') {
    expect(end, label).toBe(sealed.length - 16)
    expect(toHex(sealed.subarray(start, end)), label).toBe(vector.msg)
    const plain = hex(vector.aad + vector.msg + '00'.repeat(16))
    key.seal(plain, 0, start, plain.length - 16, 0, 0)
    expect(toHex(plain), label).toBe(vector.aad + vector.ct + vector.tag)
  } else {
    expect(end, label).toBe(-1)
  }
  key.free()
}

/** `isRefused` decides only about the acceptable vectors. */
function runDh(
  crypto: CryptoProvider,
  group: GroupName,
  file: string,
  isRefused: (flags: readonly string[]) => boolean,
) {
  const vectors = readGroups<DhVector>(file).flatMap((vectorGroup) => vectorGroup.tests)
  for (const vector of vectors) {
    const label = `${vector.tcId} ${vector.comment}`
    // Integers: leading zeros may be missing or too many.
    const own = crypto.keyExchange(group, hex(vector.private.padStart(64, '0').slice(-64)))
    const refused = vector.result === 'invalid' || (vector.result === 'acceptable' && isRefused(vector.flags))
    if (refused) expect(() => own.agree(hex(vector.public)), label).toThrow(CryptoError)
    else expect(toHex(own.agree(hex(vector.public))), label).toBe(vector.shared)
    own.free()
  }
  return vectors.length
}

/** The invalid vectors ask for too much, which is our RangeError; they have an empty okm. */
function hkdf(crypto: CryptoProvider, name: HashName, vector: HkdfVector): string {
  const key = crypto.hkdfExtract(name, hex(vector.salt), hex(vector.ikm))
  try {
    return toHex(crypto.hkdfExpand(name, key, hex(vector.info), vector.size))
  } catch (error) {
    if (error instanceof RangeError && vector.result === 'invalid') return ''
    throw error
  }
}
