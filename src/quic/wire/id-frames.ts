/**
 * NEW_CONNECTION_ID and RETIRE_CONNECTION_ID and their multipath forms. Which ids are in use, how many, and the duties of
 * retiring are the owners' business. RFC 9000 §19.15, §19.16; spec/quic.md §4.1.
 */
import { type Reader, varintLength, type Writer } from '../../bytes/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { FrameType, frameName } from './frame-types.ts'
import { MAX_CONNECTION_ID_LENGTH } from './header.ts'
import { readPathId } from './path-frames.ts'

/** Bytes of a stateless reset token, RFC 9000 §10.3. */
export const RESET_TOKEN_LENGTH = 16

export interface NewConnectionIdFrame {
  /** 0 for the plain form. */
  readonly pathId: number
  readonly sequence: number
  readonly retirePriorTo: number
  /** 1 to 20 bytes; a view of the packet, copied by whoever keeps it. */
  readonly id: Uint8Array
  /** 16 bytes, likewise. */
  readonly resetToken: Uint8Array
}

/** Throws FRAME_ENCODING_ERROR for an id of 0 or more than 20 bytes and for a retirePriorTo above the sequence number. */
export function readNewConnectionId(reader: Reader, type: number): NewConnectionIdFrame {
  const pathId = type === FrameType.PATH_NEW_CONNECTION_ID ? readPathId(reader, type) : 0
  const sequence = reader.varint()
  const retirePriorTo = reader.varint()
  if (retirePriorTo > sequence) {
    throw new TransportError(
      ErrorCode.FRAME_ENCODING_ERROR,
      type,
      `${frameName(type)}: retire prior to ${retirePriorTo} in sequence ${sequence}`,
    )
  }
  const length = reader.u8()
  if (length < 1 || length > MAX_CONNECTION_ID_LENGTH) {
    throw new TransportError(ErrorCode.FRAME_ENCODING_ERROR, type, `${frameName(type)}: id of ${length} bytes`)
  }
  return {
    pathId,
    sequence,
    retirePriorTo,
    id: reader.view(length),
    resetToken: reader.view(RESET_TOKEN_LENGTH),
  }
}

/** `pathId` -1 writes the plain form. `id` has 1 to 20 bytes, `resetToken` 16. */
export function writeNewConnectionId(
  writer: Writer,
  pathId: number,
  sequence: number,
  retirePriorTo: number,
  id: Uint8Array,
  resetToken: Uint8Array,
): void {
  if (pathId < 0) {
    writer.u8(FrameType.NEW_CONNECTION_ID)
  } else {
    writer.varint(FrameType.PATH_NEW_CONNECTION_ID)
    writer.varint(pathId)
  }
  writer.varint(sequence)
  writer.varint(retirePriorTo)
  writer.u8(id.length)
  writer.raw(id)
  writer.raw(resetToken)
}

/** Bytes that `writeNewConnectionId` writes. */
export function newConnectionIdLength(
  pathId: number,
  sequence: number,
  retirePriorTo: number,
  idLength: number,
): number {
  const head = pathId < 0 ? 1 : varintLength(FrameType.PATH_NEW_CONNECTION_ID) + varintLength(pathId)
  return head + varintLength(sequence) + varintLength(retirePriorTo) + 1 + idLength + RESET_TOKEN_LENGTH
}

export interface RetireConnectionIdFrame {
  /** 0 for the plain form. */
  readonly pathId: number
  readonly sequence: number
}

export function readRetireConnectionId(reader: Reader, type: number): RetireConnectionIdFrame {
  return {
    pathId: type === FrameType.PATH_RETIRE_CONNECTION_ID ? readPathId(reader, type) : 0,
    sequence: reader.varint(),
  }
}

/** `pathId` -1 writes the plain form. */
export function writeRetireConnectionId(writer: Writer, pathId: number, sequence: number): void {
  if (pathId < 0) {
    writer.u8(FrameType.RETIRE_CONNECTION_ID)
  } else {
    writer.varint(FrameType.PATH_RETIRE_CONNECTION_ID)
    writer.varint(pathId)
  }
  writer.varint(sequence)
}
