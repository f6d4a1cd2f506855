/**
 * Our bodies in the words of serde, which names fields in its own way and bytes as lists of numbers (spec/envelope.md §1.8, §5.4, §5.5, §6.3, §7.2): what the Rust libraries wrote
 * and read can be compared with ours as values. Shared by the captured frames here and by conformance/envelope.
 */
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
} from '../../../src/envelope/wire/body-codec.ts'
import {
  decodeGroupPayload,
  encodeGroupPayload,
  type GroupMessage,
  type GroupPayload,
  groupMessageSigningBytes,
} from '../../../src/envelope/wire/group-payload.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
type Fields = Readonly<Record<string, string>>

const ACK: Fields = { original_message_id: 'originalId', ack_type: 'kind' }
const RECEIPT: Fields = { original_message_id: 'originalId', read_at: 'readAt' }
const ANNOUNCE: Fields = { node_id: 'peer', username: 'name' }
const ROLE: Fields = { node_id: 'peer', new_role: 'role' }
const REPLICA: Fields = {
  message_id: 'id',
  payload: 'wire',
  recipient_id: 'to',
  sender_id: 'from',
  expires_at: 'expiresAt',
  viability_score: 'viability',
  replicated_to: 'holders',
}
const GROUP: Fields = {
  hub_relay_id: 'hubId',
  invite_only: 'isInviteOnly',
  encrypted: 'isEncrypted',
  encrypted_key: 'wrapped',
  ephemeral_pk: 'ephemeralKey',
}
/** Of serde. */
const BYTES = new Set(['payload', 'signature', 'ciphertext', 'nonce', 'sender_signature', 'ephemeral_pk'])

export interface SerdeBody {
  /** The bytes of a value in the words of serde. */
  encode(value: Json): Uint8Array
  /** That value again. Throws EnvelopeError. */
  decode(bytes: Uint8Array): Json
}

const BODIES: Readonly<Record<string, SerdeBody>> = {
  Ack: body(ACK, encodeAck, decodeAck),
  ReadReceipt: body(RECEIPT, encodeReadReceipt, decodeReadReceipt),
  PeerAnnounce: body(ANNOUNCE, encodePeerAnnounce, decodePeerAnnounce),
  RoleChange: body(ROLE, encodeRoleChange, decodeRoleChange),
  Replication: body(REPLICA, encodeBackupReplica, decodeBackupReplica),
  Id: body({}, encodeId, decodeId),
  IdList: body({}, encodeIdList, decodeIdList),
  GroupPayload: {
    encode: (value) => {
      const [kind, fields] = Object.entries(value as Record<string, Json>)[0]!
      return encodeGroupPayload({ kind, ...(ours(fields, GROUP) as object) } as GroupPayload)
    },
    decode: (bytes) => {
      const { kind, ...fields } = decodeGroupPayload(bytes)
      return { [kind]: serdes(fields, GROUP) }
    },
  },
}

export function serdeBody(name: string): SerdeBody {
  const body = BODIES[name]
  if (body === undefined) throw new Error(`no body is called ${name}`)
  return body
}

/** What a signature covers in a group message of serde's. */
export function signingBytesOf(message: Json): Uint8Array {
  return groupMessageSigningBytes(ours(message, GROUP) as GroupMessage)
}

function body<Value>(
  fields: Fields,
  encode: (value: Value) => Uint8Array,
  decode: (bytes: Uint8Array) => Value,
): SerdeBody {
  return {
    encode: (value) => encode(ours(value, fields) as Value),
    decode: (bytes) => serdes(decode(bytes), fields),
  }
}

function ours(value: Json, fields: Fields): unknown {
  if (value === null) return undefined
  if (Array.isArray(value)) return value.map((each) => ours(each, fields))
  if (typeof value !== 'object') return value
  const entries = Object.entries(value as Record<string, Json>).map(([name, part]) => [
    fields[name] ?? name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
    BYTES.has(name) ? Uint8Array.from(part as number[]) : ours(part, fields),
  ])
  return Object.fromEntries(entries)
}

function serdes(value: unknown, fields: Fields): Json {
  if (value === undefined) return null
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map((each) => serdes(each, fields))
  if (typeof value !== 'object' || value === null) return value as Json
  const names = new Map(Object.entries(fields).map(([name, own]) => [own, name]))
  const entries = Object.entries(value).map(([own, part]) => [
    names.get(own) ?? own.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    serdes(part, fields),
  ])
  return Object.fromEntries(entries)
}
