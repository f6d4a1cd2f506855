import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeHex, encodeHex, GrowingWriter } from '../../../src/bytes/index.ts'
import { Level } from '../../../src/quic/level.ts'
import { Alert, alertName, fatal } from '../../../src/quic/tls/alerts.ts'
import { decodeAll, encodeMessage, messageName } from '../../../src/quic/tls/codec.ts'
import {
  encodeCertificateTypes,
  encodeCookie,
  encodeKeyShare,
  encodeKeyShares,
  encodeProtocols,
  encodeU16List,
  encodeVersions,
  readCertificateTypes,
  readCookie,
  readExtensions,
  readKeyShare,
  readKeyShares,
  readProtocols,
  readU16Values,
  readVersions,
  writeExtensions,
} from '../../../src/quic/tls/extensions.ts'
import {
  decodeClientHello,
  decodeServerHello,
  encodeClientHello,
  isRetryRequest,
  offeredExtensions,
} from '../../../src/quic/tls/hello.ts'
import { MAX_MESSAGE_LENGTH, MessageBuffer } from '../../../src/quic/tls/message-buffer.ts'
import {
  decodeCertificate,
  decodeCertificateRequest,
  decodeCertificateVerify,
  decodeFinished,
  decodeNewSessionTicket,
  encodeCertificate,
  encodeCertificateRequest,
  encodeCertificateVerify,
  signedContent,
} from '../../../src/quic/tls/messages.ts'
import { decodeRawPublicKey, encodeRawPublicKey } from '../../../src/quic/tls/raw-public-key.ts'
import { editClientHello, expectAlert, messagesOf, nodeCrypto, Pair, SERVER_PARAMETERS } from './harness.ts'
import { RETRY, SIMPLE } from './rfc8448.ts'

const KEY_09 = decodeHex('fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618')
const SPKI_09 = `302a300506032b6570032100${encodeHex(KEY_09)}`

describe('spec/quic.md §8.3: TLS pieces, byte for byte', () => {
  test('public key, SPKI, Certificate and CertificateRequest', () => {
    const signer = nodeCrypto.signer(new Uint8Array(32).fill(9))
    expect(signer.publicKey).toEqual(KEY_09)
    signer.free()
    expect(encodeHex(encodeRawPublicKey(KEY_09))).toBe(SPKI_09)
    expect(decodeRawPublicKey(decodeHex(SPKI_09))).toEqual(KEY_09)
    const certificate = `0b0000350000003100002c${SPKI_09}0000`
    expect(encodeHex(encodeCertificate(encodeRawPublicKey(KEY_09)))).toBe(certificate)
    expect(decodeCertificate(decodeHex(certificate)).entries[0]?.data).toEqual(decodeHex(SPKI_09))
    expect(encodeHex(encodeCertificateRequest())).toBe('0d00000b000008000d000400020807')
    expect(decodeCertificateRequest(encodeCertificateRequest()).signatureSchemes).toEqual([0x0807])
    expect(encodeHex(encodeCertificate())).toBe('0b00000400000000')
  })

  test('signatures over both contexts', () => {
    const signer = nodeCrypto.signer(new Uint8Array(32).fill(9))
    const hash = new Uint8Array(32).fill(0x42)
    const server =
      '100004724bc061d902c04a737253cff29e714c680f340b05dd1d2001dda1067a4a210a93e6c66ca332756f1bfc5118f0bb373860a0951b6fb20fe951dabdcd08'
    const client =
      'c269c0ac8d8a1dfdfc72f03ebf15e4c1cb67ae1ad8ec4be7c013995dcbcb0c3014bb4a088bc56710d291ca32ddd9fc09d6789673537436e46c36a07f324caf09'
    expect(encodeHex(signer.sign(signedContent('server', hash)))).toBe(server)
    expect(encodeHex(signer.sign(signedContent('client', hash)))).toBe(client)
    expect(encodeHex(encodeCertificateVerify(decodeHex(server)))).toBe(`0f00004408070040${server}`)
    expect(decodeCertificateVerify(encodeCertificateVerify(decodeHex(client)))).toEqual({
      scheme: 0x0807,
      signature: decodeHex(client),
    })
    signer.free()
  })

  test('the server flight: order, sizes and the extensions of EncryptedExtensions', () => {
    const flights: Uint8Array[] = []
    new Pair().run(Number.MAX_SAFE_INTEGER, (_from, level, data) => {
      if (level === Level.Handshake) flights.push(data)
      return data
    })
    const [server, client] = flights.map(messagesOf)
    expect(server?.map((message) => message[0])).toEqual([8, 13, 11, 15, 20])
    const parameters = encodeHex(SERVER_PARAMETERS)
    expect(encodeHex(server![0]!)).toBe(`080000330031001000070005046563686f0013000102001400010200390018${parameters}`)
    expect(encodeHex(server![1]!)).toBe('0d00000b000008000d000400020807')
    expect(client?.map((message) => message[0])).toEqual([11, 15, 20])
    expect(client?.reduce((sum, message) => sum + message.length, 0)).toBe(165)
  })
})

