/** What is a certificate and what is not, beside OpenSSL on every root that Node trusts, and under mutation. */
import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatIp } from '../../../src/bytes/index.ts'
import { decodePem } from '../../../src/crypto/index.ts'
import { TransportError } from '../../../src/quic/errors.ts'
import { Alert } from '../../../src/quic/tls/alerts.ts'
import { TrustedRoots } from '../../../src/quic/tls/trusted-roots.ts'
import { type Certificate, KeyUsage, nameText, parseCertificate } from '../../../src/quic/tls/x509.ts'
import { GeneralNameTag, parseServerName, readSniName } from '../../../src/quic/tls/x509-names.ts'
import { formatTime } from '../../../src/quic/tls/x509-time.ts'
import { verifyServerChain } from '../../../src/quic/tls/x509-verify.ts'
import {
  ascii,
  authority,
  basicConstraints,
  bits,
  bytes,
  certify,
  DAY,
  der,
  dns,
  extension,
  identifier,
  integer,
  ip,
  keys,
  keyUsage,
  NOW,
  NULL,
  name,
  nameConstraints,
  type Order,
  octets,
  oid,
  SERVER_AUTH,
  sequence,
  server,
  subjectAltName,
  time,
} from './certificates.ts'
import { caught, concat, expectAlert, nodeCrypto } from './harness.ts'

const OWN = keys('p256')
const FAST = keys('ed25519')
const twice = (value: Uint8Array) => [value, value] as const
const ROOT = authority('Test Root', OWN)
const REAL = rootCertificates.map((pem) => decodePem(pem, 'CERTIFICATE')[0]!)

const P521 = '1.3.132.0.35'

describe('beside OpenSSL', () => {
  /** `DNS:a.test, IP Address:192.0.2.1`. */
  const altNames = ({ extensions }: Certificate) =>
    extensions.names
      .map(({ tag, value }) =>
        tag === GeneralNameTag.DNS ? `DNS:${String.fromCharCode(...value)}` : `IP Address:${formatIp(value)}`,
      )
      .join(', ')

  function expectAgreement(encoded: Uint8Array): void {
    const theirs = new X509Certificate(encoded)
    const ours = parseCertificate(encoded)
    expect(ours.notBefore * 1000).toBe(Date.parse(theirs.validFrom))
    expect(ours.notAfter * 1000).toBe(Date.parse(theirs.validTo))
    expect(ours.extensions.isAuthority || ours.version === 1).toBe(theirs.ca || ours.version === 1)
    expect(Uint8Array.from(theirs.publicKey.export({ format: 'der', type: 'spki' }))).toEqual(ours.publicKeyInfo)
    const commonName = theirs.toLegacyObject().subject.CN
    if (typeof commonName === 'string' && /^[\x20-\x7e]{1,64}$/.test(commonName)) {
      expect(nameText(ours.subject)).toBe(`"${commonName}"`)
    }
    expect(theirs.issuer === theirs.subject).toBe(Buffer.compare(ours.issuer, ours.subject) === 0)
  }

  test('every root that Node trusts', () => {
    expect(REAL.length).toBeGreaterThan(100)
    for (const encoded of REAL) expectAgreement(encoded)
    expect(new TrustedRoots(REAL).size).toBe(REAL.length)
    // The ones that say so sign certificates, and with keys that we know.
    for (const encoded of REAL) {
      const { extensions, publicKey } = parseCertificate(encoded)
      // newer lists have a root on P-521, which we do not use (docs/deviations.md)
      if (publicKey.kind === undefined) expect(publicKey.algorithm).toBe(P521)
      if (extensions.keyUsage !== undefined) expect(extensions.keyUsage & KeyUsage.KEY_CERT_SIGN).not.toBe(0)
    }
  })

  test('the signatures that roots of ECDSA and SHA-2 gave themselves', () => {
    let checked = 0
    for (const encoded of REAL) {
      const root = parseCertificate(encoded)
      if (root.signatureAlgorithm === undefined || root.publicKey.algorithm === P521) continue
      const { publicKeyInfo, signed, signature, signatureAlgorithm } = root
      expect(
        nodeCrypto.verifySignature(signatureAlgorithm, publicKeyInfo, signed, signature),
        nameText(root.subject),
      ).toBe(true)
      checked++
    }
    expect(checked).toBeGreaterThan(80)
  })

  test('certificates of ours', () => {
    const names = [dns('example.test'), ip(192, 0, 2, 1), ip(...new Uint8Array(16).fill(1))]
    const leaf = server(ROOT, keys('rsa'), { extensions: [subjectAltName(...names)], notAfter: 2_600_000_000 })
    expectAgreement(leaf.der)
    expectAgreement(ROOT.der)
    expect(new X509Certificate(leaf.der).verify(new X509Certificate(ROOT.der).publicKey)).toBe(true)
    const theirs = new X509Certificate(leaf.der).subjectAltName
    expect(altNames(parseCertificate(leaf.der))).toBe(
      theirs?.replace(/(?:0?101:){7}101/i, formatIp(new Uint8Array(16).fill(1))),
    )
  })
})

