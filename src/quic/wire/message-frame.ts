/**
 * TOM_MESSAGE, a private frame: its length and so many bytes, which QUIC does not look into. Only between peers that both sent `tomCapabilities`.
 */
import type { Reader, Writer } from '../../bytes/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { FrameType } from './frame-types.ts'

/** Longest payload, bytes. */
export const MAX_MESSAGE_LENGTH = 256

/** A copy of the payload. A longer one than allowed is a FRAME_ENCODING_ERROR. */
export function readMessage(reader: Reader): Uint8Array {
  const length = reader.varint()
  if (length > MAX_MESSAGE_LENGTH)
    throw new TransportError(ErrorCode.FRAME_ENCODING_ERROR, FrameType.TOM_MESSAGE, `TOM_MESSAGE of ${length} bytes`)
  return reader.copy(length)
}

/** At most six bytes and the payload. */
export function writeMessage(writer: Writer, payload: Uint8Array): void {
  writer.varint(FrameType.TOM_MESSAGE)
  writer.varint(payload.length)
  writer.raw(payload)
}
