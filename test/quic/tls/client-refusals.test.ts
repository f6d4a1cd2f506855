import { describe, expect, test } from 'vitest'
import { decodeHex } from '../../../src/bytes/index.ts'
import { ErrorCode } from '../../../src/quic/errors.ts'
import { Level } from '../../../src/quic/level.ts'
import { Alert } from '../../../src/quic/tls/alerts.ts'
import { TLS_AES_256_GCM_SHA384 } from '../../../src/quic/tls/cipher-suites.ts'
import { TlsClient } from '../../../src/quic/tls/client.ts'
import { encodeMessage, HandshakeType } from '../../../src/quic/tls/codec.ts'
import {
  ExtensionType,
  encodeCookie,
  encodeKeyShare,
  encodeProtocols,
  encodeU16,
  encodeU16List,
  groupId,
  TLS_1_3,
  writeExtensions,
} from '../../../src/quic/tls/extensions.ts'
import { decodeClientHello, encodeServerHello, RETRY_RANDOM } from '../../../src/quic/tls/hello.ts'
import {
  encodeCertificate,
  encodeCertificateVerify,
  encodeFinished,
  signedContent,
} from '../../../src/quic/tls/messages.ts'
import { encodeRawPublicKey } from '../../../src/quic/tls/raw-public-key.ts'
import {
  added,
  CLIENT_SEED,
  caught,
  clientConfig,
  concat,
  dial,
  type Edit,
  expectAlert,
  messagesOf,
  nodeCrypto,
  RecordingHost,
  rawPublicKey,
  replaced,
  ScriptedServer,
  SERVER_SEED,
  text,
  without,
} from './harness.ts'

const { ALPN, CLIENT_CERTIFICATE_TYPE, SERVER_CERTIFICATE_TYPE, QUIC_TRANSPORT_PARAMETERS } = ExtensionType
const versions: readonly [number, Uint8Array] = [ExtensionType.SUPPORTED_VERSIONS, encodeU16(TLS_1_3)]

function started(change: Parameters<typeof clientConfig>[0] = {}): {
  client: TlsClient
  host: RecordingHost
  hello: Uint8Array
} {
  const host = new RecordingHost()
  const client = new TlsClient(clientConfig(change), host)
  client.start()
  return { client, host, hello: host.outbox.shift()!.data }
}

const random = new Uint8Array(32).fill(4)
const none = new Uint8Array(0)
const p256Share = (): Uint8Array => {
  const exchange = nodeCrypto.keyExchange('p256')
  exchange.free()
  return encodeKeyShare({ group: groupId('p256'), key: exchange.publicKey })
}
const x25519Share = encodeKeyShare({ group: groupId('x25519'), key: new Uint8Array(32).fill(9) })