describe('RFC 5280 §4.1: the fields', () => {
  test('all of them', () => {
    const leaf = certify({
      subject: 'server',
      keys: OWN,
      by: ROOT,
      extensions: [
        basicConstraints(3),
        keyUsage(0, 5),
        subjectAltName(dns('a.test')),
        extension('2.5.29.37', false, sequence(oid(SERVER_AUTH), oid('2.25.329800735698586629295641978511506172918'))),
      ],
    })
    const found = parseCertificate(leaf.der)
    expect(found).toMatchObject({
      der: leaf.der,
      version: 3,
      signatureAlgorithm: 'ecdsa-sha256',
      signatureOid: '1.2.840.10045.4.3.2',
      issuer: ROOT.subject,
      subject: leaf.subject,
      notBefore: NOW - DAY,
      notAfter: NOW + DAY,
      publicKeyInfo: OWN.spki,
      publicKey: { kind: 'p256', algorithm: '1.2.840.10045.3.1.7' },
      extensions: {
        isAuthority: true,
        pathLength: 3,
        keyUsage: KeyUsage.DIGITAL_SIGNATURE | KeyUsage.KEY_CERT_SIGN,
        names: [{ tag: GeneralNameTag.DNS, value: ascii('a.test') }],
        nameConstraints: undefined,
        unknownCritical: undefined,
      },
    })
    expect(found.extensions.extendedKeyUsage?.[0]).toBe(SERVER_AUTH)
    // A number beyond 2^53 is of no use to anybody, and no reason to refuse.
    expect(found.extensions.extendedKeyUsage?.[1]).toMatch(/^0x69/)
  })

  test('the serial number is as long as authorities make it', () => {
    for (const length of [1, 20, 21]) {
      parseCertificate(certify({ keys: OWN, serial: der(0x02, new Uint8Array(length).fill(0x55)) }).der)
    }
    // Zero and negative ones were issued, and name nothing that we use.
    parseCertificate(certify({ keys: OWN, serial: integer(0) }).der)
    parseCertificate(certify({ keys: OWN, serial: der(0x02, bytes(0x80)) }).der)
  })

  test('a FALSE that DER would leave out', () => {
    const spelled = sequence(oid('1.2.3'), der(0x01, bytes(0)), octets(NULL))
    expect(
      parseCertificate(certify({ keys: OWN, extensions: [spelled] }).der).extensions.unknownCritical,
    ).toBeUndefined()
  })
})

