/** Whom a certificate may stand for: the names in it, and the constraints of the authorities above it. */
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { describe, expect, test } from 'vitest'
import { Alert } from '../../../src/quic/tls/alerts.ts'
import {
  ascii,
  authority,
  basicConstraints,
  certify,
  der,
  directory,
  dns,
  type Issued,
  ip,
  keyUsage,
  mail,
  nameConstraints,
  oid,
  sequence,
  server,
  subjectAltName,
} from './certificates.ts'
import { expectRefused, intermediate, KEYS, MIDDLE, other, ROOT, verify } from './chains.ts'

const LEAF_UNDER = server(MIDDLE, other)

describe('RFC 9525 §6: the name', () => {
  test.each([
    ['example.test', 'example.test', true],
    ['example.test', 'EXAMPLE.test.', true],
    ['EXAMPLE.Test', 'example.test', true],
    ['example.test', 'www.example.test', false],
    ['www.example.test', 'example.test', false],
    ['example.test.', 'example.test', false],
    ['*.example.test', 'www.example.test', true],
    ['*.EXAMPLE.test', 'www.example.test', true],
    ['*.example.test', 'example.test', false],
    ['*.example.test', 'a.b.example.test', false],
    ['*.test', 'example.test', false],
    ['*', 'localhost', false],
    ['*.', 'localhost', false],
    ['w*.example.test', 'www.example.test', false],
    ['*w.example.test', 'www.example.test', false],
    ['www.*.test', 'www.example.test', false],
    ['*.*.test', 'www.example.test', false],
    ['localhost', 'localhost', true],
    ['xn--bcher-kva.test', 'xn--bcher-kva.test', true],
    ['*.bücher.test', 'www.xn--bcher-kva.test', false],
    ['127.0.0.1', '127.0.0.1', false],
    ['example.test\0.evil.test', 'example.test', false],
  ])('%j for %j: %s', (presented, dialled, expected) => {
    const leaf = server(ROOT, other, { extensions: [subjectAltName(dns('other.test'), dns(presented))] })
    if (expected) verify([leaf], { server: dialled })
    else expectRefused(Alert.BAD_CERTIFICATE, /the certificate is for .*, and not for/, [leaf], { server: dialled })
    // OpenSSL, told to be as strict, agrees.
    const theirs = new X509Certificate(leaf.der)
    const found = isIP(dialled)
      ? theirs.checkIP(dialled)
      : theirs.checkHost(dialled.replace(/\.$/, ''), { subject: 'never', partialWildcards: false })
    expect(found !== undefined).toBe(expected)
  })

  test('§6.2: the common name has no say', () => {
    const leaf = server(ROOT, other, { subject: 'example.test', extensions: [keyUsage(0)] })
    expectRefused(Alert.BAD_CERTIFICATE, /is for no host name and no address at all, and not for example\.test/, [leaf])
    verify([server(ROOT, other, { subject: '' })])
  })

  test('RFC 9525 §6.5: addresses', () => {
    const address = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    const extensions = [subjectAltName(ip(192, 0, 2, 7), ip(...address), dns('example.test'))]
    const leaf = server(ROOT, other, { extensions })
    verify([leaf], { server: '192.0.2.7' })
    verify([leaf], { server: '2001:DB8::1' })
    expectRefused(
      Alert.BAD_CERTIFICATE,
      /is for 192\.0\.2\.7, 2001:db8::1, example\.test, and not for 192\.0\.2\.8/,
      [leaf],
      {
        server: '192.0.2.8',
      },
    )
    expectRefused(Alert.BAD_CERTIFICATE, /and not for/, [leaf], { server: '::ffff:192.0.2.7' })
  })

  test('names for people are short and printable', () => {
    const many = ['a\x07.test', 'b.test', 'c.test', 'd.test', 'e.test'].map(dns)
    const leaf = server(ROOT, other, { extensions: [subjectAltName(...many, ip(1, 2, 3))] })
    expectRefused(Alert.BAD_CERTIFICATE, /is for a\?\.test, b\.test, c\.test and 3 more, and not for/, [leaf])
    const long = server(ROOT, other, { extensions: [subjectAltName(dns('a'.repeat(900)))] })
    expectRefused(Alert.BAD_CERTIFICATE, /is for a{64}…, and not for/, [long])
  })
})

