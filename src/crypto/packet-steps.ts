/**
 * A whole packet protected and unprotected step by step, for keys that have no single call for it: the AEAD, then the header mask,
 * or the other way round. Meets RFC 9001 §5.3, §5.4 and §6.3.
 */
import { SAMPLE_LENGTH } from './key-lengths.ts'
import { decodePacketNumber, readTruncated } from './packet-number.ts'
import { type AeadKey, type HeaderKey, Unprotect } from './provider.ts'

/** Bytes from the start of the packet number field to the sample: as if the field always had its largest length (RFC 9001 §5.4.2). */
const SAMPLE_OFFSET = 4

/** `AeadKey.protect` by `seal` and `mask`. `mask` is 5 bytes of scratch. */
export function protectInSteps(
  aead: AeadKey,
  header: HeaderKey,
  mask: Uint8Array,
  bytes: Uint8Array,
  start: number,
  packetNumberStart: number,
  payloadStart: number,
  payloadEnd: number,
  pathId: number,
  packetNumber: number,
): void {
  if (packetNumberStart + SAMPLE_OFFSET > payloadEnd)
    throw new RangeError('the packet is too short for its header protection sample')
  aead.seal(bytes, start, payloadStart, payloadEnd, pathId, packetNumber)
  header.mask(bytes, packetNumberStart + SAMPLE_OFFSET, mask)
  const first = bytes[start]!
  bytes[start] = first ^ (mask[0]! & maskedBits(first))
  for (let at = packetNumberStart, index = 1; at < payloadStart; at++, index++) bytes[at] = bytes[at]! ^ mask[index]!
}

/** `AeadKey.unprotect` by `mask` and `open`. `mask` is 5 bytes of scratch. */
export function unprotectInSteps(
  aead: AeadKey,
  header: HeaderKey,
  mask: Uint8Array,
  bytes: Uint8Array,
  start: number,
  packetNumberStart: number,
  end: number,
  pathId: number,
  largest: number,
  phase: number,
): number {
  const length = unmaskHeader(header, mask, bytes, start, packetNumberStart, end)
  if (length === 0) return Unprotect.TooShort
  if (phase !== -1 && ((bytes[start]! >>> 2) & 1) !== phase) return Unprotect.OtherPhase
  const packetNumber = decodePacketNumber(readTruncated(bytes, packetNumberStart, length), length, largest)
  return aead.open(bytes, start, packetNumberStart + length, end, pathId, packetNumber)
}

/** Takes the header protection off in place. Returns the packet number's length in bytes, or 0 when there is no room for a sample: then nothing changed. */
export function unmaskHeader(
  header: HeaderKey,
  mask: Uint8Array,
  bytes: Uint8Array,
  start: number,
  packetNumberStart: number,
  end: number,
): number {
  if (packetNumberStart + SAMPLE_OFFSET + SAMPLE_LENGTH > end) return 0
  header.mask(bytes, packetNumberStart + SAMPLE_OFFSET, mask)
  const first = bytes[start]! ^ (mask[0]! & maskedBits(bytes[start]!))
  bytes[start] = first
  const length = (first & 0x03) + 1
  for (let index = 0; index < length; index++) {
    const at = packetNumberStart + index
    bytes[at] = bytes[at]! ^ mask[index + 1]!
  }
  return length
}

/** RFC 9001 §5.4.1: four bits of the first byte of a long header, five of a short one. */
function maskedBits(first: number): number {
  return (first & 0x80) !== 0 ? 0x0f : 0x1f
}
