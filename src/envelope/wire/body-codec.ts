/**
 * Payloads of envelopes and contents of gossip as bytes, both ways (spec/envelope.md §1.8, §5.4, §5.5, §6.3). Forms are checked, claims are not: what a peer may say is for
 * those to decide who act upon it.
 */
import { decodeHex, encodeUtf8 } from '../../bytes/index.ts'
import type { Ack, AckKind, BackupReplica, PeerAnnounce, ReadReceipt, Role, RoleChange } from './bodies.ts'
import { MAX_ENVELOPE_LENGTH, MAX_ID_LENGTH, type PeerKey, SIGNATURE_LENGTH } from './envelope.ts'
import type { EncodeOptions } from './envelope-codec.ts'
import { type KeyTest, PLAIN_TEST } from './known-keys.ts'
import { PackReader } from './pack-reader.ts'
import { PackWriter } from './pack-writer.ts'

/** Bytes of UTF-8 (PRS-1). */
const MAX_NAME_LENGTH = 64
const KEY_LENGTH = 32
const MAX_VIABILITY = 100
/** Upstream replicates five times, we twice; a guess with room. Each one may cost a check against the curve. */
const MAX_HOLDERS = 16
/** As many as a store keeps (BAK-6). */
const MAX_IDS = 10_000
const ACK_KINDS: readonly AckKind[] = ['RelayForwarded', 'RecipientReceived']
const ROLES: readonly Role[] = ['Peer', 'Relay']

export function encodeAck({ originalId, kind }: Ack): Uint8Array {
  const writer = new PackWriter(64)
  writer.array(2)
  writer.string(originalId)
  writer.string(kind)
  return writer.finish()
}

/** Throws EnvelopeError UNREADABLE_BODY, as all readers here do. */
export function decodeAck(bytes: Uint8Array): Ack {
  const reader = open(bytes, 2)
  const originalId = reader.id(MAX_ID_LENGTH)
  const kind = reader.oneOf(ACK_KINDS)
  reader.end()
  return { originalId, kind }
}

export function encodeReadReceipt({ originalId, readAt }: ReadReceipt): Uint8Array {
  const writer = new PackWriter(64)
  writer.array(2)
  writer.string(originalId)
  writer.uint(readAt)
  return writer.finish()
}

export function decodeReadReceipt(bytes: Uint8Array): ReadReceipt {
  const reader = open(bytes, 2)
  const originalId = reader.id(MAX_ID_LENGTH)
  const readAt = reader.uint()
  reader.end()
  return { originalId, readAt }
}

/** The name is cut at a character to 64 bytes of UTF-8 (PRS-1). The encryption key is what upstream puts there, the key itself. */
export function encodePeerAnnounce(announce: PeerAnnounce): Uint8Array {
  const writer = new PackWriter(256)
  writer.array(5)
  writeAnnounce(writer, announce, decodeHex(announce.peer))
  return writer.finish()
}

/** A longer name is cut, as when writing. `keys` remembers which keys are points of the curve. */
export function decodePeerAnnounce(bytes: Uint8Array, keys: KeyTest = PLAIN_TEST): PeerAnnounce {
  const reader = open(bytes, 5)
  const announce = readAnnounce(reader, keys)
  reader.end()
  return announce
}

export function encodeRoleChange({ peer, role, score, timestamp, signature }: RoleChange): Uint8Array {
  const writer = new PackWriter(256)
  writer.array(5)
  writer.string(peer)
  writer.string(role)
  writer.float64(score)
  writer.uint(timestamp)
  writer.bytes(signature)
  return writer.finish()
}

/** The signature is not checked. A score that is not finite is refused (W28). */
export function decodeRoleChange(bytes: Uint8Array, keys: KeyTest = PLAIN_TEST): RoleChange {
  const reader = open(bytes, 5)
  const peer = reader.key(keys)
  const role = reader.oneOf(ROLES)
  const score = reader.float()
  const timestamp = reader.uint()
  const signature = reader.bytes()
  if (signature.length !== SIGNATURE_LENGTH) throw reader.error(`a signature of ${signature.length} bytes`)
  reader.end()
  return { peer, role, score, timestamp, signature }
}

/** What the signature of a role change covers, 49 bytes (spec/envelope.md §5.5). */
export function roleChangeSigningBytes(change: Omit<RoleChange, 'signature'>): Uint8Array {
  const bytes = new Uint8Array(49)
  bytes.set(decodeHex(change.peer))
  bytes[32] = ROLES.indexOf(change.role)
  const view = new DataView(bytes.buffer)
  view.setFloat64(33, change.score, true)
  view.setBigUint64(41, BigInt(change.timestamp), true)
  return bytes
}

