/**
 * Long and short packet headers, parsed where they lie in the datagram and written in front of a payload. It removes no header protection and
 * opens nothing; Retry and Version Negotiation bodies have their own files. RFC 8999 §5, RFC 9000 §17.2, §17.3.
 */
import { varintLength, type Writer } from '../../bytes/index.ts'

/** The first four are the numbers of `Level`. */
export const PacketKind = {
  Initial: 0,
  ZeroRtt: 1,
  Handshake: 2,
  OneRtt: 3,
  Retry: 4,
  VersionNegotiation: 5,
  UnknownVersion: 6,
} as const
export type PacketKind = (typeof PacketKind)[keyof typeof PacketKind]

export const QUIC_V1 = 1

/** RFC 9000 §17.2: longest connection ID in version 1, bytes. Other versions may use up to 255 (RFC 8999 §5.3). */
export const MAX_CONNECTION_ID_LENGTH = 20

/** Bits of the first byte. Packets without the fixed bit are only for endpoints that sent grease_quic_bit (RFC 9287). */
export const LONG_HEADER_BIT = 0x80
export const FIXED_BIT = 0x40

/** Length of the Retry integrity tag, bytes. */
const RETRY_TAG_LENGTH = 16

/** Reused for every packet. Positions are indices into the buffer that was parsed. */
export class PacketHeader {
  kind: PacketKind = PacketKind.Initial
  /** As received: except for the top bits (0xf0 of a long, 0xe0 of a short header) still protected. The fixed bit is the caller's to check. */
  firstByte = 0
  /** 0 for short headers and Version Negotiation. */
  version = 0
  destinationStart = 0
  destinationLength = 0
  /** 0 bytes long in short headers. */
  sourceStart = 0
  sourceLength = 0
  /** Token of an Initial or of a Retry; otherwise 0 bytes long. */
  tokenStart = 0
  tokenLength = 0
  /** Where the protected packet number begins; `end` where there is none. */
  packetNumberStart = 0
  /** First index after this packet, its tag included. */
  end = 0
}

/** Bytes that the varint at `at` takes, or 0 when it does not end before `end`. */
function varintWidth(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return 0
  const width = 1 << (bytes[at]! >>> 6)
  return width <= end - at ? width : 0
}

/** The varint of `width` bytes at `at`. Anything above 2^53 is inexact, and beyond every datagram. */
function varintValue(bytes: Uint8Array, at: number, width: number): number {
  let value = bytes[at]! & 0x3f
  for (let index = at + 1; index < at + width; index++) value = value * 256 + bytes[index]!
  return value
}

/**
 * Parses the still protected header at `start` of a datagram that ends at `end`. Short headers take `shortIdLength` bytes of connection ID and
 * run to `end`, as do Retry, Version Negotiation and unknown versions. False: nothing we can delimit, drop the rest of the datagram.
 * Never throws, never reads at or beyond `end`. That a packet is long enough for a header protection sample is not checked:
 * a short header may be a stateless reset.
 */
