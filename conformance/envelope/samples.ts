/**
 * One message for each of the 36 types, and bodies beyond those, as serde sees them (spec/envelope.md §1.7, §1.8, §5.4, §6.3, §7.2). Who speaks and when is fixed, so
 * that the same bytes come out every time.
 */
import { MESSAGE_TYPES, type MessageType } from '../../src/envelope/wire/message-type.ts'
import { SecretKey } from '../../src/index.ts'
import type { BodyName, EnvelopeProgram, Json } from './envelope-program.ts'

export interface Person {
  /** 32 bytes. */
  readonly seed: Uint8Array
  /** 64 hex digits. */
  readonly key: string
}

/** Whose seed is 32 times that byte. */
export const person = (byte: number): Person => {
  const seed = new Uint8Array(32).fill(byte)
  return { seed, key: SecretKey.fromBytes(seed).id.toString() }
}

/** The people of appendix B. */
export const ALICE = person(1)
export const BOB = person(2)
export const HOP = person(3)
/** Ms since 1970. */
export const TIMESTAMP = 1_708_000_000_000

/** The id of the envelope with that number. */
export const idOf = (number: number): string => `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`

export interface SampleBody {
  readonly name: BodyName
  readonly value: Json
}

export interface Sample {
  readonly type: MessageType
  /** Chat and Heartbeat have none: their payload is `text`. */
  readonly body?: SampleBody
  readonly text?: string
}

const GROUP = 'grp-00000000-0000-4000-8000-0000000000aa'
const DAY_MS = 86_400_000

const alice: Json = { node_id: ALICE.key, username: 'alice', joined_at: TIMESTAMP, role: 'Admin' }
const bob: Json = { node_id: BOB.key, username: 'Bööb', joined_at: TIMESTAMP + 300, role: 'Member' }

/** `nonce` and the others as serde writes them; not signed. */
export const CLEAR_MESSAGE: { readonly [key: string]: Json } = {
  group_id: GROUP,
  message_id: '00000000-0000-4000-8000-0000000000bb',
  sender_id: ALICE.key,
  sender_username: 'alice',
  text: 'hi all',
  ciphertext: [],
  nonce: new Array<number>(24).fill(0),
  key_epoch: 0,
  encrypted: false,
  sent_at: TIMESTAMP,
  sender_signature: [],
  seq: 0,
}

const numbered = (length: number, first: number): number[] =>
  Array.from({ length }, (_, index) => (first + index * 31) % 256)

export const ENCRYPTED_MESSAGE: { readonly [key: string]: Json } = {
  ...CLEAR_MESSAGE,
  sender_username: '',
  text: '',
  ciphertext: numbered(40, 100),
  nonce: numbered(24, 200),
  key_epoch: 70_000,
  encrypted: true,
  seq: 300,
}

const group: Json = {
  group_id: GROUP,
  name: 'Team',
  hub_relay_id: HOP.key,
  backup_hub_id: null,
  members: [alice, bob],
  created_by: ALICE.key,
  created_at: TIMESTAMP,
  last_activity_at: TIMESTAMP + 70_000,
  max_members: 50,
  shadow_id: BOB.key,
  candidate_id: null,
  invite_only: true,
}

const replica: Json = {
  message_id: idOf(1),
  payload: numbered(300, 0),
  recipient_id: BOB.key,
  sender_id: ALICE.key,
  expires_at: TIMESTAMP + DAY_MS,
  viability_score: 100,
  replicated_to: [HOP.key],
}

const groupBody = (variant: string, value: Json): SampleBody => ({ name: 'GroupPayload', value: { [variant]: value } })

