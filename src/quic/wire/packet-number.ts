/**
 * Shortening packet numbers for the wire and expanding them again (RFC 9000 §17.1, appendix A.2 and A.3). Which numbers are
 * used, acknowledged or already seen is known elsewhere. The expansion is at home in `crypto/`, whose keys need it to open a packet.
 */
export { decodePacketNumber } from '../../crypto/index.ts'

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
