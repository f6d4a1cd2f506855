/**
 * Payloads of the Group types as bytes, both ways, by tables (spec/envelope.md §7.2), and what a group message's signature covers. Form only: no group lives in this room, but what
 * passes through it can be read.
 */
import { decodeHex, encodeUtf8 } from '../../bytes/index.ts'
import type { PeerKey } from './envelope.ts'
import { type KeyTest, PLAIN_TEST } from './known-keys.ts'
import type { MessageType } from './message-type.ts'
import { PackReader } from './pack-reader.ts'
import { PackWriter } from './pack-writer.ts'

/** Elements of a list; upstream's longest has 500 (§7.2). Each may cost a check against the curve. */
const MAX_ELEMENTS = 512
const NONCE_LENGTH = 24
const MAX_U32 = 0xffff_ffff
const ROLES = ['Admin', 'Member'] as const
const REASONS = ['Voluntary', 'Kicked', 'Timeout'] as const

export type GroupRole = (typeof ROLES)[number]
export type LeaveReason = (typeof REASONS)[number]

/** What may stand in a field. */
interface Values {
  text: string
  bool: boolean
  u32: number
  u64: number
  bytes: Uint8Array
  nonce: Uint8Array
  role: GroupRole
  reason: LeaveReason
  key: PeerKey
  optionalKey: PeerKey | undefined
  keys: readonly PeerKey[]
  group: GroupInfo
  member: GroupMember
  members: readonly GroupMember[]
  messages: readonly GroupMessage[]
  box: WrappedKey
  wrappedKeys: readonly KeyForMember[]
}

/** Names of fields and what stands in them, in the order of the wire. */
type Table = Readonly<Record<string, keyof Values>>
type Struct<T extends Table> = { readonly [Field in keyof T]: Values[T[Field]] }

const MEMBER = { nodeId: 'key', username: 'text', joinedAt: 'u64', role: 'role' } as const
const GROUP = {
  groupId: 'text',
  name: 'text',
  hubId: 'key',
  backupHubId: 'optionalKey',
  members: 'members',
  createdBy: 'key',
  createdAt: 'u64',
  lastActivityAt: 'u64',
  maxMembers: 'u64',
  shadowId: 'optionalKey',
  candidateId: 'optionalKey',
  isInviteOnly: 'bool',
} as const
const MESSAGE = {
  groupId: 'text',
  messageId: 'text',
  senderId: 'key',
  senderUsername: 'text',
  text: 'text',
  ciphertext: 'bytes',
  nonce: 'nonce',
  keyEpoch: 'u32',
  isEncrypted: 'bool',
  sentAt: 'u64',
  senderSignature: 'bytes',
  seq: 'u64',
} as const
/** The scheme of §1.6 over a sender key. */
const WRAPPED_KEY = { ciphertext: 'bytes', nonce: 'nonce', ephemeralKey: 'bytes' } as const
const KEY_FOR_MEMBER = { recipientId: 'key', wrapped: 'box' } as const

export interface GroupMember extends Struct<typeof MEMBER> {}
export interface GroupInfo extends Struct<typeof GROUP> {}
export interface GroupMessage extends Struct<typeof MESSAGE> {}
export interface WrappedKey extends Struct<typeof WRAPPED_KEY> {}
export interface KeyForMember extends Struct<typeof KEY_FOR_MEMBER> {}

const VARIANTS = {
  Create: { groupName: 'text', creatorUsername: 'text', initialMembers: 'keys', isInviteOnly: 'bool' },
  Created: { group: 'group' },
  Invite: { groupId: 'text', groupName: 'text', inviterId: 'key', inviterUsername: 'text' },
  Join: { groupId: 'text', username: 'text' },
  Sync: { group: 'group', recentMessages: 'messages' },
  // wraps one value, which is written as its fields: so it looks like the others
  Message: MESSAGE,
  Leave: { groupId: 'text' },
  MemberJoined: { groupId: 'text', member: 'member' },
  MemberLeft: { groupId: 'text', nodeId: 'key', username: 'text', reason: 'reason' },
  DeliveryAck: { groupId: 'text', messageId: 'text' },
  HubMigration: { groupId: 'text', newHubId: 'key', oldHubId: 'key' },
  HubHeartbeat: { groupId: 'text', memberCount: 'u64' },
  SenderKeyDistribution: { groupId: 'text', from: 'key', epoch: 'u32', encryptedKeys: 'wrappedKeys' },
  HubPing: { groupId: 'text' },
  HubPong: { groupId: 'text' },
  HubShadowSync: { groupId: 'text', members: 'members', candidateId: 'optionalKey', configVersion: 'u64' },
  CandidateAssigned: { groupId: 'text' },
  HubUnreachable: { groupId: 'text' },
  KickMember: { groupId: 'text', targetId: 'key' },
  UpdateMemberRole: { groupId: 'text', targetId: 'key', newRole: 'role' },
  MemberRoleChanged: { groupId: 'text', nodeId: 'key', newRole: 'role' },
  InviteMember: { groupId: 'text', targetId: 'key' },
  SyncRequest: { groupId: 'text', sinceSeq: 'u64' },
  SyncResponse: { groupId: 'text', messages: 'messages', latestSeq: 'u64' },
} as const satisfies Readonly<Record<string, Table>>

