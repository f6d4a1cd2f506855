/** Handshakes in which the server shows an X.509 certificate and the client nobody knows: of ours with ours, and with scripted peers. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CryptoProvider, GroupName, SignatureKeyKind } from '../../../src/crypto/index.ts'
import { createPortableCrypto } from '../../../src/crypto/portable/index.ts'
import { TransportError } from '../../../src/quic/errors.ts'
import { Level } from '../../../src/quic/level.ts'
import { Alert } from '../../../src/quic/tls/alerts.ts'
import { TlsClient } from '../../../src/quic/tls/client.ts'
import { encodeMessage, HandshakeType } from '../../../src/quic/tls/codec.ts'
import { X509Credential } from '../../../src/quic/tls/credentials.ts'
import { ED25519, ExtensionType, encodeU16List, writeExtensions } from '../../../src/quic/tls/extensions.ts'
import { decodeClientHello } from '../../../src/quic/tls/hello.ts'
import {
  decodeCertificate,
  decodeCertificateVerify,
  decodeEncryptedExtensions,
  encodeCertificate,
  encodeCertificateRequest,
  encodeCertificateVerify,
  signedContent,
} from '../../../src/quic/tls/messages.ts'
import type { X509Authentication } from '../../../src/quic/tls/session.ts'
import { TrustedRoots } from '../../../src/quic/tls/trusted-roots.ts'
import { authority, DAY, dns, keys, NOW, server, signed, subjectAltName } from './certificates.ts'
import {
  added,
  CLIENT_PARAMETERS,
  caught,
  clientConfig,
  concat,
  dial,
  type Edit,
  expectAlert,
  messagesOf,
  nodeCrypto,
  Pair,
  publicKeyOf,
  RecordingHost,
  SERVER_PARAMETERS,
  SERVER_SEED,
  type ServerScript,
  text,
  without,
} from './harness.ts'
import { both, credential, KEYS, KINDS, LEAFS, list, ROOT, ROOT_KEYS, x509 } from './x509-peers.ts'

/** What was sent, as messages per direction and level. */
function recording() {
  const sent: Record<'client' | 'server', Uint8Array[]> = { client: [], server: [] }
  return {
    sent,
    middle: (from: 'client' | 'server', _level: Level, data: Uint8Array) => {
      sent[from].push(...messagesOf(data))
      return data
    },
  }
}

function expectAgreement({ client, server, clientHost, serverHost }: Pair, leaf: Uint8Array): void {
  expect([client.complete, server.complete]).toEqual([true, true])
  expect([client.peerKey, server.peerKey, server.peerCertificates]).toEqual([undefined, undefined, undefined])
  expect(client.peerCertificates).toEqual([leaf])
  expect(client.alpn).toEqual(text('echo'))
  expect(server.alpn).toEqual(text('echo'))
  expect(clientHost.parameters).toEqual(SERVER_PARAMETERS)
  expect(serverHost.parameters).toEqual(CLIENT_PARAMETERS)
  for (const level of [Level.Handshake, Level.OneRtt]) {
    expect(serverHost.secrets.get(`${level} receive`)).toEqual(clientHost.secrets.get(`${level} send`))
    expect(serverHost.secrets.get(`${level} send`)).toEqual(clientHost.secrets.get(`${level} receive`))
  }
  const exported = client.exportKeyingMaterial('EXPORTER-test', text('context'), 40)
  expect(server.exportKeyingMaterial('EXPORTER-test', text('context'), 40)).toEqual(exported)
}