const BODIES: Partial<Record<MessageType, SampleBody>> = {
  Ack: { name: 'Ack', value: { original_message_id: idOf(1), ack_type: 'RecipientReceived' } },
  ReadReceipt: { name: 'ReadReceipt', value: { original_message_id: idOf(1), read_at: TIMESTAMP + 1000 } },
  GroupCreate: groupBody('Create', {
    group_name: 'Team',
    creator_username: 'alice',
    initial_members: [BOB.key],
    invite_only: false,
  }),
  GroupCreated: groupBody('Created', { group }),
  GroupInvite: groupBody('Invite', {
    group_id: GROUP,
    group_name: 'Team',
    inviter_id: ALICE.key,
    inviter_username: 'alice',
  }),
  GroupJoin: groupBody('Join', { group_id: GROUP, username: 'Bööb' }),
  GroupSync: groupBody('Sync', { group, recent_messages: [CLEAR_MESSAGE, ENCRYPTED_MESSAGE] }),
  GroupMessage: groupBody('Message', CLEAR_MESSAGE),
  GroupLeave: groupBody('Leave', { group_id: GROUP }),
  GroupMemberJoined: groupBody('MemberJoined', { group_id: GROUP, member: bob }),
  GroupMemberLeft: groupBody('MemberLeft', {
    group_id: GROUP,
    node_id: BOB.key,
    username: 'Bööb',
    reason: 'Timeout',
  }),
  GroupHubMigration: groupBody('HubMigration', { group_id: GROUP, new_hub_id: BOB.key, old_hub_id: HOP.key }),
  GroupDeliveryAck: groupBody('DeliveryAck', { group_id: GROUP, message_id: idOf(0xbb) }),
  GroupHubHeartbeat: groupBody('HubHeartbeat', { group_id: GROUP, member_count: 50 }),
  GroupSenderKeyDistribution: groupBody('SenderKeyDistribution', {
    group_id: GROUP,
    from: ALICE.key,
    epoch: 300,
    encrypted_keys: [
      {
        recipient_id: BOB.key,
        encrypted_key: { ciphertext: numbered(48, 1), nonce: numbered(24, 2), ephemeral_pk: numbered(32, 3) },
      },
    ],
  }),
  GroupHubPing: groupBody('HubPing', { group_id: GROUP }),
  GroupHubPong: groupBody('HubPong', { group_id: GROUP }),
  GroupHubShadowSync: groupBody('HubShadowSync', {
    group_id: GROUP,
    members: [alice, bob],
    candidate_id: HOP.key,
    config_version: 2 ** 33,
  }),
  GroupCandidateAssigned: groupBody('CandidateAssigned', { group_id: GROUP }),
  GroupHubUnreachable: groupBody('HubUnreachable', { group_id: GROUP }),
  GroupKickMember: groupBody('KickMember', { group_id: GROUP, target_id: BOB.key }),
  GroupUpdateMemberRole: groupBody('UpdateMemberRole', { group_id: GROUP, target_id: BOB.key, new_role: 'Admin' }),
  GroupMemberRoleChanged: groupBody('MemberRoleChanged', { group_id: GROUP, node_id: BOB.key, new_role: 'Admin' }),
  GroupInviteMember: groupBody('InviteMember', { group_id: GROUP, target_id: BOB.key }),
  GroupSyncRequest: groupBody('SyncRequest', { group_id: GROUP, since_seq: 0 }),
  GroupSyncResponse: groupBody('SyncResponse', { group_id: GROUP, messages: [ENCRYPTED_MESSAGE], latest_seq: 300 }),
  BackupStore: { name: 'Replication', value: replica },
  BackupDeliver: { name: 'Replication', value: { ...replica, viability_score: 0, replicated_to: [] } },
  BackupReplicate: { name: 'Replication', value: replica },
  BackupReplicateAck: { name: 'Id', value: idOf(1) },
  BackupQuery: { name: 'Id', value: BOB.key },
  BackupQueryResponse: { name: 'IdList', value: [idOf(1), idOf(2)] },
  BackupConfirmDelivery: { name: 'IdList', value: [] },
  PeerAnnounce: {
    name: 'PeerAnnounce',
    value: {
      node_id: ALICE.key,
      username: 'alice',
      roles: ['Peer', 'Relay'],
      encryption_key: [...Buffer.from(ALICE.key, 'hex')],
      timestamp: TIMESTAMP,
    },
  },
}

/** All 36, in the order of their declaration. Chat is the one that is encrypted. */
export const SAMPLES: readonly Sample[] = MESSAGE_TYPES.map((type) => {
  const body = BODIES[type]
  return body === undefined ? { type, text: type === 'Chat' ? 'Grüezi, Bob' : 'alive' } : { type, body }
})

/** What no envelope among the samples carries. */
export const MORE_BODIES: readonly SampleBody[] = [
  { name: 'Ack', value: { original_message_id: idOf(2), ack_type: 'RelayForwarded' } },
  {
    name: 'PeerAnnounce',
    value: { node_id: BOB.key, username: '', roles: [], encryption_key: null, timestamp: TIMESTAMP },
  },
  groupBody('Message', ENCRYPTED_MESSAGE),
  groupBody('MemberLeft', { group_id: GROUP, node_id: BOB.key, username: 'b', reason: 'Voluntary' }),
  groupBody('MemberLeft', { group_id: GROUP, node_id: BOB.key, username: 'b', reason: 'Kicked' }),
  { name: 'IdList', value: Array.from({ length: 17 }, (_, index) => idOf(index)) },
]

/** What a sample says, by Rust. */
export async function payloadOf(program: EnvelopeProgram, { body, text = '' }: Sample): Promise<Uint8Array> {
  return body === undefined ? new TextEncoder().encode(text) : program.encodeBody(body.name, body.value)
}
