/** Signatures with the keys of certificates, by each provider, beside OpenSSL and Wycheproof. */
import { generateKeyPairSync, type KeyObject, verify } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import {
  CryptoError,
  DerError,
  decodePublicKeyInfo,
  fitsKey,
  type SignatureAlgorithm,
  type SignatureKeyKind,
} from '../../src/crypto/index.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../src/crypto/portable/index.ts'
import { hex, toHex } from './hex.ts'
import { hasWycheproof, readGroups, type SignatureVector } from './wycheproof.ts'

const KINDS: readonly SignatureKeyKind[] = ['ed25519', 'p256', 'p384', 'rsa', 'rsa-pss']
const ALGORITHMS = createNodeCrypto().signatureAlgorithms

interface Pair {
  readonly publicKey: KeyObject
  readonly spki: Uint8Array
  readonly pkcs8: Uint8Array
}

function pair(pairOfKeys: { publicKey: KeyObject; privateKey: KeyObject }): Pair {
  const { publicKey, privateKey } = pairOfKeys
  return {
    publicKey,
    spki: Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' })),
    pkcs8: Uint8Array.from(privateKey.export({ format: 'der', type: 'pkcs8' })),
  }
}

const PAIRS: Readonly<Record<SignatureKeyKind, Pair>> = {
  ed25519: pair(generateKeyPairSync('ed25519')),
  p256: pair(generateKeyPairSync('ec', { namedCurve: 'prime256v1' })),
  p384: pair(generateKeyPairSync('ec', { namedCurve: 'secp384r1' })),
  rsa: pair(generateKeyPairSync('rsa', { modulusLength: 2048 })),
  'rsa-pss': pair(generateKeyPairSync('rsa-pss', { modulusLength: 2048 })),
}
const MESSAGE = new TextEncoder().encode('what a certificate says')

const node = createNodeCrypto()

