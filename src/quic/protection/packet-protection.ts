/**
 * Packet protection in the slot where the packet stands (RFC 9001 §5.3, §5.4): one call of the AEAD key each way. What came out of
 * the header on the way in is left in fields, since a packet is handled before the next one is opened.
 */
import {
  type AeadKey,
  decodePacketNumber,
  type HeaderKey,
  readTruncated,
  Unprotect,
  unmaskHeader,
} from '../../crypto/index.ts'

export { readTruncated } from '../../crypto/index.ts'

/** Bytes the AEAD adds. */
export const TAG_LENGTH = 16

/** What `PacketProtection.unprotect` found. */
export type Unprotected = 'opened' | 'failed' | 'too-short' | 'other-phase'

/** Scratch of one engine: the 5-byte header mask, and what the last packet's header said. */
export class PacketProtection {
  /** Of the packet that `unprotect` took apart last, unless it was too short. */
  packetNumber = -1
  /** Where its payload begins: after the packet number. */
  payloadStart = 0
  /** End of its plaintext; -1 unless it was opened. */
  plainEnd = -1
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
    aead.protect(header, bytes, start, packetNumberStart, payloadStart, payloadEnd, pathId, packetNumber)
    return payloadEnd + TAG_LENGTH
  }

  /**
   * Unmasks the header of the packet `bytes[start, end)`, expands its packet number against `largest` (the largest received in the space, -1 for none)
   * and opens it with `aead`, all in place. `phase` is the key phase bit that `aead` is for, -1 for long headers.
   *
   * - `opened`: `packetNumber`, `payloadStart` and `plainEnd` are set.
   * - `failed`: not authentic. `packetNumber` and `payloadStart` are set, the payload is garbage, the last 16 bytes are untouched.
   * - `too-short`: no room for a sample (RFC 9001 §5.4.2). Neither the bytes nor the fields changed.
   * - `other-phase`: `packetNumber` and `payloadStart` are set and the payload is untouched: choose the key by them and call `open`.
   */
  unprotect(
    aead: AeadKey,
    header: HeaderKey,
    bytes: Uint8Array,
    start: number,
    packetNumberStart: number,
    end: number,
    pathId: number,
    largest: number,
    phase: number,
  ): Unprotected {
    const result = aead.unprotect(header, bytes, start, packetNumberStart, end, pathId, largest, phase)
    if (result === Unprotect.TooShort) return 'too-short'
    // The key returns one number, and these follow from the header that it unmasked.
    const length = (bytes[start]! & 0x03) + 1
    this.packetNumber = decodePacketNumber(readTruncated(bytes, packetNumberStart, length), length, largest)
    this.payloadStart = packetNumberStart + length
    this.plainEnd = result < 0 ? -1 : result
    if (result >= 0) return 'opened'
    return result === Unprotect.OtherPhase ? 'other-phase' : 'failed'
  }

  /** Opens the packet of the last `unprotect`, which was `other-phase`, with the key of that phase. False when it is not authentic. */
  open(aead: AeadKey, bytes: Uint8Array, start: number, end: number, pathId: number): boolean {
    this.plainEnd = aead.open(bytes, start, this.payloadStart, end, pathId, this.packetNumber)
    return this.plainEnd !== -1
  }

  /** Unmasks the header in place. Returns the packet number's length in bytes, or 0 when the packet is too short to hold a sample. */
  unmask(header: HeaderKey, bytes: Uint8Array, start: number, packetNumberStart: number, end: number): number {
    return unmaskHeader(header, this.#mask, bytes, start, packetNumberStart, end)
  }
}