describe('RFC 5280 §4.1: what is no certificate', () => {
  const make = (order: Partial<Order>) => certify({ keys: OWN, by: ROOT, ...order }).der
  const p256 = identifier('ecdsa-sha256')
  const withValidity = (...times: readonly Uint8Array[]) => make({ validity: sequence(...times) })
  const utc = (text: string) => der(0x17, ascii(text))
  const general = (text: string) => der(0x18, ascii(text))
  const withExtension = (id: string, value: Uint8Array) => make({ extensions: [extension(id, false, value)] })
  const rsa = (...numbers: readonly Uint8Array[]) =>
    make({ spki: sequence(sequence(oid('1.2.840.113549.1.1.1'), NULL), bits(sequence(...numbers))) })
  const modulus = der(0x02, bytes(0), new Uint8Array(256).fill(0xff))
  const good = make({})

  test('the same without the fault passes', () => {
    parseCertificate(good)
    parseCertificate(withValidity(utc('490101000000Z'), general('20500101000000Z')))
    parseCertificate(rsa(modulus, integer(3)))
  })

  test.each([
    ['nothing', bytes()],
    ['not DER', bytes(1, 2, 3)],
    ['a byte too many', concat(good, bytes(0))],
    ['a byte too few', good.slice(0, -1)],
    ['an indefinite length', concat(bytes(0x30, 0x80), good.subarray(4), bytes(0, 0))],
    ['a length that is longer than needed', concat(bytes(0x30, 0x83, 0), good.subarray(2))],
    ['version 4', make({ version: 4 })],
    [
      'version 1 spelled out',
      certify({ keys: OWN, by: ROOT, version: 1, serial: concat(der(0xa0, integer(0)), integer(5)) }).der,
    ],
    ['extensions in version 1', make({ version: 1, extensions: [keyUsage(0)] })],
    ['a serial number of 22 bytes', make({ serial: der(0x02, new Uint8Array(22).fill(1)) })],
    ['a serial number without bytes', make({ serial: der(0x02) })],
    ['a serial number with a needless zero', make({ serial: der(0x02, bytes(0, 1)) })],
    ['two signature algorithms', make({ identifiers: [p256, identifier('ecdsa-sha384')] })],
    ['parameters of ECDSA', make({ identifiers: twice(sequence(oid('1.2.840.10045.4.3.2'), NULL)) })],
    ['odd parameters of RSA', make({ identifiers: twice(sequence(oid('1.2.840.113549.1.1.11'), integer(1))) })],
    ['an issuer without a name', make({ issuer: name('') })],
    ['a key that is none', make({ spki: sequence(sequence(oid('1.3.101.112')), bits(new Uint8Array(31))) })],
    [
      'a compressed point',
      make({
        spki: sequence(
          sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')),
          bits(bytes(2, ...new Uint8Array(32))),
        ),
      }),
    ],
    ['a point in a hybrid form', make({ spki: OWN.spki.with(-65, 6 | (OWN.spki.at(-1)! & 1)) })],
    ['an even modulus', rsa(der(0x02, bytes(0), new Uint8Array(256).fill(0xfe)), integer(3))],
    ['exponent 1', rsa(modulus, integer(1))],
    ['an even exponent', rsa(modulus, integer(4))],
    ['a negative modulus', rsa(der(0x02, new Uint8Array(256).fill(0x8f)), integer(3))],
    ['unused bits in the signature', make({ unusedBits: 1 })],
    ['no dates', withValidity()],
    ['one date', withValidity(time(NOW))],
    ['three dates', withValidity(time(NOW), time(NOW), time(NOW))],
    ['a date without seconds', withValidity(utc('3001010000Z'), time(NOW))],
    ['a date with an offset', withValidity(utc('300101000000+0100'), time(NOW))],
    ['a date with fractions', withValidity(general('20300101000000.5Z'), time(NOW))],
    ['the 29th of February of no leap year', withValidity(utc('300229000000Z'), time(NOW))],
    ['the 31st of April', withValidity(utc('300431000000Z'), time(NOW))],
    ['month 13', withValidity(utc('301301000000Z'), time(NOW))],
    ['hour 24', withValidity(utc('300101240000Z'), time(NOW))],
    ['second 60', withValidity(utc('300101000060Z'), time(NOW))],
    ['an extension twice', make({ extensions: [keyUsage(0), keyUsage(0)] })],
    [
      'an empty list of extensions',
      certify({ keys: OWN, by: ROOT, spki: concat(OWN.spki, der(0xa3, sequence())) }).der,
    ],
    ['a boolean of neither value', make({ extensions: [sequence(oid('1.2.3'), der(0x01, bytes(1)), octets(NULL))] })],
    [
      'basic constraints with more',
      withExtension('2.5.29.19', sequence(der(0x01, bytes(0xff)), integer(1), integer(2))),
    ],
    ['a negative path length', withExtension('2.5.29.19', sequence(der(0x01, bytes(0xff)), der(0x02, bytes(0x80))))],
    [
      'a path length of 2^32',
      withExtension('2.5.29.19', sequence(der(0x01, bytes(0xff)), der(0x02, bytes(1, 0, 0, 0, 0)))),
    ],
    ['a key usage without bits', withExtension('2.5.29.15', der(0x03, bytes(0)))],
    ['a key usage of three bytes', withExtension('2.5.29.15', bits(bytes(1, 2, 3)))],
    ['no purposes', withExtension('2.5.29.37', sequence())],
    ['no names', withExtension('2.5.29.17', sequence())],
    ['a name of no form', withExtension('2.5.29.17', sequence(integer(1)))],
    ['constraints on nothing', withExtension('2.5.29.30', sequence())],
    ['an empty list of subtrees', withExtension('2.5.29.30', sequence(der(0xa0)))],
    [
      'a subtree with a minimum',
      withExtension('2.5.29.30', sequence(der(0xa0, sequence(dns('a'), der(0x80, bytes(1)))))),
    ],
    ['an address range of 7 bytes', make({ extensions: [nameConstraints([ip(1, 2, 3, 4, 5, 6, 7)])] })],
    ['an address range of 6 bytes', make({ extensions: [nameConstraints([ip(1, 2, 3, 255, 255, 255)])] })],
    ['a mask with holes', make({ extensions: [nameConstraints([ip(1, 2, 3, 4, 255, 0, 255, 0)])] })],
    ['a malformed directory', make({ extensions: [nameConstraints([der(0xa4, integer(1))])] })],
    [
      'an object identifier that does not end',
      make({ extensions: [sequence(der(0x06, bytes(0x2a, 0x80)), octets(NULL))] }),
    ],
    [
      'an object identifier without end',
      make({ extensions: [sequence(der(0x06, new Uint8Array(65).fill(1)), octets(NULL))] }),
    ],
    [
      'an object identifier with a needless 0x80',
      make({ extensions: [sequence(der(0x06, bytes(0x2a, 0x80, 1)), octets(NULL))] }),
    ],
  ])('%s', (_name, encoded) => {
    expectAlert(Alert.BAD_CERTIFICATE, () => parseCertificate(encoded))
  })

  test('every cut of a certificate', () => {
    for (let length = 0; length < good.length; length++) {
      expectAlert(Alert.BAD_CERTIFICATE, () => parseCertificate(good.subarray(0, length)))
    }
  })

  test('as a trusted root it is the application’s mistake, or left out', () => {
    expect(() => new TrustedRoots([good, bytes(1)])).toThrow(/^trusted root 1: bad_certificate: /)
    const roots = TrustedRoots.lenient([good, bytes(1), ROOT.der, ROOT.der])
    expect([roots.size, roots.ignored]).toEqual([2, 1])
  })
})