export type GroupKind = keyof typeof VARIANTS
/** One of the 24, told by its `kind`. Times are ms since 1970. */
export type GroupPayload = {
  readonly [Kind in GroupKind]: { readonly kind: Kind } & Struct<(typeof VARIANTS)[Kind]>
}[GroupKind]

const KINDS = Object.keys(VARIANTS) as readonly GroupKind[]

/** The type of envelope that carries it. */
export function groupMessageType(kind: GroupKind): MessageType {
  return `Group${kind}`
}

export function encodeGroupPayload(payload: GroupPayload): Uint8Array {
  const writer = new PackWriter()
  writer.variant(payload.kind)
  writeStruct(writer, VARIANTS[payload.kind], payload)
  return writer.finish()
}

/** Throws EnvelopeError UNREADABLE_BODY. No signature is checked. */
export function decodeGroupPayload(bytes: Uint8Array, keys: KeyTest = PLAIN_TEST): GroupPayload {
  const reader = new PackReader(bytes, 'UNREADABLE_BODY')
  const name = reader.variant()
  const kind = KINDS.find((each) => each === name)
  if (kind === undefined) throw reader.error('an unknown group payload')
  const fields = readStruct(reader, VARIANTS[kind], keys)
  reader.end()
  return { kind, ...fields } as GroupPayload
}

/** What `senderSignature` covers: neither the user name, nor `isEncrypted`, nor `seq` (W20). */
export function groupMessageSigningBytes(message: Omit<GroupMessage, 'senderSignature'>): Uint8Array {
  const { groupId, messageId, senderId, isEncrypted, ciphertext, nonce, keyEpoch, text, sentAt } = message
  const content = isEncrypted ? [ciphertext, nonce, littleEndian(keyEpoch, 4)] : [encodeUtf8(text)]
  const parts = [encodeUtf8(groupId), encodeUtf8(messageId), decodeHex(senderId), ...content, littleEndian(sentAt, 8)]
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

interface Codec<Value> {
  write(writer: PackWriter, value: Value): void
  read(reader: PackReader, keys: KeyTest): Value
}

const CODECS: { readonly [Kind in keyof Values]: Codec<Values[Kind]> } = {
  text: { write: (writer, text) => writer.string(text), read: (reader) => reader.string() },
  bool: { write: (writer, value) => writer.bool(value), read: (reader) => reader.bool() },
  u32: { write: (writer, value) => writer.uint(value), read: (reader) => reader.uint(MAX_U32) },
  u64: { write: (writer, value) => writer.uint(value), read: (reader) => reader.uint() },
  bytes: { write: (writer, bytes) => writer.bytes(bytes), read: (reader) => reader.bytes() },
  nonce: { write: (writer, bytes) => writer.bytes(bytes), read: readNonce },
  role: { write: (writer, role) => writer.string(role), read: (reader) => reader.oneOf(ROLES) },
  reason: { write: (writer, reason) => writer.string(reason), read: (reader) => reader.oneOf(REASONS) },
  key: { write: (writer, key) => writer.string(key), read: (reader, keys) => reader.key(keys) },
  optionalKey: {
    write: (writer, key) => (key === undefined ? writer.nil() : writer.string(key)),
    read: (reader, keys) => (reader.isNil() ? undefined : reader.key(keys)),
  },
  keys: listOf({ write: (writer, key) => writer.string(key), read: (reader, keys) => reader.key(keys) }),
  group: structOf(GROUP),
  member: structOf(MEMBER),
  members: listOf(structOf(MEMBER)),
  messages: listOf(structOf(MESSAGE)),
  box: structOf(WRAPPED_KEY),
  wrappedKeys: listOf(structOf(KEY_FOR_MEMBER)),
}

function structOf<T extends Table>(table: T): Codec<Struct<T>> {
  return {
    write: (writer, value) => writeStruct(writer, table, value),
    read: (reader, keys) => readStruct(reader, table, keys),
  }
}

function listOf<Value>(codec: Codec<Value>): Codec<readonly Value[]> {
  return {
    write(writer, list) {
      writer.array(list.length)
      for (const each of list) codec.write(writer, each)
    },
    read(reader, keys) {
      const count = reader.array()
      if (count > MAX_ELEMENTS) throw reader.error(`a list of ${count}, at most ${MAX_ELEMENTS}`)
      const list: Value[] = []
      for (let index = 0; index < count; index++) list.push(codec.read(reader, keys))
      return list
    },
  }
}

function writeStruct<T extends Table>(writer: PackWriter, table: T, value: Struct<T>): void {
  const fields = Object.entries(table)
  writer.array(fields.length)
  for (const [name, kind] of fields) (CODECS[kind] as Codec<unknown>).write(writer, value[name])
}

function readStruct<T extends Table>(reader: PackReader, table: T, keys: KeyTest): Struct<T> {
  const fields = Object.entries(table)
  reader.fields(fields.length)
  return Object.fromEntries(fields.map(([name, kind]) => [name, CODECS[kind].read(reader, keys)])) as Struct<T>
}

function readNonce(reader: PackReader): Uint8Array {
  const nonce = reader.bytes()
  if (nonce.length !== NONCE_LENGTH) throw reader.error(`a nonce of ${nonce.length} bytes`)
  return nonce
}

function littleEndian(value: number, length: 4 | 8): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true)
  return bytes.subarray(0, length)
}
