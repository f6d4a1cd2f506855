/** Payloads of the Group types (spec/envelope.md §7.2): any of the 24 and back, and what is refused. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EnvelopeError } from '../../../src/envelope/errors.ts'
import {
  decodeGroupPayload,
  encodeGroupPayload,
  type GroupInfo,
  type GroupKind,
  type GroupMember,
  type GroupMessage,
  type GroupPayload,
  groupMessageSigningBytes,
  groupMessageType,
  type KeyForMember,
} from '../../../src/envelope/wire/group-payload.ts'
import { KnownKeys } from '../../../src/envelope/wire/known-keys.ts'
import { MESSAGE_TYPES } from '../../../src/envelope/wire/message-type.ts'
import { hex, toHex } from '../../crypto/hex.ts'
import { anyBytes, anyKey, anyTime } from './arbitrary.ts'
import { ALICE, VECTORS } from './vectors.ts'

const keys = new KnownKeys()
const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const u32 = fc.nat(0xffff_ffff)
const nonce = fc.uint8Array({ minLength: 24, maxLength: 24 })
const optionalKey = fc.option(anyKey, { nil: undefined })
const role = fc.constantFrom('Admin' as const, 'Member' as const)
const some = <T>(any: fc.Arbitrary<T>) => fc.array(any, { maxLength: 3 })

const member: fc.Arbitrary<GroupMember> = fc.record({ nodeId: anyKey, username: text, joinedAt: anyTime, role })
const group: fc.Arbitrary<GroupInfo> = fc.record({
  groupId: text,
  name: text,
  hubId: anyKey,
  backupHubId: optionalKey,
  members: some(member),
  createdBy: anyKey,
  createdAt: anyTime,
  lastActivityAt: anyTime,
  maxMembers: anyTime,
  shadowId: optionalKey,
  candidateId: optionalKey,
  isInviteOnly: fc.boolean(),
})
const messageFields = {
  groupId: text,
  messageId: text,
  senderId: anyKey,
  senderUsername: text,
  text,
  ciphertext: anyBytes(40),
  nonce,
  keyEpoch: u32,
  isEncrypted: fc.boolean(),
  sentAt: anyTime,
  senderSignature: anyBytes(64),
  seq: anyTime,
}
const message: fc.Arbitrary<GroupMessage> = fc.record(messageFields)
const wrapped: fc.Arbitrary<KeyForMember> = fc.record({
  recipientId: anyKey,
  wrapped: fc.record({ ciphertext: anyBytes(48), nonce, ephemeralKey: anyBytes(32) }),
})

/** Fields as §7.2 lists them, so that a table that loses one breaks here. */
const FIELDS: { readonly [Kind in GroupKind]: Readonly<Record<string, fc.Arbitrary<unknown>>> } = {
  Create: { groupName: text, creatorUsername: text, initialMembers: some(anyKey), isInviteOnly: fc.boolean() },
  Created: { group },
  Invite: { groupId: text, groupName: text, inviterId: anyKey, inviterUsername: text },
  Join: { groupId: text, username: text },
  Sync: { group, recentMessages: some(message) },
  Message: messageFields,
  Leave: { groupId: text },
  MemberJoined: { groupId: text, member },
  MemberLeft: {
    groupId: text,
    nodeId: anyKey,
    username: text,
    reason: fc.constantFrom('Voluntary', 'Kicked', 'Timeout'),
  },
  DeliveryAck: { groupId: text, messageId: text },
  HubMigration: { groupId: text, newHubId: anyKey, oldHubId: anyKey },
  HubHeartbeat: { groupId: text, memberCount: anyTime },
  SenderKeyDistribution: { groupId: text, from: anyKey, epoch: u32, encryptedKeys: some(wrapped) },
  HubPing: { groupId: text },
  HubPong: { groupId: text },
  HubShadowSync: { groupId: text, members: some(member), candidateId: optionalKey, configVersion: anyTime },
  CandidateAssigned: { groupId: text },
  HubUnreachable: { groupId: text },
  KickMember: { groupId: text, targetId: anyKey },
  UpdateMemberRole: { groupId: text, targetId: anyKey, newRole: role },
  MemberRoleChanged: { groupId: text, nodeId: anyKey, newRole: role },
  InviteMember: { groupId: text, targetId: anyKey },
  SyncRequest: { groupId: text, sinceSeq: anyTime },
  SyncResponse: { groupId: text, messages: some(message), latestSeq: anyTime },
}
const KINDS = Object.keys(FIELDS) as GroupKind[]

