/**
 * Tells the first packet of a handshake from junk, before anything is kept for it (RFC 9000 §7, §17.2.2). Works on a copy: the
 * packet itself is opened again by the connection, if there will be one.
 */
import { Reader, TruncatedError } from '../bytes/index.ts'
import { TransportError } from './errors.ts'
import type { PacketKeys } from './protection/packet-keys.ts'
import { type PacketProtection, readTruncated } from './protection/packet-protection.ts'
import { AckFrame, readAckFrame } from './wire/ack-frames.ts'
import { FrameType } from './wire/frame-types.ts'
import type { PacketHeader } from './wire/header.ts'
import { decodePacketNumber } from './wire/packet-number.ts'

/** Does the Initial at `bytes[start]` open with `keys`, and does it bring CRYPTO data? `header` is its parsed header. */
export function beginsHandshake(
  protection: PacketProtection,
  bytes: Uint8Array,
  start: number,
  header: PacketHeader,
  keys: PacketKeys,
): boolean {
  const packet = bytes.slice(start, header.end)
  const numberStart = header.packetNumberStart - start
  const numberLength = protection.unmask(keys.header, packet, 0, numberStart, packet.length)
  if (numberLength === 0) return false
  const number = decodePacketNumber(readTruncated(packet, numberStart, numberLength), numberLength, -1)
  const end = keys.aead.open(packet, 0, numberStart + numberLength, packet.length, 0, number)
  return end !== -1 && bringsCrypto(packet, numberStart + numberLength, end)
}

/** Without it there is nothing to answer: a late PING, or the last words of a client that we refused. */
function bringsCrypto(packet: Uint8Array, start: number, end: number): boolean {
  const reader = new Reader(packet, start, end)
  const ack = new AckFrame()
  try {
    while (reader.position < end) {
      const type = reader.varint()
      if (type === FrameType.CRYPTO) return true
      if (type === FrameType.ACK || type === FrameType.ACK_ECN) readAckFrame(reader, type, ack)
      else if (type !== FrameType.PADDING && type !== FrameType.PING) return false
    }
  } catch (error) {
    if (!(error instanceof TruncatedError || error instanceof TransportError)) throw error
  }
  return false
}
