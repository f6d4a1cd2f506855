/** From a peer's address to the routes that lead there: its direct addresses that make sense from here, and its relays that may be dialled. */
import { canonicalSocketAddress, formatIp, formatSocketAddress } from '../bytes/index.ts'
import type { Driver } from '../driver/index.ts'
import type { EndpointAddr } from '../identity/index.ts'
import type { Route } from '../quic/index.ts'
import { ConnectError } from './errors.ts'
import { isDialable } from './local-addresses.ts'
import type { EndpointRelays } from './relays.ts'

export interface DialRoutes {
  /** Direct ones first: where both answer in the same round, direct wins. */
  readonly direct: readonly Route[]
  readonly relays: readonly Route[]
  /** All of them, for people. */
  readonly tried: readonly string[]
}

export interface DialContext {
  readonly driver: Driver
  readonly relays: EndpointRelays
  /** One of our own direct addresses, as text? Costly: asked only where the port is one of ours. */
  isOwn(text: string): boolean
}

/** Throws ConnectError NO_ADDRESS, which says why none of the addresses will do. */
export function dialRoutes(addr: EndpointAddr, { driver, relays, isOwn }: DialContext): DialRoutes {
  const direct: Route[] = []
  const tried: string[] = []
  for (const known of addr.ipAddrs) {
    const address = canonicalSocketAddress(known)
    const text = formatSocketAddress(address)
    // spec/endpoint.md §2.2: our own addresses in a peer's list are stale, or its network is numbered as ours
    const isOurPort = driver.sockets.some((socket) => socket.port === address.port)
    if (!isDialable(address) || (isOurPort && isOwn(text))) continue
    const route = driver.route(formatIp(address.ip), address.port)
    if (route === undefined) continue
    direct.push(route)
    tried.push(text)
  }
  const peer = addr.id.toBytes()
  const urls = relays.dialable(addr.relayUrls)
  const relayed = urls.map(({ href }) => driver.relayRoute(href, peer))
  tried.push(...urls.map(({ href }) => href))
  if (tried.length === 0) throw noAddress(addr)
  return { direct, relays: relayed, tried }
}

function noAddress(addr: EndpointAddr): ConnectError {
  const texts = [...addr.ipAddrs.map(formatSocketAddress), ...addr.relayUrls.map(({ href }) => href)]
  const why =
    texts.length > 0
      ? `none of its ${texts.length} addresses can be dialled from here (${texts.join(', ')})`
      : 'only its id is known'
  return new ConnectError(
    'NO_ADDRESS',
    `no address for ${addr.id.toShortString()}: ${why}; pass a ticket, or an address with a relay or an IP and port`,
    addr.id,
  )
}
