/**
 * Shortening packet numbers for the wire and expanding them again (RFC 9000 §17.1, appendix A.2 and A.3). Which numbers are
 * used, acknowledged or already seen is known elsewhere.
 */

/**
 * Bytes needed so that the receiver can tell `packetNumber` from all others that may be in flight.
 * `largestAcked` is -1 while nothing was acknowledged in the number space.
 */
export function packetNumberLength(packetNumber: number, largestAcked: number): 1 | 2 | 3 | 4 {
  const unacked = packetNumber - largestAcked
  // RFC 9000 §17.1: more than twice the distance must be representable.
  if (unacked < 0x80) return 1
  if (unacked < 0x8000) return 2
  if (unacked < 0x800000) return 3
  return 4
}

/**
 * The number nearest to the next expected one that ends in `truncated` (`bytesLength` bytes). `largestReceived` is -1 while
 * nothing was received in the space. Never above 2^53 - 1, so the nonce is exact: a peer that climbs further only loses its packets.
 */
export function decodePacketNumber(truncated: number, bytesLength: number, largestReceived: number): number {
  const expected = largestReceived + 1
  const window = bytesLength === 1 ? 0x100 : bytesLength === 2 ? 0x10000 : bytesLength === 3 ? 0x1000000 : 0x100000000
  const half = window / 2
  const candidate = expected - (expected % window) + truncated
  if (candidate <= expected - half && candidate <= Number.MAX_SAFE_INTEGER - window) return candidate + window
  if (candidate > expected + half && candidate >= window) return candidate - window
  return Math.min(candidate, Number.MAX_SAFE_INTEGER)
}
