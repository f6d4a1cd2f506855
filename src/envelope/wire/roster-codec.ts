/**
 * What neighbours say to each other about whose signed announcements they have: an offer lists some, a want asks for some of those. Ours alone, over gossip of scope Neighbors;
 * Rust nodes skip gossip that they cannot read.
 */
import { decodeHex, encodeHex } from '../../bytes/index.ts'
import { EnvelopeError } from '../errors.ts'
import type { PeerKey } from './envelope.ts'
import { PackReader } from './pack-reader.ts'
import { PackWriter } from './pack-writer.ts'

/** The first 16 hex digits of a peer's key: enough to tell peers apart, and who makes keys until two are alike only hides one of his own. */
export type ShortKey = string

/** `timestamp`: of the announcement, ms since 1970. */
export interface RosterEntry {
  readonly short: ShortKey
  readonly timestamp: number
}

export type RosterMessage =
  | { readonly kind: 'offer'; readonly entries: readonly RosterEntry[] }
  | { readonly kind: 'want'; readonly shorts: readonly ShortKey[] }

/** First byte: a list of two, the kind and bytes. */
export const ROSTER = 0x92
/** Entries, or short keys, in one message: 2.2 kB at most, and gossip carries 4. */
export const ROSTER_AT_ONCE = 160

const OFFER = 1
const WANT = 2
const SHORT_LENGTH = 8
/** Of a timestamp. */
const TIME_LENGTH = 6
const ENTRY_LENGTH = SHORT_LENGTH + TIME_LENGTH

export function shortOf(peer: PeerKey): ShortKey {
  return peer.slice(0, 2 * SHORT_LENGTH)
}

/** At most `ROSTER_AT_ONCE`. */
export function encodeOffer(entries: readonly RosterEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * ENTRY_LENGTH)
  const view = new DataView(bytes.buffer)
  entries.forEach(({ short, timestamp }, index) => {
    const at = index * ENTRY_LENGTH
    bytes.set(decodeHex(short), at)
    view.setUint16(at + SHORT_LENGTH, Math.floor(timestamp / 0x1_0000_0000))
    view.setUint32(at + SHORT_LENGTH + 2, timestamp % 0x1_0000_0000)
  })
  return encode(OFFER, bytes)
}

/** At most `ROSTER_AT_ONCE`. */
export function encodeWant(shorts: readonly ShortKey[]): Uint8Array {
  const bytes = new Uint8Array(shorts.length * SHORT_LENGTH)
  shorts.forEach((short, index) => {
    bytes.set(decodeHex(short), index * SHORT_LENGTH)
  })
  return encode(WANT, bytes)
}

/** Throws EnvelopeError UNREADABLE_BODY. */
export function decodeRosterMessage(content: Uint8Array): RosterMessage {
  const reader = new PackReader(content, 'UNREADABLE_BODY')
  reader.fields(2)
  const kind = reader.uint()
  const bytes = reader.bytes()
  reader.end()
  if (kind === WANT) return { kind: 'want', shorts: [...items(bytes, SHORT_LENGTH)].map(encodeHex) }
  if (kind === OFFER) return { kind: 'offer', entries: [...items(bytes, ENTRY_LENGTH)].map(readEntry) }
  throw reader.error(`neither an offer nor a want: ${kind}`)
}

function encode(kind: number, bytes: Uint8Array): Uint8Array {
  const writer = new PackWriter(bytes.length + 8)
  writer.array(2)
  writer.uint(kind)
  writer.bin(bytes)
  return writer.finish()
}

function readEntry(bytes: Uint8Array): RosterEntry {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const timestamp = view.getUint16(SHORT_LENGTH) * 0x1_0000_0000 + view.getUint32(SHORT_LENGTH + 2)
  return { short: encodeHex(bytes.subarray(0, SHORT_LENGTH)), timestamp }
}

function* items(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  const count = bytes.length / length
  if (!Number.isInteger(count) || count > ROSTER_AT_ONCE)
    throw new EnvelopeError('UNREADABLE_BODY', `${bytes.length} bytes are no list of at most ${ROSTER_AT_ONCE} entries`)
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}