describe('RFC 8448: real messages decode', () => {
  test('§3: ClientHello, ServerHello, Finished and NewSessionTicket', () => {
    const hello = decodeClientHello(SIMPLE.clientHello)
    expect(hello.suites).toEqual([0x1301, 0x1303, 0x1302])
    expect(hello.versions).toEqual([0x0304])
    expect(hello.shares?.map((share) => [share.group, share.key.length])).toEqual([[0x1d, 32]])
    expect(hello.transportParameters).toBeUndefined()
    const server = decodeServerHello(SIMPLE.serverHello)
    expect(isRetryRequest(server)).toBe(false)
    expect([...server.extensions.keys()]).toEqual([51, 43])
    expect(decodeFinished(SIMPLE.clientFinished, 32)).toEqual(SIMPLE.clientFinished.subarray(4))
    expect(decodeNewSessionTicket(SIMPLE.newSessionTicket)).toEqual({ lifetime: 30, maxEarlyData: 1024 })
  })

  test('§5: HelloRetryRequest and the second ClientHello', () => {
    const retry = decodeServerHello(RETRY.retryRequest)
    expect(isRetryRequest(retry)).toBe(true)
    expect([...retry.extensions.keys()]).toEqual([51, 44, 43])
    const second = decodeClientHello(RETRY.clientHello2)
    expect(second.cookie?.length).toBe(0x72)
    expect(second.shares?.[0]?.group).toBe(0x17)
  })
})

describe('RFC 7250 §3: what is not an Ed25519 key', () => {
  test.each([
    ['nothing', '', Alert.BAD_CERTIFICATE],
    ['the bare key', encodeHex(KEY_09), Alert.BAD_CERTIFICATE],
    ['one byte short', SPKI_09.slice(0, -2), Alert.BAD_CERTIFICATE],
    ['one byte more', `${SPKI_09}00`, Alert.BAD_CERTIFICATE],
    ['unused bits', SPKI_09.replace('032100', '032101'), Alert.BAD_CERTIFICATE],
    ['Ed448', `3043300506032b6571033a00${'11'.repeat(57)}`, Alert.UNSUPPORTED_CERTIFICATE],
    ['X25519', SPKI_09.replace('2b6570', '2b656e'), Alert.UNSUPPORTED_CERTIFICATE],
    ['P-256', `3059301306072a8648ce3d020106082a8648ce3d030107034200${'04'.repeat(65)}`, Alert.UNSUPPORTED_CERTIFICATE],
    [
      'P-256 and a byte more',
      `3059301306072a8648ce3d020106082a8648ce3d030107034200${'04'.repeat(65)}00`,
      Alert.BAD_CERTIFICATE,
    ],
    ['RSA, cut', '302006092a864886f70d0101010500', Alert.BAD_CERTIFICATE],
    ['an indefinite length', `3080${SPKI_09.slice(4)}`, Alert.BAD_CERTIFICATE],
    ['a certificate of X.509', '30163014a003020102020101300506032b6570300030003000', Alert.BAD_CERTIFICATE],
  ])('%s', (_name, spki, alert) => {
    expectAlert(alert, () => decodeRawPublicKey(decodeHex(spki)))
  })

  test('a long RSA key in DER', () => {
    const bits = `03820101${'00'.repeat(257)}`
    const algorithm = '300d06092a864886f70d0101010500'
    const length = (algorithm.length + bits.length) / 2
    const spki = `3082${length.toString(16).padStart(4, '0')}${algorithm}${bits}`
    expectAlert(Alert.UNSUPPORTED_CERTIFICATE, () => decodeRawPublicKey(decodeHex(spki)))
  })
})