describe('RFC 5280 §4.1.2.5: dates as text', () => {
  test.each([0, 951_782_400, NOW, NOW + 1.9, 4_102_444_799, 253_402_300_799, -1, -62_135_596_800])('%d', (seconds) => {
    const text = new Date(Math.floor(seconds) * 1000).toISOString()
    expect(formatTime(seconds)).toBe(
      text
        .replace('T', ' ')
        .replace('.000Z', ' UTC')
        .replace(/^0+(?=\d)/, ''),
    )
  })

  test('every day of four centuries, there and back', () => {
    for (let day = -40_000; day < 110_000; day += 97) {
      const seconds = day * DAY + 3_723
      const encoded = certify({ keys: FAST, notBefore: seconds, algorithm: 'ed25519' }).der
      expect(parseCertificate(encoded).notBefore).toBe(seconds)
      expect(formatTime(seconds)).toBe(
        new Date(seconds * 1000).toISOString().replace('T', ' ').replace('.000Z', ' UTC'),
      )
    }
  })
})

describe('RFC 9525 §6, RFC 6066 §3: names that are dialled', () => {
  test.each([
    ['example.test', 'example.test'],
    ['EXAMPLE.Test.', 'example.test'],
    ['localhost', 'localhost'],
    ['_dns.example.test', '_dns.example.test'],
    ['a.b-c.d', 'a.b-c.d'],
    ['1.2.3.4.test', '1.2.3.4.test'],
  ])('%s', (dialled, expected) => {
    expect(parseServerName(dialled)).toEqual({ kind: 'dns', name: expected })
    expect(readSniName(ascii(expected.toUpperCase()))).toBe(expected)
  })

  test.each([
    ['192.0.2.1', [192, 0, 2, 1]],
    ['::1', [...new Uint8Array(15), 1]],
  ])('the address %s', (dialled, expected) => {
    expect(parseServerName(dialled)).toEqual({ kind: 'ip', name: dialled, bytes: Uint8Array.from(expected) })
    expect(readSniName(ascii(dialled))).toBeUndefined()
  })

  test.each([
    '',
    '.',
    '..',
    '.test',
    'a..test',
    'example.test..',
    '-a.test',
    'a-.test',
    'a b.test',
    '*.test',
    'bücher.test',
    'https://a.test',
    'a.test:443',
    '1.2.3',
    '256.1.1.1',
    '1:2',
    'a'.repeat(64),
    `${`${'a'.repeat(63)}.`.repeat(4)}test`,
  ])('%j is none', (dialled) => {
    expect(() => parseServerName(dialled)).toThrow(RangeError)
    expect(readSniName(ascii(dialled))).toBeUndefined()
  })
})