export function parseHeader(
  bytes: Uint8Array,
  start: number,
  end: number,
  shortIdLength: number,
  out: PacketHeader,
): boolean {
  if (start >= end) return false
  const first = bytes[start]!
  out.firstByte = first
  out.tokenStart = start
  out.tokenLength = 0
  out.end = end

  if ((first & LONG_HEADER_BIT) === 0) {
    const packetNumberStart = start + 1 + shortIdLength
    if (packetNumberStart > end) return false
    out.kind = PacketKind.OneRtt
    out.version = 0
    out.destinationStart = start + 1
    out.destinationLength = shortIdLength
    out.sourceStart = packetNumberStart
    out.sourceLength = 0
    out.packetNumberStart = packetNumberStart
    return true
  }

  // RFC 8999 §5.1: these fields are the same in every version. Seven bytes is the shortest long header.
  if (end - start < 7) return false
  const version =
    ((bytes[start + 1]! << 24) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 8) | bytes[start + 4]!) >>> 0
  const destinationLength = bytes[start + 5]!
  const destinationStart = start + 6
  const sourceLengthAt = destinationStart + destinationLength
  if (sourceLengthAt >= end) return false
  const sourceLength = bytes[sourceLengthAt]!
  const sourceStart = sourceLengthAt + 1
  let at = sourceStart + sourceLength
  if (at > end) return false
  out.version = version
  out.destinationStart = destinationStart
  out.destinationLength = destinationLength
  out.sourceStart = sourceStart
  out.sourceLength = sourceLength
  out.packetNumberStart = end

  if (version !== QUIC_V1) {
    out.kind = version === 0 ? PacketKind.VersionNegotiation : PacketKind.UnknownVersion
    return true
  }
  // RFC 9000 §17.2: longer ids in version 1 mean that the packet is dropped.
  if (destinationLength > MAX_CONNECTION_ID_LENGTH || sourceLength > MAX_CONNECTION_ID_LENGTH) return false

  const type = (first >>> 4) & 0x03
  if (type === 3) {
    if (end - at < RETRY_TAG_LENGTH) return false
    out.kind = PacketKind.Retry
    out.tokenStart = at
    out.tokenLength = end - at - RETRY_TAG_LENGTH
    return true
  }
  out.kind = type === 0 ? PacketKind.Initial : type === 1 ? PacketKind.ZeroRtt : PacketKind.Handshake
  if (type === 0) {
    const width = varintWidth(bytes, at, end)
    if (width === 0) return false
    const tokenLength = varintValue(bytes, at, width)
    at += width
    if (tokenLength > end - at) return false
    out.tokenStart = at
    out.tokenLength = tokenLength
    at += tokenLength
  }
  const width = varintWidth(bytes, at, end)
  if (width === 0) return false
  const length = varintValue(bytes, at, width)
  at += width
  if (length > end - at) return false
  out.packetNumberStart = at
  out.end = at + length
  return true
}

function writePacketNumber(writer: Writer, packetNumber: number, length: number): void {
  if (length === 1) writer.u8(packetNumber & 0xff)
  else if (length === 2) writer.u16(packetNumber)
  else if (length === 3) writer.u24(packetNumber)
  else writer.u32(packetNumber)
}

/**
 * Writes the header of an Initial, 0-RTT or Handshake packet up to and including `packetNumberLength` bytes (1 to 4) of packet number;
 * `writer.position` is then at the payload. `token` is only used for Initial packets. Returns the index of the 2-byte Length field, which
 * waits for `patchLength`. Reserved bits are 0, nothing is protected yet.
 */
export function writeLongHeader(
  writer: Writer,
  kind: PacketKind,
  version: number,
  destinationId: Uint8Array,
  sourceId: Uint8Array,
  token: Uint8Array,
  packetNumber: number,
  packetNumberLength: number,
): number {
  writer.u8(LONG_HEADER_BIT | FIXED_BIT | (kind << 4) | (packetNumberLength - 1))
  writer.u32(version)
  writer.u8(destinationId.length)
  writer.raw(destinationId)
  writer.u8(sourceId.length)
  writer.raw(sourceId)
  if (kind === PacketKind.Initial) {
    writer.varint(token.length)
    writer.raw(token)
  }
  const lengthAt = writer.position
  writer.u16(0x4000)
  writePacketNumber(writer, packetNumber, packetNumberLength)
  return lengthAt
}

/** Fills in the 2-byte Length of a long header: bytes of packet number, payload and tag, at most 16383. */
export function patchLength(bytes: Uint8Array, lengthAt: number, length: number): void {
  bytes[lengthAt] = 0x40 | (length >>> 8)
  bytes[lengthAt + 1] = length
}

/** Bytes that `writeLongHeader` writes, the packet number included. */
export function longHeaderLength(
  kind: PacketKind,
  destinationIdLength: number,
  sourceIdLength: number,
  tokenLength: number,
  packetNumberLength: number,
): number {
  const token = kind === PacketKind.Initial ? varintLength(tokenLength) + tokenLength : 0
  return 7 + destinationIdLength + sourceIdLength + token + 2 + packetNumberLength
}

/** Writes a 1-RTT header: `keyPhase` is 0 or 1, `packetNumberLength` 1 to 4. 1 + id + packet number bytes long. */
export function writeShortHeader(
  writer: Writer,
  destinationId: Uint8Array,
  spin: boolean,
  keyPhase: number,
  packetNumber: number,
  packetNumberLength: number,
): void {
  writer.u8(FIXED_BIT | (spin ? 0x20 : 0) | (keyPhase << 2) | (packetNumberLength - 1))
  writer.raw(destinationId)
  writePacketNumber(writer, packetNumber, packetNumberLength)
}
