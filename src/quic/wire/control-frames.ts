/**
 * CONNECTION_CLOSE in both forms, and NEW_TOKEN. PING, HANDSHAKE_DONE and IMMEDIATE_ACK have no fields, so they need
 * no codec; what a close does to the connection is decided elsewhere. RFC 9000 §19.7, §19.19.
 */
import { type Reader, varintLength, type Writer } from '../../bytes/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { FrameType } from './frame-types.ts'

export interface ConnectionCloseFrame {
  /** 0x1d: `code` is the application's. */
  readonly application: boolean
  readonly code: number
  /** Type of the frame that caused it; 0 when none did, and in the application's form. */
  readonly frameType: number
  /** Bytes that are not UTF-8 read as U+FFFD. At most as long as the packet. */
  readonly reason: string
}

export function readConnectionClose(reader: Reader, type: number): ConnectionCloseFrame {
  const application = type === FrameType.CONNECTION_CLOSE_APP
  const code = reader.varint()
  const frameType = application ? 0 : reader.varint()
  const reason = new TextDecoder('utf-8', { ignoreBOM: true }).decode(reader.view(reader.varint()))
  return { application, code, frameType, reason }
}

/**
 * `reason` (UTF-8) is cut to `writer.room`, between characters; without it the frame takes at most 18 bytes. `frameType` is not
 * written in the application's form.
 */
export function writeConnectionClose(
  writer: Writer,
  application: boolean,
  code: number,
  frameType: number,
  reason: Uint8Array,
): void {
  writer.u8(application ? FrameType.CONNECTION_CLOSE_APP : FrameType.CONNECTION_CLOSE)
  writer.varint(code)
  if (!application) writer.varint(frameType)
  const lengthBytes = varintLength(Math.min(reason.length, writer.room))
  let length = Math.max(0, Math.min(reason.length, writer.room - lengthBytes))
  // 10xxxxxx continues a character; one has at most three of those.
  for (let back = 0; back < 3 && length > 0 && length < reason.length; back++) {
    if ((reason[length]! & 0xc0) !== 0x80) break
    length--
  }
  writer.varint(length)
  writer.raw(reason.subarray(0, length))
}

/** A copy of the token. RFC 9000 §19.7: an empty one is a FRAME_ENCODING_ERROR. */
export function readNewToken(reader: Reader): Uint8Array {
  const token = reader.copy(reader.varint())
  if (token.length === 0) {
    throw new TransportError(ErrorCode.FRAME_ENCODING_ERROR, FrameType.NEW_TOKEN, 'NEW_TOKEN: empty token')
  }
  return token
}

/** `token` is not empty. */
export function writeNewToken(writer: Writer, token: Uint8Array): void {
  writer.u8(FrameType.NEW_TOKEN)
  writer.varint(token.length)
  writer.raw(token)
}