describe('RFC 8446 §4.1.3: the ServerHello', () => {
  test.each<[string, number, Uint8Array]>([
    ['no supported_versions: TLS 1.2', Alert.PROTOCOL_VERSION, encodeServerHello(random, none, 0x1301, [])],
    [
      'TLS 1.2 without an extensions block',
      Alert.PROTOCOL_VERSION,
      encodeMessage(2, (writer) => writer.raw(concat(Uint8Array.of(3, 3), random, Uint8Array.of(0, 0xc0, 0x2f, 0)))),
    ],
    [
      'version 1.2 in supported_versions',
      Alert.ILLEGAL_PARAMETER,
      encodeServerHello(random, none, 0x1301, [
        [43, encodeU16(0x0303)],
        [51, x25519Share],
      ]),
    ],
    [
      'a session id',
      Alert.ILLEGAL_PARAMETER,
      encodeServerHello(random, Uint8Array.of(1), 0x1301, [versions, [51, x25519Share]]),
    ],
    [
      'a session id that is too long',
      Alert.DECODE_ERROR,
      encodeServerHello(random, new Uint8Array(33), 0x1301, [versions, [51, x25519Share]]),
    ],
    [
      'a suite we did not offer',
      Alert.ILLEGAL_PARAMETER,
      encodeServerHello(random, none, 0x1304, [versions, [51, x25519Share]]),
    ],
    ['no key share', Alert.MISSING_EXTENSION, encodeServerHello(random, none, 0x1301, [versions])],
    [
      'a share of the other group',
      Alert.ILLEGAL_PARAMETER,
      encodeServerHello(random, none, 0x1301, [versions, [51, p256Share()]]),
    ],
    [
      'a good key under the name of another group',
      Alert.ILLEGAL_PARAMETER,
      encodeServerHello(random, none, 0x1301, [versions, [51, encodeKeyShare({ group: 0x1e, key: random })]]),
    ],
    [
      'a share with bytes left over',
      Alert.DECODE_ERROR,
      encodeServerHello(random, none, 0x1301, [versions, [51, concat(x25519Share, Uint8Array.of(0))]]),
    ],
    [
      'a zero share (RFC 7748 §6.1)',
      Alert.ILLEGAL_PARAMETER,
      encodeServerHello(random, none, 0x1301, [
        versions,
        [51, encodeKeyShare({ group: 0x1d, key: new Uint8Array(32) })],
      ]),
    ],
    [
      'a short share',
      Alert.ILLEGAL_PARAMETER,
      encodeServerHello(random, none, 0x1301, [
        versions,
        [51, encodeKeyShare({ group: 0x1d, key: new Uint8Array(31).fill(9) })],
      ]),
    ],
    [
      'a chosen pre-shared key that nobody offered',
      Alert.UNSUPPORTED_EXTENSION,
      encodeServerHello(random, none, 0x1301, [versions, [51, x25519Share], [41, encodeU16(0)]]),
    ],
    [
      'a protocol in the wrong message',
      Alert.ILLEGAL_PARAMETER,
      encodeServerHello(random, none, 0x1301, [versions, [51, x25519Share], [ALPN, encodeProtocols([text('echo')])]]),
    ],
    [
      'a cookie',
      Alert.UNSUPPORTED_EXTENSION,
      encodeServerHello(random, none, 0x1301, [versions, [51, x25519Share], [44, encodeCookie(random)]]),
    ],
    [
      'an extension twice',
      Alert.ILLEGAL_PARAMETER,
      encodeServerHello(random, none, 0x1301, [versions, [51, x25519Share], [51, x25519Share]]),
    ],
    [
      'compression',
      Alert.ILLEGAL_PARAMETER,
      (() => {
        const message = encodeServerHello(random, none, 0x1301, [versions, [51, x25519Share]])
        message[4 + 2 + 32 + 1 + 2] = 1
        return message
      })(),
    ],
    [
      'bytes after the extensions',
      Alert.DECODE_ERROR,
      encodeMessage(2, (writer) => {
        writer.raw(encodeServerHello(random, none, 0x1301, [versions, [51, x25519Share]]).subarray(4))
        writer.u8(0)
      }),
    ],
    ['an empty message', Alert.DECODE_ERROR, Uint8Array.of(2, 0, 0, 0)],
  ])('%s', (_name, alert, message) => {
    const { client, host } = started()
    expectAlert(alert, () => client.receive(Level.Initial, message))
    expect(host.events).toEqual(['crypto 0'])
    expect(client.suite === undefined || alert === Alert.ILLEGAL_PARAMETER).toBe(true)
  })

  test('a point that is not on P-256', () => {
    const { client } = started({ groups: ['p256'] })
    const key = new Uint8Array(65).fill(1)
    key[0] = 4
    const share = encodeKeyShare({ group: groupId('p256'), key })
    expectAlert(Alert.ILLEGAL_PARAMETER, () =>
      client.receive(Level.Initial, encodeServerHello(random, none, 0x1301, [versions, [51, share]])),
    )
  })
})

