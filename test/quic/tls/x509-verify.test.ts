/** Chains that must pass and chains that must not, each with the alert that says why. */
import { describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../../src/crypto/portable/index.ts'
import { Alert } from '../../../src/quic/tls/alerts.ts'
import { MAX_CHAIN_LENGTH } from '../../../src/quic/tls/x509-verify.ts'
import {
  ANY_PURPOSE,
  authority,
  basicConstraints,
  bytes,
  CLIENT_AUTH,
  certify,
  DAY,
  dns,
  extendedKeyUsage,
  extension,
  type Issued,
  identifier,
  ip,
  type Keys,
  keys,
  keyUsage,
  NOW,
  NULL,
  name,
  oid,
  pssIdentifier,
  SERVER_AUTH,
  sequence,
  server,
  subjectAltName,
} from './certificates.ts'
import { between, expectRefused, intermediate, KEYS, MIDDLE, other, ROOT, verify } from './chains.ts'

const LEAF = server(ROOT, other)
const LEAF_UNDER = server(MIDDLE, other)

describe('RFC 5280 §6.1: chains that pass', () => {
  test('straight under a root, with an authority between, and with the root sent along', () => {
    expect(verify([LEAF]).der).toEqual(LEAF.der)
    expect(verify([LEAF_UNDER, MIDDLE]).der).toEqual(LEAF_UNDER.der)
    expect(verify([LEAF_UNDER, MIDDLE, ROOT]).der).toEqual(LEAF_UNDER.der)
  })

  test('an authority given as a root ends the path', () => {
    verify([LEAF_UNDER], { roots: [MIDDLE] })
    verify([LEAF_UNDER, MIDDLE], { roots: [MIDDLE] })
  })

  test('RFC 8446 §4.4.2: the order of the others, copies of them and strangers do not matter', () => {
    const second = certify({
      subject: 'Second',
      keys: KEYS.p384,
      by: MIDDLE,
      extensions: [basicConstraints(), keyUsage(5)],
    })
    const leaf = server(second, other)
    const stranger = authority('Stranger', KEYS.ed25519)
    verify([leaf, MIDDLE, second])
    verify([leaf, stranger, second, second, MIDDLE, MIDDLE, leaf])
    expectRefused(Alert.UNKNOWN_CA, /no trusted root for the certificate of "server"/, [leaf, MIDDLE])
  })

  test('RFC 8446 §4.4.2: the server’s own certificate comes first', () => {
    const signing = intermediate(ROOT, { extensions: [basicConstraints(), keyUsage(0, 5)] })
    verify([server(signing, other), signing])
    expectRefused(Alert.BAD_CERTIFICATE, /is for no host name/, [signing, server(signing, other)])
  })

  test.each(['ed25519', 'p256', 'p384', 'rsa', 'rsa-pss'] as const)('authorities and servers with %s keys', (kind) => {
    const root = authority('Root of its kind', KEYS[kind])
    verify([server(root, KEYS[kind])], { roots: [root] })
  })

  test.each([
    ['rsa', 'rsa-pkcs1-sha384'],
    ['rsa', 'rsa-pkcs1-sha512'],
    ['rsa', 'rsa-pss-sha256'],
    ['rsa', 'rsa-pss-sha384'],
    ['rsa', 'rsa-pss-sha512'],
    ['p256', 'ecdsa-sha384'],
    ['p384', 'ecdsa-sha256'],
    ['p384', 'ecdsa-sha512'],
  ] as const)('a key of kind %s that signs with %s', (kind, algorithm) => {
    const root = authority('Root of its kind', KEYS[kind])
    const leaf = server(root, other, { algorithm })
    verify([leaf], { roots: [root] })
    const tampered = { ...leaf, der: leaf.der.with(-1, leaf.der.at(-1)! ^ 1) }
    expectRefused(Alert.BAD_CERTIFICATE, /signature of "Root of its kind"/, [tampered], { roots: [root] })
  })

  test('the portable provider agrees on the curves', () => {
    const crypto = createPortableCrypto()
    for (const kind of ['ed25519', 'p256', 'p384'] as const) {
      const root = authority('Root of its kind', KEYS[kind])
      verify([server(root, KEYS[kind])], { roots: [root], crypto })
    }
  })

  test('two roots of one name: the right one is found', () => {
    const twin = authority('Test Root', keys('p256'))
    verify([LEAF], { roots: [twin, ROOT] })
    expectRefused(Alert.BAD_CERTIFICATE, /signature of "Test Root"/, [LEAF], { roots: [twin] })
  })

  test('a cross-signed authority: the other way is taken where one fails', () => {
    const expired = intermediate(ROOT, { notAfter: NOW - 1 })
    verify([LEAF_UNDER, expired, MIDDLE])
    const elsewhere = intermediate(authority('Unknown Root', KEYS.p384))
    verify([LEAF_UNDER, elsewhere, MIDDLE])
  })

  test('a root of version 1, which cannot say that it is an authority', () => {
    const old = certify({ subject: 'Old Root', keys: KEYS.p256, version: 1 })
    verify([server(old, other)], { roots: [old] })
  })
})

describe('RFC 5280 §6.1: nobody we trust', () => {
  test('an issuer that is nowhere', () => {
    expectRefused(Alert.UNKNOWN_CA, /no trusted root for the certificate of "server"; its chain names "Between"/, [
      LEAF_UNDER,
    ])
    expectRefused(Alert.UNKNOWN_CA, /names "Unknown Root"/, [server(authority('Unknown Root', other), other)])
    expectRefused(Alert.UNKNOWN_CA, /no trusted root/, [LEAF], { roots: [] })
  })

  test('a self-signed certificate is trusted when it is given, and only then', () => {
    const alone = server(certify({ subject: 'server', keys: other }), other)
    expectRefused(Alert.UNKNOWN_CA, /signed by itself and is not among the trusted roots/, [alone])
    verify([alone], { roots: [alone] })
    // As openssl makes it: an authority and a server in one.
    const both = certify({
      subject: 'localhost',
      keys: KEYS.rsa,
      extensions: [basicConstraints(), subjectAltName(dns('example.test'), ip(127, 0, 0, 1))],
    })
    verify([both], { roots: [both] })
    verify([both], { roots: [both], server: '127.0.0.1' })
    expectRefused(Alert.BAD_CERTIFICATE, /not for other\.test/, [both], { roots: [both], server: 'other.test' })
    expectRefused(Alert.CERTIFICATE_EXPIRED, /expired/, [both], { roots: [both], now: NOW + DAY + 1 })
  })

  test('a trusted server is no authority', () => {
    const leaf = certify({ subject: 'server', keys: other, extensions: [subjectAltName(dns('example.test'))] })
    expectRefused(Alert.UNKNOWN_CA, /"server" issued a certificate and is no authority/, [server(leaf, KEYS.p256)], {
      roots: [leaf],
    })
  })

  test('the same name and another key', () => {
    const forger = certify({ subject: 'Test Root', keys: other, extensions: [basicConstraints()] })
    expectRefused(Alert.BAD_CERTIFICATE, /the signature of "Test Root" under the certificate of "server" is wrong/, [
      server(forger, other),
      forger,
    ])
  })
})

describe('RFC 5280 §6.1.3: dates', () => {
  test('the server, an authority and a root must all be valid now', () => {
    expectRefused(Alert.CERTIFICATE_EXPIRED, /"server" expired on 2030-01-02 00:00:00 UTC/, [LEAF], {
      now: NOW + DAY + 1,
    })
    expectRefused(
      Alert.CERTIFICATE_EXPIRED,
      /"server" is valid only from 2029-12-31 00:00:00 UTC; is our clock/,
      [LEAF],
      {
        now: NOW - DAY - 1,
      },
    )
    const expired = intermediate(ROOT, { notAfter: NOW - 1 })
    expectRefused(Alert.CERTIFICATE_EXPIRED, /"Between" expired/, [LEAF_UNDER, expired])
    const early = authority('Early Root', KEYS.p256, { notBefore: NOW + 1 })
    expectRefused(Alert.CERTIFICATE_EXPIRED, /"Early Root" is valid only from/, [server(early, other)], {
      roots: [early],
    })
  })

  test('RFC 5280 §4.1.2.5: both ends are inside', () => {
    verify([LEAF], { now: NOW + DAY })
    verify([LEAF], { now: NOW - DAY })
    verify([server(ROOT, other, { notAfter: 253_402_300_799 })], { now: NOW })
  })
})

describe('RFC 5280 §6.1.4 (k) to (n): authorities', () => {
  test.each([
    ['no basic constraints', [keyUsage(5)], Alert.UNKNOWN_CA, /"Between" issued a certificate and is no authority/],
    ['cA false', [extension('2.5.29.19', true, sequence())], Alert.UNKNOWN_CA, /is no authority/],
    [
      'no keyCertSign',
      [basicConstraints(), keyUsage(0, 6)],
      Alert.UNSUPPORTED_CERTIFICATE,
      /"Between" is not for sign/,
    ],
    [
      'for clients only',
      [basicConstraints(), extendedKeyUsage(CLIENT_AUTH)],
      Alert.UNSUPPORTED_CERTIFICATE,
      /"Between" may not issue certificates of servers/,
    ],
    [
      'an unknown critical extension',
      [basicConstraints(), extension('1.2.3.4', true, NULL)],
      Alert.UNSUPPORTED_CERTIFICATE,
      /"Between" has the critical extension 1\.2\.3\.4/,
    ],
  ])('%s', (_name, extensions, alert, text) => {
    expectRefused(alert, text, [LEAF_UNDER, intermediate(ROOT, { extensions })])
  })

  test('no key usage, and purposes that hold servers, are fine', () => {
    verify([LEAF_UNDER, intermediate(ROOT, { extensions: [basicConstraints()] })])
    for (const purpose of [SERVER_AUTH, ANY_PURPOSE]) {
      const extensions = [basicConstraints(), extendedKeyUsage(CLIENT_AUTH, purpose)]
      verify([LEAF_UNDER, intermediate(ROOT, { extensions })])
    }
  })

  test('version 1 is no authority, except as a root', () => {
    const old = intermediate(ROOT, { version: 1, extensions: [] })
    expectRefused(Alert.UNKNOWN_CA, /is no authority/, [LEAF_UNDER, old])
  })

  test('a root, too, must be an authority when it says what it is', () => {
    const weak = authority('Weak Root', KEYS.p256, { extensions: [keyUsage(0)] })
    expectRefused(Alert.UNKNOWN_CA, /is no authority/, [server(weak, other)], { roots: [weak] })
  })
})

describe('RFC 5280 §4.2.1.9: path length', () => {
  const limited = (pathLength: number) =>
    authority('Test Root', KEYS.p256, { extensions: [basicConstraints(pathLength), keyUsage(5)] })
  const second = certify({ subject: 'Second', keys: KEYS.p384, by: MIDDLE, extensions: [basicConstraints()] })
  const deep = server(second, other)

  test('counts the authorities between', () => {
    verify([LEAF], { roots: [limited(0)] })
    expectRefused(Alert.UNKNOWN_CA, /"Test Root" has more authorities under it/, [LEAF_UNDER, MIDDLE], {
      roots: [limited(0)],
    })
    verify([LEAF_UNDER, MIDDLE], { roots: [limited(1)] })
    expectRefused(Alert.UNKNOWN_CA, /more authorities/, [deep, second, MIDDLE], { roots: [limited(1)] })
    verify([deep, second, MIDDLE], { roots: [limited(2)] })
  })

  test('of an authority between', () => {
    const tight = intermediate(ROOT, { extensions: [basicConstraints(0)] })
    verify([LEAF_UNDER, tight])
    expectRefused(Alert.UNKNOWN_CA, /"Between" has more/, [deep, second, tight])
  })

  test('RFC 5280 §6.1.4 (l): one that issued itself does not count', () => {
    const renewed = certify({ subject: 'Test Root', keys: between, by: ROOT, extensions: [basicConstraints()] })
    verify([server(renewed, other), renewed], { roots: [limited(0)] })
  })
})

describe('RFC 8446 §4.4.2.2: the server’s certificate', () => {
  const withExtensions = (...extensions: readonly Uint8Array[]) =>
    server(ROOT, other, { extensions: [subjectAltName(dns('example.test')), ...extensions] })

  test('key usage', () => {
    verify([withExtensions()])
    verify([withExtensions(keyUsage(0, 4))])
    expectRefused(Alert.UNSUPPORTED_CERTIFICATE, /not for signing \(key usage\)/, [withExtensions(keyUsage(4))])
  })

  test('RFC 5280 §4.2.1.12: extended key usage', () => {
    verify([withExtensions(extendedKeyUsage(CLIENT_AUTH, SERVER_AUTH))])
    verify([withExtensions(extendedKeyUsage(ANY_PURPOSE))])
    expectRefused(Alert.UNSUPPORTED_CERTIFICATE, /not for servers \(extended key usage\)/, [
      withExtensions(extendedKeyUsage(CLIENT_AUTH)),
    ])
  })

  test('RFC 5280 §4.2: unknown extensions pass unless they are critical', () => {
    verify([withExtensions(extension('1.2.3.4', false, NULL))])
    expectRefused(Alert.UNSUPPORTED_CERTIFICATE, /"server" has the critical extension 1\.2\.3\.4, which is not known/, [
      withExtensions(extension('1.2.3.4', true, NULL)),
    ])
    verify([withExtensions(extension('2.5.29.32', true, sequence(sequence(oid('2.23.140.1.2.1')))))])
  })

  test('keys that are too small, or of a kind that is not used', () => {
    const small = keys('rsa', 1024)
    expectRefused(Alert.UNSUPPORTED_CERTIFICATE, /algorithm or size that is not used \(1\.2\.840\.113549\.1\.1\.1\)/, [
      server(ROOT, small),
    ])
    const strange = sequence(sequence(oid('1.3.101.113')), bytes(0x03, 2, 0, 1))
    expectRefused(Alert.UNSUPPORTED_CERTIFICATE, /1\.3\.101\.113/, [server(ROOT, other, { spki: strange })])
  })
})

describe('RFC 8446 §4.4.2.4, RFC 5280 §4.1.1.2: signatures', () => {
  test('a signature that was changed, under the server and under an authority', () => {
    const flip = (real: Uint8Array) => real.with(-1, real.at(-1)! ^ 1)
    expectRefused(Alert.BAD_CERTIFICATE, /under the certificate of "server" is wrong/, [
      server(ROOT, other, { signature: flip }),
    ])
    expectRefused(Alert.BAD_CERTIFICATE, /under the certificate of "Between" is wrong/, [
      LEAF_UNDER,
      intermediate(ROOT, { signature: flip }),
    ])
  })

  test('contents that were changed', () => {
    const at = LEAF.der.findIndex((_, index) => String.fromCharCode(...LEAF.der.slice(index, index + 4)) === 'exam')
    const changed = { ...LEAF, der: LEAF.der.with(at, 'f'.charCodeAt(0)) }
    expectRefused(Alert.BAD_CERTIFICATE, /is wrong/, [changed], { server: 'fxample.test' })
  })

  test.each([
    ['MD5 with RSA', '1.2.840.113549.1.1.4'],
    ['SHA-1 with RSA', '1.2.840.113549.1.1.5'],
    ['SHA-1 with ECDSA', '1.2.840.10045.4.1'],
  ])('%s', (_name, id) => {
    const weak = sequence(oid(id), NULL)
    expectRefused(Alert.BAD_CERTIFICATE, /signed with MD5 or SHA-1/, [
      server(ROOT, other, { identifiers: [weak, weak] }),
    ])
  })

  test.each([
    ['an unknown algorithm', sequence(oid('1.2.3.4'))],
    ['RSA-PSS without parameters, which is SHA-1', sequence(oid('1.2.840.113549.1.1.10'))],
    ['RSA-PSS with another salt', pssIdentifier('sha256', 20)],
    ['RSA-PSS with two hashes', pssIdentifier('sha256', 32, 'sha384')],
  ])('%s', (_name, strange) => {
    const leaf = server(ROOT, other, { identifiers: [strange, strange] })
    expectRefused(Alert.UNSUPPORTED_CERTIFICATE, /signed with [\d.]+, which is not used here/, [leaf])
  })

  test('the algorithm of another kind of key', () => {
    const wrong = identifier('rsa-pkcs1-sha256')
    expectRefused(Alert.BAD_CERTIFICATE, /is wrong/, [server(ROOT, other, { identifiers: [wrong, wrong] })])
  })

  test('what this provider cannot check: RSA without node:crypto', () => {
    const root = authority('RSA Root', KEYS.rsa)
    const attempt = { roots: [root], crypto: createPortableCrypto() }
    expectRefused(
      Alert.UNSUPPORTED_CERTIFICATE,
      /signed with rsa-pkcs1-sha256, which is not used here/,
      [server(root, other)],
      attempt,
    )
  })

  test('the root’s own signature proves nothing and is not looked at', () => {
    const weak = sequence(oid('1.2.840.113549.1.1.5'), NULL)
    const root = authority('Test Root', KEYS.p256, { identifiers: [weak, weak] })
    verify([LEAF], { roots: [root] })
  })
})

describe('bounds', () => {
  /** A provider that counts the signatures it checked. */
  function counting() {
    const crypto = createNodeCrypto()
    const verifySignature = crypto.verifySignature.bind(crypto)
    const count = { checks: 0, crypto }
    crypto.verifySignature = (...args) => {
      count.checks++
      return verifySignature(...args)
    }
    return count
  }

  test('an unknown root that was sent along is asked once', () => {
    const stranger = authority('Stranger', KEYS.p384)
    const count = counting()
    const { crypto } = count
    expectRefused(Alert.UNKNOWN_CA, /no trusted root/, [server(stranger, other), stranger, stranger], { crypto })
    // `expectRefused` verifies twice.
    expect(count.checks).toBe(2)
  })

  test('too many certificates', () => {
    const chain = [LEAF_UNDER, ...new Array<Issued>(MAX_CHAIN_LENGTH - 1).fill(MIDDLE)]
    verify(chain)
    expectRefused(Alert.BAD_CERTIFICATE, /a chain of 11 certificates, at most 10 are taken/, [...chain, MIDDLE])
  })

  test('too many authorities between', () => {
    const ladder: Issued[] = []
    for (let depth = 0; depth < 7; depth++) {
      const by = ladder[0] ?? ROOT
      ladder.unshift(certify({ subject: `Level ${depth}`, keys: between, by, extensions: [basicConstraints()] }))
    }
    const [lowest, sixth] = ladder
    verify([server(sixth!, other), ...ladder.slice(1)])
    expectRefused(Alert.UNKNOWN_CA, /no trusted root/, [server(lowest!, other), ...ladder])
  })

  test('authorities of one name that sign each other do not keep us busy', () => {
    const twins: Keys[] = Array.from({ length: 9 }, () => keys('p256'))
    const tower = twins.map((own, index) => {
      const by = { der: bytes(), keys: twins[(index + 1) % twins.length]!, subject: name('Loop') }
      return certify({ subject: 'Loop', keys: own, by, extensions: [basicConstraints()] })
    })
    const count = counting()
    const { crypto } = count
    expectRefused(
      Alert.BAD_CERTIFICATE,
      /too many certificates could be the next/,
      [server(tower[0]!, other), ...tower],
      {
        crypto,
      },
    )
    expect(count.checks).toBe(2 * 24)
  })
})