describe('RFC 8446 §4.4: ours with ours', () => {
  test.each(KINDS)('a server with a key of kind %s', (kind) => {
    const { sent, middle } = recording()
    const pair = new Pair({ authentication: x509() }, { authentication: both(kind) }).run(1_000_000, middle)
    expectAgreement(pair, LEAFS[kind].der)
    expect([pair.client.serverName, pair.server.serverName]).toEqual(['example.test', 'example.test'])
    expect(sent.server.map(([type]) => type)).toEqual([2, 8, 11, 15, 20])
    expect(sent.client.map(([type]) => type)).toEqual([1, 20])
    const scheme = { ed25519: 0x0807, p256: 0x0403, p384: 0x0503, rsa: 0x0804, 'rsa-pss': 0x0809 }[kind]
    expect(decodeCertificateVerify(sent.server[3]!).scheme).toBe(scheme)
    expect([...decodeEncryptedExtensions(sent.server[1]!).keys()]).toEqual([16, 57])
  })

  test.each(KINDS)('byte by byte, after a HelloRetryRequest, %s', (kind) => {
    const pair = new Pair(
      { authentication: x509(), groups: ['p256', 'x25519'] },
      { authentication: both(kind), groups: ['x25519'] },
    ).run(1)
    expectAgreement(pair, LEAFS[kind].der)
    expect(pair.clientHost.events.filter((event) => event === 'crypto 0').length).toBe(2)
  })

  test.each(['ed25519', 'p256'] as const)('the portable provider on both sides, %s', (kind) => {
    const crypto = createPortableCrypto()
    const own = credential(kind, crypto)
    const pair = new Pair({ crypto, authentication: x509() }, { crypto, authentication: { x509: own } }).run()
    expectAgreement(pair, LEAFS[kind].der)
    pair.free()
    own.free()
    expect(crypto.liveKeys).toBe(0)
  })

  test('a chain with an authority between', () => {
    const between = keys('ed25519')
    const middle = authority('Between', between, { by: ROOT })
    const leaf = server(middle, KEYS.p256)
    const chain = [leaf.der, middle.der]
    const own = new X509Credential(nodeCrypto, { chain, privateKey: KEYS.p256.pkcs8 })
    const pair = new Pair({ authentication: x509() }, { authentication: { x509: own } }).run()
    expect(pair.client.peerCertificates).toEqual(chain)
  })

  test('an address is dialled: no SNI', () => {
    const pair = new Pair({ authentication: x509({ serverName: '192.0.2.1' }) }, { authentication: both('p256') }).run()
    expectAgreement(pair, LEAFS.p256.der)
    expect([pair.client.serverName, pair.server.serverName]).toEqual(['192.0.2.1', undefined])
  })

  test('RFC 7250 §4.2: a client with raw public keys gets them from a server that has both', () => {
    const { sent, middle } = recording()
    const pair = new Pair({}, { authentication: both('p256') }).run(1_000_000, middle)
    expect([pair.client.complete, pair.server.complete]).toEqual([true, true])
    expect(pair.client.peerKey).toEqual(publicKeyOf(SERVER_SEED))
    expect([pair.client.peerCertificates, pair.client.serverName, pair.server.serverName]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    expect(sent.server.map(([type]) => type)).toEqual([2, 8, 13, 11, 15, 20])
  })

  test('RFC 7250 §4.2: no certificate type in common', () => {
    expectAlert(Alert.HANDSHAKE_FAILURE, () => new Pair({ authentication: x509() }).run())
    expectAlert(Alert.HANDSHAKE_FAILURE, () => new Pair({}, { authentication: { x509: credential('p256') } }).run())
  })
})

describe('the ClientHello', () => {
  function hello(authentication: X509Authentication, crypto: CryptoProvider = nodeCrypto) {
    const host = new RecordingHost()
    new TlsClient(clientConfig({ crypto, authentication }), host).start()
    return decodeClientHello(host.outbox[0]!.data)
  }

  test('RFC 8446 §4.2.3: schemes for the handshake, and more for certificates', () => {
    const found = hello(x509())
    const schemes = [0x0807, 0x0403, 0x0503, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b]
    expect(found.signatureSchemes).toEqual(schemes)
    expect(found.certificateSchemes).toEqual([...schemes, 0x0401, 0x0501, 0x0601])
    expect([found.clientCertificateTypes, found.serverCertificateTypes]).toEqual([undefined, undefined])
    expect(found.hostName).toEqual(text('example.test'))
  })

  test('only what the provider can verify is offered', () => {
    const found = hello(x509(), createPortableCrypto())
    expect(found.signatureSchemes).toEqual([0x0807, 0x0403, 0x0503])
    expect(found.certificateSchemes).toBeUndefined()
  })

  test('RFC 6066 §3: the name in lower case without the final dot, and no address', () => {
    expect(hello(x509({ serverName: 'WWW.Example.test.' })).hostName).toEqual(text('www.example.test'))
    expect(hello(x509({ serverName: '::1' })).hostName).toBeUndefined()
  })
})

describe('the client and what a server may say', () => {
  const leaf = LEAFS.p256.der
  const own = KEYS.p256.privateKey
  const proof = (hash: Uint8Array) => signed('ecdsa-sha256', own, signedContent('server', hash))
  const script = (change: ServerScript = {}): ServerScript => ({
    encryptedExtensions: without(19, 20),
    certificateRequest: null,
    certificate: encodeCertificate(leaf),
    certificateVerify: (hash) => encodeCertificateVerify(proof(hash), 0x0403),
    ...change,
  })
  const meet = (change: ServerScript = {}, dialled: Partial<X509Authentication> = {}) =>
    dial(script(change), { authentication: x509(dialled) })
  const refused = (alert: number, change: ServerScript, dialled: Partial<X509Authentication> = {}) =>
    expectAlert(alert, () => meet(change, dialled))

  test('nothing that breaks a rule', () => {
    const { client, host } = meet()
    expect(client.complete).toBe(true)
    expect(messagesOf(host.outbox[0]!.data).map(([type]) => type)).toEqual([20])
  })

  test('RFC 8446 §4.4.2: asked for a certificate, the client says that it has none', () => {
    const forCertificates = encodeMessage(HandshakeType.CERTIFICATE_REQUEST, (writer) => {
      writer.u8(0)
      writeExtensions(writer, [
        [ExtensionType.SIGNATURE_ALGORITHMS, encodeU16List([0x0403, ED25519])],
        [ExtensionType.SIGNATURE_ALGORITHMS_CERT, encodeU16List([0x0401])],
        [47, Uint8Array.of(0, 3, 0, 1, 0x30)],
      ])
    })
    for (const certificateRequest of [encodeCertificateRequest(), forCertificates]) {
      const { client, host } = meet({ certificateRequest })
      expect(client.complete).toBe(true)
      const [certificate, finished, ...more] = messagesOf(host.outbox[0]!.data)
      expect(decodeCertificate(certificate!).entries).toEqual([])
      expect([finished![0], more]).toEqual([20, []])
    }
  })

  test('RFC 8446 §4.3.2: extensions that do not belong into a CertificateRequest', () => {
    const odd = encodeMessage(HandshakeType.CERTIFICATE_REQUEST, (writer) => {
      writer.u8(0)
      writeExtensions(writer, [
        [ExtensionType.SIGNATURE_ALGORITHMS, encodeU16List([ED25519])],
        [ExtensionType.SERVER_NAME, new Uint8Array(0)],
      ])
    })
    refused(Alert.ILLEGAL_PARAMETER, { certificateRequest: odd })
  })

  test.each<[string, Edit, number | undefined, string]>([
    ['an empty server_name', added([0, new Uint8Array(0)]), undefined, 'example.test'],
    ['a server_name with a body', added([0, Uint8Array.of(0)]), Alert.DECODE_ERROR, 'example.test'],
    ['a server_name that was not sent', added([0, new Uint8Array(0)]), Alert.UNSUPPORTED_EXTENSION, '192.0.2.1'],
    ['a server certificate type', added([20, Uint8Array.of(0)]), Alert.UNSUPPORTED_EXTENSION, 'example.test'],
    ['a client certificate type', added([19, Uint8Array.of(2)]), Alert.UNSUPPORTED_EXTENSION, 'example.test'],
    ['signature algorithms', added([13, encodeU16List([ED25519])]), Alert.ILLEGAL_PARAMETER, 'example.test'],
    ['no protocol', without(16), Alert.NO_APPLICATION_PROTOCOL, 'example.test'],
    ['no transport parameters', without(57), Alert.MISSING_EXTENSION, 'example.test'],
  ])('RFC 8446 §4.3.1: EncryptedExtensions with %s', (_name, edit, alert, serverName) => {
    const encryptedExtensions: Edit = (extensions) => edit(list(without(19, 20)(extensions)))
    if (alert === undefined) expect(meet({ encryptedExtensions }, { serverName }).client.complete).toBe(true)
    else refused(alert, { encryptedExtensions }, { serverName })
  })

  test('RFC 8446 §4.4.2.4: no certificate at all', () => {
    refused(Alert.DECODE_ERROR, { certificate: encodeCertificate() })
  })

  test('RFC 8446 §4.4.2: a context, and extensions of an entry that nobody asked for', () => {
    const message = (context: Uint8Array, extensions: [number, Uint8Array][]) =>
      encodeMessage(HandshakeType.CERTIFICATE, (writer) => {
        writer.vector(1, () => writer.raw(context))
        writer.vector(3, () => {
          writer.vector(3, () => writer.raw(leaf))
          writeExtensions(writer, extensions)
        })
      })
    refused(Alert.ILLEGAL_PARAMETER, { certificate: message(Uint8Array.of(1), []) })
    refused(Alert.UNSUPPORTED_EXTENSION, { certificate: message(new Uint8Array(0), [[5, Uint8Array.of(1)]]) })
  })

  test.each([
    ['a raw public key', encodeCertificate(KEYS.ed25519.spki), Alert.BAD_CERTIFICATE],
    ['garbage', encodeCertificate(Uint8Array.of(1, 2, 3)), Alert.BAD_CERTIFICATE],
    ['garbage after it', encodeCertificate(leaf, Uint8Array.of(1)), Alert.BAD_CERTIFICATE],
    [
      'the certificate of another root',
      encodeCertificate(server(authority('Other', KEYS.ed25519), KEYS.p256).der),
      Alert.UNKNOWN_CA,
    ],
    [
      'an expired one',
      encodeCertificate(server(ROOT, KEYS.p256, { notAfter: NOW - 1 }).der),
      Alert.CERTIFICATE_EXPIRED,
    ],
    [
      'one for others',
      encodeCertificate(server(ROOT, KEYS.p256, { extensions: [subjectAltName(dns('other.test'))] }).der),
      Alert.BAD_CERTIFICATE,
    ],
  ])('RFC 8446 §6.2: %s', (_name, certificate, alert) => {
    refused(alert, { certificate })
  })

  test('the time is what the application says', () => {
    refused(Alert.CERTIFICATE_EXPIRED, {}, { nowUnixSeconds: NOW + DAY + 1 })
    refused(Alert.CERTIFICATE_EXPIRED, {}, { nowUnixSeconds: NOW - DAY - 1 })
  })

  const rsaLeaf = encodeCertificate(LEAFS.rsa.der)
  const bySchemeAndKey =
    (algorithm: Parameters<typeof signed>[0], kind: SignatureKeyKind, scheme: number) => (hash: Uint8Array) =>
      encodeCertificateVerify(signed(algorithm, KEYS[kind].privateKey, signedContent('server', hash)), scheme)

  test.each<[string, ServerScript, number]>([
    [
      'RFC 8446 §4.2.3: PKCS #1, which is for certificates alone',
      { certificate: rsaLeaf, certificateVerify: bySchemeAndKey('rsa-pkcs1-sha256', 'rsa', 0x0401) },
      Alert.ILLEGAL_PARAMETER,
    ],
    [
      'the scheme of RSA-PSS keys with an RSA key',
      { certificate: rsaLeaf, certificateVerify: bySchemeAndKey('rsa-pss-sha256', 'rsa', 0x0809) },
      Alert.ILLEGAL_PARAMETER,
    ],
    [
      'the scheme of another curve',
      { certificateVerify: bySchemeAndKey('ecdsa-sha384', 'p256', 0x0503) },
      Alert.ILLEGAL_PARAMETER,
    ],
    [
      'ed25519 with a key of P-256',
      { certificateVerify: bySchemeAndKey('ed25519', 'ed25519', ED25519) },
      Alert.ILLEGAL_PARAMETER,
    ],
    [
      'a scheme that nobody knows',
      { certificateVerify: bySchemeAndKey('ecdsa-sha256', 'p256', 0x7777) },
      Alert.ILLEGAL_PARAMETER,
    ],
    [
      'the key of another',
      {
        certificateVerify: (hash) =>
          encodeCertificateVerify(signed('ecdsa-sha256', ROOT_KEYS.privateKey, signedContent('server', hash)), 0x0403),
      },
      Alert.DECRYPT_ERROR,
    ],
    [
      'the words of a client',
      {
        certificateVerify: (hash) =>
          encodeCertificateVerify(signed('ecdsa-sha256', own, signedContent('client', hash)), 0x0403),
      },
      Alert.DECRYPT_ERROR,
    ],
    [
      'another transcript',
      { certificateVerify: (hash) => encodeCertificateVerify(proof(hash.with(0, hash[0]! ^ 1)), 0x0403) },
      Alert.DECRYPT_ERROR,
    ],
    [
      'an empty signature',
      { certificateVerify: () => encodeCertificateVerify(new Uint8Array(0), 0x0403) },
      Alert.DECRYPT_ERROR,
    ],
  ])('RFC 8446 §4.4.3: %s', (_name, change, alert) => {
    refused(alert, change)
  })

  test('RFC 8446 §4.4.3: a scheme that is known, and was not offered', () => {
    const change = { certificate: rsaLeaf, certificateVerify: bySchemeAndKey('rsa-pss-sha256', 'rsa', 0x0804) }
    const crypto = createPortableCrypto()
    expectAlert(Alert.ILLEGAL_PARAMETER, () => dial(script(change), { crypto, authentication: x509() }))
  })

  test('RFC 8446 §4.2.3: all schemes that were offered for an RSA key', () => {
    for (const [algorithm, scheme] of [
      ['rsa-pss-sha256', 0x0804],
      ['rsa-pss-sha384', 0x0805],
      ['rsa-pss-sha512', 0x0806],
    ] as const) {
      const certificateVerify = bySchemeAndKey(algorithm, 'rsa', scheme)
      expect(meet({ certificate: rsaLeaf, certificateVerify }).client.complete).toBe(true)
    }
  })

  test('a server whose proof fails is nobody', () => {
    const roots = new TrustedRoots([])
    const pair = new Pair({ authentication: x509({ roots }) }, { authentication: both('p256') })
    const error = caught(() => pair.run())
    expect([pair.client.peerCertificates, pair.client.complete, pair.server.complete]).toEqual([
      undefined,
      false,
      false,
    ])
    expect((error as TransportError).message).toBe(
      'unknown_ca: no trusted root for the certificate of "server"; its chain names "Test Root"',
    )
  })
})

describe('RFC 8446 §6.2: a mutated flight of certificates', () => {
  test('no client completes, and only TransportErrors come out', () => {
    const change = fc.record({
      message: fc.integer({ min: 1, max: 2 }),
      at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      bytes: fc.uint8Array({ maxLength: 4 }),
      removed: fc.integer({ min: 0, max: 4 }),
    })
    const authentication = { x509: credential('ed25519') }
    const groups: GroupName[] = ['x25519']
    fc.assert(
      fc.property(change, ({ message, at, bytes, removed }) => {
        let changed = false
        const pair = new Pair({ authentication: x509(), groups }, { authentication, groups })
        const error = caught(() =>
          pair.run(1_000_000, (from, level, data) => {
            if (from !== 'server' || level !== Level.Handshake) return data
            const messages = messagesOf(data)
            const body = messages[message]!.subarray(4)
            const start = Math.floor(at * body.length)
            const other = concat(body.subarray(0, start), bytes, body.subarray(start + removed))
            changed = Buffer.compare(other, body) !== 0
            const header = Uint8Array.of(messages[message]![0]!, 0, other.length >> 8, other.length & 0xff)
            return concat(...messages.slice(0, message), header, other, ...messages.slice(message + 1))
          }),
        )
        if (changed) expect(error).toBeInstanceOf(TransportError)
        expect(pair.client.complete).toBe(!changed)
        pair.free()
      }),
      { numRuns: 400 },
    )
  })
})