describe('RFC 8446 §4.1.4: the HelloRetryRequest', () => {
  const retry = (suite: number, ...extensions: (readonly [number, Uint8Array])[]) =>
    encodeServerHello(RETRY_RANDOM, none, suite, [versions, ...extensions])
  const wantP256: readonly [number, Uint8Array] = [51, encodeU16(groupId('p256'))]

  test('the second hello has the wanted share alone, the cookie, and else nothing new', () => {
    const { client, host, hello } = started()
    const cookie = text('cookie')
    client.receive(Level.Initial, retry(0x1303, wantP256, [44, encodeCookie(cookie)]))
    const first = decodeClientHello(hello)
    const second = decodeClientHello(host.outbox[0]!.data)
    expect(second.shares?.map((share) => [share.group, share.key.length])).toEqual([[0x17, 65]])
    expect(second.cookie).toEqual(cookie)
    expect({ ...second, shares: first.shares, cookie: undefined }).toEqual(first)
  })

  test('a cookie alone keeps the share', () => {
    const { client, host, hello } = started()
    client.receive(Level.Initial, retry(0x1301, [44, encodeCookie(text('again'))]))
    const second = decodeClientHello(host.outbox[0]!.data)
    expect(second.shares).toEqual(decodeClientHello(hello).shares)
    expect(second.cookie).toEqual(text('again'))
  })

  test.each<[string, number, Uint8Array]>([
    ['nothing to change', Alert.ILLEGAL_PARAMETER, retry(0x1301)],
    ['the group that has a share', Alert.ILLEGAL_PARAMETER, retry(0x1301, [51, encodeU16(groupId('x25519'))])],
    ['a group we do not do', Alert.ILLEGAL_PARAMETER, retry(0x1301, [51, encodeU16(0x0018)])],
    ['a suite we did not offer', Alert.ILLEGAL_PARAMETER, retry(0x1399, wantP256)],
    ['no supported_versions', Alert.PROTOCOL_VERSION, encodeServerHello(RETRY_RANDOM, none, 0x1301, [wantP256])],
    ['a whole key share', Alert.DECODE_ERROR, retry(0x1301, [51, p256Share()])],
    ['an extension nobody asked for', Alert.UNSUPPORTED_EXTENSION, retry(0x1301, wantP256, [42, none])],
    ['a protocol', Alert.ILLEGAL_PARAMETER, retry(0x1301, wantP256, [ALPN, encodeProtocols([text('echo')])])],
    ['an empty cookie', Alert.DECODE_ERROR, retry(0x1301, [44, Uint8Array.of(0, 0)])],
  ])('%s', (_name, alert, message) => {
    const { client, host } = started()
    expectAlert(alert, () => client.receive(Level.Initial, message))
    expect(host.outbox.length).toBe(0)
  })

  test('a second one is unexpected', () => {
    const { client } = started()
    client.receive(Level.Initial, retry(0x1301, wantP256))
    expectAlert(Alert.UNEXPECTED_MESSAGE, () =>
      client.receive(Level.Initial, retry(0x1301, [44, encodeCookie(random)])),
    )
  })

  test('the suite may not change afterwards', () => {
    const { client } = started()
    client.receive(Level.Initial, retry(0x1301, wantP256))
    expectAlert(Alert.ILLEGAL_PARAMETER, () =>
      client.receive(Level.Initial, encodeServerHello(random, none, 0x1302, [versions, [51, p256Share()]])),
    )
  })

  test('nor the group', () => {
    const { client } = started()
    client.receive(Level.Initial, retry(0x1301, wantP256))
    expectAlert(Alert.ILLEGAL_PARAMETER, () =>
      client.receive(Level.Initial, encodeServerHello(random, none, 0x1301, [versions, [51, x25519Share]])),
    )
  })
})

describe('RFC 8446 §4.3.1, RFC 9001 §8: EncryptedExtensions', () => {
  test.each<[string, number, Edit]>([
    ['no ALPN', Alert.NO_APPLICATION_PROTOCOL, without(ALPN)],
    ['a protocol we did not offer', Alert.ILLEGAL_PARAMETER, replaced(ALPN, encodeProtocols([text('other')]))],
    ['two protocols', Alert.ILLEGAL_PARAMETER, replaced(ALPN, encodeProtocols([text('echo'), text('echo')]))],
    ['an empty protocol list', Alert.DECODE_ERROR, replaced(ALPN, Uint8Array.of(0, 0))],
    ['no server_certificate_type', Alert.HANDSHAKE_FAILURE, without(SERVER_CERTIFICATE_TYPE)],
    ['no client_certificate_type', Alert.HANDSHAKE_FAILURE, without(CLIENT_CERTIFICATE_TYPE)],
    ['server X.509', Alert.HANDSHAKE_FAILURE, replaced(SERVER_CERTIFICATE_TYPE, Uint8Array.of(0))],
    ['client X.509', Alert.HANDSHAKE_FAILURE, replaced(CLIENT_CERTIFICATE_TYPE, Uint8Array.of(0))],
    ['the list form of a type', Alert.DECODE_ERROR, replaced(SERVER_CERTIFICATE_TYPE, Uint8Array.of(2, 2))],
    ['no transport parameters', Alert.MISSING_EXTENSION, without(QUIC_TRANSPORT_PARAMETERS)],
    ['server_name without ours', Alert.UNSUPPORTED_EXTENSION, added([0, none])],
    ['early data', Alert.UNSUPPORTED_EXTENSION, added([42, none])],
    ['an unknown extension', Alert.UNSUPPORTED_EXTENSION, added([0x1234, none])],
    ['a GREASE extension: answers hold none', Alert.UNSUPPORTED_EXTENSION, added([0x0a0a, none])],
    ['a key share', Alert.ILLEGAL_PARAMETER, added([51, x25519Share])],
    ['broken supported_groups', Alert.DECODE_ERROR, added([10, Uint8Array.of(0, 1, 0)])],
    ['an extension twice', Alert.ILLEGAL_PARAMETER, added([ALPN, encodeProtocols([text('echo')])])],
  ])('%s', (_name, alert, encryptedExtensions) => {
    expectAlert(alert, () => dial({ encryptedExtensions }))
  })

  test('supported_groups are a hint and let through', () => {
    expect(dial({ encryptedExtensions: added([10, encodeU16List([0x17, 0x1d])]) }).client.complete).toBe(true)
  })
})

