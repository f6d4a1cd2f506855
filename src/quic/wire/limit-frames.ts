/**
 * The MAX_ and _BLOCKED families of flow control and stream counts. They are only numbers here; windows and their rules
 * belong to the streams. RFC 9000 §4.6, §19.9 to §19.14.
 */
import type { Reader, Writer } from '../../bytes/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { FrameType, frameName } from './frame-types.ts'

/** A limit of one stream. */
export interface StreamLimitFrame {
  readonly streamId: number
  /** Bytes. */
  readonly limit: number
}

export function readMaxData(reader: Reader): number {
  return reader.varint()
}

export function writeMaxData(writer: Writer, limit: number): void {
  writer.u8(FrameType.MAX_DATA)
  writer.varint(limit)
}

export function readMaxStreamData(reader: Reader): StreamLimitFrame {
  return { streamId: reader.varint(), limit: reader.varint() }
}

export function writeMaxStreamData(writer: Writer, streamId: number, limit: number): void {
  writer.u8(FrameType.MAX_STREAM_DATA)
  writer.varint(streamId)
  writer.varint(limit)
}

/**
 * A stream count, or -1 when it is above 2^60, where stream ids would outgrow a varint (RFC 9000 §4.6). Counts from 2^53 to 2^60 are legal
 * but beyond exact numbers, so the bound is tested on the bytes.
 */
export function readStreamCount(reader: Reader): number {
  const at = reader.position
  const count = reader.varint()
  if (reader.position - at < 8) return count
  const top = reader.bytes[at]! & 0x3f
  if (top < 0x10) return count
  if (top > 0x10) return -1
  for (let index = at + 1; index < at + 8; index++) if (reader.bytes[index] !== 0) return -1
  return count
}

function readStreamCountFrame(reader: Reader, type: number): number {
  const count = readStreamCount(reader)
  if (count < 0) {
    throw new TransportError(ErrorCode.FRAME_ENCODING_ERROR, type, `${frameName(type)}: more than 2^60 streams`)
  }
  return count
}

/** Streams the peer allows in all, of the kind that `type` says (it only serves the error). FRAME_ENCODING_ERROR above 2^60. */
export function readMaxStreams(reader: Reader, type: number = FrameType.MAX_STREAMS_BIDI): number {
  return readStreamCountFrame(reader, type)
}

export function writeMaxStreams(writer: Writer, bidirectional: boolean, limit: number): void {
  writer.u8(bidirectional ? FrameType.MAX_STREAMS_BIDI : FrameType.MAX_STREAMS_UNI)
  writer.varint(limit)
}

export function readDataBlocked(reader: Reader): number {
  return reader.varint()
}

export function writeDataBlocked(writer: Writer, limit: number): void {
  writer.u8(FrameType.DATA_BLOCKED)
  writer.varint(limit)
}

export function readStreamDataBlocked(reader: Reader): StreamLimitFrame {
  return { streamId: reader.varint(), limit: reader.varint() }
}

export function writeStreamDataBlocked(writer: Writer, streamId: number, limit: number): void {
  writer.u8(FrameType.STREAM_DATA_BLOCKED)
  writer.varint(streamId)
  writer.varint(limit)
}

/** The stream limit that holds the peer up. FRAME_ENCODING_ERROR above 2^60. */
export function readStreamsBlocked(reader: Reader, type: number = FrameType.STREAMS_BLOCKED_BIDI): number {
  return readStreamCountFrame(reader, type)
}

export function writeStreamsBlocked(writer: Writer, bidirectional: boolean, limit: number): void {
  writer.u8(bidirectional ? FrameType.STREAMS_BLOCKED_BIDI : FrameType.STREAMS_BLOCKED_UNI)
  writer.varint(limit)
}
