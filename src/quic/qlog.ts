/**
 * A TraceSink that writes qlog (draft-ietf-quic-qlog-main-schema 0.3, JSON text sequences), which qvis opens. It decodes payloads by
 * itself, so that tracing costs the packet path nothing when it is off. Where the lines go is the caller's business.
 */
import { encodeHex, formatSocketAddress, Reader } from '../bytes/index.ts'
import { Level, type Role } from './level.ts'
import type { TraceSink } from './trace.ts'
import { AckFrame, readAckFrame, readAckFrequency } from './wire/ack-frames.ts'
import { readAddAddress, readObservedAddress, readReachOut, readRemoveAddress } from './wire/address-frames.ts'
import { readConnectionClose, readNewToken } from './wire/control-frames.ts'
import { FrameType, frameName } from './wire/frame-types.ts'
import { readNewConnectionId, readRetireConnectionId } from './wire/id-frames.ts'
import {
  readDataBlocked,
  readMaxData,
  readMaxStreamData,
  readMaxStreams,
  readStreamDataBlocked,
  readStreamsBlocked,
} from './wire/limit-frames.ts'
import { readMessage } from './wire/message-frame.ts'
import {
  readMaxPathId,
  readPathAbandon,
  readPathCidsBlocked,
  readPathData,
  readPathStatus,
  readPathsBlocked,
} from './wire/path-frames.ts'
import {
  readCryptoFrame,
  readDatagram,
  readResetStream,
  readStopSending,
  readStreamFrame,
  StreamFrame,
} from './wire/stream-frames.ts'

const PACKET_TYPES = {
  [Level.Initial]: 'initial',
  [Level.ZeroRtt]: '0RTT',
  [Level.Handshake]: 'handshake',
  [Level.OneRtt]: '1RTT',
}
/** RFC 7464. */
const RECORD_SEPARATOR = '\x1e'

export interface QlogOptions {
  readonly role: Role
  /** The first destination connection id, hex: both ends' files share it. */
  readonly originalDestinationId: string
  /** Gets each record, separator and newline included. */
  readonly write: (record: string) => void
  /** Unix time of the first event, ms. */
  readonly referenceTimeMs?: number
  readonly title?: string
}

export class QlogTrace implements TraceSink {
  readonly #write: (record: string) => void
  #startedAt: number | undefined = undefined

  constructor(options: QlogOptions) {
    this.#write = options.write
    this.#record({
      qlog_format: 'JSON-SEQ',
      qlog_version: '0.3',
      title: options.title ?? 'tom-transport',
      trace: {
        vantage_point: { name: 'tom-transport', type: options.role },
        common_fields: {
          ODCID: options.originalDestinationId,
          time_format: 'relative',
          reference_time: options.referenceTimeMs ?? 0,
        },
      },
    })
  }

  #record(value: unknown): void {
    this.#write(`${RECORD_SEPARATOR}${JSON.stringify(value)}\n`)
  }

  event(now: number, name: string, data: Record<string, unknown>): void {
    this.#startedAt ??= now
    this.#record({ time: Math.round((now - this.#startedAt) * 1000) / 1000, name, data })
  }

  packetSent(
    now: number,
    level: Level,
    pathId: number,
    packetNumber: number,
    size: number,
    bytes: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
  ): void {
    this.#packet('transport:packet_sent', now, level, pathId, packetNumber, size, bytes, payloadStart, payloadEnd)
  }

  packetReceived(
    now: number,
    level: Level,
    pathId: number,
    packetNumber: number,
    size: number,
    bytes: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
  ): void {
    this.#packet('transport:packet_received', now, level, pathId, packetNumber, size, bytes, payloadStart, payloadEnd)
  }

  #packet(
    name: string,
    now: number,
    level: Level,
    pathId: number,
    packetNumber: number,
    size: number,
    bytes: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
  ): void {
    this.event(now, name, {
      header: {
        packet_type: PACKET_TYPES[level],
        packet_number: packetNumber,
        ...(pathId > 0 ? { path_id: pathId } : {}),
      },
      raw: { length: size, payload_length: payloadEnd - payloadStart },
      frames: describeFrames(bytes, payloadStart, payloadEnd),
    })
  }

  packetDropped(now: number, size: number, reason: string): void {
    this.event(now, 'transport:packet_dropped', { raw: { length: size }, trigger: reason })
  }

  metrics(
    now: number,
    pathId: number,
    smoothedRtt: number,
    latestRtt: number,
    rttVariance: number,
    congestionWindow: number,
    bytesInFlight: number,
    ptoCount: number,
  ): void {
    this.event(now, 'recovery:metrics_updated', {
      smoothed_rtt: smoothedRtt,
      latest_rtt: latestRtt,
      rtt_variance: rttVariance,
      congestion_window: congestionWindow,
      bytes_in_flight: bytesInFlight,
      pto_count: ptoCount,
      ...(pathId > 0 ? { path_id: pathId } : {}),
    })
  }
}