const request = (context: Uint8Array, ...extensions: (readonly [number, Uint8Array])[]) =>
  encodeMessage(HandshakeType.CERTIFICATE_REQUEST, (writer) => {
    writer.vector(1, () => writer.raw(context))
    writeExtensions(writer, extensions)
  })
const schemes: readonly [number, Uint8Array] = [13, encodeU16List([0x0807])]

describe('RFC 8446 §4.3.2: CertificateRequest', () => {
  test.each<[string, number, Uint8Array]>([
    ['a context', Alert.ILLEGAL_PARAMETER, request(Uint8Array.of(1), schemes)],
    ['no signature algorithms', Alert.MISSING_EXTENSION, request(none)],
    ['an empty list', Alert.DECODE_ERROR, request(none, [13, Uint8Array.of(0, 0)])],
    ['an extension of another message', Alert.ILLEGAL_PARAMETER, request(none, schemes, [51, x25519Share])],
    ['bytes left over', Alert.DECODE_ERROR, encodeMessage(13, (w) => w.raw(decodeHex('000008000d00040002080700')))],
  ])('%s', (_name, alert, certificateRequest) => {
    expectAlert(alert, () => dial({ certificateRequest }))
  })

  test('unknown extensions are let through', () => {
    const { client, host } = dial({ certificateRequest: request(none, [0x3a3a, none], schemes, [47, text('names')]) })
    expect(client.complete).toBe(true)
    expect(messagesOf(host.outbox[0]!.data).map((message) => message[0])).toEqual([11, 15, 20])
  })

  test('§4.4.2: without Ed25519 we have no certificate to show', () => {
    const { client, host } = dial({ certificateRequest: request(none, [13, encodeU16List([0x0403])]) })
    expect(client.complete).toBe(true)
    const flight = messagesOf(host.outbox[0]!.data)
    expect(flight.map((message) => message[0])).toEqual([11, 20])
    expect(flight[0]).toEqual(encodeCertificate())
  })

  test('none at all: we stay anonymous', () => {
    const { client, host } = dial({ certificateRequest: null })
    expect(client.complete).toBe(true)
    expect(messagesOf(host.outbox[0]!.data).map((message) => message[0])).toEqual([20])
  })
})

const spki = (seed: Uint8Array) => {
  const signer = nodeCrypto.signer(seed)
  signer.free()
  return encodeRawPublicKey(signer.publicKey)
}
const entries = (context: Uint8Array, ...list: [Uint8Array, [number, Uint8Array][]][]) =>
  encodeMessage(HandshakeType.CERTIFICATE, (writer) => {
    writer.vector(1, () => writer.raw(context))
    writer.vector(3, () => {
      for (const [data, extensions] of list) {
        writer.vector(3, () => writer.raw(data))
        writeExtensions(writer, extensions)
      }
    })
  })

describe('RFC 8446 §4.4.2, RFC 7250: Certificate', () => {
  const server = spki(SERVER_SEED)
  test.each<[string, number, Uint8Array]>([
    ['another key than the one dialled', Alert.UNKNOWN_CA, encodeCertificate(spki(CLIENT_SEED))],
    ['none', Alert.DECODE_ERROR, encodeCertificate()],
    ['two', Alert.BAD_CERTIFICATE, entries(none, [server, []], [server, []])],
    ['an entry with an extension', Alert.UNSUPPORTED_EXTENSION, entries(none, [server, [[5, none]]])],
    ['a context', Alert.ILLEGAL_PARAMETER, entries(Uint8Array.of(7), [server, []])],
    ['a bare key', Alert.BAD_CERTIFICATE, encodeCertificate(server.subarray(12))],
    ['an empty entry', Alert.DECODE_ERROR, entries(none, [none, []])],
    [
      'another algorithm',
      Alert.UNSUPPORTED_CERTIFICATE,
      encodeCertificate(decodeHex(`302a300506032b656e032100${'11'.repeat(32)}`)),
    ],
  ])('%s', (_name, alert, certificate) => {
    expectAlert(alert, () => dial({ certificate }))
  })

  test('any key is taken when none was expected', () => {
    const host = new RecordingHost()
    const client = new TlsClient(clientConfig({ authentication: rawPublicKey(nodeCrypto) }), host)
    client.start()
    const server = new ScriptedServer()
    client.receive(Level.Initial, server.hello(host.outbox.shift()!.data))
    client.receive(Level.Handshake, concat(...server.flight()))
    expect(encodeRawPublicKey(client.peerKey!)).toEqual(spki(SERVER_SEED))
  })
})

