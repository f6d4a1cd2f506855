/** Payloads and gossip of spec/envelope.md appendix B, byte for byte in both directions. */
import { describe, expect, test } from 'vitest'
import {
  decodeAck,
  decodeBackupReplica,
  decodeId,
  decodeIdList,
  decodePeerAnnounce,
  decodeReadReceipt,
  decodeRoleChange,
  encodeAck,
  encodeBackupReplica,
  encodeId,
  encodeIdList,
  encodePeerAnnounce,
  encodeReadReceipt,
  encodeRoleChange,
  roleChangeSigningBytes,
} from '../../../src/envelope/wire/body-codec.ts'
import {
  decodeGroupPayload,
  encodeGroupPayload,
  type GroupPayload,
  groupMessageSigningBytes,
  groupMessageType,
} from '../../../src/envelope/wire/group-payload.ts'
import { hex, toHex } from '../../crypto/hex.ts'
import { ALICE, BOB, HELLO, HOP, idOf, TIMESTAMP, VECTORS } from './vectors.ts'

const { D_acks_for_A: D, E_gossip: E, F_groups: F, G_backup: G } = VECTORS
const DAY = 24 * 60 * 60 * 1000

describe('spec/envelope.md appendix B', () => {
  test.each([
    [D.ack_recipient_payload, { originalId: idOf(1), kind: 'RecipientReceived' }],
    [D.ack_hop_payload, { originalId: idOf(1), kind: 'RelayForwarded' }],
  ] as const)('§1.8 vector D: acknowledgements (%#)', (wire, ack) => {
    expect(decodeAck(hex(wire))).toEqual(ack)
    expect(toHex(encodeAck(ack))).toBe(wire)
  })

  test('§1.8 vector D: a read receipt', () => {
    const wire = D.read_receipt_payload_read_at_1708000001000
    const receipt = { originalId: idOf(1), readAt: TIMESTAMP + 1000 }
    expect(decodeReadReceipt(hex(wire))).toEqual(receipt)
    expect(toHex(encodeReadReceipt(receipt))).toBe(wire)
  })

  test('§5.4 vector E: presence', () => {
    const announce = { peer: ALICE, name: 'alice', roles: ['Peer'], timestamp: TIMESTAMP } as const
    expect(decodePeerAnnounce(hex(E.peer_announce_alice_Peer))).toEqual(announce)
    expect(toHex(encodePeerAnnounce(announce))).toBe(E.peer_announce_alice_Peer)
  })

  test('§5.5 vector E: a role change and what is signed of it', () => {
    const { wire, signature, signing_bytes } = E.role_change_alice_Relay_15_5
    const change = { peer: ALICE, role: 'Relay', score: 15.5, timestamp: TIMESTAMP, signature: hex(signature) } as const
    expect(decodeRoleChange(hex(wire))).toEqual(change)
    expect(toHex(encodeRoleChange(change))).toBe(wire)
    expect(toHex(roleChangeSigningBytes(change))).toBe(signing_bytes)
  })

  test('§6.3 vector G: a replica', () => {
    const wire = G.replicate_A_viability_100_replicated_to_hop_expires_plus_24h
    const replica = {
      id: idOf(1),
      wire: HELLO,
      to: BOB,
      from: ALICE,
      expiresAt: TIMESTAMP + DAY,
      viability: 100,
      holders: [HOP],
    }
    expect(decodeBackupReplica(hex(wire))).toEqual(replica)
    expect(toHex(encodeBackupReplica(replica))).toBe(wire)
  })

  test('§6.3 vector G: ids', () => {
    expect(decodeId(hex(G.query_bob))).toBe(BOB)
    expect(toHex(encodeId(BOB))).toBe(G.query_bob)
    expect(decodeId(hex(G.replicate_ack))).toBe(idOf(1))
    expect(toHex(encodeId(idOf(1)))).toBe(G.replicate_ack)
    expect(decodeIdList(hex(G.id_list))).toEqual([idOf(1)])
    expect(toHex(encodeIdList([idOf(1)]))).toBe(G.id_list)
  })
})

const groupId = F.group_id
const message = {
  kind: 'Message',
  groupId,
  messageId: F.message_id,
  senderId: ALICE,
  sentAt: TIMESTAMP,
  seq: 0,
} as const
const clear: GroupPayload = {
  ...message,
  senderUsername: 'alice',
  text: 'hi all',
  ciphertext: hex(''),
  nonce: new Uint8Array(24),
  keyEpoch: 0,
  isEncrypted: false,
  senderSignature: hex(F.clear_message.signature),
}
const encrypted: GroupPayload = {
  ...message,
  senderUsername: '',
  text: '',
  ciphertext: hex(F.encrypted_message.ciphertext_and_tag),
  nonce: hex(F.encrypted_message.nonce),
  keyEpoch: 1,
  isEncrypted: true,
  senderSignature: hex(F.encrypted_message.signature),
}
const wrapped = F.sender_key_distribution_to_bob
const distribution: GroupPayload = {
  kind: 'SenderKeyDistribution',
  groupId,
  from: ALICE,
  epoch: 1,
  encryptedKeys: [
    {
      recipientId: BOB,
      wrapped: {
        ciphertext: hex(wrapped.wrapped_key),
        nonce: hex(wrapped.nonce),
        ephemeralKey: hex(wrapped.ephemeral_public),
      },
    },
  ],
}

describe('spec/envelope.md §7.2 vectors F', () => {
  test.each<[string, GroupPayload]>([
    [
      F.create_team_invite_bob,
      { kind: 'Create', groupName: 'team', creatorUsername: 'alice', initialMembers: [BOB], isInviteOnly: false },
    ],
    [F.hub_ping, { kind: 'HubPing', groupId }],
    [F.clear_message.payload, clear],
    [F.encrypted_message.payload, encrypted],
    [wrapped.payload, distribution],
  ])('a payload, both ways (%#)', (wire, payload) => {
    expect(decodeGroupPayload(hex(wire))).toEqual(payload)
    expect(toHex(encodeGroupPayload(payload))).toBe(wire)
  })

  test('what the signature of a clear message covers', () => {
    if (clear.kind !== 'Message') throw new Error('not a message')
    expect(toHex(groupMessageSigningBytes(clear))).toBe(F.clear_message.signing_bytes)
  })

  test('the type of the envelope is the name of the variant behind "Group"', () => {
    expect(groupMessageType('Message')).toBe('GroupMessage')
    expect(groupMessageType('SenderKeyDistribution')).toBe('GroupSenderKeyDistribution')
  })
})
