import { describe, expect, test } from 'vitest'
import type { SignatureKeyKind } from '../../../src/crypto/index.ts'
import { CryptoError } from '../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../../src/crypto/portable/index.ts'
import { Level } from '../../../src/quic/level.ts'
import { Alert } from '../../../src/quic/tls/alerts.ts'
import { TlsClient } from '../../../src/quic/tls/client.ts'
import { X509Credential } from '../../../src/quic/tls/credentials.ts'
import { ED25519, encodeCertificateTypes, encodeHostName, encodeU16List } from '../../../src/quic/tls/extensions.ts'
import { decodeCertificateVerify, decodeEncryptedExtensions } from '../../../src/quic/tls/messages.ts'
import { TlsServer } from '../../../src/quic/tls/server.ts'
import type { ServerAuthentication } from '../../../src/quic/tls/session.ts'
import { keys } from './certificates.ts'
import {
  added,
  answer,
  type ClientScript,
  caught,
  clientConfig,
  type Edit,
  editClientHello,
  expectAlert,
  messagesOf,
  nodeCrypto,
  RecordingHost,
  replaced,
  serverConfig,
  text,
  without,
} from './harness.ts'
import { both, credential, KEYS, LEAFS, list, x509 } from './x509-peers.ts'

describe('the server and what a client may say', () => {
  const anonymous: Edit = without(19, 20)
  const x509Only = (kind: SignatureKeyKind) => ({ authentication: { x509: credential(kind) } })

  /** The server's flight in answer to a hello with these extensions. */
  function flight(
    kind: SignatureKeyKind,
    edit: Edit,
    authentication: ServerAuthentication = { x509: credential(kind) },
  ) {
    const host = new RecordingHost()
    const clientHost = new RecordingHost()
    new TlsClient(clientConfig(), clientHost).start()
    const session = new TlsServer(serverConfig({ authentication }), host)
    session.receive(Level.Initial, editClientHello(clientHost.outbox[0]!.data, edit))
    return { session, messages: messagesOf(host.outbox[1]!.data) }
  }
  const schemes =
    (...values: number[]): Edit =>
    (extensions) =>
      replaced(13, encodeU16List(values))(list(anonymous(extensions)))

  test.each<[SignatureKeyKind, number[], number]>([
    ['rsa', [0x0806, 0x0805], 0x0805],
    ['rsa', [0x0401, 0x0806], 0x0806],
    ['rsa', [0x0403, 0x0804, 0x0805], 0x0804],
    ['rsa-pss', [0x0804, 0x080b], 0x080b],
    ['p256', [0x0807, 0x0403], 0x0403],
    ['p384', [0x0403, 0x0503], 0x0503],
    ['ed25519', [0x0403, 0x0807], 0x0807],
  ])('RFC 8446 §4.4.3: %s, for a client that verifies %j', (kind, offered, expected) => {
    const { messages } = flight(kind, schemes(...offered))
    expect(decodeCertificateVerify(messages[2]!).scheme).toBe(expected)
  })

  test.each<[SignatureKeyKind, number[]]>([
    ['rsa', [0x0401, 0x0501, 0x0601, 0x0809, 0x0403]],
    ['rsa-pss', [0x0804, 0x0805, 0x0806]],
    ['p256', [0x0503, 0x0807]],
    ['p384', [0x0403]],
    ['ed25519', [0x0403, 0x0804]],
  ])('RFC 8446 §4.4.3: %s, and a client that verifies only %j', (kind, offered) => {
    expectAlert(Alert.HANDSHAKE_FAILURE, () => flight(kind, schemes(...offered)))
    expect((caught(() => flight(kind, schemes(...offered))) as Error).message).toMatch(/the client cannot verify \w+/)
  })

  test('RFC 7250 §4.2: the server certificate type is answered where it was offered', () => {
    const types = (extensions: ReturnType<typeof decodeEncryptedExtensions>) =>
      [19, 20].map((type) => extensions.get(type)?.join())
    const offer =
      (...edits: [number, Uint8Array][]): Edit =>
      (extensions) =>
        added(...edits)(list(schemes(0x0403)(extensions)))
    const answerTo = (edit: Edit) => types(decodeEncryptedExtensions(flight('p256', edit, both('p256')).messages[0]!))
    expect(answerTo(offer())).toEqual([undefined, undefined])
    expect(answerTo(offer([20, encodeCertificateTypes([0])]))).toEqual([undefined, '0'])
    expect(answerTo(offer([20, encodeCertificateTypes([2, 0])]))).toEqual([undefined, '0'])
    expect(answerTo(offer([19, encodeCertificateTypes([2])]))).toEqual([undefined, undefined])
    expectAlert(Alert.HANDSHAKE_FAILURE, () => answerTo(offer([20, encodeCertificateTypes([2])])))
    // Raw public keys win, whatever the order.
    const withRaw = offer([19, encodeCertificateTypes([0, 2])], [20, encodeCertificateTypes([0, 2])])
    const edit: Edit = (extensions) => replaced(13, encodeU16List([ED25519, 0x0403]))(list(withRaw(extensions)))
    expect(answerTo(edit)).toEqual(['2', '2'])
  })

  test('RFC 6066 §3: server_name', () => {
    const named =
      (body: Uint8Array): Edit =>
      (extensions) =>
        added([0, body])(list(schemes(0x0403)(extensions)))
    const nameOf = (body: Uint8Array) => flight('p256', named(body)).session.serverName
    expect(nameOf(encodeHostName(text('Example.TEST')))).toBe('example.test')
    expect(nameOf(encodeHostName(text('192.0.2.1')))).toBeUndefined()
    expect(nameOf(encodeHostName(Uint8Array.of(0xff)))).toBeUndefined()
    expect(nameOf(Uint8Array.of(0, 4, 1, 0, 1, 0x61))).toBeUndefined()
    const twice = Uint8Array.of(0, 8, 0, 0, 1, 0x61, 0, 0, 1, 0x62)
    expectAlert(Alert.ILLEGAL_PARAMETER, () => nameOf(twice))
    for (const wrong of [
      new Uint8Array(0),
      Uint8Array.of(0, 0),
      Uint8Array.of(0, 3, 0, 0, 0),
      Uint8Array.of(0, 4, 0, 0, 2, 0x61),
    ]) {
      expectAlert(Alert.DECODE_ERROR, () => nameOf(wrong))
    }
  })

  test('RFC 8446 §4.1.2: another name after a HelloRetryRequest', () => {
    const host = new RecordingHost()
    const clientHost = new RecordingHost()
    const client = new TlsClient(clientConfig({ authentication: x509(), groups: ['p256', 'x25519'] }), clientHost)
    client.start()
    const session = new TlsServer(serverConfig({ ...x509Only('p256'), groups: ['x25519'] }), host)
    session.receive(Level.Initial, clientHost.outbox.shift()!.data)
    client.receive(Level.Initial, host.outbox.shift()!.data)
    const second = clientHost.outbox.shift()!.data
    const renamed = editClientHello(second, replaced(0, encodeHostName(text('other.test'))))
    expectAlert(Alert.ILLEGAL_PARAMETER, () => session.receive(Level.Initial, renamed))
  })

  test('RFC 8446 §4.4.2: a client shows nothing where nothing was asked for', () => {
    const script = (change: ClientScript): ClientScript => ({ edit: schemes(0x0403), ...change })
    expectAlert(Alert.UNEXPECTED_MESSAGE, () => answer(script({}), x509Only('p256')))
  })
})

