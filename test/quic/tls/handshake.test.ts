import { describe, expect, test } from 'vitest'
import { decodeHex, encodeHex } from '../../../src/bytes/index.ts'
import type { GroupName } from '../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../../src/crypto/portable/index.ts'
import { ErrorCode, TransportError } from '../../../src/quic/errors.ts'
import { Level } from '../../../src/quic/level.ts'
import { CIPHER_SUITES } from '../../../src/quic/tls/cipher-suites.ts'
import { TlsClient } from '../../../src/quic/tls/client.ts'
import { decodeClientHello } from '../../../src/quic/tls/hello.ts'
import { TlsServer } from '../../../src/quic/tls/server.ts'
import {
  answer,
  CLIENT_PARAMETERS,
  CLIENT_SEED,
  caught,
  clientConfig,
  concat,
  dial,
  messagesOf,
  nodeCrypto,
  Pair,
  publicKeyOf,
  RecordingHost,
  rawPublicKey,
  SERVER_PARAMETERS,
  SERVER_SEED,
  serverConfig,
  text,
} from './harness.ts'

/** Both ends agree on everything that a handshake gives. */
function expectAgreement(pair: Pair): void {
  const { client, server, clientHost, serverHost } = pair
  expect([client.complete, server.complete]).toEqual([true, true])
  expect(client.peerKey).toEqual(publicKeyOf(SERVER_SEED))
  expect(server.peerKey).toEqual(publicKeyOf(CLIENT_SEED))
  expect(client.alpn).toEqual(server.alpn)
  expect(client.suite).toBe(server.suite)
  expect(clientHost.parameters).toEqual(SERVER_PARAMETERS)
  expect(serverHost.parameters).toEqual(CLIENT_PARAMETERS)
  for (const level of [Level.Handshake, Level.OneRtt]) {
    const up = clientHost.secrets.get(`${level} send`)
    const down = clientHost.secrets.get(`${level} receive`)
    expect(up?.length).toBe(client.suite?.hashLength)
    expect(serverHost.secrets.get(`${level} receive`)).toEqual(up)
    expect(serverHost.secrets.get(`${level} send`)).toEqual(down)
    expect(up).not.toEqual(down)
  }
  const context = text('context')
  const exported = client.exportKeyingMaterial('EXPORTER-test', context, 40)
  expect(exported.length).toBe(40)
  expect(server.exportKeyingMaterial('EXPORTER-test', context, 40)).toEqual(exported)
  expect(server.exportKeyingMaterial('EXPORTER-other', context, 40)).not.toEqual(exported)
  expect(server.exportKeyingMaterial('EXPORTER-test', text('other'), 40)).not.toEqual(exported)
}

const groups: readonly GroupName[] = ['x25519', 'p256']
const cases = CIPHER_SUITES.flatMap((suite) =>
  groups.flatMap((group) => [false, true].map((retry) => ({ suite: suite.id, name: suite.name, group, retry }))),
)

describe.each([createNodeCrypto(), createPortableCrypto()])('with the $name provider', (crypto) => {
  test.each(cases)('RFC 8446 §2: $name, $group, retry: $retry', ({ suite, group, retry }) => {
    const before = crypto.liveKeys
    const other = groups.find((name) => name !== group)!
    const pair = new Pair(
      { crypto, suites: [suite], groups: retry ? [other, group] : [group] },
      { crypto, groups: [group] },
    ).run()
    expectAgreement(pair)
    expect(pair.client.suite?.id).toBe(suite)
    expect(pair.clientHost.events.filter((event) => event === 'crypto 0').length).toBe(retry ? 2 : 1)
    pair.free()
    // The two signers belong to their owner; ephemeral keys are gone.
    expect(crypto.liveKeys).toBe(before + 2)
  })
})

test.each(cases)('RFC 9001 §4.1.3: one byte at a time, $name, $group, retry: $retry', ({ suite, group, retry }) => {
  const other = groups.find((name) => name !== group)!
  const pair = new Pair({ suites: [suite], groups: retry ? [other, group] : [group] }, { groups: [group] }).run(1)
  expectAgreement(pair)
})

test('RFC 9001 §4.1: the order in which QUIC learns of keys, parameters and the end', () => {
  const pair = new Pair().run()
  expect(pair.clientHost.events).toEqual([
    'crypto 0',
    'secret 2 send',
    'secret 2 receive',
    'parameters',
    'crypto 2',
    'secret 3 send',
    'secret 3 receive',
    'complete',
  ])
  expect(pair.serverHost.events).toEqual([
    'parameters',
    'crypto 0',
    'secret 2 send',
    'secret 2 receive',
    'crypto 2',
    'secret 3 send',
    'secret 3 receive',
    'complete',
  ])
})

