/**
 * Expanding the packet number of a received packet: needed between header protection and the AEAD, since it goes into the nonce.
 * Meets RFC 9000 §17.1 and appendix A.3; shortening numbers for the wire is the business of `quic/wire`.
 */

/**
 * The number nearest to the next expected one that ends in `truncated` (`bytesLength` bytes). `largestReceived` is -1 while
 * nothing was received in the space. Never above 2^53 - 1, so the nonce is exact: a peer that climbs further only loses its packets.
 */
export function decodePacketNumber(truncated: number, bytesLength: number, largestReceived: number): number {
  const expected = Math.min(largestReceived + 1, Number.MAX_SAFE_INTEGER)
  const window = bytesLength === 1 ? 0x100 : bytesLength === 2 ? 0x10000 : bytesLength === 3 ? 0x1000000 : 0x100000000
  const half = window / 2
  const candidate = expected - (expected % window) + truncated
  if (candidate <= expected - half && candidate <= Number.MAX_SAFE_INTEGER - window) return candidate + window
  if (candidate > expected + half && candidate >= window) return candidate - window
  // 2^53 is a multiple of each window, so this has not left the numbers below it.
  return candidate
}

/** The packet number field as it stands: `length` bytes, big endian. */
export function readTruncated(bytes: Uint8Array, at: number, length: number): number {
  let value = 0
  for (let index = 0; index < length; index++) value = value * 256 + bytes[at + index]!
  return value
}
