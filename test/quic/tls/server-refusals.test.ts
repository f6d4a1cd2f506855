import { describe, expect, test } from 'vitest'
import { decodeHex } from '../../../src/bytes/index.ts'
import { ErrorCode } from '../../../src/quic/errors.ts'
import { Level } from '../../../src/quic/level.ts'
import { Alert } from '../../../src/quic/tls/alerts.ts'
import { encodeMessage, HandshakeType } from '../../../src/quic/tls/codec.ts'
import {
  ExtensionType,
  encodeCertificateTypes,
  encodeKeyShares,
  encodeProtocols,
  encodeU16List,
  encodeVersions,
  groupId,
  writeExtensions,
} from '../../../src/quic/tls/extensions.ts'
import { decodeServerHello, isRetryRequest } from '../../../src/quic/tls/hello.ts'
import {
  encodeCertificate,
  encodeCertificateVerify,
  encodeFinished,
  signedContent,
} from '../../../src/quic/tls/messages.ts'
import { encodeRawPublicKey } from '../../../src/quic/tls/raw-public-key.ts'
import { TlsServer } from '../../../src/quic/tls/server.ts'
import {
  added,
  answer,
  CLIENT_SEED,
  type ClientScript,
  caught,
  concat,
  type Edit,
  editClientHello,
  expectAlert,
  keep,
  nodeCrypto,
  plainHello,
  RecordingHost,
  replaced,
  ScriptedClient,
  SERVER_SEED,
  serverConfig,
  text,
  without,
} from './harness.ts'

const {
  ALPN,
  CLIENT_CERTIFICATE_TYPE,
  KEY_SHARE,
  QUIC_TRANSPORT_PARAMETERS,
  SERVER_CERTIFICATE_TYPE,
  SIGNATURE_ALGORITHMS,
  SUPPORTED_GROUPS,
  SUPPORTED_VERSIONS,
} = ExtensionType
const none = new Uint8Array(0)
const x25519 = groupId('x25519')
const p256 = groupId('p256')
const key = (() => {
  const exchange = nodeCrypto.keyExchange('x25519')
  exchange.free()
  return exchange.publicKey
})()

function fresh(change: Parameters<typeof serverConfig>[0] = {}): { server: TlsServer; host: RecordingHost } {
  const host = new RecordingHost()
  return { server: new TlsServer(serverConfig(change), host), host }
}

function both(...edits: Edit[]): Edit {
  return (extensions) =>
    edits.reduce<[number, Uint8Array][]>((list, edit) => [...edit(list)] as [number, Uint8Array][], extensions)
}

const psk = decodeHex(`000a00040102030400000001002120${'77'.repeat(32)}`)
const modes: [number, Uint8Array] = [45, Uint8Array.of(1, 1)]