function codeOf(use: () => unknown): string {
  try {
    use()
  } catch (error) {
    if (error instanceof EnvelopeError) return error.code
    throw error
  }
  return 'none'
}

describe('spec/envelope.md §7.2', () => {
  test.each(KINDS)('%s, any, and back', (kind) => {
    const any = fc.record({ kind: fc.constant(kind), ...FIELDS[kind] }) as unknown as fc.Arbitrary<GroupPayload>
    const property = fc.property(any, (payload) => {
      const bytes = encodeGroupPayload(payload)
      expect(decodeGroupPayload(bytes, keys)).toEqual(payload)
      // one entry, the name, as many fields as the table says
      const head = 2 + kind.length
      expect(bytes[head]).toBe(0x90 + Object.keys(FIELDS[kind]).length)
    })
    fc.assert(property, { numRuns: 15 })
  })

  test('§1.7: each has an envelope of its own, 24 of the 36 types', () => {
    const types = KINDS.map(groupMessageType)
    expect([...types].sort()).toEqual(MESSAGE_TYPES.filter((type) => type.startsWith('Group')).sort())
  })

  test('cut anywhere, or with a byte behind it', () => {
    const bytes = hex(VECTORS.F_groups.sender_key_distribution_to_bob.payload)
    for (let length = 0; length < bytes.length; length++)
      expect(codeOf(() => decodeGroupPayload(bytes.subarray(0, length)))).toBe('UNREADABLE_BODY')
    expect(codeOf(() => decodeGroupPayload(Uint8Array.of(...bytes, 0)))).toBe('UNREADABLE_BODY')
  })

  test.each([
    ['an unknown variant', '81a45069636b91a161'],
    ['a name of every object', '81ab636f6e7374727563746f7291a161'],
    ['a variant by its index', '810d91a161'],
    ['two variants', '82a748756250696e6791a161a748756250696e6791a161'],
    ['a field too many', '81a748756250696e6792a161a162'],
    ['a field as a number', '81a748756250696e679105'],
  ])('refused: %s', (_what, payload) => {
    expect(codeOf(() => decodeGroupPayload(hex(payload), keys))).toBe('UNREADABLE_BODY')
  })

  test('a list has at most 512 elements', () => {
    const created = (length: number) =>
      encodeGroupPayload({
        kind: 'Create',
        groupName: 'g',
        creatorUsername: 'a',
        initialMembers: Array(length).fill(ALICE),
        isInviteOnly: true,
      })
    expect(codeOf(() => decodeGroupPayload(created(512), keys))).toBe('none')
    expect(codeOf(() => decodeGroupPayload(created(513), keys))).toBe('UNREADABLE_BODY')
  })

  test('a nonce of another length, and an unknown reason, are refused', () => {
    const { payload } = VECTORS.F_groups.clear_message
    const nonce = `dc0018${'00'.repeat(24)}`
    expect(payload).toContain(nonce)
    expect(codeOf(() => decodeGroupPayload(hex(payload.replace(nonce, `dc0017${'00'.repeat(23)}`))))).toBe(
      'UNREADABLE_BODY',
    )
    const left = { kind: 'MemberLeft', groupId: 'g', nodeId: ALICE, username: 'a', reason: 'Bored' } as never
    expect(codeOf(() => decodeGroupPayload(encodeGroupPayload(left)))).toBe('UNREADABLE_BODY')
  })

  test('the signature of an encrypted message covers ciphertext, nonce and epoch in place of the text', () => {
    const any = { groupId: 'g', messageId: 'm', senderId: ALICE, senderUsername: 'a', text: 'text', sentAt: 1, seq: 7 }
    const encrypted = {
      ...any,
      ciphertext: hex('c1c2'),
      nonce: new Uint8Array(24).fill(9),
      keyEpoch: 0x01020304,
      isEncrypted: true,
    }
    const expected = `676d${ALICE}c1c2${'09'.repeat(24)}040302010100000000000000`
    expect(toHex(groupMessageSigningBytes(encrypted))).toBe(expected)
    expect(toHex(groupMessageSigningBytes({ ...encrypted, isEncrypted: false }))).toBe(
      `676d${ALICE}746578740100000000000000`,
    )
  })
})
