/**
 * ACK, ACK_ECN and their multipath forms, and ACK_FREQUENCY. Reading and writing acknowledgements allocates nothing once the reused arrays have
 * grown. What an acknowledgement means is loss detection's business. RFC 9000 §19.3, spec/quic.md §4.1 (multipath and ack-frequency drafts).
 */
import { type Reader, varintLength, type Writer } from '../../bytes/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { FrameType, frameName } from './frame-types.ts'
import { readPathId } from './path-frames.ts'

/**
 * An acknowledgement, reused for every frame. Ranges are inclusive and descend: index 0 holds the highest numbers. The arrays grow to
 * what one packet can hold, half as many ranges as it has bytes.
 */
export class AckFrame {
  /** 0 for ACK and ACK_ECN. */
  pathId = 0
  /** As on the wire: microseconds divided by 2^ack_delay_exponent of the sender. */
  delay = 0
  /** Ranges in use, at least 1 after reading. */
  count = 0
  largest: Float64Array = new Float64Array(32)
  smallest: Float64Array = new Float64Array(32)
  hasEcn = false
  ect0 = 0
  ect1 = 0
  ce = 0

  /** Makes room for `count` ranges; what the arrays held is lost. */
  reserve(count: number): void {
    if (count <= this.largest.length) return
    const capacity = Math.max(count, this.largest.length * 2)
    this.largest = new Float64Array(capacity)
    this.smallest = new Float64Array(capacity)
  }
}

function malformed(type: number, what: string): TransportError {
  return new TransportError(ErrorCode.FRAME_ENCODING_ERROR, type, `${frameName(type)}: ${what}`)
}

/** Reads the fields after the type. Throws FRAME_ENCODING_ERROR for ranges below packet number 0, PROTOCOL_VIOLATION for path ids above 2^32 - 1. */
export function readAckFrame(reader: Reader, type: number, out: AckFrame): void {
  out.pathId = type === FrameType.PATH_ACK || type === FrameType.PATH_ACK_ECN ? readPathId(reader, type) : 0
  const highest = reader.varint()
  out.delay = reader.varint()
  const more = reader.varint()
  // Each further range takes two bytes or more, so the claim is checked before memory is taken for it.
  if (more * 2 > reader.remaining) throw malformed(type, `${more} ranges in ${reader.remaining} bytes`)
  out.count = more + 1
  out.reserve(more + 1)
  const largest = out.largest
  const smallest = out.smallest

  let low = highest - reader.varint()
  if (low < 0) throw malformed(type, 'the first range goes below 0')
  largest[0] = highest
  smallest[0] = low
  for (let index = 1; index <= more; index++) {
    // RFC 9000 §19.3.1: a gap of 0 stands for one missing packet.
    const high = low - reader.varint() - 2
    low = high - reader.varint()
    if (low < 0) throw malformed(type, `range ${index} goes below 0`)
    largest[index] = high
    smallest[index] = low
  }

  const hasEcn = type === FrameType.ACK_ECN || type === FrameType.PATH_ACK_ECN
  out.hasEcn = hasEcn
  out.ect0 = hasEcn ? reader.varint() : 0
  out.ect1 = hasEcn ? reader.varint() : 0
  out.ce = hasEcn ? reader.varint() : 0
}

/**
 * Writes ACK (`pathId` -1) or PATH_ACK with as many of the `count` descending ranges as fit into `writer.room`, the highest first. `delay` is
 * an integer, already divided by 2^ack_delay_exponent. Returns the number of ranges written; 0 means nothing fit and nothing was written.
 */
export function writeAckFrame(
  writer: Writer,
  pathId: number,
  delay: number,
  count: number,
  largest: ArrayLike<number>,
  smallest: ArrayLike<number>,
): number {
  if (count === 0) return 0
  const room = writer.room
  const first = largest[0]! - smallest[0]!
  let size = 1 + varintLength(largest[0]!) + varintLength(delay) + varintLength(first)
  if (pathId >= 0) size += varintLength(pathId)
  if (size + 1 > room) return 0
  let fitting = 1
  while (fitting < count) {
    const gap = smallest[fitting - 1]! - largest[fitting]! - 2
    size += varintLength(gap) + varintLength(largest[fitting]! - smallest[fitting]!)
    if (size + varintLength(fitting) > room) break
    fitting++
  }

  if (pathId >= 0) {
    writer.u8(FrameType.PATH_ACK)
    writer.varint(pathId)
  } else {
    writer.u8(FrameType.ACK)
  }
  writer.varint(largest[0]!)
  writer.varint(delay)
  writer.varint(fitting - 1)
  writer.varint(first)
  for (let index = 1; index < fitting; index++) {
    writer.varint(smallest[index - 1]! - largest[index]! - 2)
    writer.varint(largest[index]! - smallest[index]!)
  }
  return fitting
}

export interface AckFrequencyFrame {
  readonly sequence: number
  /** Ack-eliciting packets that may arrive without an acknowledgement. */
  readonly threshold: number
  /** Requested max_ack_delay, microseconds. */
  readonly maxAckDelayUs: number
  /** Reordering tolerated before an immediate acknowledgement; 0: any amount. */
  readonly reorderingThreshold: number
}

export function readAckFrequency(reader: Reader): AckFrequencyFrame {
  return {
    sequence: reader.varint(),
    threshold: reader.varint(),
    maxAckDelayUs: reader.varint(),
    reorderingThreshold: reader.varint(),
  }
}

export function writeAckFrequency(
  writer: Writer,
  sequence: number,
  threshold: number,
  maxAckDelayUs: number,
  reorderingThreshold: number,
): void {
  writer.varint(FrameType.ACK_FREQUENCY)
  writer.varint(sequence)
  writer.varint(threshold)
  writer.varint(maxAckDelayUs)
  writer.varint(reorderingThreshold)
}
