import { describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../../src/crypto/portable/index.ts'
import { TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384 } from '../../../src/quic/tls/cipher-suites.ts'
import { hkdfExpandLabel, KeySchedule } from '../../../src/quic/tls/key-schedule.ts'
import { Transcript } from '../../../src/quic/tls/transcript.ts'
import { RETRY, SIMPLE } from './rfc8448.ts'

const EMPTY = new Uint8Array(0)

describe.each([createNodeCrypto(), createPortableCrypto()])('with the $name provider', (crypto) => {
  test('RFC 8448 §3: every secret of the simple handshake follows from its messages', () => {
    const schedule = new KeySchedule(crypto, TLS_AES_128_GCM_SHA256)
    const transcript = new Transcript(crypto)
    transcript.add(SIMPLE.clientHello)
    transcript.chooseHash('sha256')
    transcript.add(SIMPLE.serverHello)
    expect(transcript.digest()).toEqual(SIMPLE.helloHash)

    const handshake = schedule.handshakeSecrets(SIMPLE.shared, transcript.digest())
    expect(handshake).toEqual({ client: SIMPLE.clientHandshake, server: SIMPLE.serverHandshake })
    expect(hkdfExpandLabel(crypto, 'sha256', handshake.server, 'key', EMPTY, 16)).toEqual(SIMPLE.serverHandshakeKey)
    expect(hkdfExpandLabel(crypto, 'sha256', handshake.server, 'iv', EMPTY, 12)).toEqual(SIMPLE.serverHandshakeIv)
    const serverKey = schedule.finishedKey(handshake.server)
    const clientKey = schedule.finishedKey(handshake.client)
    expect(serverKey).toEqual(SIMPLE.serverFinishedKey)
    expect(clientKey).toEqual(SIMPLE.clientFinishedKey)

    for (const message of [SIMPLE.encryptedExtensions, SIMPLE.certificate, SIMPLE.certificateVerify]) {
      transcript.add(message)
    }
    expect(schedule.verifyData(serverKey, transcript.digest())).toEqual(SIMPLE.serverFinished.subarray(4))
    transcript.add(SIMPLE.serverFinished)
    const application = schedule.applicationSecrets(transcript.digest())
    expect(application).toEqual({ client: SIMPLE.clientApplication, server: SIMPLE.serverApplication })
    expect(schedule.exporterSecret).toEqual(SIMPLE.exporter)
    expect(schedule.verifyData(clientKey, transcript.digest())).toEqual(SIMPLE.clientFinished.subarray(4))
  })

  test('RFC 8448 §5: the first ClientHello becomes a message_hash after a HelloRetryRequest', () => {
    const transcript = new Transcript(crypto)
    transcript.add(RETRY.clientHello1)
    transcript.chooseHash('sha256')
    transcript.replaceByMessageHash()
    for (const message of [RETRY.retryRequest, RETRY.clientHello2, RETRY.serverHello]) transcript.add(message)
    expect(transcript.digest()).toEqual(RETRY.helloHash)

    const exchange = crypto.keyExchange('p256', RETRY.clientPrivateKey)
    const shared = exchange.agree(RETRY.serverPublicKey)
    exchange.free()
    expect(shared).toEqual(RETRY.shared)
    const schedule = new KeySchedule(crypto, TLS_AES_128_GCM_SHA256)
    expect(schedule.handshakeSecrets(shared, transcript.digest())).toEqual({
      client: RETRY.clientHandshake,
      server: RETRY.serverHandshake,
    })
  })
})

test('RFC 8446 §7.1: the constant part of the schedule is what it is computed to be', () => {
  const crypto = createNodeCrypto()
  const shared = new Uint8Array(32).fill(1)
  for (const suite of [TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384]) {
    const { hash, hashLength } = suite
    const nothing = crypto.hash(hash, EMPTY)
    const derived = (secret: Uint8Array) => hkdfExpandLabel(crypto, hash, secret, 'derived', nothing, hashLength)
    const early = crypto.hkdfExtract(hash, EMPTY, new Uint8Array(hashLength))
    const handshake = crypto.hkdfExtract(hash, derived(early), shared)
    const main = crypto.hkdfExtract(hash, derived(handshake), new Uint8Array(hashLength))
    const schedule = new KeySchedule(crypto, suite)
    const expand = (secret: Uint8Array, label: string) =>
      hkdfExpandLabel(crypto, hash, secret, label, nothing, hashLength)
    expect(schedule.handshakeSecrets(shared, nothing).client).toEqual(expand(handshake, 'c hs traffic'))
    expect(schedule.applicationSecrets(nothing).server).toEqual(expand(main, 's ap traffic'))
    const exported = expand(expand(main, 'exp master'), 'label')
    expect(schedule.exportKeyingMaterial('label', EMPTY, hashLength)).toEqual(
      hkdfExpandLabel(crypto, hash, exported, 'exporter', nothing, hashLength),
    )
  }
})

test('RFC 8446 §7.1: the hash of the suite sets all lengths', () => {
  const crypto = createNodeCrypto()
  const schedule = new KeySchedule(crypto, TLS_AES_256_GCM_SHA384)
  const hash = crypto.hash('sha384', EMPTY)
  const handshake = schedule.handshakeSecrets(new Uint8Array(32).fill(7), hash)
  expect(handshake.client.length).toBe(48)
  expect(schedule.verifyData(schedule.finishedKey(handshake.client), hash).length).toBe(48)
  expect(schedule.applicationSecrets(hash).server.length).toBe(48)
})

test('RFC 8446 §7.5: the exporter refuses lengths that HKDF cannot give, and work before its secret exists', () => {
  const crypto = createNodeCrypto()
  const schedule = new KeySchedule(crypto, TLS_AES_128_GCM_SHA256)
  expect(() => schedule.exportKeyingMaterial('label', EMPTY, 32)).toThrow(/after the handshake/)
  schedule.handshakeSecrets(SIMPLE.shared, SIMPLE.helloHash)
  schedule.applicationSecrets(SIMPLE.helloHash)
  expect(schedule.exportKeyingMaterial('label', EMPTY, 255 * 32).length).toBe(255 * 32)
  expect(schedule.exportKeyingMaterial('label', EMPTY, 0).length).toBe(0)
  for (const length of [-1, 1.5, 255 * 32 + 1]) {
    expect(() => schedule.exportKeyingMaterial('label', EMPTY, length)).toThrow(RangeError)
  }
  expect(() => schedule.exportKeyingMaterial('x'.repeat(250), EMPTY, 32)).toThrow(RangeError)
  schedule.clear()
  expect(() => schedule.exportKeyingMaterial('label', EMPTY, 32)).toThrow(/after the handshake/)
})
