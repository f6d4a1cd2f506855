/** What disco says: Ping, Pong and CallMeMaybe as bytes, before they are boxed. Meets spec/disco-stun-nat.md §1.3; what to say when is the machine's. */
import {
  canonicalSocketAddress,
  decodeUtf8,
  encodeUtf8,
  Reader,
  type SocketAddress,
  Writer,
} from '../../bytes/index.ts'
import { EndpointId } from '../../identity/index.ts'

/** Where a disco packet came from or goes to. */
export type DiscoAddress =
  | { readonly kind: 'udp'; readonly ip: Uint8Array; readonly port: number }
  /** Through a relay, by its URL. */
  | { readonly kind: 'relay'; readonly url: string }

export interface DiscoPing {
  readonly type: 'ping'
  /** 12 random bytes, fresh for every ping. */
  readonly transactionId: Uint8Array
  /** The sender's id once more, 32 bytes. Who sent it is told by the key that opened the box, not by this. */
  readonly key: Uint8Array
}

export interface DiscoPong {
  readonly type: 'pong'
  /** Of the ping it answers. */
  readonly transactionId: Uint8Array
  /** Where the ping was seen to come from. */
  readonly observed: DiscoAddress
}

export interface DiscoCallMeMaybe {
  readonly type: 'call-me-maybe'
  /** All addresses of the sender, IPv4 never mapped into IPv6. */
  readonly addresses: readonly SocketAddress[]
}

export type DiscoMessage = DiscoPing | DiscoPong | DiscoCallMeMaybe

/** Bytes of a transaction id. */
export const TRANSACTION_ID_LENGTH = 12
const KEY_LENGTH = 32
/** IPv6 and a port in little endian. */
const ADDRESS_LENGTH = 18
const VERSION = 0
const Type = { Ping: 1, Pong: 2, CallMeMaybe: 3 } as const
const AddressKind = { Udp: 0, Relay: 1 } as const
/** What the peers want to see behind a Pong's address kind, whatever the kind. */
const LEAST_OBSERVED = 2

export function encodeDiscoMessage(message: DiscoMessage): Uint8Array {
  switch (message.type) {
    case 'ping': {
      const out = start(Type.Ping, TRANSACTION_ID_LENGTH + KEY_LENGTH)
      out.raw(message.transactionId)
      out.raw(message.key)
      return out.bytes
    }
    case 'pong':
      return encodePong(message)
    case 'call-me-maybe': {
      const out = start(Type.CallMeMaybe, message.addresses.length * ADDRESS_LENGTH)
      for (const address of message.addresses) writeAddress(out, address)
      return out.bytes
    }
  }
}

function encodePong({ transactionId, observed }: DiscoPong): Uint8Array {
  const url = observed.kind === 'relay' ? encodeUtf8(observed.url) : undefined
  const out = start(Type.Pong, TRANSACTION_ID_LENGTH + 1 + (url?.length ?? ADDRESS_LENGTH))
  out.raw(transactionId)
  out.u8(url === undefined ? AddressKind.Udp : AddressKind.Relay)
  if (observed.kind === 'udp') writeAddress(out, observed)
  else out.raw(url!)
  return out.bytes
}

/** A message of exactly `length` bytes after type and version. */
function start(type: number, length: number): Writer {
  const out = new Writer(new Uint8Array(2 + length))
  out.u8(type)
  out.u8(VERSION)
  return out
}

function writeAddress(out: Writer, { ip, port }: SocketAddress): void {
  if (ip.length === 4) {
    out.fill(0, 10)
    out.u16(0xffff)
  }
  out.raw(ip)
  out.u8(port & 0xff)
  out.u8(port >> 8)
}

/** Undefined for what is to be dropped: another version, an unknown type, a wrong length. `sender` is whose key opened the box. */
export function decodeDiscoMessage(plain: Uint8Array, sender: Uint8Array): DiscoMessage | undefined {
  if (plain.length < 2 || plain[1] !== VERSION) return undefined
  const body = new Reader(plain, 2)
  switch (plain[0]) {
    case Type.Ping:
      return decodePing(body, sender)
    case Type.Pong:
      return decodePong(body)
    case Type.CallMeMaybe:
      return decodeCallMeMaybe(body)
    default:
      return undefined
  }
}

function decodePing(body: Reader, sender: Uint8Array): DiscoPing | undefined {
  // More at the end is a later version's padding.
  if (body.remaining < TRANSACTION_ID_LENGTH + KEY_LENGTH) return undefined
  const transactionId = body.copy(TRANSACTION_ID_LENGTH)
  const key = body.copy(KEY_LENGTH)
  return isKey(key, sender) ? { type: 'ping', transactionId, key } : undefined
}

/** Nobody uses the inner key, but it must be one. The sender's own is known to be. */
function isKey(key: Uint8Array, sender: Uint8Array): boolean {
  if (key.every((byte, index) => byte === sender[index])) return true
  try {
    EndpointId.fromBytes(key)
    return true
  } catch {
    return false
  }
}

function decodePong(body: Reader): DiscoPong | undefined {
  if (body.remaining < TRANSACTION_ID_LENGTH + 1 + LEAST_OBSERVED) return undefined
  const transactionId = body.copy(TRANSACTION_ID_LENGTH)
  const kind = body.u8()
  if (kind === AddressKind.Udp) {
    if (body.remaining !== ADDRESS_LENGTH) return undefined
    return { type: 'pong', transactionId, observed: { kind: 'udp', ...readAddress(body) } }
  }
  if (kind !== AddressKind.Relay) return undefined
  try {
    return { type: 'pong', transactionId, observed: { kind: 'relay', url: decodeUtf8(body.view(body.remaining)) } }
  } catch {
    return undefined
  }
}

function decodeCallMeMaybe(body: Reader): DiscoCallMeMaybe | undefined {
  if (body.remaining % ADDRESS_LENGTH !== 0) return undefined
  const addresses: SocketAddress[] = []
  while (body.remaining > 0) addresses.push(readAddress(body))
  return { type: 'call-me-maybe', addresses }
}

function readAddress(body: Reader): SocketAddress {
  const ip = body.copy(16)
  const port = body.u8() | (body.u8() << 8)
  return canonicalSocketAddress({ ip, port })
}