describe('RFC 8446 §4.4.3, §4.4.4: proofs', () => {
  const signed =
    (seed: Uint8Array, role: 'client' | 'server', change = (h: Uint8Array) => h) =>
    (hash: Uint8Array) => {
      const signer = nodeCrypto.signer(seed)
      const message = encodeCertificateVerify(signer.sign(signedContent(role, change(hash))))
      signer.free()
      return message
    }
  const flipped = (bytes: Uint8Array) => {
    const copy = bytes.slice()
    copy[copy.length - 1]! ^= 1
    return copy
  }
  test.each<[string, number, Parameters<typeof dial>[0]]>([
    ['the client context string', Alert.DECRYPT_ERROR, { certificateVerify: signed(SERVER_SEED, 'client') }],
    ['another signer', Alert.DECRYPT_ERROR, { certificateVerify: signed(CLIENT_SEED, 'server') }],
    ['another transcript', Alert.DECRYPT_ERROR, { certificateVerify: signed(SERVER_SEED, 'server', flipped) }],
    [
      'one bit of the signature',
      Alert.DECRYPT_ERROR,
      { certificateVerify: (h) => flipped(signed(SERVER_SEED, 'server')(h)) },
    ],
    ['no signature', Alert.DECRYPT_ERROR, { certificateVerify: () => encodeCertificateVerify(none) }],
    [
      'another scheme',
      Alert.ILLEGAL_PARAMETER,
      {
        certificateVerify: (h) => {
          const message = signed(SERVER_SEED, 'server')(h)
          message[5] = 0x08
          return message
        },
      },
    ],
    ['one bit of the Finished', Alert.DECRYPT_ERROR, { finished: (data) => encodeFinished(flipped(data)) }],
    ['a short Finished', Alert.DECODE_ERROR, { finished: (data) => encodeFinished(data.subarray(1)) }],
    [
      'a Finished of the other hash length',
      Alert.DECODE_ERROR,
      { suite: TLS_AES_256_GCM_SHA384, finished: (data) => encodeFinished(data.subarray(0, 32)) },
    ],
  ])('%s', (_name, alert, script) => {
    expectAlert(alert, () => dial(script))
  })

  test('and the right ones with SHA-384', () => {
    expect(dial({ suite: TLS_AES_256_GCM_SHA384 }).client.complete).toBe(true)
  })
})

describe('RFC 9001 §4.1.3: levels', () => {
  const violation = { code: ErrorCode.PROTOCOL_VIOLATION }

  test('bytes after the ServerHello at its level', () => {
    const { client, hello } = started()
    const message = new ScriptedServer().hello(hello)
    expect(caught(() => client.receive(Level.Initial, concat(message, Uint8Array.of(8))))).toMatchObject(violation)
  })

  test('new bytes at the Initial level after the ServerHello', () => {
    const { client, hello } = started()
    client.receive(Level.Initial, new ScriptedServer().hello(hello))
    expect(caught(() => client.receive(Level.Initial, Uint8Array.of(2)))).toMatchObject(violation)
  })

  test('bytes after the Finished at its level', () => {
    const { client, hello } = started()
    const server = new ScriptedServer()
    client.receive(Level.Initial, server.hello(hello))
    const flight = concat(...server.flight(), Uint8Array.of(4))
    expect(caught(() => client.receive(Level.Handshake, flight))).toMatchObject(violation)
    expect(client.complete).toBe(false)
  })

  test.each([Level.ZeroRtt, Level.Handshake, Level.OneRtt])('a ServerHello at level %i', (level) => {
    const { client, hello } = started()
    const message = new ScriptedServer().hello(hello)
    expectAlert(Alert.UNEXPECTED_MESSAGE, () => client.receive(level, message))
  })

  test('the handshake flight at the 1-RTT level', () => {
    const { client, hello } = started()
    const server = new ScriptedServer()
    client.receive(Level.Initial, server.hello(hello))
    expectAlert(Alert.UNEXPECTED_MESSAGE, () => client.receive(Level.OneRtt, concat(...server.flight())))
  })

  test('no bytes at all mean nothing', () => {
    const { client } = started()
    for (const level of [0, 1, 2, 3] as const) client.receive(level, none)
  })
})

