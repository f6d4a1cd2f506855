import { expect, test } from 'vitest'
import { secretBoxPublicKey, x25519PublicOf } from '../../../src/crypto/index.ts'
import {
  readBridged,
  readBridgedNotice,
  writeBridged,
  writeUndelivered,
} from '../../../src/envelope/bridge/bridged-text.ts'
import { openV1Box, sealV1Box } from '../../../src/envelope/v1/v1-box.ts'
import { readV1 } from '../../../src/envelope/v1/v1-reader.ts'
import { EndpointId, SecretKey } from '../../../src/identity/index.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { ALICE, BOB, CRYPTO, H_V1, SIGNED, seedOf } from '../v1/support.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const bob = SecretKey.fromBytes(seedOf(2))
const carol = SecretKey.fromBytes(seedOf(3))
const platform = { random: new SimRandom('bridged text'), wallClock: () => 1_708_000_000_000 }

test('V1-4: a bridged text says who claims to have written it, and what proves that', () => {
  const expected = {
    id: '00000000-0000-4000-8000-000000000001',
    author: ALICE,
    to: BOB,
    text: 'hello',
    signatureState: 'valid',
    sentAt: 1_708_000_000_000,
    isEncrypted: false,
  }
  expect(readBridged(bytes(SIGNED))).toEqual(expected)
  expect(readBridged(bytes(H_V1.text), { crypto: CRYPTO })).toEqual({ ...expected, signatureState: 'absent' })
  expect(readBridged(bytes(SIGNED.replace('hello', 'hullo')))).toMatchObject({
    text: 'hullo',
    signatureState: 'invalid',
  })
})

test('V1-4: a text to somebody else, though well signed, is not read by one who says who he is', () => {
  expect(readBridged(bytes(SIGNED), { self: bob.id })).toMatchObject({ text: 'hello' })
  expect(readBridged(bytes(SIGNED), { secretKey: bob })).toMatchObject({ text: 'hello' })
  expect(readBridged(bytes(SIGNED), { self: carol.id })).toBe(undefined)
  expect(readBridged(bytes(SIGNED), { secretKey: carol })).toBe(undefined)
})

test.each([
  ['text', 'hello'],
  ['JSON', '{"text":"hello"}'],
  ['another type', H_V1.text.replace('chat', 'app')],
  ['an ack', H_V1.text.replace('"chat","payload":{"text":"hello"}', '"ack","payload":{"originalMessageId":"a"}')],
  ['a chat without text', H_V1.text.replace('"text"', '"words"')],
])('%s is no bridged text', (_name, text) => {
  expect(readBridged(bytes(text))).toBe(undefined)
})

test('spec/envelope.md §2.3: a text that was encrypted for this node opens with its key only', () => {
  const box = sealV1Box({ text: 'secret' }, x25519PublicOf(bob.id.toBytes())!, platform.random)
  const sealed = bytes(H_V1.text.replace('{"text":"hello"}', JSON.stringify(box)))
  expect(readBridged(sealed, { secretKey: bob })).toMatchObject({ text: 'secret', isEncrypted: true })
  expect(readBridged(sealed)).toBe(undefined)
  expect(readBridged(sealed, { secretKey: carol, self: bob.id })).toBe(undefined)
})

test('V1-3: a text to a v1 peer is signed by this node; encrypted where its key is known', () => {
  const setup = { to: EndpointId.parse(ALICE), text: 'hi', secretKey: bob, platform }
  const clear = writeBridged(setup)
  expect(readV1(clear.bytes, CRYPTO)).toMatchObject({
    signatureState: 'valid',
    envelope: {
      id: clear.id,
      from: BOB,
      to: ALICE,
      via: [],
      type: 'chat',
      payload: { text: 'hi' },
      timestamp: 1_708_000_000_000,
    },
  })
  const secret = seedOf(9)
  const sealed = writeBridged({ ...setup, encryptionKey: secretBoxPublicKey(secret) })
  expect(sealed.id).not.toBe(clear.id)
  const { envelope, signatureState } = readV1(sealed.bytes, CRYPTO)
  expect([signatureState, openV1Box(envelope.payload as never, secret)]).toEqual(['valid', { text: 'hi' }])
  expect(() => writeBridged({ ...setup, encryptionKey: new Uint8Array(32) })).toThrow(
    expect.objectContaining({ code: 'INVALID_KEY' }),
  )
})

test('V1-2: notices: what the v1 peer says, as a claim, and what the bridge says itself', () => {
  const said = (type: string, payload: object): Uint8Array =>
    bytes(H_V1.text.replace('"chat","payload":{"text":"hello"}', `"${type}","payload":${JSON.stringify(payload)}`))
  const claim = { originalId: 'a', by: ALICE, signatureState: 'absent' }
  expect(readBridgedNotice(said('ack', { originalMessageId: 'a' }))).toEqual({ kind: 'received', ...claim })
  expect(readBridgedNotice(said('read-receipt', { originalMessageId: 'a' }))).toEqual({ kind: 'read', ...claim })
  expect(readBridgedNotice(said('ack', { originalMessageId: 'a' }), { self: carol.id })).toBe(undefined)
  expect(readBridgedNotice(writeUndelivered('a', 'absent'))).toEqual({
    kind: 'undelivered',
    originalId: 'a',
    reason: 'absent',
  })
  for (const other of [
    bytes(SIGNED),
    said('ack', { originalMessageId: 'a', ackType: 'relay-forwarded' }),
    bytes('undelivered'),
    bytes('null'),
    bytes('{"type":"bridge-undelivered","originalMessageId":"a","reason":"no reason"}'),
    bytes('{"type":"bridge-undelivered","reason":"absent"}'),
    writeUndelivered('x'.repeat(1_000), 'absent'),
  ])
    expect(readBridgedNotice(other)).toBe(undefined)
})
