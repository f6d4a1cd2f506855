/** How small a congestion window starts and may become. RFC 9002 §7.2; which controller grows it does not matter here. */

/** Bytes: ten datagrams, but no more than 14,720 bytes or two datagrams, whichever is larger. */
export function initialWindow(mtu: number): number {
  return Math.min(10 * mtu, Math.max(14_720, 2 * mtu))
}

/** Bytes: two datagrams. */
export function minimumWindow(mtu: number): number {
  return 2 * mtu
}
