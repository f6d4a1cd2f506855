/** The frames of an opened packet, as far as the checks look at them (RFC 9000 §19, RFC 9221). An unknown type is an error: nobody negotiated it. */
import { Reader } from '../../../src/bytes/index.ts'

export type Frame =
  | { readonly type: 'crypto'; readonly offset: number; readonly data: Uint8Array }
  | {
      readonly type: 'stream'
      readonly id: number
      readonly offset: number
      readonly length: number
      readonly fin: boolean
    }
  | { readonly type: 'max_data' | 'max_streams_bidi' | 'max_streams_uni'; readonly limit: number }
  | { readonly type: 'max_stream_data'; readonly id: number; readonly limit: number }
  | { readonly type: 'new_connection_id'; readonly sequence: number; readonly id: string }
  | { readonly type: 'path_challenge' | 'path_response'; readonly data: string }
  | {
      readonly type: 'connection_close'
      readonly isApplication: boolean
      readonly code: number
      readonly reason: string
    }
  | {
      readonly type:
        | 'padding'
        | 'ping'
        | 'ack'
        | 'reset_stream'
        | 'stop_sending'
        | 'new_token'
        | 'blocked'
        | 'retire_connection_id'
        | 'handshake_done'
        | 'datagram'
    }

export function readFrames(payload: Uint8Array): Frame[] {
  const reader = new Reader(payload)
  const frames: Frame[] = []
  while (reader.remaining > 0) {
    const frame = readFrame(reader)
    if (frame.type !== 'padding' || frames[frames.length - 1]?.type !== 'padding') frames.push(frame)
  }
  return frames
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function readFrame(reader: Reader): Frame {
  const type = reader.varint()
  if (type >= 0x08 && type <= 0x0f) return readStream(reader, type)
  switch (type) {
    case 0x00:
      return { type: 'padding' }
    case 0x01:
      return { type: 'ping' }
    case 0x02:
    case 0x03: {
      reader.varint()
      reader.varint()
      const ranges = reader.varint()
      for (let left = 1 + 2 * ranges + (type === 0x03 ? 3 : 0); left > 0; left--) reader.varint()
      return { type: 'ack' }
    }
    case 0x04:
      return skip(reader, 3, 'reset_stream')
    case 0x05:
      return skip(reader, 2, 'stop_sending')
    case 0x06: {
      const offset = reader.varint()
      return { type: 'crypto', offset, data: reader.copy(reader.varint()) }
    }
    case 0x07:
      reader.skip(reader.varint())
      return { type: 'new_token' }
    case 0x10:
      return { type: 'max_data', limit: reader.varint() }
    case 0x11:
      return { type: 'max_stream_data', id: reader.varint(), limit: reader.varint() }
    case 0x12:
      return { type: 'max_streams_bidi', limit: reader.varint() }
    case 0x13:
      return { type: 'max_streams_uni', limit: reader.varint() }
    case 0x14:
    case 0x16:
    case 0x17:
      return skip(reader, 1, 'blocked')
    case 0x15:
      return skip(reader, 2, 'blocked')
    case 0x18: {
      const sequence = reader.varint()
      reader.varint()
      const id = hex(reader.copy(reader.u8()))
      reader.skip(16)
      return { type: 'new_connection_id', sequence, id }
    }
    case 0x19:
      return skip(reader, 1, 'retire_connection_id')
    case 0x1a:
      return { type: 'path_challenge', data: hex(reader.copy(8)) }
    case 0x1b:
      return { type: 'path_response', data: hex(reader.copy(8)) }
    case 0x1c:
    case 0x1d: {
      const code = reader.varint()
      if (type === 0x1c) reader.varint()
      const reason = Buffer.from(reader.copy(reader.varint())).toString()
      return { type: 'connection_close', isApplication: type === 0x1d, code, reason }
    }
    case 0x1e:
      return { type: 'handshake_done' }
    case 0x30:
      reader.skip(reader.remaining)
      return { type: 'datagram' }
    case 0x31:
      reader.skip(reader.varint())
      return { type: 'datagram' }
    default:
      throw new Error(`a frame of type 0x${type.toString(16)}, which nobody negotiated`)
  }
}

function skip(
  reader: Reader,
  varints: number,
  type: 'reset_stream' | 'stop_sending' | 'blocked' | 'retire_connection_id',
): Frame {
  for (let left = varints; left > 0; left--) reader.varint()
  return { type }
}

function readStream(reader: Reader, type: number): Frame {
  const id = reader.varint()
  const offset = (type & 0x04) === 0 ? 0 : reader.varint()
  const length = (type & 0x02) === 0 ? reader.remaining : reader.varint()
  reader.skip(length)
  return { type: 'stream', id, offset, length, fin: (type & 0x01) !== 0 }
}