/** The frames of a payload as qlog has them. A payload that does not parse ends with an `unknown` frame; nothing throws. */
export function describeFrames(bytes: Uint8Array, start: number, end: number): Record<string, unknown>[] {
  const reader = new Reader(bytes, start, end)
  const frames: Record<string, unknown>[] = []
  try {
    while (reader.remaining > 0) {
      const at = reader.position
      const type = reader.varint()
      if (type === FrameType.PADDING) {
        while (reader.remaining > 0 && bytes[reader.position] === FrameType.PADDING) reader.position++
        frames.push({ frame_type: 'padding', length: reader.position - at })
      } else frames.push(describe(type, reader))
    }
  } catch {
    frames.push({ frame_type: 'unknown', raw: { length: end - reader.position } })
    return frames
  }
  return frames
}

function describe(type: number, reader: Reader): Record<string, unknown> {
  const frame_type = frameName(type).toLowerCase()
  if (type >= FrameType.STREAM && type <= FrameType.STREAM_LAST) {
    const frame = new StreamFrame()
    readStreamFrame(reader, type, frame)
    return {
      frame_type: 'stream',
      stream_id: frame.streamId,
      offset: frame.offset,
      length: frame.length,
      fin: frame.fin,
    }
  }
  const frame = new StreamFrame()
  switch (type) {
    case FrameType.PING:
    case FrameType.HANDSHAKE_DONE:
    case FrameType.IMMEDIATE_ACK:
      return { frame_type }
    case FrameType.ACK:
    case FrameType.ACK_ECN:
    case FrameType.PATH_ACK:
    case FrameType.PATH_ACK_ECN: {
      const ack = new AckFrame()
      readAckFrame(reader, type, ack)
      const ranges = []
      for (let index = 0; index < ack.count; index++) ranges.push([ack.smallest[index], ack.largest[index]])
      const body = { ack_delay: (ack.delay * 8) / 1000, acked_ranges: ranges }
      if (type === FrameType.ACK || type === FrameType.ACK_ECN) return { frame_type: 'ack', ...body }
      return { frame_type: 'path_ack', path_id: ack.pathId, ...body }
    }
    case FrameType.CRYPTO:
      readCryptoFrame(reader, frame)
      return { frame_type, offset: frame.offset, length: frame.length }
    case FrameType.DATAGRAM:
    case FrameType.DATAGRAM_LEN:
      readDatagram(reader, type, frame)
      return { frame_type: 'datagram', length: frame.length }
    case FrameType.RESET_STREAM: {
      const { streamId, errorCode, finalSize } = readResetStream(reader)
      return { frame_type, stream_id: streamId, error_code: errorCode, final_size: finalSize }
    }
    case FrameType.STOP_SENDING: {
      const { streamId, errorCode } = readStopSending(reader)
      return { frame_type, stream_id: streamId, error_code: errorCode }
    }
    case FrameType.MAX_DATA:
      return { frame_type, maximum: readMaxData(reader) }
    case FrameType.MAX_STREAM_DATA: {
      const { streamId, limit } = readMaxStreamData(reader)
      return { frame_type, stream_id: streamId, maximum: limit }
    }
    case FrameType.MAX_STREAMS_BIDI:
    case FrameType.MAX_STREAMS_UNI:
      return {
        frame_type: 'max_streams',
        stream_type: type === FrameType.MAX_STREAMS_BIDI ? 'bidirectional' : 'unidirectional',
        maximum: readMaxStreams(reader, type),
      }
    case FrameType.DATA_BLOCKED:
      return { frame_type, limit: readDataBlocked(reader) }
    case FrameType.STREAM_DATA_BLOCKED: {
      const { streamId, limit } = readStreamDataBlocked(reader)
      return { frame_type, stream_id: streamId, limit }
    }
    case FrameType.STREAMS_BLOCKED_BIDI:
    case FrameType.STREAMS_BLOCKED_UNI:
      return {
        frame_type: 'streams_blocked',
        stream_type: type === FrameType.STREAMS_BLOCKED_BIDI ? 'bidirectional' : 'unidirectional',
        limit: readStreamsBlocked(reader, type),
      }
    case FrameType.NEW_CONNECTION_ID: {
      const { sequence, retirePriorTo, id } = readNewConnectionId(reader, type)
      return { frame_type, sequence_number: sequence, retire_prior_to: retirePriorTo, connection_id: encodeHex(id) }
    }
    case FrameType.PATH_NEW_CONNECTION_ID: {
      const { pathId, sequence, retirePriorTo, id } = readNewConnectionId(reader, type)
      return {
        frame_type,
        path_id: pathId,
        sequence_number: sequence,
        retire_prior_to: retirePriorTo,
        connection_id: encodeHex(id),
      }
    }
    case FrameType.RETIRE_CONNECTION_ID:
      return { frame_type, sequence_number: readRetireConnectionId(reader, type).sequence }
    case FrameType.PATH_RETIRE_CONNECTION_ID: {
      const { pathId, sequence } = readRetireConnectionId(reader, type)
      return { frame_type, path_id: pathId, sequence_number: sequence }
    }
    case FrameType.PATH_ABANDON: {
      const { pathId, errorCode } = readPathAbandon(reader)
      return { frame_type, path_id: pathId, error_code: errorCode }
    }
    case FrameType.PATH_STATUS_BACKUP:
    case FrameType.PATH_STATUS_AVAILABLE: {
      const { pathId, sequence } = readPathStatus(reader, type)
      return { frame_type, path_id: pathId, path_status_sequence_number: sequence }
    }
    case FrameType.MAX_PATH_ID:
      return { frame_type, maximum_path_id: readMaxPathId(reader) }
    case FrameType.PATHS_BLOCKED:
      return { frame_type, maximum_path_id: readPathsBlocked(reader) }
    case FrameType.PATH_CIDS_BLOCKED: {
      const { pathId, nextSequence } = readPathCidsBlocked(reader)
      return { frame_type, path_id: pathId, next_sequence_number: nextSequence }
    }
    case FrameType.OBSERVED_ADDRESS_V4:
    case FrameType.OBSERVED_ADDRESS_V6: {
      const { sequence, address } = readObservedAddress(reader, type)
      return { frame_type: 'observed_address', sequence_number: sequence, address: formatSocketAddress(address) }
    }
    case FrameType.ADD_ADDRESS_V4:
    case FrameType.ADD_ADDRESS_V6: {
      const { sequence, address } = readAddAddress(reader, type)
      return { frame_type: 'add_address', sequence_number: sequence, address: formatSocketAddress(address) }
    }
    case FrameType.REACH_OUT_V4:
    case FrameType.REACH_OUT_V6: {
      const { round, address } = readReachOut(reader, type)
      return { frame_type: 'reach_out', round, address: formatSocketAddress(address) }
    }
    case FrameType.REMOVE_ADDRESS:
      return { frame_type, sequence_number: readRemoveAddress(reader) }
    case FrameType.TOM_MESSAGE:
      return { frame_type, raw: { length: readMessage(reader).length } }
    case FrameType.PATH_CHALLENGE:
    case FrameType.PATH_RESPONSE:
      return { frame_type, data: encodeHex(readPathData(reader)) }
    case FrameType.NEW_TOKEN:
      return { frame_type, token: { length: readNewToken(reader).length } }
    case FrameType.ACK_FREQUENCY: {
      const { sequence, threshold, maxAckDelayUs, reorderingThreshold } = readAckFrequency(reader)
      return {
        frame_type,
        sequence_number: sequence,
        ack_eliciting_threshold: threshold,
        request_max_ack_delay: maxAckDelayUs / 1000,
        reordering_threshold: reorderingThreshold,
      }
    }
    case FrameType.CONNECTION_CLOSE:
    case FrameType.CONNECTION_CLOSE_APP: {
      const { application, code, frameType, reason } = readConnectionClose(reader, type)
      return {
        frame_type: 'connection_close',
        error_space: application ? 'application' : 'transport',
        error_code: code,
        ...(frameType === 0 ? {} : { trigger_frame_type: frameType }),
        reason,
      }
    }
    default: {
      const length = reader.remaining
      reader.skip(length)
      return { frame_type: 'unknown', frame_type_value: type, raw: { length } }
    }
  }
}