describe('codecs are their own inverse', () => {
  const u16 = fc.integer({ min: 0, max: 0xffff })
  const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength })

  test('RFC 8446 §4.2: extension bodies', () => {
    fc.assert(
      fc.property(
        fc.array(u16, { minLength: 1, maxLength: 60 }),
        fc.array(bytes(1, 255), { minLength: 1, maxLength: 5 }),
        fc.array(fc.record({ group: u16, key: bytes(1, 100) }), { maxLength: 4 }),
        (numbers, names, shares) => {
          expect(decodeAll('x', encodeU16List(numbers), readU16Values)).toEqual(numbers)
          expect(decodeAll('x', encodeVersions(numbers), readVersions)).toEqual(numbers)
          expect(decodeAll('x', encodeProtocols(names), readProtocols)).toEqual(names)
          expect(decodeAll('x', encodeKeyShares(shares), readKeyShares)).toEqual(shares)
          for (const share of shares) expect(decodeAll('x', encodeKeyShare(share), readKeyShare)).toEqual(share)
          expect(decodeAll('x', encodeCookie(names[0]!), readCookie)).toEqual(names[0])
          const types = numbers.map((number) => number & 0xff)
          expect(decodeAll('x', encodeCertificateTypes(types), readCertificateTypes)).toEqual(types)
        },
      ),
    )
  })

  test('RFC 8446 §4.2: an extensions block keeps order and contents', () => {
    const entry = fc.tuple(u16, bytes(0, 40))
    fc.assert(
      fc.property(fc.uniqueArray(entry, { selector: ([type]) => type, maxLength: 20 }), (entries) => {
        const writer = new GrowingWriter(1)
        writeExtensions(writer, entries)
        expect([...decodeAll('x', writer.finish(), readExtensions)]).toEqual(entries)
      }),
    )
  })

  test('RFC 8446 §4.1.2: ClientHello', () => {
    const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
    const numbers = fc.array(u16, { minLength: 1, maxLength: 10 })
    const types = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 3 })
    const hello = fc.record({
      random: bytes(32, 32),
      sessionId: bytes(0, 32),
      suites: numbers,
      versions: optional(numbers),
      groups: optional(numbers),
      hostName: optional(bytes(1, 60)),
      signatureSchemes: optional(numbers),
      certificateSchemes: optional(numbers),
      protocols: optional(fc.array(bytes(1, 255), { minLength: 1, maxLength: 3 })),
      clientCertificateTypes: optional(types),
      serverCertificateTypes: optional(types),
      shares: optional(fc.array(fc.record({ group: u16, key: bytes(1, 65) }), { maxLength: 2 })),
      cookie: optional(bytes(1, 50)),
      transportParameters: optional(bytes(0, 80)),
      offersEarlyData: fc.constant(false),
    })
    fc.assert(
      fc.property(hello, (value) => {
        const message = encodeClientHello(value)
        expect(decodeClientHello(message)).toEqual(value)
        expect(offeredExtensions(value)).toEqual(extensionTypes(message))
      }),
      { numRuns: 200 },
    )
  })
})

/** In the order of the wire. */
function extensionTypes(hello: Uint8Array): number[] {
  let types: number[] = []
  editClientHello(hello, (extensions) => {
    types = extensions.map(([type]) => type)
    return extensions
  })
  return types
}