/** `isCompact`: the envelope as bin, which a Rust peer reads as well; half as long, so that a large envelope fits into another. Default false. */
export function encodeBackupReplica(replica: BackupReplica, options: EncodeOptions = {}): Uint8Array {
  const writer = new PackWriter(512 + 2 * replica.wire.length)
  writer.array(7)
  writer.string(replica.id)
  if (options.isCompact === true) writer.bin(replica.wire)
  else writer.bytes(replica.wire)
  writer.string(replica.to)
  writer.string(replica.from)
  writer.uint(replica.expiresAt)
  writer.uint(replica.viability)
  writer.array(replica.holders.length)
  for (const holder of replica.holders) writer.string(holder)
  return writer.finish()
}

/** `wire` is not looked into. A viability above 100 is read as 100. */
export function decodeBackupReplica(bytes: Uint8Array, keys: KeyTest = PLAIN_TEST): BackupReplica {
  const reader = open(bytes, 7)
  const id = reader.id(MAX_ID_LENGTH)
  const wire = reader.bytes()
  if (wire.length > MAX_ENVELOPE_LENGTH) throw reader.error(`an envelope of ${wire.length} bytes`)
  const to = reader.key(keys)
  const from = reader.key(keys)
  const expiresAt = reader.uint()
  const viability = Math.min(reader.uint(0xff), MAX_VIABILITY)
  const count = reader.array()
  if (count > MAX_HOLDERS) throw reader.error(`${count} holders, at most ${MAX_HOLDERS}`)
  const holders: PeerKey[] = []
  for (let index = 0; index < count; index++) holders.push(reader.key(keys))
  reader.end()
  return { id, wire, to, from, expiresAt, viability, holders }
}

/** BackupQueryResponse and BackupConfirmDelivery. */
export function encodeIdList(ids: readonly string[]): Uint8Array {
  const writer = new PackWriter(8 + 40 * ids.length)
  writer.array(ids.length)
  for (const id of ids) writer.string(id)
  return writer.finish()
}

export function decodeIdList(bytes: Uint8Array): string[] {
  const reader = new PackReader(bytes, 'UNREADABLE_BODY')
  const count = reader.array()
  if (count > MAX_IDS) throw reader.error(`${count} ids, at most ${MAX_IDS}`)
  const ids: string[] = []
  for (let index = 0; index < count; index++) ids.push(reader.id(MAX_ID_LENGTH))
  reader.end()
  return ids
}

/** BackupReplicateAck (the id of a message) and BackupQuery (the key of a recipient). */
export function encodeId(id: string): Uint8Array {
  const writer = new PackWriter(72)
  writer.string(id)
  return writer.finish()
}

export function decodeId(bytes: Uint8Array): string {
  const reader = new PackReader(bytes, 'UNREADABLE_BODY')
  const id = reader.id(MAX_ID_LENGTH)
  reader.end()
  return id
}

function open(bytes: Uint8Array, fields: number): PackReader {
  const reader = new PackReader(bytes, 'UNREADABLE_BODY')
  reader.fields(fields)
  return reader
}

/** Five fields, without the array around them. */
export function writeAnnounce(writer: PackWriter, announce: PeerAnnounce, encryptionKey: Uint8Array | undefined): void {
  writer.string(announce.peer)
  writer.string(shortName(announce.name))
  writer.array(announce.roles.length)
  for (const role of announce.roles) writer.string(role)
  if (encryptionKey === undefined) writer.nil()
  else writer.bytes(encryptionKey)
  writer.uint(announce.timestamp)
}

/** What `writeAnnounce` wrote. */
export function readAnnounce(reader: PackReader, keys: KeyTest): PeerAnnounce {
  const peer = reader.key(keys)
  const name = shortName(reader.string())
  const roles = new Set<Role>()
  for (let left = reader.array(); left > 0; left--) roles.add(reader.oneOf(ROLES))
  // read for its form, and ignored: the key for encryption follows from the peer's own (PRS-3)
  if (!reader.isNil() && reader.bytes().length !== KEY_LENGTH) throw reader.error('an encryption key of another length')
  const timestamp = reader.uint()
  return { peer, name, roles: [...roles], timestamp }
}

/** At most 64 bytes of UTF-8, cut between characters. */
function shortName(name: string): string {
  if (3 * name.length <= MAX_NAME_LENGTH) return name
  let short = ''
  let length = 0
  for (const character of name) {
    length += encodeUtf8(character).length
    if (length > MAX_NAME_LENGTH) return short
    short += character
  }
  return name
}
