/** Envelopes put together field by field from raw MessagePack, in forms that no encoder writes (spec/envelope.md §1.3). */
import { ALICE, BOB, idOf, TIMESTAMP } from './samples.ts'

export const FIELDS = [
  'id',
  'from',
  'to',
  'via',
  'msg_type',
  'payload',
  'timestamp',
  'signature',
  'ttl',
  'encrypted',
] as const

export type Field = (typeof FIELDS)[number]

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

export const raw = (...parts: readonly (Uint8Array | number)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...part])))
export const big = (value: bigint | number, bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, at) => Number((BigInt(value) >> BigInt(8 * (bytes - 1 - at))) & 0xffn))

/** Short strings, in their shortest form. */
export const str = (text: string): Uint8Array => {
  const bytes = utf8(text)
  return bytes.length < 32 ? raw(0xa0 + bytes.length, bytes) : raw(0xd9, bytes.length, bytes)
}
export const str16 = (text: string): Uint8Array => raw(0xda, big(utf8(text).length, 2), utf8(text))
export const str32 = (text: string): Uint8Array => raw(0xdb, big(utf8(text).length, 4), utf8(text))
export const bin = (bytes: Uint8Array): Uint8Array => raw(0xc4, bytes.length, bytes)
export const bin16 = (bytes: Uint8Array): Uint8Array => raw(0xc5, big(bytes.length, 2), bytes)
export const bin32 = (bytes: Uint8Array): Uint8Array => raw(0xc6, big(bytes.length, 4), bytes)
export const u64 = (value: bigint | number): Uint8Array => raw(0xcf, big(value, 8))
export const array = (...elements: readonly Uint8Array[]): Uint8Array => raw(0x90 + elements.length, ...elements)
/** Bytes as the integers that Rust writes. */
export const ints = (bytes: Uint8Array): Uint8Array =>
  raw(0xdc, big(bytes.length, 2), ...[...bytes].map((byte) => (byte < 0x80 ? raw(byte) : raw(0xcc, byte))))

export const PAYLOAD = utf8('hello')

/** A Chat from Alice to Bob in clear, canonical but for `signature`, which is empty. */
const CANONICAL: Readonly<Record<Field, Uint8Array>> = {
  id: str(idOf(1)),
  from: str(ALICE.key),
  to: str(BOB.key),
  via: raw(0x90),
  msg_type: str('Chat'),
  payload: raw(0x95, PAYLOAD),
  timestamp: u64(TIMESTAMP),
  signature: raw(0x90),
  ttl: raw(4),
  encrypted: raw(0xc2),
}

/** With other bytes in some places. */
export const rawEnvelope = (fields: Partial<Record<Field, Uint8Array>> = {}): Uint8Array =>
  raw(0x9a, ...FIELDS.map((field) => fields[field] ?? CANONICAL[field]))

/** A map with names in place of an array. */
export const mapEnvelope = (names: readonly string[] = FIELDS): Uint8Array =>
  raw(0x8a, ...FIELDS.flatMap((field, index) => [str(names[index]!), CANONICAL[field]]))

export const canonical = (field: Field): Uint8Array => CANONICAL[field]
