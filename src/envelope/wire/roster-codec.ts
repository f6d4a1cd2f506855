/**
 * What neighbours say to each other about whose signed announcements they have: an offer lists some, a want asks for some of those. Ours alone, over gossip of scope Neighbors;
 * Rust nodes skip gossip that they cannot read.
 */
import { decodeHex, encodeHex, Reader, Writer } from '../../bytes/index.ts'
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
/** With a timestamp of 6 bytes. */
const ENTRY_LENGTH = SHORT_LENGTH + 6

export function shortOf(peer: PeerKey): ShortKey {
  return peer.slice(0, 2 * SHORT_LENGTH)
}

/** At most `ROSTER_AT_ONCE`. */
export function encodeOffer(entries: readonly RosterEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * ENTRY_LENGTH)
  const writer = new Writer(bytes)
  for (const { short, timestamp } of entries) {
    writer.raw(decodeHex(short))
    writer.u16(Math.floor(timestamp / 0x1_0000_0000))
    writer.u32(timestamp % 0x1_0000_0000)
  }
  return encode(OFFER, bytes)
}

/** At most `ROSTER_AT_ONCE`. */
export function encodeWant(shorts: readonly ShortKey[]): Uint8Array {
  return encode(WANT, decodeHex(shorts.join('')))
}

/** Throws EnvelopeError UNREADABLE_BODY. */
export function decodeRosterMessage(content: Uint8Array): RosterMessage {
  const packed = new PackReader(content, 'UNREADABLE_BODY')
  packed.fields(2)
  const kind = packed.uint()
  const bytes = packed.bytes()
  packed.end()
  const reader = new Reader(bytes)
  const short = (): ShortKey => encodeHex(reader.view(SHORT_LENGTH))
  if (kind === WANT) return { kind: 'want', shorts: list(bytes, SHORT_LENGTH, short) }
  if (kind !== OFFER) throw packed.error(`neither an offer nor a want: ${kind}`)
  const entry = (): RosterEntry => ({ short: short(), timestamp: reader.u16() * 0x1_0000_0000 + reader.u32() })
  return { kind: 'offer', entries: list(bytes, ENTRY_LENGTH, entry) }
}

function encode(kind: number, bytes: Uint8Array): Uint8Array {
  const writer = new PackWriter(bytes.length + 8)
  writer.array(2)
  writer.uint(kind)
  writer.bin(bytes)
  return writer.finish()
}

/** All of `bytes`, read by `next`, which takes `length` of them. */
function list<T>(bytes: Uint8Array, length: number, next: () => T): T[] {
  const count = bytes.length / length
  if (!Number.isInteger(count) || count > ROSTER_AT_ONCE)
    throw new EnvelopeError('UNREADABLE_BODY', `${bytes.length} bytes are no list of at most ${ROSTER_AT_ONCE} entries`)
  return Array.from({ length: count }, next)
}
