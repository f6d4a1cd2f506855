/**
 * A route is where datagrams go: an integer that the driver interned. QUIC compares routes and asks the driver a few
 * questions about one; it never looks inside (design: the path seam).
 */
import type { AddressBytes } from '../../platform/index.ts'

export type Route = number

/** No route: nothing may be sent. */
export const NO_ROUTE: Route = -1

export interface RouteInfo {
  /** Largest datagram that may be sent on the route, bytes; at least 1200. */
  maxDatagramSize(route: Route): number
  /**
   * Most that may be in flight on the route whatever congestion control says, bytes: what the receiving socket's buffer holds, where that is
   * known. Absent, or Infinity: no bound.
   */
  maxBytesInFlight?(route: Route): number
  /** Same remote host and kind: only the port differs, so RTT and congestion state survive (RFC 9000 §9.4). */
  sameHost(left: Route, right: Route): boolean
  /** The remote's address, for address tokens and OBSERVED_ADDRESS; undefined for a route that has none. */
  address(route: Route): AddressBytes | undefined
}
