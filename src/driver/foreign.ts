/**
 * Packets on a QUIC socket that are not QUIC: STUN (RFC 8489) and disco share it, so that all see one NAT mapping (spec/disco-stun-nat.md §2.1). Two bytes tell
 * nearly all QUIC packets apart; only the rest is looked at.
 */
import type { UdpSocket } from '../platform/index.ts'

export type ForeignKind = 'stun' | 'disco'

export interface ForeignPacket {
  readonly kind: ForeignKind
  /** Only valid during the call. */
  readonly data: Uint8Array
  readonly host: string
  readonly port: number
  readonly socket: UdpSocket
}

/** RFC 8489 §5: the shortest message, bytes. */
const STUN_LEAST = 20
const STUN_COOKIE = [0x21, 0x12, 0xa4, 0x42] as const
/** spec/disco-stun-nat.md §1.1: magic and the sender's key, bytes. */
const DISCO_LEAST = 38
const DISCO_MAGIC = [0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac] as const

/** Undefined for QUIC, and for what is nobody's: QUIC drops that. */
export function foreignKind(data: Uint8Array): ForeignKind | undefined {
  const first = data[0]!
  if (first === DISCO_MAGIC[0]) return data.length >= DISCO_LEAST && holds(data, 0, DISCO_MAGIC) ? 'disco' : undefined
  if ((first & 0xc0) !== 0 || data.length < STUN_LEAST) return undefined
  return holds(data, 4, STUN_COOKIE) ? 'stun' : undefined
}

function holds(data: Uint8Array, start: number, expected: readonly number[]): boolean {
  for (let index = 0; index < expected.length; index++) if (data[start + index] !== expected[index]) return false
  return true
}
