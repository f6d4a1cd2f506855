/**
 * What gossip says about how to reach a peer, as bytes: relay and IP addresses (spec/gossip.md §4.6). Third parties pass it on unsigned, so that what is read is a
 * hint; the id of the peer is not in it.
 */
import {
  compareSocketAddresses,
  GrowingWriter,
  Reader,
  readPostcardBool,
  readPostcardList,
  readPostcardString,
  readPostcardVarint,
  type SocketAddress,
  writePostcardList,
  writePostcardOption,
  writePostcardString,
  writePostcardVarint,
} from '../../bytes/index.ts'
import { EndpointAddr, type EndpointId, IdentityError, ipAddr, RelayUrl, relayAddr } from '../../identity/index.ts'
import { DecodeError, decoding } from './decode-error.ts'

/**
 * IP addresses said of ourselves. A shuffle has up to 8 peers in 4095 bytes, which leaves about 470 bytes for each; sixteen IPv6 addresses are 320. A guess, like the
 * longest relay URL.
 */
export const MAX_ADDRESSES = 16
const MAX_RELAY_URL = 128
/** Believed of others: each may become a packet to that address. As many as a `MemoryLookup` keeps. */
export const MAX_ADDRESSES_ACCEPTED = 32
const IPV4 = 0
const IPV6 = 1
/** An index, four bytes, a port. */
const LEAST_ADDRESS = 6

/** The first relay and the IP addresses, sorted; of more than MAX_ADDRESSES those that reach furthest, of each family as many as of the other if it has them. */
export function encodeAddrInfo(addr: EndpointAddr): Uint8Array {
  const writer = new GrowingWriter()
  const relay = addr.relayUrls[0]?.href
  writePostcardOption(writer, relay !== undefined && relay.length <= MAX_RELAY_URL ? relay : undefined, (url) =>
    writePostcardString(writer, url),
  )
  writePostcardList(writer, choose(addr.ipAddrs), ({ ip, port }) => {
    writer.u8(ip.length === 4 ? IPV4 : IPV6)
    writer.raw(ip)
    writePostcardVarint(writer, port)
  })
  return writer.finish()
}

/** Reads what a peer says of the addresses of `id`; bytes behind it are ignored, and so are addresses beyond MAX_ADDRESSES_ACCEPTED. Throws DecodeError. */
export function decodeAddrInfo(id: EndpointId, data: Uint8Array): EndpointAddr {
  return decoding(() => {
    const reader = new Reader(data)
    const relay = readPostcardBool(reader) ? [relayAddr(readRelay(reader))] : []
    const addresses = readPostcardList(reader, LEAST_ADDRESS, () => readAddress(reader))
    return new EndpointAddr(id, [...relay, ...addresses.slice(0, MAX_ADDRESSES_ACCEPTED).map(ipAddr)])
  })
}

function readRelay(reader: Reader): RelayUrl {
  const text = readPostcardString(reader)
  try {
    return RelayUrl.parse(text)
  } catch (error) {
    if (error instanceof IdentityError) throw new DecodeError('invalid-url', error.message, { cause: error })
    throw error
  }
}

function readAddress(reader: Reader): SocketAddress {
  const family = readPostcardVarint(reader, 32)
  if (family !== IPV4 && family !== IPV6)
    throw new DecodeError('unknown-variant', `there is no address family ${family}`)
  return { ip: reader.copy(family === IPV4 ? 4 : 16), port: readPostcardVarint(reader, 16) }
}

function choose(addresses: readonly SocketAddress[]): readonly SocketAddress[] {
  if (addresses.length <= MAX_ADDRESSES) return addresses
  const far = [...addresses].sort((left, right) => reach(right.ip) - reach(left.ip))
  const [ipv4, ipv6] = [far.filter(({ ip }) => ip.length === 4), far.filter(({ ip }) => ip.length === 16)]
  const chosenV4 = ipv4.slice(0, MAX_ADDRESSES - Math.min(ipv6.length, MAX_ADDRESSES / 2))
  return [...chosenV4, ...ipv6.slice(0, MAX_ADDRESSES - chosenV4.length)].sort(compareSocketAddresses)
}

/** 2 anywhere, 1 within a network (RFC 1918, RFC 6598, RFC 4193), 0 on one link or host. */
function reach(ip: Uint8Array): number {
  const [a, b] = [ip[0]!, ip[1]!]
  if (ip.length === 16) {
    if (a === 0xfe && (b & 0xc0) === 0x80) return 0
    if (a === 0) return 0
    return (a & 0xfe) === 0xfc ? 1 : 2
  }
  if (a === 127 || (a === 169 && b === 254)) return 0
  const isPrivate =
    a === 10 || (a === 172 && (b & 0xf0) === 16) || (a === 192 && b === 168) || (a === 100 && (b & 0xc0) === 64)
  return isPrivate ? 1 : 2
}