describe('after the handshake', () => {
  test.each<[string, Uint8Array]>([
    ['RFC 9001 §6: KeyUpdate', Uint8Array.of(24, 0, 0, 1, 0)],
    ['RFC 9001 §4.4: CertificateRequest', request(text('later'), schemes)],
    ['Finished', encodeFinished(random)],
    ['an unknown type', Uint8Array.of(99, 0, 0, 0)],
    ['a type alone', Uint8Array.of(24)],
  ])('%s', (_name, message) => {
    const { client } = dial({})
    expectAlert(Alert.UNEXPECTED_MESSAGE, () => client.receive(Level.OneRtt, message))
  })

  /** Lifetime 1 s, age_add 2, no nonce. */
  const ticket = (value: string, extensions: string, more = '') =>
    encodeMessage(HandshakeType.NEW_SESSION_TICKET, (writer) => {
      writer.raw(decodeHex('000000010000000200'))
      writer.vector(2, () => writer.raw(decodeHex(value)))
      writer.vector(2, () => writer.raw(decodeHex(extensions)))
      writer.raw(decodeHex(more))
    })

  test.each<[string, number, Uint8Array]>([
    ['a ticket of no bytes', Alert.DECODE_ERROR, ticket('', '')],
    ['bytes left over', Alert.DECODE_ERROR, ticket('01', '', '00')],
    ['a short early_data', Alert.DECODE_ERROR, ticket('01', '002a00020000')],
    ['a long early_data', Alert.DECODE_ERROR, ticket('01', '002a0005ffffffff00')],
    ['an extension twice', Alert.ILLEGAL_PARAMETER, ticket('01', '1a1a00001a1a0000')],
    ['cut short', Alert.DECODE_ERROR, Uint8Array.of(4, 0, 0, 5, 0, 0, 0, 1, 0)],
  ])('RFC 8446 §4.6.1: %s', (_name, alert, message) => {
    const { client } = dial({})
    expectAlert(alert, () => client.receive(Level.OneRtt, message))
  })

  test('RFC 9001 §4.6.1: a ticket with another limit of early data', () => {
    const { client } = dial({})
    client.receive(Level.OneRtt, ticket('01', '002a0004ffffffff'))
    const error = caught(() => client.receive(Level.OneRtt, ticket('01', '002a000400000400')))
    expect(error).toMatchObject({ code: ErrorCode.PROTOCOL_VIOLATION })
  })
})

describe('RFC 8446 §A.1: only the next message may come', () => {
  const order = [
    'server-hello',
    'encrypted-extensions',
    'certificate-request',
    'certificate',
    'certificate-verify',
    'finished',
  ]
  const types = [1, 2, 4, 5, 8, 11, 13, 15, 20, 24, 254]
  const expected: Record<string, number[]> = {
    'server-hello': [2],
    'encrypted-extensions': [8],
    'certificate-request': [11, 13],
    certificate: [11],
    'certificate-verify': [15],
    finished: [20],
    complete: [4],
  }

  test.each([...order, 'complete'].flatMap((state) => types.map((type) => [state, type] as const)))(
    'in state %s, type %i',
    (state, type) => {
      const { client, hello } = started()
      const server = new ScriptedServer()
      const serverHello = server.hello(hello)
      const script: [Level, Uint8Array][] = [
        [Level.Initial, serverHello],
        ...server.flight().map((message): [Level, Uint8Array] => [Level.Handshake, message]),
      ]
      const done = state === 'complete' ? script.length : order.indexOf(state)
      for (const [level, message] of script.slice(0, done)) client.receive(level, message)
      const level = state === 'complete' ? Level.OneRtt : script[done]![0]
      // The type alone decides, before the message is whole.
      const run = () => client.receive(level, Uint8Array.of(type))
      if (expected[state]!.includes(type)) run()
      else expectAlert(Alert.UNEXPECTED_MESSAGE, run)
    },
  )
})
