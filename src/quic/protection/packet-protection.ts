/**
 * Header protection around the AEAD, in the slot where the packet stands (RFC 9001 §5.3, §5.4). Two steps on the way in, since the
 * packet number decides the key phase; one step on the way out.
 */
import type { AeadKey, HeaderKey } from '../../crypto/index.ts'

/** Bytes the AEAD adds. */
export const TAG_LENGTH = 16

/** Scratch of one engine: the 5-byte header mask. */
export class PacketProtection {
  readonly #mask = new Uint8Array(5)

  /**
   * Seals `[payloadStart, payloadEnd)` and masks the header. The packet number field ends at `payloadStart`. Payload and packet number together
   * must have 4 bytes or more, so that the sample exists (RFC 9001 §5.4.2). Returns the end of the packet, tag included.
   */
  protect(
    aead: AeadKey,
    header: HeaderKey,
    bytes: Uint8Array,
    start: number,
    packetNumberStart: number,
    payloadStart: number,
    payloadEnd: number,
    pathId: number,
    packetNumber: number,
  ): number {
    aead.seal(bytes, start, payloadStart, payloadEnd, pathId, packetNumber)
    const mask = this.#mask
    header.mask(bytes, packetNumberStart + 4, mask)
    const first = bytes[start]!
    bytes[start] = first ^ (mask[0]! & ((first & 0x80) !== 0 ? 0x0f : 0x1f))
    for (let at = packetNumberStart, index = 1; at < payloadStart; at++, index++) bytes[at] = bytes[at]! ^ mask[index]!
    return payloadEnd + TAG_LENGTH
  }

  /** Unmasks the header in place. Returns the packet number's length in bytes, or 0 when the packet is too short to hold a sample. */
  unmask(header: HeaderKey, bytes: Uint8Array, start: number, packetNumberStart: number, end: number): number {
    if (packetNumberStart + 4 + 16 > end) return 0
    const mask = this.#mask
    header.mask(bytes, packetNumberStart + 4, mask)
    const first = bytes[start]! ^ (mask[0]! & ((bytes[start]! & 0x80) !== 0 ? 0x0f : 0x1f))
    bytes[start] = first
    const length = (first & 0x03) + 1
    for (let index = 0; index < length; index++) {
      const at = packetNumberStart + index
      bytes[at] = bytes[at]! ^ mask[index + 1]!
    }
    return length
  }
}

/** Big-endian packet number field. */
export function readTruncated(bytes: Uint8Array, at: number, length: number): number {
  let value = 0
  for (let index = 0; index < length; index++) value = value * 256 + bytes[at + index]!
  return value
}