describe('RFC 8446 §4.1.2, §9.2; RFC 9001 §8: the ClientHello', () => {
  test.each<[string, number, Edit, ClientScript['fields']?]>([
    ['no supported_versions', Alert.PROTOCOL_VERSION, without(SUPPORTED_VERSIONS)],
    ['only older versions', Alert.PROTOCOL_VERSION, replaced(SUPPORTED_VERSIONS, encodeVersions([0x0303, 0x0302]))],
    [
      'old and with compression',
      Alert.PROTOCOL_VERSION,
      without(SUPPORTED_VERSIONS),
      { compressions: Uint8Array.of(1, 0) },
    ],
    ['no versions', Alert.DECODE_ERROR, replaced(SUPPORTED_VERSIONS, Uint8Array.of(0))],
    ['no suite in common', Alert.HANDSHAKE_FAILURE, keep, { suites: [0x1304, 0xc02b] }],
    ['no suites', Alert.DECODE_ERROR, keep, { suites: [] }],
    ['no signature algorithms', Alert.MISSING_EXTENSION, without(SIGNATURE_ALGORITHMS)],
    ['no Ed25519', Alert.HANDSHAKE_FAILURE, replaced(SIGNATURE_ALGORITHMS, encodeU16List([0x0403, 0x0804]))],
    ['no supported groups', Alert.MISSING_EXTENSION, without(SUPPORTED_GROUPS)],
    ['no key share', Alert.MISSING_EXTENSION, without(KEY_SHARE)],
    [
      'no group in common',
      Alert.HANDSHAKE_FAILURE,
      both(replaced(SUPPORTED_GROUPS, encodeU16List([0x18])), replaced(KEY_SHARE, Uint8Array.of(0, 0))),
    ],
    [
      'a share for a group that is not listed',
      Alert.ILLEGAL_PARAMETER,
      replaced(SUPPORTED_GROUPS, encodeU16List([p256])),
    ],
    [
      'two shares for a group',
      Alert.ILLEGAL_PARAMETER,
      replaced(
        KEY_SHARE,
        encodeKeyShares([
          { group: x25519, key },
          { group: x25519, key },
        ]),
      ),
    ],
    [
      'a short share',
      Alert.ILLEGAL_PARAMETER,
      replaced(KEY_SHARE, encodeKeyShares([{ group: x25519, key: key.subarray(1) }])),
    ],
    [
      'a zero share',
      Alert.ILLEGAL_PARAMETER,
      replaced(KEY_SHARE, encodeKeyShares([{ group: x25519, key: new Uint8Array(32) }])),
    ],
    [
      'a point that is not on P-256',
      Alert.ILLEGAL_PARAMETER,
      replaced(KEY_SHARE, encodeKeyShares([{ group: p256, key: new Uint8Array(65).fill(4) }])),
    ],
    ['a broken key share', Alert.DECODE_ERROR, replaced(KEY_SHARE, decodeHex('0005001d000201'))],
    ['no ALPN', Alert.NO_APPLICATION_PROTOCOL, without(ALPN)],
    [
      'no protocol in common',
      Alert.NO_APPLICATION_PROTOCOL,
      replaced(ALPN, encodeProtocols([text('echo/2'), text('ech')])),
    ],
    ['an empty protocol', Alert.DECODE_ERROR, replaced(ALPN, Uint8Array.of(0, 1, 0))],
    ['no transport parameters', Alert.MISSING_EXTENSION, without(QUIC_TRANSPORT_PARAMETERS)],
    ['no client_certificate_type', Alert.HANDSHAKE_FAILURE, without(CLIENT_CERTIFICATE_TYPE)],
    ['no server_certificate_type', Alert.HANDSHAKE_FAILURE, without(SERVER_CERTIFICATE_TYPE)],
    ['client X.509 only', Alert.HANDSHAKE_FAILURE, replaced(CLIENT_CERTIFICATE_TYPE, encodeCertificateTypes([0]))],
    ['server X.509 only', Alert.HANDSHAKE_FAILURE, replaced(SERVER_CERTIFICATE_TYPE, encodeCertificateTypes([0, 1]))],
    ['no certificate types', Alert.DECODE_ERROR, replaced(SERVER_CERTIFICATE_TYPE, Uint8Array.of(0))],
    ['the single form of a type', Alert.DECODE_ERROR, replaced(SERVER_CERTIFICATE_TYPE, Uint8Array.of(2))],
    ['compression', Alert.ILLEGAL_PARAMETER, keep, { compressions: Uint8Array.of(1, 0) }],
    ['no compression method at all', Alert.DECODE_ERROR, keep, { compressions: none }],
    ['a long session id', Alert.DECODE_ERROR, keep, { sessionId: new Uint8Array(33) }],
    ['an extension twice', Alert.ILLEGAL_PARAMETER, added([0x1a1a, none], [0x1a1a, none])],
    ['pre_shared_key that is not last', Alert.ILLEGAL_PARAMETER, added([41, psk], modes)],
    ['pre_shared_key without modes', Alert.MISSING_EXTENSION, added([41, psk])],
    ['pre_shared_key cut short', Alert.DECODE_ERROR, added(modes, [41, psk.subarray(0, -1)])],
    [
      'fewer binders than identities',
      Alert.ILLEGAL_PARAMETER,
      added(modes, [41, decodeHex(`00140004010203040000000100040102030400000002002120${'77'.repeat(32)}`)]),
    ],
    ['early_data with a body', Alert.DECODE_ERROR, added([42, Uint8Array.of(0)])],
  ])('%s', (_name, alert, edit, fields) => {
    const { server, host } = fresh()
    expectAlert(alert, () => server.receive(Level.Initial, editClientHello(plainHello(key), edit, fields)))
    expect(host.outbox).toEqual([])
    expect(host.secrets.size).toBe(0)
  })

  test('RFC 8446 §D: a hello that ends before the extensions', () => {
    const body = concat(decodeHex('0303'), new Uint8Array(32), decodeHex('000002c02f0100'))
    const { server } = fresh()
    expectAlert(Alert.PROTOCOL_VERSION, () =>
      server.receive(
        Level.Initial,
        encodeMessage(1, (writer) => writer.raw(body)),
      ),
    )
  })

  test('a server without protocols refuses everybody', () => {
    const { server } = fresh({ alpns: [] })
    expectAlert(Alert.NO_APPLICATION_PROTOCOL, () => server.receive(Level.Initial, plainHello(key)))
  })
})

