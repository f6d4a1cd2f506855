import { expect, test } from 'vitest'
import { isV1Box, openV1Box, sealV1Box, type V1Box } from '../../../src/envelope/v1/v1-box.ts'
import { contentOfV1, v1AckBody, v1ChatBody, v1ReadBody } from '../../../src/envelope/v1/v1-mapping.ts'
import { readV1 } from '../../../src/envelope/v1/v1-reader.ts'
import { writeV1 } from '../../../src/envelope/v1/v1-writer.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { alice, BOB, CRYPTO, DRAFT, H_V1, SIGNED } from './support.ts'

/** spec/envelope.md appendix B, H_v1. */
const BOX: V1Box = {
  ciphertext: '0d8f55c64d4708d967ab92b81f17ccc722801896396def2c80f0cf85f013dd70',
  nonce: '15'.repeat(24),
  ephemeralPublicKey: '18a6f8c1a7fddf22bd410138f79f7298cd38d1d0a542d4266d556be8609d8862',
}
const SECRET = new Uint8Array(32).fill(0x12)
const PUBLIC = Buffer.from('052a50773ac8d91773f2dc9662e12f0defe915e415b8a1c8e20a5a3d6ab2b843', 'hex')
/** Ephemeral secret, then nonce, of the vector. */
const VECTOR_RANDOM = {
  fill: (out: Uint8Array): void => {
    out.fill(0x14, 0, 32).fill(0x15, 32)
  },
}

const contentOf = (type: string, payload: unknown) =>
  contentOfV1({ ...readV1(H_V1.text, CRYPTO).envelope, type, payload }, payload)

test('V1-3: vector H_v1 is written byte for byte', () => {
  expect(writeV1(DRAFT, alice)).toBe(SIGNED)
})

test('V1-3: what is written reads as valid, and has no more than a MiB', () => {
  const text = writeV1({ ...DRAFT, via: [BOB], payload: { 9: 'é"\\', b: [1.5, null] } }, alice)
  expect(readV1(text, CRYPTO)).toMatchObject({ signatureState: 'valid', envelope: { via: [BOB] } })
  expect(() => writeV1({ ...DRAFT, payload: 'x'.repeat(1_048_576) }, alice)).toThrow(
    expect.objectContaining({ code: 'TOO_LARGE' }),
  )
})

test('spec/envelope.md §2.3: the box of vector H_v1, both ways', () => {
  expect(openV1Box(BOX, SECRET)).toEqual({ text: 'hello' })
  expect(sealV1Box({ text: 'hello' }, PUBLIC, VECTOR_RANDOM)).toEqual(BOX)
})

test('spec/envelope.md §2.3: a box is known by its three texts, and sealed anew each time', () => {
  expect([BOX, { text: 'hello' }, { ...BOX, nonce: 7 }, null, 'box'].map(isV1Box)).toEqual([
    true,
    false,
    false,
    false,
    false,
  ])
  const random = new SimRandom('box')
  const [first, second] = [1, 2].map(() => sealV1Box({ text: 'hi' }, PUBLIC, random))
  expect(first).not.toEqual(second)
  expect(openV1Box(second!, SECRET)).toEqual({ text: 'hi' })
  expect(() => sealV1Box({}, new Uint8Array(32), random)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }))
})

test.each([
  ['ciphertext', BOX.ciphertext.replace('0d', '0e'), 'DECRYPT_FAILED'],
  ['ciphertext', 'no hex', 'DECRYPT_FAILED'],
  ['ciphertext', '', 'DECRYPT_FAILED'],
  ['nonce', '16'.repeat(24), 'DECRYPT_FAILED'],
  ['nonce', '15'.repeat(23), 'DECRYPT_FAILED'],
  ['ephemeralPublicKey', '00'.repeat(32), 'DECRYPT_FAILED'],
  ['ephemeralPublicKey', '18', 'DECRYPT_FAILED'],
])('spec/envelope.md §2.3: another %s (%s) does not open', (name, value, code) => {
  expect(() => openV1Box({ ...BOX, [name]: value }, SECRET)).toThrow(expect.objectContaining({ code }))
})

test('spec/envelope.md §2.3: what is no JSON inside a box is a body nobody can read', () => {
  const random = new SimRandom('no JSON')
  // a payload of undefined has no JSON and leaves an empty box
  for (const payload of [undefined, JSON.parse(`${'['.repeat(65)}${']'.repeat(65)}`)]) {
    const box = sealV1Box(payload, PUBLIC, random)
    expect(() => openV1Box(box, SECRET)).toThrow(expect.objectContaining({ code: 'UNREADABLE_BODY' }))
  }
})

test('spec/envelope.md §2.4: each type in our terms', () => {
  const originalMessageId = 'a'
  const delivered = { kind: 'ack', ack: { originalId: 'a', kind: 'RecipientReceived' } }
  expect(contentOf('chat', { text: 'hi' })).toEqual({ kind: 'chat', text: 'hi' })
  expect(contentOf('ack', { originalMessageId })).toEqual(delivered)
  expect(contentOf('ack', { originalMessageId, ackType: 'recipient-received' })).toEqual(delivered)
  expect(contentOf('ack', { originalMessageId, ackType: 'relay-forwarded' })).toEqual({
    kind: 'ack',
    ack: { originalId: 'a', kind: 'RelayForwarded' },
  })
  expect(contentOf('ack', { originalMessageId, ackType: 'recipient-read' })).toEqual({
    kind: 'read',
    receipt: { originalId: 'a', readAt: DRAFT.timestamp },
  })
  expect(contentOf('read-receipt', { originalMessageId, readAt: 5 })).toEqual({
    kind: 'read',
    receipt: { originalId: 'a', readAt: 5 },
  })
  expect(contentOf('read-receipt', { originalMessageId })).toMatchObject({ receipt: { readAt: DRAFT.timestamp } })
  for (const type of ['app', 'backup-replication', 'stress-ping'])
    expect(contentOf(type, null)).toEqual({ kind: 'other' })
})

test.each([
  ['chat', {}],
  ['chat', null],
  ['chat', { text: 7 }],
  ['ack', { ackType: 'recipient-received' }],
  ['ack', { originalMessageId: 7 }],
  ['ack', { originalMessageId: 'a', ackType: 'everybody' }],
  ['ack', { originalMessageId: 'a', ackType: 'toString' }],
  ['read-receipt', { originalMessageId: '' }],
  ['read-receipt', { originalMessageId: 'a', readAt: -1 }],
  ['read-receipt', { originalMessageId: 'a', readAt: 'now' }],
])('spec/envelope.md §2.4: %s with %j is unreadable', (type, payload) => {
  expect(() => contentOf(type, payload)).toThrow(expect.objectContaining({ code: 'UNREADABLE_BODY' }))
})

test('spec/envelope.md §2.4: our bodies in theirs come back as they were', () => {
  const back = ({ type, payload }: { type: string; payload: unknown }) => contentOf(type, payload)
  expect(back(v1ChatBody('hi'))).toEqual({ kind: 'chat', text: 'hi' })
  for (const kind of ['RelayForwarded', 'RecipientReceived'] as const)
    expect(back(v1AckBody({ originalId: 'a', kind }))).toEqual({ kind: 'ack', ack: { originalId: 'a', kind } })
  const receipt = { originalId: 'a', readAt: 5 }
  expect(back(v1ReadBody(receipt))).toEqual({ kind: 'read', receipt })
})