describe('RFC 8446 §3.4: vectors out of bounds are decode errors', () => {
  test.each([
    ['empty u16 list', () => decodeAll('x', decodeHex('0000'), readU16Values)],
    ['odd u16 list', () => decodeAll('x', decodeHex('0003000102'), readU16Values)],
    ['longer than the input', () => decodeAll('x', decodeHex('00040001'), readU16Values)],
    ['bytes left over', () => decodeAll('x', decodeHex('0002000100'), readU16Values)],
    ['empty protocol name', () => decodeAll('x', decodeHex('000100'), readProtocols)],
    ['no protocol names', () => decodeAll('x', decodeHex('0000'), readProtocols)],
    ['no certificate types', () => decodeAll('x', decodeHex('00'), readCertificateTypes)],
    ['empty key', () => decodeAll('x', decodeHex('001d0000'), readKeyShare)],
    ['empty cookie', () => decodeAll('x', decodeHex('0000'), readCookie)],
    ['Finished too short', () => decodeFinished(decodeHex('1400001f'.padEnd(8 + 62, '0')), 32)],
    ['Finished too long', () => decodeFinished(decodeHex('14000021'.padEnd(8 + 66, '0')), 32)],
    ['an empty certificate entry', () => decodeCertificate(decodeHex('0b000009000000050000000000'))],
    ['a ticket of no bytes', () => decodeNewSessionTicket(decodeHex('0400000d00000001000000020000000000'))],
  ])('%s', (_name, run) => {
    expectAlert(Alert.DECODE_ERROR, run)
  })

  test('RFC 8446 §4.2: an extension twice is an illegal parameter', () => {
    expectAlert(Alert.ILLEGAL_PARAMETER, () => decodeAll('x', decodeHex('000a00390001aa00390001aa'), readExtensions))
  })
})

describe('RFC 8446 §4: cutting the stream into messages', () => {
  test('any split gives the same messages', () => {
    const message = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 300 }))
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 200 })), (list, cuts) => {
        const whole = list.map(([type, body]) => encodeMessage(type, (writer) => writer.raw(body)))
        const stream = Uint8Array.from(whole.flatMap((bytes) => [...bytes]))
        const buffer = new MessageBuffer()
        const found: Uint8Array[] = []
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const end = Math.min(stream.length, at + (cuts[turn] ?? 64))
          buffer.append(stream.subarray(at, end))
          at = end
          for (let next = buffer.next(); next !== undefined; next = buffer.next()) found.push(next)
        }
        expect(found).toEqual(whole)
        expect(buffer.length).toBe(0)
        expect(buffer.nextType).toBeUndefined()
      }),
    )
  })

  test('a message above the limit is refused by its header alone', () => {
    const buffer = new MessageBuffer()
    const length = MAX_MESSAGE_LENGTH + 1
    buffer.append(Uint8Array.of(1, length >> 16, (length >> 8) & 0xff))
    expect(buffer.next()).toBeUndefined()
    buffer.append(Uint8Array.of(length & 0xff))
    expectAlert(Alert.DECODE_ERROR, () => buffer.next())
  })

  test('a message at the limit is taken', () => {
    const buffer = new MessageBuffer()
    const message = encodeMessage(1, (writer) => writer.fill(7, MAX_MESSAGE_LENGTH))
    buffer.append(message.subarray(0, 60_000))
    expect(buffer.next()).toBeUndefined()
    buffer.append(message.subarray(60_000))
    expect(buffer.next()?.length).toBe(MAX_MESSAGE_LENGTH + 4)
  })
})

test('RFC 8446 §6.2: alerts have names, and unknown ones a number', () => {
  expect(alertName(48)).toBe('unknown_ca')
  expect(alertName(200)).toBe('alert 200')
  expect(messageName(20)).toBe('finished')
  expect(messageName(99)).toBe('handshake message 99')
  // RFC 9001 §4.8: 0x100 + alert, frame type 0.
  expect(fatal(Alert.UNKNOWN_CA, 'who')).toMatchObject({ code: 0x130, frameType: 0, message: 'unknown_ca: who' })
})