describe('what must get through', () => {
  const noise: Edit = (extensions) => [
    [0x0a0a, none],
    [0, decodeHex('000e00000b6578616d706c652e636f6d')],
    [5, decodeHex('0100000000')],
    [11, decodeHex('0100')],
    [23, none],
    ...extensions.reverse(),
    [0xfafa, Uint8Array.of(0)],
  ]
  test.each<[string, ClientScript]>([
    ['RFC 8701: GREASE and extensions that do not concern us, in any order', { edit: noise }],
    [
      'GREASE suites, groups and versions',
      {
        fields: { suites: [0x2a2a, 0x1304, 0x1301] },
        edit: both(
          replaced(SUPPORTED_VERSIONS, encodeVersions([0x7a7a, 0x0304, 0x0303])),
          replaced(SUPPORTED_GROUPS, encodeU16List([0x4a4a, 0x11ec, x25519])),
          replaced(SIGNATURE_ALGORITHMS, encodeU16List([0x0403, 0x0807])),
        ),
      },
    ],
    [
      'a GREASE key share',
      {
        edit: (extensions) => {
          const own = extensions.find(([type]) => type === KEY_SHARE)![1].subarray(2)
          const shares = concat(Uint8Array.of(0, own.length + 5, 0x4a, 0x4a, 0, 1, 0), own)
          return both(
            replaced(KEY_SHARE, shares),
            replaced(SUPPORTED_GROUPS, encodeU16List([0x4a4a, x25519])),
          )(extensions)
        },
      },
    ],
    [
      'X.509 offered besides raw public keys',
      {
        edit: both(
          replaced(CLIENT_CERTIFICATE_TYPE, encodeCertificateTypes([0, 2])),
          replaced(SERVER_CERTIFICATE_TYPE, encodeCertificateTypes([2, 0])),
        ),
      },
    ],
    ['spec/quic.md §1.7: a resumption with early data is declined', { edit: added([42, none], modes, [41, psk]) }],
    ['RFC 9001 §8.4: a session id', { fields: { sessionId: new Uint8Array(32).fill(6) } }],
    ['a hello of 17 kB', { edit: added([0x5a5a, new Uint8Array(17_000)]) }],
  ])('%s', (_name, script) => {
    const { server, host } = answer(script)
    expect(server.complete).toBe(true)
    expect(host.events.at(-1)).toBe('complete')
  })

  test('RFC 8446 §4.1.3: the session id is echoed', () => {
    const { server, host } = fresh()
    const sessionId = new Uint8Array(32).fill(6)
    server.receive(Level.Initial, editClientHello(plainHello(key), keep, { sessionId }))
    expect(decodeServerHello(host.outbox[0]!.data).sessionId).toEqual(sessionId)
    expect([...decodeServerHello(host.outbox[0]!.data).extensions.keys()]).toEqual([51, 43])
  })
})

