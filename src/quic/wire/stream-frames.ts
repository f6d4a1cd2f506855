/**
 * STREAM, CRYPTO and DATAGRAM as numbers (where the data lies, not the data), RESET_STREAM and STOP_SENDING as small objects. Nothing here
 * knows stream states or limits, or copies payload. RFC 9000 §19.4 to §19.6, §19.8; RFC 9221 §4.
 */
import { type Reader, varintLength, type Writer } from '../../bytes/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { FrameType, StreamFlag } from './frame-types.ts'

/** A frame that carries data, reused for every one. */
export class StreamFrame {
  /** Only STREAM. */
  streamId = 0
  /** Of the first byte in the stream. STREAM and CRYPTO. */
  offset = 0
  /** Index of the data in the reader's buffer. */
  start = 0
  /** Bytes of data. */
  length = 0
  /** Only STREAM. */
  fin = false
}

/** Reads the fields after the type and skips the data. FLOW_CONTROL_ERROR when the data ends beyond 2^53 - 1. */
export function readStreamFrame(reader: Reader, type: number, out: StreamFrame): void {
  out.streamId = reader.varint()
  const offset = (type & StreamFlag.OFF) === 0 ? 0 : reader.varint()
  const length = (type & StreamFlag.LEN) === 0 ? reader.remaining : reader.varint()
  out.start = reader.skip(length)
  // RFC 9000 §19.8: beyond 2^62 - 1 either error code will do, and no window of ours reaches 2^53.
  if (offset + length > Number.MAX_SAFE_INTEGER) {
    throw new TransportError(ErrorCode.FLOW_CONTROL_ERROR, type, `stream ${out.streamId}: data ends beyond any limit`)
  }
  out.offset = offset
  out.length = length
  out.fin = (type & StreamFlag.FIN) !== 0
}

/** Bytes in front of the data of a STREAM frame. `length` -1: no Length field, the data runs to the packet's end. */
export function streamFrameOverhead(streamId: number, offset: number, length: number): number {
  return 1 + varintLength(streamId) + (offset > 0 ? varintLength(offset) : 0) + (length >= 0 ? varintLength(length) : 0)
}

/** Writes what `streamFrameOverhead` counts; the caller then copies the data. */
export function writeStreamHeader(
  writer: Writer,
  streamId: number,
  offset: number,
  length: number,
  fin: boolean,
): void {
  let type: number = FrameType.STREAM
  if (offset > 0) type |= StreamFlag.OFF
  if (length >= 0) type |= StreamFlag.LEN
  if (fin) type |= StreamFlag.FIN
  writer.u8(type)
  writer.varint(streamId)
  if (offset > 0) writer.varint(offset)
  if (length >= 0) writer.varint(length)
}

/** Sets `offset`, `start` and `length`. CRYPTO_BUFFER_EXCEEDED when the data ends beyond 2^53 - 1. */
export function readCryptoFrame(reader: Reader, out: StreamFrame): void {
  const offset = reader.varint()
  const length = reader.varint()
  out.start = reader.skip(length)
  // RFC 9000 §19.6: this code is one of the two allowed beyond 2^62 - 1, and right for all that no buffer holds.
  if (offset + length > Number.MAX_SAFE_INTEGER) {
    throw new TransportError(ErrorCode.CRYPTO_BUFFER_EXCEEDED, FrameType.CRYPTO, 'CRYPTO: data ends beyond any limit')
  }
  out.offset = offset
  out.length = length
}

/** Bytes in front of the data of a CRYPTO frame. */
export function cryptoFrameOverhead(offset: number, length: number): number {
  return 1 + varintLength(offset) + varintLength(length)
}

/** The caller then copies `length` bytes. */
export function writeCryptoHeader(writer: Writer, offset: number, length: number): void {
  writer.u8(FrameType.CRYPTO)
  writer.varint(offset)
  writer.varint(length)
}

/** Sets `start` and `length`. DATAGRAM (0x30) runs to the packet's end, DATAGRAM_LEN says its length. */
export function readDatagram(reader: Reader, type: number, out: StreamFrame): void {
  const length = type === FrameType.DATAGRAM_LEN ? reader.varint() : reader.remaining
  out.start = reader.skip(length)
  out.length = length
}

/** Writes a DATAGRAM_LEN header, 1 byte and the length; the caller then copies the data. */
export function writeDatagramHeader(writer: Writer, length: number): void {
  writer.u8(FrameType.DATAGRAM_LEN)
  writer.varint(length)
}

export interface ResetStreamFrame {
  readonly streamId: number
  /** The application's code. */
  readonly errorCode: number
  /** Bytes of the whole stream. */
  readonly finalSize: number
}

export function readResetStream(reader: Reader): ResetStreamFrame {
  return { streamId: reader.varint(), errorCode: reader.varint(), finalSize: reader.varint() }
}

export function writeResetStream(writer: Writer, streamId: number, errorCode: number, finalSize: number): void {
  writer.u8(FrameType.RESET_STREAM)
  writer.varint(streamId)
  writer.varint(errorCode)
  writer.varint(finalSize)
}

export interface StopSendingFrame {
  readonly streamId: number
  /** The application's code. */
  readonly errorCode: number
}

export function readStopSending(reader: Reader): StopSendingFrame {
  return { streamId: reader.varint(), errorCode: reader.varint() }
}

export function writeStopSending(writer: Writer, streamId: number, errorCode: number): void {
  writer.u8(FrameType.STOP_SENDING)
  writer.varint(streamId)
  writer.varint(errorCode)
}
