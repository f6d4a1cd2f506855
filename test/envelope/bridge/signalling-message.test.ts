import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Roster } from '../../../src/envelope/bridge/roster.ts'
import { envelopeText, readSignalling, registerText } from '../../../src/envelope/bridge/signalling-message.ts'
import { EnvelopeError } from '../../../src/envelope/errors.ts'
import { ALICE, BOB, SIGNED } from '../v1/support.ts'

const KEY = 'ab'.repeat(32)
const read = (value: unknown, max = 10) =>
  readSignalling(typeof value === 'string' ? value : JSON.stringify(value), max)

test('spec/envelope.md §2.5: participants: ids that are keys, names cut, keys where they are keys, as many as are taken', () => {
  const participants = [
    { nodeId: ALICE, username: 'x'.repeat(65), encryptionKey: KEY },
    { nodeId: BOB, username: 7, encryptionKey: 'none' },
    { nodeId: 'alice', username: 'Alice' },
    null,
    { nodeId: KEY, username: 'too many' },
  ]
  expect(read({ type: 'participants', participants }, 4)).toEqual({
    kind: 'participants',
    participants: [
      { id: ALICE, name: 'x'.repeat(64), encryptionKey: KEY },
      { id: BOB, name: '', encryptionKey: undefined },
    ],
  })
})

test('spec/envelope.md §2.5: presence, errors, heartbeats, roles and what is not known', () => {
  const participant = { id: ALICE, name: 'Alice', encryptionKey: undefined }
  const presence = { type: 'presence', nodeId: ALICE, username: 'Alice', publicKey: ALICE }
  expect(read({ ...presence, action: 'join' })).toEqual({ kind: 'presence', isJoin: true, participant })
  expect(read({ ...presence, action: 'leave' })).toEqual({ kind: 'presence', isJoin: false, participant })
  expect(read({ type: 'error', error: 'peer not found' })).toEqual({ kind: 'error' })
  for (const type of ['heartbeat', 'role-assign', 'toString', undefined])
    expect(read({ type })).toEqual({ kind: 'other' })
  expect(JSON.parse(registerText(participant))).toEqual({
    type: 'register',
    nodeId: ALICE,
    username: 'Alice',
    publicKey: ALICE,
  })
})

test('spec/envelope.md §2.2: an envelope stays the text it was, through both', () => {
  const spaced = `{ "id" : "x", "payload":{"9":1,"10":2} ,"b":"}" }`
  for (const envelope of [SIGNED, spaced])
    expect(read(envelopeText(ALICE, BOB, envelope))).toEqual({ kind: 'envelope', from: ALICE, to: BOB, text: envelope })
  expect(
    read(
      ` {"payload" : {"x":"\\"}", "envelope" : 7 , "type":"message"},"type":"signal","from":"${ALICE}","to":"${BOB}"} `,
    ),
  ).toMatchObject({ text: '7' })
  // as JSON.parse reads it: of two the last
  const twice = envelopeText(ALICE, BOB, '1').replace('}}', ',"envelope":2}}')
  expect(read(twice)).toMatchObject({ text: '2' })
  expect(read({ type: 'signal', from: ALICE, to: BOB, payload: { type: 'offer' } })).toEqual({ kind: 'other' })
})

test.each([
  ['participants without a list', { type: 'participants' }],
  ['presence of nobody', { type: 'presence', action: 'join' }],
  ['presence of another kind', { type: 'presence', action: 'stay', nodeId: ALICE }],
  ['a signal from nobody', { type: 'signal', to: BOB, payload: {} }],
  ['a signal to nobody', { type: 'signal', from: ALICE, payload: {} }],
  ['a signal without a payload', { type: 'signal', from: ALICE, to: BOB }],
  ['a signal without an envelope', { type: 'signal', from: ALICE, to: BOB, payload: { type: 'message' } }],
  [
    'a payload of many members',
    { type: 'signal', from: ALICE, to: BOB, payload: { type: 'message', ...Array(64).fill(1), envelope: 1 } },
  ],
  ['a list', []],
  ['a number', 7],
  ['depth', `${'['.repeat(67)}${']'.repeat(67)}`],
  ['endless depth', '{"a":'.repeat(200_000)],
])('hostile: %s', (_name, value) => {
  expect(() => read(value)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
})

test('hostile: whatever it is, it is read or refused', () => {
  const type = fc.constantFrom('participants', 'presence', 'signal', 'error', 'register')
  const id = fc.constantFrom<unknown>(ALICE, BOB, '', 7, null)
  const message = fc.record(
    {
      type,
      from: id,
      to: id,
      nodeId: id,
      action: fc.constantFrom('join', 'leave'),
      participants: fc.jsonValue(),
      payload: fc.jsonValue(),
    },
    { requiredKeys: ['type'] },
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        message.map((value) => JSON.stringify(value)),
      ),
      (text) => {
        try {
          readSignalling(text, 10)
        } catch (error) {
          expect(error).toBeInstanceOf(EnvelopeError)
        }
      },
    ),
    { numRuns: 300 },
  )
})

test('the roster: lists and single news come out the same, within bounds', () => {
  const roster = new Roster(2)
  const [alice, bob, carol] = [ALICE, BOB, KEY].map((id) => ({ id, name: id, encryptionKey: undefined }))
  expect(roster.replace([alice!, alice!, bob!, carol!])).toEqual({ joined: [alice, bob], left: [] })
  expect([roster.join(carol!), roster.join(alice!), roster.size]).toEqual([false, false, 2])
  expect([roster.leave(BOB), roster.leave(BOB), roster.join(carol!)]).toEqual([true, false, true])
  expect(roster.replace([bob!])).toEqual({ joined: [bob], left: [alice, carol] })
  expect([roster.has(BOB), roster.get(KEY), roster.list()]).toEqual([true, undefined, [bob]])
})
