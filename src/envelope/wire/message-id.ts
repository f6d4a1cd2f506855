/** Ids of messages: UUIDs, version 4, as text (RFC 9562 §5.4). */
import { encodeHex } from '../../bytes/index.ts'
import type { RandomSource } from '../../platform/index.ts'

/** 36 characters, of 122 random bits. */
export function newMessageId(random: RandomSource): string {
  const bytes = new Uint8Array(16)
  random.fill(bytes)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = encodeHex(bytes)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
