/** How small a congestion window starts and may become. RFC 9002 §7.2; which controller grows it does not matter here. */

/** Bytes: ten datagrams, but no more than 14,720 bytes or two datagrams, whichever is larger. */
export function initialWindow(mtu: number): number {
  return Math.min(10 * mtu, Math.max(14_720, 2 * mtu))
}

/** Bytes: two datagrams. */
export function minimumWindow(mtu: number): number {
  return 2 * mtu
}

/** Datagrams that a link may begin with at most because another one is in use. A guess: what goes wrong with so few is over in a round trip. */
const MOST_TAKEN_OVER = 64

/**
 * Bytes that a new link may begin with although nothing was sent there, when another one to the same peer carries `bytesInFlight` each `otherRttMs`: half of that rate
 * over its own round trip, as careful resumption begins (draft-ietf-tsvwg-careful-resume), so that who moves from a relay to a direct path need not feel his way from ten datagrams on.
 */
export function takenOverWindow(bytesInFlight: number, otherRttMs: number, rttMs: number, mtu: number): number {
  return Math.min(((bytesInFlight / otherRttMs) * rttMs) / 2, MOST_TAKEN_OVER * mtu)
}
