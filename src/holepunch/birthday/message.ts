/**
 * What two nodes tell each other about a birthday attempt, in private messages of their QUIC connection: reliable, in any order, at most 256 bytes. The format is
 * ours alone: version 1, kind, attempt id (8 bytes), then by kind; numbers in network order.
 */
import { Reader, type SocketAddress, Writer } from '../../bytes/index.ts'

/** Hard: the NAT has a mapping for each destination. Easy: one for all, but it lets in only whom we sent to. */
export type BirthdayRole = 'hard' | 'easy'

/** Shall we? And the answer: yes. */
export interface BirthdayOffer {
  readonly type: 'offer' | 'answer'
  readonly id: Uint8Array
  /** The sender's. */
  readonly role: BirthdayRole
  /** The sender's IPv4 address as others see it. The port only means something on the easy side. */
  readonly address: SocketAddress
}

export type BirthdayMessage =
  | BirthdayOffer
  /** Hard to easy: so many sockets of mine have a mapping towards you. */
  | { readonly type: 'ready'; readonly id: Uint8Array; readonly sockets: number }
  /** Hard to easy: the socket that you see behind this port answered; the others are closed. */
  | { readonly type: 'won'; readonly id: Uint8Array; readonly port: number }
  /** No, or no longer. */
  | { readonly type: 'end'; readonly id: Uint8Array }

/** Bytes. */
export const ATTEMPT_ID_LENGTH = 8
const VERSION = 1
const Kind = { offer: 1, answer: 2, ready: 3, won: 4, end: 5 } as const
const ROLES = ['hard', 'easy'] as const
const HEADER = 2 + ATTEMPT_ID_LENGTH
/** Role, IPv4 address, port. */
const ADDRESSED = 7

export function encodeBirthdayMessage(message: BirthdayMessage): Uint8Array {
  const out = new Writer(new Uint8Array(HEADER + bodyLength(message.type)))
  out.u8(VERSION)
  out.u8(Kind[message.type])
  out.raw(message.id)
  if (message.type === 'ready') out.u16(message.sockets)
  else if (message.type === 'won') out.u16(message.port)
  else if (message.type !== 'end') {
    out.u8(ROLES.indexOf(message.role))
    out.raw(message.address.ip)
    out.u16(message.address.port)
  }
  return out.bytes
}

/** Undefined for what is none of ours: another version or kind, or a wrong length. */
export function decodeBirthdayMessage(payload: Uint8Array): BirthdayMessage | undefined {
  if (payload.length < HEADER || payload[0] !== VERSION) return undefined
  const body = new Reader(payload, 2)
  const id = body.copy(ATTEMPT_ID_LENGTH)
  const type = (Object.keys(Kind) as (keyof typeof Kind)[]).find((name) => Kind[name] === payload[1])
  if (type === undefined || body.remaining !== bodyLength(type)) return undefined
  if (type === 'ready') return { type, id, sockets: body.u16() }
  if (type === 'won') return { type, id, port: body.u16() }
  if (type === 'end') return { type, id }
  const role = ROLES[body.u8()]
  return role === undefined ? undefined : { type, id, role, address: { ip: body.copy(4), port: body.u16() } }
}

function bodyLength(type: BirthdayMessage['type']): number {
  if (type === 'end') return 0
  return type === 'ready' || type === 'won' ? 2 : ADDRESSED
}
