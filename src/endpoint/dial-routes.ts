/** From a peer's address to the routes that lead there: its direct addresses that make sense from here, and its relays that may be dialled. */
import { canonicalSocketAddress, formatIp, formatSocketAddress } from '../bytes/index.ts'
import type { Driver } from '../driver/index.ts'
import { isDialable } from '../holepunch/index.ts'
import type { EndpointAddr } from '../identity/index.ts'
import type { Route } from '../quic/index.ts'
import { ConnectError } from './errors.ts'
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
  /** Where another connection to the peer works. */
  readonly known: Route | undefined
}

/** Throws ConnectError NO_ADDRESS, which says why none of the addresses will do. */
export function dialRoutes(addr: EndpointAddr, { driver, relays, isOwn, known }: DialContext): DialRoutes {
  const direct: Route[] = []
  const tried: string[] = []
  const entry = known === undefined ? undefined : driver.routes.entry(known)
  if (known !== undefined && entry?.kind === 'direct') {
    direct.push(known)
    tried.push(entry.remote)
  }
  for (const ipAddr of addr.ipAddrs) {
    const address = canonicalSocketAddress(ipAddr)
    const text = formatSocketAddress(address)
    // spec/endpoint.md §2.2: our own addresses in a peer's list are stale, or its network is numbered as ours
    const isOurPort = driver.sockets.some((socket) => socket.port === address.port)
    if (!isDialable(address) || (isOurPort && isOwn(text))) continue
    const route = driver.route(formatIp(address.ip), address.port)
    if (route === undefined || route === known) continue
    direct.push(route)
    tried.push(text)
  }
  const peer = addr.id.toBytes()
  const urls = relays.dialable(addr.relayUrls)
  const relayed = urls.map(({ href }) => driver.relayRoute(href, peer))
  if (known !== undefined && entry?.kind === 'relay' && !relayed.includes(known)) relayed.push(known)
  tried.push(...relayed.map((route) => driver.routes.entry(route)?.remote ?? ''))
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
