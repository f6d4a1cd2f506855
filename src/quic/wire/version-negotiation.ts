/**
 * Version Negotiation packets, both ways. When one is sent, and that a client ignores one that lists its own version or comes late, is
 * decided by the engine and the connection (RFC 9000 §6). RFC 8999 §6, RFC 9000 §17.2.1, §15.
 */
import type { Writer } from '../../bytes/index.ts'
import { FIXED_BIT, LONG_HEADER_BIT, type PacketHeader, QUIC_V1 } from './header.ts'

/** RFC 9000 §15: 0x?a?a?a?a is reserved to keep peers used to unknown versions. The second one answers a client that tried the first. */
const GREASE_VERSION = 0x0a1a2a3a
const OTHER_GREASE_VERSION = 0x0a1a2a4a

/**
 * Answers a client that asked for `clientVersion`: one reserved version and QUIC v1. The ids are the client's, swapped: `destinationId` is its
 * source id; each at most 255 bytes. `randomByte` fills the unused low bits of the first byte. 15 bytes and the ids.
 */
export function writeVersionNegotiation(
  writer: Writer,
  destinationId: Uint8Array,
  sourceId: Uint8Array,
  randomByte: number,
  clientVersion: number,
): void {
  // RFC 9000 §17.2.1: the fixed bit is set so that QUIC can share a port with other protocols.
  writer.u8(LONG_HEADER_BIT | FIXED_BIT | (randomByte & 0x3f))
  writer.u32(0)
  writer.u8(destinationId.length)
  writer.raw(destinationId)
  writer.u8(sourceId.length)
  writer.raw(sourceId)
  writer.u32(clientVersion === GREASE_VERSION ? OTHER_GREASE_VERSION : GREASE_VERSION)
  writer.u32(QUIC_V1)
}

/** The versions in the list, as many as the datagram holds; none at all when it is malformed, and the packet is to be ignored. */
export function readVersionNegotiation(bytes: Uint8Array, header: PacketHeader, end: number): number[] {
  const start = header.sourceStart + header.sourceLength
  const versions: number[] = []
  if ((end - start) % 4 !== 0) return versions
  for (let at = start; at < end; at += 4) {
    versions.push(((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0)
  }
  return versions
}