describe('RFC 8446 §4.1.4: asking again', () => {
  const point = (() => {
    const exchange = nodeCrypto.keyExchange('p256')
    exchange.free()
    return exchange.publicKey
  })()
  const second = plainHello(point, 'p256')

  function asked(): ReturnType<typeof fresh> {
    const made = fresh({ groups: ['p256'] })
    made.server.receive(Level.Initial, plainHello(key))
    const retry = decodeServerHello(made.host.outbox.shift()!.data)
    expect(isRetryRequest(retry)).toBe(true)
    expect([...retry.extensions]).toEqual([
      [43, Uint8Array.of(3, 4)],
      [51, Uint8Array.of(0, 0x17)],
    ])
    return made
  }

  test('no share at all asks for our favourite', () => {
    const { server, host } = fresh()
    server.receive(Level.Initial, editClientHello(plainHello(key), replaced(KEY_SHARE, Uint8Array.of(0, 0))))
    expect(decodeServerHello(host.outbox[0]!.data).extensions.get(51)).toEqual(Uint8Array.of(0, 0x1d))
  })

  test('the right second hello is answered, the parameters were taken once', () => {
    const { server, host } = asked()
    server.receive(Level.Initial, second)
    expect(host.events).toEqual([
      'parameters',
      'crypto 0',
      'crypto 0',
      'secret 2 send',
      'secret 2 receive',
      'crypto 2',
      'secret 3 send',
    ])
  })

  test.each<[string, Edit, ClientScript['fields']?]>([
    ['the old share again', replaced(KEY_SHARE, encodeKeyShares([{ group: x25519, key }]))],
    [
      'two shares',
      replaced(
        KEY_SHARE,
        encodeKeyShares([
          { group: x25519, key },
          { group: p256, key: point },
        ]),
      ),
    ],
    [
      'two shares, the right one first',
      replaced(
        KEY_SHARE,
        encodeKeyShares([
          { group: p256, key: point },
          { group: x25519, key },
        ]),
      ),
    ],
    ['no share', replaced(KEY_SHARE, Uint8Array.of(0, 0))],
    ['early data', added([42, none])],
    ['another random', keep, { random: new Uint8Array(32).fill(1) }],
    ['another session id', keep, { sessionId: Uint8Array.of(1) }],
    ['other suites', keep, { suites: [0x1302] }],
    ['other groups', replaced(SUPPORTED_GROUPS, encodeU16List([p256]))],
    ['other versions', replaced(SUPPORTED_VERSIONS, encodeVersions([0x0304, 0x0303]))],
    ['other schemes', replaced(SIGNATURE_ALGORITHMS, encodeU16List([0x0807, 0x0403]))],
    ['other certificate types', replaced(CLIENT_CERTIFICATE_TYPE, encodeCertificateTypes([2, 0]))],
    ['other server certificate types', replaced(SERVER_CERTIFICATE_TYPE, encodeCertificateTypes([2, 0]))],
    ['more protocols', replaced(ALPN, encodeProtocols([text('echo'), text('sink')]))],
    ['other parameters', replaced(QUIC_TRANSPORT_PARAMETERS, text('others'))],
  ])('%s', (_name, edit, fields) => {
    const { server } = asked()
    expectAlert(Alert.ILLEGAL_PARAMETER, () => server.receive(Level.Initial, editClientHello(second, edit, fields)))
  })

  test('padding and the like may change', () => {
    const { server } = asked()
    server.receive(Level.Initial, editClientHello(second, added([21, new Uint8Array(100)])))
  })

  test('what we ask for is asked for once', () => {
    const { server } = asked()
    expectAlert(Alert.UNEXPECTED_MESSAGE, () => server.receive(Level.Initial, encodeCertificate()))
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
const signed = (seed: Uint8Array, role: 'client' | 'server') => (hash: Uint8Array) => {
  const signer = nodeCrypto.signer(seed)
  const message = encodeCertificateVerify(signer.sign(signedContent(role, hash)))
  signer.free()
  return message
}
const flipped = (bytes: Uint8Array) => {
  const copy = bytes.slice()
  copy[copy.length - 1]! ^= 1
  return copy
}

describe('RFC 8446 §4.4, RFC 7250: who the client is', () => {
  const client = spki(CLIENT_SEED)
  test.each<[string, number, ClientScript]>([
    ['nobody', Alert.CERTIFICATE_REQUIRED, { certificate: encodeCertificate(), certificateVerify: null }],
    ['no Certificate at all', Alert.UNEXPECTED_MESSAGE, { certificate: encodeFinished(new Uint8Array(32)) }],
    ['no CertificateVerify', Alert.UNEXPECTED_MESSAGE, { certificateVerify: null }],
    ['two', Alert.BAD_CERTIFICATE, { certificate: entries(none, [client, []], [client, []]) }],
    ['an entry with an extension', Alert.UNSUPPORTED_EXTENSION, { certificate: entries(none, [client, [[18, none]]]) }],
    ['a context', Alert.ILLEGAL_PARAMETER, { certificate: entries(Uint8Array.of(1), [client, []]) }],
    ['a bare key', Alert.BAD_CERTIFICATE, { certificate: encodeCertificate(client.subarray(12)) }],
    [
      'another algorithm',
      Alert.UNSUPPORTED_CERTIFICATE,
      { certificate: encodeCertificate(decodeHex(`302a300506032b6571032100${'11'.repeat(32)}`)) },
    ],
    ['a stranger’s key', Alert.DECRYPT_ERROR, { certificate: encodeCertificate(spki(SERVER_SEED)) }],
    [
      'a key of small order',
      Alert.DECRYPT_ERROR,
      { certificate: encodeCertificate(encodeRawPublicKey(new Uint8Array(32))) },
    ],
    ['the server’s context string', Alert.DECRYPT_ERROR, { certificateVerify: signed(CLIENT_SEED, 'server') }],
    [
      'one bit of the signature',
      Alert.DECRYPT_ERROR,
      { certificateVerify: (h) => flipped(signed(CLIENT_SEED, 'client')(h)) },
    ],
    ['one bit of the Finished', Alert.DECRYPT_ERROR, { finished: (data) => encodeFinished(flipped(data)) }],
    [
      'a long Finished',
      Alert.DECODE_ERROR,
      { finished: (data) => encodeFinished(concat(data, none, Uint8Array.of(0))) },
    ],
  ])('%s', (_name, alert, script) => {
    expectAlert(alert, () => answer(script))
  })
})

describe('RFC 9001 §4.1.3: levels', () => {
  const violation = { code: ErrorCode.PROTOCOL_VIOLATION }

  test('bytes after the ClientHello', () => {
    const { server, host } = fresh()
    const data = concat(plainHello(key), Uint8Array.of(11))
    expect(caught(() => server.receive(Level.Initial, data))).toMatchObject(violation)
    expect(host.outbox).toEqual([])
  })

  test('a second ClientHello that nobody asked for', () => {
    const { server } = fresh()
    server.receive(Level.Initial, plainHello(key))
    expect(caught(() => server.receive(Level.Initial, plainHello(key)))).toMatchObject(violation)
  })

  test.each([Level.ZeroRtt, Level.Handshake, Level.OneRtt])('a ClientHello at level %i', (level) => {
    expectAlert(Alert.UNEXPECTED_MESSAGE, () => fresh().server.receive(level, plainHello(key)))
  })

  test('bytes after the Finished', () => {
    const { server, host } = fresh()
    const client = new ScriptedClient()
    server.receive(Level.Initial, client.hello())
    const flight = client.flight(host.outbox[0]!.data, host.outbox[1]!.data)
    const data = concat(...flight, Uint8Array.of(1))
    expect(caught(() => server.receive(Level.Handshake, data))).toMatchObject(violation)
    expect(server.complete).toBe(false)
  })

  test.each<[string, Uint8Array]>([
    ['KeyUpdate', Uint8Array.of(24, 0, 0, 1, 0)],
    ['NewSessionTicket', Uint8Array.of(4)],
    ['ClientHello', plainHello(key)],
    ['Finished', encodeFinished(new Uint8Array(32))],
  ])('after the handshake a client has nothing to say: %s', (_name, message) => {
    const { server } = answer({})
    expectAlert(Alert.UNEXPECTED_MESSAGE, () => server.receive(Level.OneRtt, message))
  })
})

describe('RFC 8446 §A.2: only the next message may come', () => {
  const order = ['client-hello', 'certificate', 'certificate-verify', 'finished', 'complete']
  const types = [1, 2, 4, 5, 8, 11, 13, 15, 20, 24, 254]
  const expected = [1, 11, 15, 20, -1]

  test.each(order.flatMap((state, index) => types.map((type) => [state, type, index] as const)))(
    'in state %s, type %i',
    (_state, type, index) => {
      const { server, host } = fresh()
      const client = new ScriptedClient()
      const hello = client.hello()
      if (index > 0) {
        server.receive(Level.Initial, hello)
        const flight = client.flight(host.outbox[0]!.data, host.outbox[1]!.data)
        for (const message of flight.slice(0, index - 1)) server.receive(Level.Handshake, message)
      }
      const level = index === 0 ? Level.Initial : index < 4 ? Level.Handshake : Level.OneRtt
      const run = () => server.receive(level, Uint8Array.of(type))
      if (type === expected[index]) run()
      else expectAlert(Alert.UNEXPECTED_MESSAGE, run)
    },
  )
})