test('RFC 9001 §5.7: the server has no 1-RTT receive keys before the client proved its Finished', () => {
  const pair = new Pair().run(Number.MAX_SAFE_INTEGER, (from, level, data) =>
    from === 'client' && level === Level.Handshake ? data.subarray(0, -1) : data,
  )
  expect(pair.client.complete).toBe(true)
  expect(pair.server.complete).toBe(false)
  expect(pair.serverHost.events.at(-1)).toBe('secret 3 send')
  expect(() => pair.server.exportKeyingMaterial('label', text(''), 32)).toThrow(/after the handshake/)
})

test('RFC 8446 §4.4.3: the peer has no key before its CertificateVerify', () => {
  let seen: Uint8Array | undefined = text('never looked')
  const pair = new Pair()
  pair.run(Number.MAX_SAFE_INTEGER, (from, level, data) => {
    if (from !== 'client' || level !== Level.Handshake) return data
    const [certificate, ...rest] = messagesOf(data)
    pair.server.receive(level, certificate!)
    seen = pair.server.peerKey
    return concat(...rest)
  })
  expect(seen).toBeUndefined()
  expectAgreement(pair)
})

test('RFC 9001 §8.2: a host that does not like the parameters stops the handshake before anything is answered', () => {
  class Picky extends RecordingHost {
    override receivedTransportParameters(): void {
      throw new TransportError(ErrorCode.TRANSPORT_PARAMETER_ERROR, 0, 'no')
    }
  }
  const clientHost = new RecordingHost()
  const client = new TlsClient(clientConfig(), clientHost)
  client.start()
  const host = new Picky()
  const server = new TlsServer(serverConfig(), host)
  const error = caught(() => server.receive(Level.Initial, clientHost.outbox[0]!.data))
  expect(error).toMatchObject({ code: ErrorCode.TRANSPORT_PARAMETER_ERROR })
  expect(host.events).toEqual([])
  // What comes later is dropped.
  server.receive(Level.Initial, clientHost.outbox[0]!.data)
  expect(host.events).toEqual([])
})

describe('RFC 8446 §4.1.1: what the server chooses', () => {
  test('the suite by its own order', () => {
    expect(new Pair({ suites: [0x1303, 0x1302, 0x1301] }, { suites: [0x1301, 0x1303] }).run().server.suite?.id).toBe(
      0x1301,
    )
    expect(new Pair({ suites: [0x1301, 0x1302] }, { suites: [0x1303, 0x1302, 0x1301] }).run().server.suite?.id).toBe(
      0x1302,
    )
  })

  test('fast-path.md §2: without an order of its own, the suite that its crypto provider is fastest with', () => {
    const kernel = createNodeCrypto()
    const plain = createNodeCrypto({ kernel: false })
    expect(kernel.aeadPreference[0]).toBe('chacha20-poly1305')
    expect(new Pair({ crypto: kernel }, { crypto: kernel }).run().server.suite?.id).toBe(0x1303)
    expect(new Pair({ crypto: plain }, { crypto: kernel }).run().server.suite?.id).toBe(0x1303)
    expect(new Pair({ crypto: kernel }, { crypto: plain }).run().server.suite?.id).toBe(0x1301)
    for (const [crypto, offered] of [
      [kernel, [0x1303, 0x1301, 0x1302]],
      [plain, [0x1301, 0x1302, 0x1303]],
    ] as const) {
      const host = new RecordingHost()
      new TlsClient(clientConfig({ crypto }), host).start()
      expect(decodeClientHello(host.outbox[0]!.data).suites).toEqual(offered)
    }
  })

  test('the protocol by its own order', () => {
    const alpns = [text('sink'), text('echo')]
    const pair = new Pair({ alpns }, { alpns: [text('other'), text('echo'), text('sink')] }).run()
    expect(pair.client.alpn).toEqual(text('echo'))
    expectAgreement(pair)
  })

  test('a group that came with a share rather than its favourite', () => {
    const pair = new Pair({ groups: ['x25519', 'p256'] }, { groups: ['p256', 'x25519'] }).run()
    expect(pair.clientHost.events.filter((event) => event === 'crypto 0').length).toBe(1)
    expectAgreement(pair)
  })
})