describe.each([createNodeCrypto(), createPortableCrypto()])(
  'certificate signatures of the $name provider',
  (crypto) => {
    const verifies = (algorithm: SignatureAlgorithm, kind: SignatureKeyKind) =>
      crypto.signatureAlgorithms.includes(algorithm) && fitsKey(algorithm, kind)
    const signs: readonly SignatureKeyKind[] = crypto.name === 'node' ? KINDS : ['ed25519', 'p256']

    afterAll(() => expect(crypto.liveKeys).toBe(0))

    test('RFC 8446 §4.2.3: each key with each algorithm that fits, and none that does not', () => {
      let good = 0
      for (const kind of KINDS) {
        const signer = node.signingKey(PAIRS[kind].pkcs8)
        for (const algorithm of ALGORITHMS) {
          if (!fitsKey(algorithm, kind)) {
            expect(() => signer.sign(algorithm, MESSAGE), `${kind} ${algorithm}`).toThrow(CryptoError)
            continue
          }
          const signature = signer.sign(algorithm, MESSAGE)
          for (const judged of ALGORITHMS) {
            const isRight = judged === algorithm && verifies(algorithm, kind)
            const verdict = crypto.verifySignature(judged, PAIRS[kind].spki, MESSAGE, signature)
            expect(verdict, `${kind} ${algorithm} as ${judged}`).toBe(isRight)
            if (isRight) good++
          }
          for (const other of KINDS.filter((each) => each !== kind)) {
            expect(crypto.verifySignature(algorithm, PAIRS[other].spki, MESSAGE, signature)).toBe(false)
          }
        }
        signer.free()
      }
      expect(good).toBe(crypto.name === 'node' ? 1 + 3 + 3 + 6 + 3 : 1 + 3 + 3)
    })

    test.each(signs)('RFC 5958: a %s key signs what OpenSSL verifies', (kind) => {
      const { pkcs8, spki, publicKey } = PAIRS[kind]
      const key = crypto.signingKey(pkcs8)
      expect(key.kind).toBe(kind)
      expect(key.publicKeyInfo).toEqual(spki)
      for (const algorithm of crypto.signatureAlgorithms.filter((each) => fitsKey(each, kind))) {
        const signature = key.sign(algorithm, MESSAGE)
        const digest = algorithm === 'ed25519' ? null : algorithm.slice(-6)
        const saltLength = Number(algorithm.slice(-3)) / 8
        const options = algorithm.startsWith('rsa-pss-') ? { padding: 6, saltLength } : {}
        expect(verify(digest, MESSAGE, { key: publicKey, ...options }, signature), algorithm).toBe(true)
        expect(crypto.verifySignature(algorithm, spki, MESSAGE, signature)).toBe(true)
        expect(crypto.verifySignature(algorithm, spki, MESSAGE.subarray(1), signature)).toBe(false)
      }
      key.free()
      key.free()
      expect(() => key.sign('ecdsa-sha256', MESSAGE)).toThrow('the key was freed')
    })

    test('private keys that are none, or not for this provider', () => {
      const { pkcs8 } = PAIRS.p256
      const refused: Uint8Array[] = [
        new Uint8Array(0),
        pkcs8.subarray(0, -1),
        Uint8Array.from(generateKeyPairSync('x25519').privateKey.export({ format: 'der', type: 'pkcs8' })),
        Uint8Array.from(
          generateKeyPairSync('ec', { namedCurve: 'secp521r1' }).privateKey.export({ format: 'der', type: 'pkcs8' }),
        ),
        Uint8Array.from(
          generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'der', type: 'pkcs8' }),
        ),
        ...KINDS.filter((kind) => !signs.includes(kind)).map((kind) => PAIRS[kind].pkcs8),
        // The number of the curve's order, and zero.
        replaceScalar(pkcs8, hex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')),
        replaceScalar(pkcs8, new Uint8Array(32)),
      ]
      for (const [index, bytes] of refused.entries()) {
        expect(() => crypto.signingKey(bytes), `${index}`).toThrow(CryptoError)
      }
    })

    test('public keys that are none verify nothing, and do not throw', () => {
      const signer = node.signingKey(PAIRS.p256.pkcs8)
      const signature = signer.sign('ecdsa-sha256', MESSAGE)
      signer.free()
      const { spki } = PAIRS.p256
      expect(crypto.verifySignature('ecdsa-sha256', spki, MESSAGE, signature)).toBe(true)
      const offCurve = spki.with(-1, spki.at(-1)! ^ 1)
      for (const wrong of [new Uint8Array(0), spki.subarray(1), spki.subarray(0, -1), offCurve]) {
        expect(crypto.verifySignature('ecdsa-sha256', wrong, MESSAGE, signature)).toBe(false)
      }
      for (const wrong of [new Uint8Array(0), signature.subarray(1), new Uint8Array([...signature, 0])]) {
        expect(crypto.verifySignature('ecdsa-sha256', spki, MESSAGE, wrong)).toBe(false)
      }
    })

    test('RFC 8032 §5.1.7: Ed25519 keys in certificates are verified as strictly as raw ones', () => {
      const smallOrder = hex(`302a300506032b6570032100${'00'.repeat(32)}`)
      const forged = hex(`58${'66'.repeat(31)}01${'00'.repeat(31)}`)
      for (let message = 0; message < 16; message++) {
        expect(crypto.verifySignature('ed25519', smallOrder, Uint8Array.of(message), forged)).toBe(false)
      }
    })

    describe.skipIf(!hasWycheproof)('Wycheproof', { timeout: 60_000 }, () => {
      function run(file: string, algorithm: SignatureAlgorithm): number {
        let count = 0
        for (const group of readGroups<SignatureVector>(file)) {
          const spki = hex(group.publicKeyDer)
          for (const vector of group.tests) {
            const verdict = crypto.verifySignature(algorithm, spki, hex(vector.msg), hex(vector.sig))
            const expected = vector.result === 'valid' && crypto.signatureAlgorithms.includes(algorithm)
            expect(verdict, `${vector.tcId} ${vector.comment}`).toBe(expected)
            count++
          }
        }
        return count
      }

      test('ECDSA on P-256 with SHA-256: 484 vectors', () => {
        expect(run('ecdsa_secp256r1_sha256', 'ecdsa-sha256')).toBe(484)
      })

      test('RSA-PSS, 2048 bits, SHA-256: 108 vectors', () => {
        expect(run('rsa_pss_2048_sha256_mgf1_32', 'rsa-pss-sha256')).toBe(108)
      })
    })
  },
)

/** A P-256 key of OpenSSL's with another private number; its public part is left as it was. */
function replaceScalar(pkcs8: Uint8Array, scalar: Uint8Array): Uint8Array {
  const at = toHex(pkcs8).indexOf('0420') / 2 + 2
  const changed = pkcs8.slice()
  changed.set(scalar, at)
  return changed
}

describe('RFC 5280 §4.1.2.7: what is a public key', () => {
  test('all kinds, and those that are not used', () => {
    for (const kind of KINDS) expect(decodePublicKeyInfo(PAIRS[kind].spki).kind).toBe(kind)
    const strangers = [
      generateKeyPairSync('x25519'),
      generateKeyPairSync('ec', { namedCurve: 'secp521r1' }),
      generateKeyPairSync('rsa', { modulusLength: 1024 }),
    ]
    for (const keys of strangers) expect(decodePublicKeyInfo(pair(keys).spki).kind).toBeUndefined()
  })

  test('DerError for anything else', () => {
    for (const kind of KINDS) {
      const { spki } = PAIRS[kind]
      for (let length = 0; length < spki.length; length++) {
        expect(() => decodePublicKeyInfo(spki.subarray(0, length))).toThrow(DerError)
      }
    }
  })
})