describe('under mutation', () => {
  const verification = {
    crypto: nodeCrypto,
    roots: new TrustedRoots([ROOT.der]),
    server: parseServerName('example.test'),
    nowUnixSeconds: NOW,
  }
  const middle = certify({
    subject: 'Between',
    keys: FAST,
    by: ROOT,
    extensions: [basicConstraints(), nameConstraints([dns('test')])],
  })
  const leaf = server(middle, FAST)

  const change = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    bytes: fc.uint8Array({ minLength: 0, maxLength: 6 }),
    removed: fc.integer({ min: 0, max: 6 }),
  })
  const apply = (
    data: Uint8Array,
    { at, bytes: added, removed }: { at: number; bytes: Uint8Array; removed: number },
  ) => {
    const start = Math.floor(at * data.length)
    return concat(data.subarray(0, start), added, data.subarray(start + removed))
  }

  test('a real root gives bad_certificate or a certificate, and nothing else', () => {
    let refused = 0
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: REAL.length - 1 }),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (index, changes) => {
          const error = caught(() => parseCertificate(changes.reduce(apply, REAL[index]!)))
          if (error === undefined) return
          expect(error).toBeInstanceOf(TransportError)
          expect((error as TransportError).code).toBe(0x100 | Alert.BAD_CERTIFICATE)
          refused++
        },
      ),
      { numRuns: 3_000 },
    )
    expect(refused).toBeGreaterThan(1_000)
  })

  test('bits of a real root', () => {
    const [root] = REAL
    for (let at = 0; at < root!.length; at++) {
      for (const bit of [0, 5, 7]) {
        const error = caught(() => parseCertificate(root!.with(at, root![at]! ^ (1 << bit))))
        if (error !== undefined) expect((error as TransportError).code).toBe(0x100 | Alert.BAD_CERTIFICATE)
      }
    }
  })

  test('a chain passes unchanged, and no other way', () => {
    const real = [leaf.der, middle.der]
    expect(verifyServerChain(real, verification).der).toEqual(leaf.der)
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1 }),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (index, changes) => {
          const changed = real.with(index, changes.reduce(apply, real[index]!))
          const error = caught(() => verifyServerChain(changed, verification))
          if (Buffer.compare(changed[index]!, real[index]!) === 0) expect(error).toBeUndefined()
          else expect(error).toBeInstanceOf(TransportError)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