test('spec/quic.md §1.3: the client offers what iroh needs, and no more', () => {
  const host = new RecordingHost()
  new TlsClient(clientConfig({ suites: [0x1301], groups: ['x25519'] }), host).start()
  const hello = host.outbox[0]!.data
  const random = encodeHex(hello.subarray(6, 38))
  const share = encodeHex(hello.slice(-(4 + CLIENT_PARAMETERS.length + 32)).subarray(0, 32))
  expect(hello.length).toBe(163)
  expect(encodeHex(hello)).toBe(
    [
      `0100009f0303${random}00000213010100`, // header, version, random, no session id, one suite, no compression
      '0074',
      '002b0003020304',
      '000a00040002001d',
      '000d000400020807',
      '001000070005046563686f',
      '001300020102',
      '001400020102',
      `003300260024001d0020${share}`,
      `00390018${encodeHex(CLIENT_PARAMETERS)}`,
    ].join(''),
  )
})

test('draft-ietf-tls-keylogfile: five lines, the same on both sides', () => {
  const pair = new Pair({ suites: [0x1302] }).run()
  expect(pair.clientHost.lines).toEqual(pair.serverHost.lines)
  const lines = pair.clientHost.lines.map((line) => line.split(' '))
  expect(lines.map(([label]) => label)).toEqual([
    'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
    'SERVER_HANDSHAKE_TRAFFIC_SECRET',
    'CLIENT_TRAFFIC_SECRET_0',
    'SERVER_TRAFFIC_SECRET_0',
    'EXPORTER_SECRET',
  ])
  for (const line of lines) {
    expect(line.length).toBe(3)
    expect(line[1]).toMatch(/^[0-9a-f]{64}$/)
    expect(line[2]).toMatch(/^[0-9a-f]{96}$/)
  }
  expect(decodeHex(lines[2]![2]!)).toEqual(pair.clientHost.secrets.get(`${Level.OneRtt} send`))
  expect(decodeHex(lines[1]![2]!)).toEqual(pair.clientHost.secrets.get(`${Level.Handshake} receive`))
})

test('a host without a key log gets none', () => {
  const host = new RecordingHost()
  Object.assign(host, { keyLog: undefined })
  const session = new TlsClient(clientConfig(), host)
  session.start()
  expect(host.lines).toEqual([])
})

test('RFC 8446 §4.6.1: a client takes tickets and forgets them', () => {
  const { client, host } = dial({})
  const before = host.events.length
  for (const extensions of ['0000', '0008002a0004ffffffff', '00061a1a00021234']) {
    const body = decodeHex(`0001518000000000020102000401020304${extensions}`)
    const ticket = concat(Uint8Array.of(4, 0, 0, body.length), body)
    client.receive(Level.OneRtt, ticket.subarray(0, 9))
    client.receive(Level.OneRtt, ticket.subarray(9))
  }
  expect(host.events.length).toBe(before)
  expect(client.complete).toBe(true)
})

test('scripted peers complete when they break nothing', () => {
  expect(dial({}).client.complete).toBe(true)
  expect(answer({}).server.complete).toBe(true)
})

describe('misuse throws at the call', () => {
  test.each([
    ['a client without protocols', () => new TlsClient(clientConfig({ alpns: [] }), new RecordingHost())],
    ['an empty protocol id', () => new TlsClient(clientConfig({ alpns: [text('')] }), new RecordingHost())],
    ['a long protocol id', () => new TlsServer(serverConfig({ alpns: [new Uint8Array(256)] }), new RecordingHost())],
    ['an unknown suite', () => new TlsServer(serverConfig({ suites: [0x1304] }), new RecordingHost())],
    ['no suites', () => new TlsServer(serverConfig({ suites: [] }), new RecordingHost())],
    ['no groups', () => new TlsServer(serverConfig({ groups: [] }), new RecordingHost())],
    [
      'a short peer key',
      () =>
        new TlsClient(
          clientConfig({ authentication: rawPublicKey(nodeCrypto, new Uint8Array(31)) }),
          new RecordingHost(),
        ),
    ],
    ['a server that is nobody', () => new TlsServer(serverConfig({ authentication: {} }), new RecordingHost())],
  ])('%s', (_name, run) => {
    expect(run).toThrow(RangeError)
  })

  test('starting twice', () => {
    const client = new TlsClient(clientConfig(), new RecordingHost())
    client.start()
    expect(() => client.start()).toThrow(/started before/)
  })
})

test('a freed session is deaf and exports nothing', () => {
  const pair = new Pair().run()
  pair.free()
  pair.client.receive(Level.OneRtt, Uint8Array.of(24, 0, 0, 1, 0))
  pair.server.receive(Level.Initial, Uint8Array.of(1))
  expect(() => pair.client.exportKeyingMaterial('label', text(''), 32)).toThrow(/before free/)
})