describe('misuse throws at the call', () => {
  const { pkcs8 } = KEYS.p256
  const leaf = LEAFS.p256.der

  test.each<[string, () => unknown, new (...args: never[]) => Error]>([
    ['an empty chain', () => new X509Credential(nodeCrypto, { chain: [], privateKey: pkcs8 }), RangeError],
    [
      'a chain of garbage',
      () => new X509Credential(nodeCrypto, { chain: [leaf, text('x')], privateKey: pkcs8 }),
      RangeError,
    ],
    [
      'the key of another',
      () => new X509Credential(nodeCrypto, { chain: [leaf], privateKey: keys('p256').pkcs8 }),
      RangeError,
    ],
    ['a key that is none', () => new X509Credential(nodeCrypto, { chain: [leaf], privateKey: text('x') }), CryptoError],
    ['RSA without node:crypto', () => credential('rsa', createPortableCrypto()), CryptoError],
    [
      'a server name that is none',
      () => new TlsClient(clientConfig({ authentication: x509({ serverName: 'a b' }) }), new RecordingHost()),
      RangeError,
    ],
    [
      'no time',
      () => new TlsClient(clientConfig({ authentication: x509({ nowUnixSeconds: Number.NaN }) }), new RecordingHost()),
      RangeError,
    ],
  ])('%s', (_name, run, kind) => {
    expect(run).toThrow(kind)
  })

  test('no key is kept then', () => {
    const crypto = createNodeCrypto()
    expect(() => new X509Credential(crypto, { chain: [leaf], privateKey: keys('p256').pkcs8 })).toThrow(RangeError)
    expect(crypto.liveKeys).toBe(0)
    const own = new X509Credential(crypto, { chain: [leaf], privateKey: pkcs8 })
    expect(crypto.liveKeys).toBe(1)
    own.free()
    expect(crypto.liveKeys).toBe(0)
  })
})
