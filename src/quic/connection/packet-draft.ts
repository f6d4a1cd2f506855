/**
 * One packet under construction in a datagram: header first, then the owners' frames, sealed when the whole datagram is known (only then is it
 * certain how much padding its last packet carries). Reused.
 */
import type { AeadKey, HeaderKey } from '../../crypto/index.ts'
import { Level } from '../level.ts'
import { TAG_LENGTH } from '../protection/packet-protection.ts'
import { PacketWriter, type SentFramePool } from '../recovery/frame-owner.ts'
import type { PacketSpace } from '../recovery/packet-space.ts'
import type { Resources } from '../resources.ts'
import { PacketKind, patchLength, QUIC_V1, writeLongHeader, writeShortHeader } from '../wire/header.ts'
import { packetNumberLength } from '../wire/packet-number.ts'

const EMPTY = new Uint8Array(0)

export class PacketDraft {
  readonly writer: PacketWriter
  space: PacketSpace | undefined = undefined
  level: Level = Level.Initial
  start = 0
  packetNumber = 0
  payloadStart = 0
  /** Largest packet number acknowledged inside, -1 when there is no ACK. */
  largestAckSent = -1
  #packetNumberLength = 0
  #lengthAt = -1

  constructor(pool: SentFramePool) {
    this.writer = new PacketWriter(pool)
  }

  /** Writes the header at `at`; the packet, tag included, ends at `limit` or before. False when there is no room for even a small packet. */
  begin(
    bytes: Uint8Array,
    at: number,
    limit: number,
    space: PacketSpace,
    destinationId: Uint8Array,
    sourceId: Uint8Array,
    token: Uint8Array,
    keyPhase: number,
    multipath = false,
  ): boolean {
    const level = space.level
    const number = space.nextPacketNumber
    const numberLength = packetNumberLength(number, space.largestAcked)
    const payloadLimit = limit - TAG_LENGTH
    const headerLength =
      level === Level.OneRtt
        ? 1 + destinationId.length + numberLength
        : 7 +
          destinationId.length +
          sourceId.length +
          2 +
          numberLength +
          (level === Level.Initial ? token.length + 4 : 0)
    if (at + headerLength + 4 > payloadLimit) return false
    const writer = this.writer
    writer.begin(bytes, at, payloadLimit, level, space.pathId, multipath)
    if (level === Level.OneRtt) {
      writeShortHeader(writer, destinationId, false, keyPhase, number, numberLength)
      this.#lengthAt = -1
    } else {
      const kind = level === Level.Initial ? PacketKind.Initial : PacketKind.Handshake
      const initialToken = level === Level.Initial ? token : EMPTY
      this.#lengthAt = writeLongHeader(
        writer,
        kind,
        QUIC_V1,
        destinationId,
        sourceId,
        initialToken,
        number,
        numberLength,
      )
    }
    this.space = space
    this.level = level
    this.start = at
    this.packetNumber = number
    this.#packetNumberLength = numberLength
    this.payloadStart = writer.position
    this.largestAckSent = -1
    return true
  }

  get isEmpty(): boolean {
    return this.writer.position === this.payloadStart
  }

  /** Size with tag, bytes, as it stands; what `seal` would add is in it. */
  get size(): number {
    return Math.max(this.writer.position, this.#leastEnd) + TAG_LENGTH - this.start
  }

  /** RFC 9001 §5.4.2: the header protection sample needs four bytes of packet number and payload. */
  get #leastEnd(): number {
    return this.payloadStart + 4 - this.#packetNumberLength
  }

  /** PADDING frames up to a datagram end of `end`. Counts as in flight (RFC 9002 §2). */
  padTo(end: number): void {
    const count = end - TAG_LENGTH - this.writer.position
    if (count <= 0) return
    this.writer.fill(0, count)
    this.writer.inFlight = true
  }

  /** Takes the packet number, seals, masks. Returns the packet's size in bytes. */
  seal(resources: Resources, aead: AeadKey, header: HeaderKey, now: number): number {
    const writer = this.writer
    const short = this.#leastEnd - writer.position
    if (short > 0) writer.fill(0, short)
    const end = writer.position
    const size = end + TAG_LENGTH - this.start
    if (this.#lengthAt !== -1)
      patchLength(writer.bytes, this.#lengthAt, end + TAG_LENGTH - (this.payloadStart - this.#packetNumberLength))
    this.space!.takePacketNumber()
    resources.trace?.packetSent(
      now,
      this.level,
      writer.pathId,
      this.packetNumber,
      size,
      writer.bytes,
      this.payloadStart,
      end,
    )
    resources.protection.protect(
      aead,
      header,
      writer.bytes,
      this.start,
      this.payloadStart - this.#packetNumberLength,
      this.payloadStart,
      end,
      writer.pathId,
      this.packetNumber,
    )
    return size
  }
}