describe('RFC 5280 §4.2.1.10: name constraints', () => {
  const DENIED = Alert.BAD_CERTIFICATE
  const dnsOnly = (text: string) => subjectAltName(dns(text))

  function chain(constraints: Uint8Array, names: Uint8Array, subject = ''): Issued[] {
    const limited = intermediate(ROOT, { extensions: [basicConstraints(), constraints] })
    return [server(limited, other, { subject, extensions: [names] }), limited]
  }

  test.each([
    ['example.test', 'example.test', true],
    ['example.test', 'www.example.test', true],
    ['EXAMPLE.test', 'www.example.TEST', true],
    ['example.test', 'wwwexample.test', false],
    ['.example.test', 'www.example.test', true],
    ['.example.test', 'example.test', false],
    ['', 'example.test', true],
    ['other.test', 'example.test', false],
  ])('permitted %j, name %j: %s', (base, presented, expected) => {
    const list = chain(nameConstraints([dns(base)]), dnsOnly(presented))
    const attempt = { server: presented }
    if (expected) verify(list, attempt)
    else expectRefused(DENIED, /"Between" may not issue for .*: a name that is not permitted/, list, attempt)
  })

  test.each([
    ['example.test', 'www.example.test', false],
    ['other.test', 'example.test', true],
    ['www.example.test', '*.example.test', false],
    ['a.b.example.test', '*.example.test', true],
    ['example.test', '*.example.test', false],
    ['.www.example.test', '*.example.test', true],
  ])('excluded %j, name %j: %s', (base, presented, expected) => {
    const list = chain(nameConstraints([], [dns(base)]), dnsOnly(presented))
    const attempt = { server: presented.replace('*', 'www') }
    if (expected) verify(list, attempt)
    else expectRefused(DENIED, /a name that is excluded/, list, attempt)
  })

  test('addresses by range', () => {
    const range = ip(192, 0, 2, 0, 255, 255, 255, 0)
    const inside = chain(nameConstraints([range]), subjectAltName(ip(192, 0, 2, 9)))
    verify(inside, { server: '192.0.2.9' })
    const outside = chain(nameConstraints([range]), subjectAltName(ip(192, 0, 3, 9)))
    expectRefused(DENIED, /not permitted/, outside, { server: '192.0.3.9' })
    const longer = subjectAltName(ip(192, 0, 2, 9, ...new Uint8Array(12)))
    expectRefused(DENIED, /not permitted/, chain(nameConstraints([range]), longer), { server: 'c000:209::' })
    // A constraint on one form says nothing of others.
    verify(chain(nameConstraints([range]), dnsOnly('example.test')))
  })

  test('directory names, of the subject and among the names', () => {
    const list = (subject: string, ...names: readonly Uint8Array[]) =>
      chain(nameConstraints([directory('mine')]), subjectAltName(dns('example.test'), ...names), subject)
    verify(list('mine'))
    verify(list('', directory('mine')))
    verify(list(''))
    expectRefused(DENIED, /not permitted/, list('yours'))
    expectRefused(DENIED, /not permitted/, list('', directory('yours')))
    // A base of two parts holds no name of one.
    const part = (text: string) => der(0x31, sequence(oid('2.5.4.3'), der(0x0c, ascii(text))))
    const deep = der(0xa4, sequence(part('mine'), part('too')))
    expectRefused(DENIED, /not permitted/, chain(nameConstraints([deep]), dnsOnly('example.test'), 'mine'))
    expectRefused(DENIED, /excluded/, chain(nameConstraints([], [directory('x')]), dnsOnly('example.test'), 'x'))
  })

  test('constraints on forms that are not supported refuse names of that form', () => {
    const list = (...names: readonly Uint8Array[]) =>
      chain(nameConstraints([mail('example.test')]), subjectAltName(dns('example.test'), ...names))
    verify(list())
    expectRefused(DENIED, /a constrained form that is not supported/, list(mail('me@example.test')))
  })

  test('of a root, and of an authority further up', () => {
    const root = authority('Test Root', KEYS.p256, {
      extensions: [basicConstraints(), nameConstraints([dns('a.test')])],
    })
    expectRefused(DENIED, /"Test Root" may not issue for "server"/, [LEAF_UNDER, MIDDLE], { roots: [root] })
  })

  test('RFC 5280 §6.1.3 (b): not of one that issued itself', () => {
    const constraints = nameConstraints([], [directory('Between')])
    const upper = intermediate(ROOT, { extensions: [basicConstraints(), constraints] })
    const renewed = certify({ subject: 'Between', keys: KEYS.p384, by: upper, extensions: [basicConstraints()] })
    verify([server(renewed, other), renewed, upper])
  })
})
