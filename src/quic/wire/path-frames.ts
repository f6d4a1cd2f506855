/**
 * PATH_CHALLENGE and PATH_RESPONSE (RFC 9000 §19.17, §19.18) and the path management frames of draft-ietf-quic-multipath as iroh
 * numbers them (spec/quic.md §4.1). Connection IDs and acknowledgements of paths are in id-frames.ts and ack-frames.ts.
 */
import type { Reader, Writer } from '../../bytes/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { FrameType, frameName } from './frame-types.ts'

/** Largest path id, 2^32 - 1: it has 32 bits in the nonce. */
export const HIGHEST_PATH_ID = 0xffffffff

/** Reasons in PATH_ABANDON, spec/quic.md §4.1. Others are passed on as they are. */
export const PathErrorCode = {
  APPLICATION_ABANDON: 0x3e,
  RESOURCE_LIMIT: 0x3e75,
  UNSTABLE_OR_POOR: 0x3e76,
  NO_CID_AVAILABLE: 0x3e77,
} as const

/** A path id of a frame of the given type. Above 2^32 - 1 is a PROTOCOL_VIOLATION: no maximum allows it (draft-ietf-quic-multipath §4). */
export function readPathId(reader: Reader, type: number): number {
  const pathId = reader.varint()
  if (pathId > HIGHEST_PATH_ID) {
    throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, `${frameName(type)}: path id above 2^32 - 1`)
  }
  return pathId
}

/** The 8 bytes of a PATH_CHALLENGE or PATH_RESPONSE, copied. */
export function readPathData(reader: Reader): Uint8Array {
  return reader.copy(8)
}

/** `data` has 8 bytes. */
export function writePathChallenge(writer: Writer, data: Uint8Array): void {
  writer.u8(FrameType.PATH_CHALLENGE)
  writer.raw(data)
}

/** `data` has 8 bytes. */
export function writePathResponse(writer: Writer, data: Uint8Array): void {
  writer.u8(FrameType.PATH_RESPONSE)
  writer.raw(data)
}

export interface PathAbandonFrame {
  readonly pathId: number
  readonly errorCode: number
}

export function readPathAbandon(reader: Reader): PathAbandonFrame {
  return { pathId: readPathId(reader, FrameType.PATH_ABANDON), errorCode: reader.varint() }
}

export function writePathAbandon(writer: Writer, pathId: number, errorCode: number): void {
  writer.varint(FrameType.PATH_ABANDON)
  writer.varint(pathId)
  writer.varint(errorCode)
}

export interface PathStatusFrame {
  readonly pathId: number
  /** Grows with each change; only the highest counts. */
  readonly sequence: number
  /** PATH_STATUS_BACKUP rather than PATH_STATUS_AVAILABLE. */
  readonly backup: boolean
}

export function readPathStatus(reader: Reader, type: number): PathStatusFrame {
  return {
    pathId: readPathId(reader, type),
    sequence: reader.varint(),
    backup: type === FrameType.PATH_STATUS_BACKUP,
  }
}

export function writePathStatus(writer: Writer, pathId: number, sequence: number, backup: boolean): void {
  writer.varint(backup ? FrameType.PATH_STATUS_BACKUP : FrameType.PATH_STATUS_AVAILABLE)
  writer.varint(pathId)
  writer.varint(sequence)
}

/** The highest path id the peer accepts from now on. */
export function readMaxPathId(reader: Reader): number {
  return readPathId(reader, FrameType.MAX_PATH_ID)
}

export function writeMaxPathId(writer: Writer, pathId: number): void {
  writer.varint(FrameType.MAX_PATH_ID)
  writer.varint(pathId)
}

/** The maximum path id that the sender knows and is held up by. */
export function readPathsBlocked(reader: Reader): number {
  return readPathId(reader, FrameType.PATHS_BLOCKED)
}

export function writePathsBlocked(writer: Writer, pathId: number): void {
  writer.varint(FrameType.PATHS_BLOCKED)
  writer.varint(pathId)
}

export interface PathCidsBlockedFrame {
  readonly pathId: number
  /** Sequence number of the next connection ID that the sender waits for. */
  readonly nextSequence: number
}

export function readPathCidsBlocked(reader: Reader): PathCidsBlockedFrame {
  return { pathId: readPathId(reader, FrameType.PATH_CIDS_BLOCKED), nextSequence: reader.varint() }
}

export function writePathCidsBlocked(writer: Writer, pathId: number, nextSequence: number): void {
  writer.varint(FrameType.PATH_CIDS_BLOCKED)
  writer.varint(pathId)
  writer.varint(nextSequence)
}
