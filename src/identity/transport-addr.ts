/**
 * `TransportAddr`: one way to reach an endpoint (relay, IP, custom transport), with its text and JSON forms and the order that iroh's
 * sets have, which is also the order on the wire (spec/endpoint.md §1.2).
 */
import {
  canonicalSocketAddress,
  compareBytes,
  compareSocketAddresses,
  decodeHex,
  encodeHex,
  formatSocketAddress,
  messageOf,
  parseSocketAddress,
  quote,
  type SocketAddress,
} from '../bytes/index.ts'
import { IdentityError } from './errors.ts'
import { RelayUrl } from './relay-url.ts'

export type TransportAddr =
  | { readonly kind: 'relay'; readonly url: RelayUrl }
  /** IPv4-mapped IPv6 never occurs here. */
  | { readonly kind: 'ip'; readonly address: SocketAddress }
  /** `id` is a u64; nobody writes into `data`. */
  | { readonly kind: 'custom'; readonly id: bigint; readonly data: Uint8Array }

/** The JSON that iroh's serde writes. Ids of custom transports above 2^53 - 1 are decimal strings, which JavaScript can hold. */
export type TransportAddrJson = { Relay: string } | { Ip: string } | { Custom: { id: number | string; data: number[] } }

const MAX_U64 = 0xffff_ffff_ffff_ffffn

/** Throws IdentityError INVALID_RELAY_URL for text that is no URL. */
export function relayAddr(url: RelayUrl | string): TransportAddr {
  return Object.freeze({ kind: 'relay', url: typeof url === 'string' ? RelayUrl.parse(url) : url })
}

/** Copies, and folds IPv4-mapped IPv6 into IPv4. Throws IdentityError INVALID_ADDRESS. */
export function ipAddr(address: SocketAddress | string): TransportAddr {
  try {
    const { ip, port } = canonicalSocketAddress(typeof address === 'string' ? parseSocketAddress(address) : address)
    if (ip.length !== 4 && ip.length !== 16) throw new Error(`an IP address has 4 or 16 bytes, not ${ip.length}`)
    if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`a port is 0 to 65535, not ${port}`)
    return Object.freeze({ kind: 'ip', address: Object.freeze({ ip: Uint8Array.from(ip), port }) })
  } catch (error) {
    throw invalid(messageOf(error))
  }
}

/** Copies. Throws IdentityError INVALID_ADDRESS where `id` is no u64. */
export function customAddr(id: bigint, data: Uint8Array): TransportAddr {
  if (id < 0n || id > MAX_U64) throw invalid(`the id of a custom transport is an unsigned 64-bit integer, not ${id}`)
  return Object.freeze({ kind: 'custom', id, data: Uint8Array.from(data) })
}

/** relay < ip < custom; relays by URL, IPs all v4 first, then bytes, then port; custom by id, then data. */
export function compareTransportAddrs(left: TransportAddr, right: TransportAddr): number {
  if (left.kind === 'relay' && right.kind === 'relay') return compareText(left.url.href, right.url.href)
  if (left.kind === 'ip' && right.kind === 'ip') return compareSocketAddresses(left.address, right.address)
  if (left.kind === 'custom' && right.kind === 'custom') {
    if (left.id !== right.id) return left.id < right.id ? -1 : 1
    return compareBytes(left.data, right.data)
  }
  return rank(left) - rank(right)
}

function rank(addr: TransportAddr): number {
  return addr.kind === 'relay' ? 0 : addr.kind === 'ip' ? 1 : 2
}

/** Normalised URLs are ASCII, so code units are bytes. */
function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

/** `relay:<url>`, `ip:<addr>` or `custom:<id hex>_<data hex>`. */
export function formatTransportAddr(addr: TransportAddr): string {
  if (addr.kind === 'relay') return `relay:${addr.url}`
  if (addr.kind === 'ip') return `ip:${formatSocketAddress(addr.address)}`
  return `custom:${addr.id.toString(16)}_${encodeHex(addr.data)}`
}

/** Reads what `formatTransportAddr` writes. Throws IdentityError INVALID_ADDRESS or INVALID_RELAY_URL. */
export function parseTransportAddr(text: string): TransportAddr {
  if (text.startsWith('relay:')) return relayAddr(text.slice(6))
  if (text.startsWith('ip:')) return ipAddr(text.slice(3))
  const custom = /^custom:([0-9a-f]{1,16})_((?:[0-9a-f]{2})*)$/.exec(text)
  if (custom !== null) return customAddr(BigInt(`0x${custom[1]}`), decodeHex(custom[2]!))
  throw invalid(`expected relay:<url>, ip:<address> or custom:<id>_<data>, got ${quote(text)}`)
}

export function transportAddrToJson(addr: TransportAddr): TransportAddrJson {
  if (addr.kind === 'relay') return { Relay: addr.url.href }
  if (addr.kind === 'ip') return { Ip: formatSocketAddress(addr.address) }
  const id = addr.id <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(addr.id) : addr.id.toString()
  return { Custom: { id, data: [...addr.data] } }
}

/** Reads one element of an address list in JSON. Throws IdentityError INVALID_ADDRESS or INVALID_RELAY_URL. */
export function transportAddrFromJson(value: unknown): TransportAddr {
  const [key, content, ...others] = typeof value === 'object' && value !== null ? Object.entries(value).flat() : []
  if (others.length === 0) {
    if (key === 'Relay' && typeof content === 'string') return relayAddr(content)
    if (key === 'Ip' && typeof content === 'string') return ipAddr(content)
    if (key === 'Custom' && typeof content === 'object' && content !== null) return customFromJson(content)
  }
  throw invalid('an address in JSON is {"Relay": url}, {"Ip": "address:port"} or {"Custom": {"id", "data"}}')
}

function customFromJson(content: { id?: unknown; data?: unknown }): TransportAddr {
  const { id, data } = content
  const isId = typeof id === 'string' ? /^\d{1,20}$/.test(id) : Number.isSafeInteger(id)
  const isData = Array.isArray(data) && data.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255)
  if (!isId || !isData) throw invalid('a custom address in JSON has an "id" (integer) and "data" (list of bytes)')
  return customAddr(BigInt(id as string | number), Uint8Array.from(data as number[]))
}

function invalid(message: string): IdentityError {
  return new IdentityError('INVALID_ADDRESS', message)
}
