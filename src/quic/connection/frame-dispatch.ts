/**
 * The payload of an opened packet, frame by frame, to the owners (RFC 9000 §12.4, §19). STREAM, ACK and DATAGRAM pass numbers; the
 * rest decode to a small object. A frame that breaks a rule throws TransportError, caught in receive.ts.
 */
import { canonicalIp, type Reader, TruncatedError } from '../../bytes/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { Level } from '../level.ts'
import { sendsReports } from '../path/observed-address.ts'
import type { Path } from '../path/path.ts'
import type { Route } from '../path/route.ts'
import type { PacketSpace } from '../recovery/packet-space.ts'
import { type AckFrame, readAckFrame, readAckFrequency } from '../wire/ack-frames.ts'
import { readAddAddress, readObservedAddress, readReachOut, readRemoveAddress } from '../wire/address-frames.ts'
import { readConnectionClose, readNewToken } from '../wire/control-frames.ts'
import { FrameType, frameName, isAckEliciting, isAllowedAt, isProbing } from '../wire/frame-types.ts'
import { readNewConnectionId, readRetireConnectionId } from '../wire/id-frames.ts'
import {
  readDataBlocked,
  readMaxData,
  readMaxStreamData,
  readMaxStreams,
  readStreamDataBlocked,
  readStreamsBlocked,
} from '../wire/limit-frames.ts'
import { readMessage } from '../wire/message-frame.ts'
import {
  readMaxPathId,
  readPathAbandon,
  readPathCidsBlocked,
  readPathData,
  readPathStatus,
  readPathsBlocked,
} from '../wire/path-frames.ts'
import {
  readCryptoFrame,
  readDatagram,
  readResetStream,
  readStopSending,
  readStreamFrame,
  type StreamFrame,
} from '../wire/stream-frames.ts'
import type { Parts } from './parts.ts'

/** RFC 9000 §18.2: no max_ack_delay reaches 2^14 ms, so no ACK_FREQUENCY makes us wait for longer. */
const LONGEST_ACK_DELAY_MS = 2 ** 14 - 1
/** Tokens that wait for the application at a time; who gets more than it can use loses nothing by missing some. */
const MAX_TOKENS = 4
/** Messages that wait for the application at a time; further ones are dropped. */
const MAX_MESSAGES = 16
const KNOWN_TYPES: ReadonlySet<number> = new Set(Object.values(FrameType))

export class FrameDispatch {
  /** RFC 9002 §2: the last packet asks for an acknowledgement. */
  ackEliciting = false
  /** RFC 9000 §9.1: the last packet held something besides probing frames. */
  nonProbing = false
  /** The last packet held IMMEDIATE_ACK. */
  immediateAck = false
  readonly #parts: Parts
  readonly #reader: Reader
  readonly #ack: AckFrame
  readonly #stream: StreamFrame
  #frequencySequence = -1

  constructor(parts: Parts) {
    this.#parts = parts
    this.#reader = parts.scratch.reader
    this.#ack = parts.scratch.ack
    this.#stream = parts.scratch.stream
  }

  /** `localSequence` is the sequence of the connection id, one of the path's, that the packet came in on; `datagramLength` the size of the datagram that held it. */
  dispatch(
    bytes: Uint8Array,
    start: number,
    end: number,
    level: Level,
    path: Path,
    space: PacketSpace,
    localSequence: number,
    route: Route,
    datagramLength: number,
    now: number,
  ): void {
    this.ackEliciting = false
    this.nonProbing = false
    this.immediateAck = false
    // RFC 9000 §12.4: a packet without frames
    if (start === end) throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, 0, 'a packet without frames')
    const reader = this.#reader
    reader.reset(bytes, start, end)
    let type = 0
    try {
      while (reader.position < end) {
        const first = bytes[reader.position]!
        if (first === FrameType.PADDING) {
          reader.position++
          continue
        }
        if (first < 0x40) {
          type = first
          reader.position++
        } else type = reader.varint()
        if (level === Level.OneRtt && type >= FrameType.STREAM && type <= FrameType.STREAM_LAST) {
          this.ackEliciting = true
          this.nonProbing = true
          const frame = this.#stream
          readStreamFrame(reader, type, frame)
          this.#parts.streams.receiveStream(
            frame.streamId,
            frame.offset,
            bytes,
            frame.start,
            frame.length,
            frame.fin,
            now,
          )
          continue
        }
        if (!isAllowedAt(type, level)) this.#refuse(type)
        if (isAckEliciting(type)) this.ackEliciting = true
        if (!isProbing(type)) this.nonProbing = true
        this.#frame(type, reader, bytes, level, path, space, localSequence, route, datagramLength, now)
        if (this.#parts.lifecycle.isEnded) return
      }
    } catch (error) {
      if (error instanceof TruncatedError)
        throw new TransportError(ErrorCode.FRAME_ENCODING_ERROR, type, `${frameName(type)} ends inside a field`)
      // an owner knows the kind of frame, but not always which of its forms this was
      if (error instanceof TransportError && error.frameType !== 0 && error.frameType !== type)
        throw new TransportError(error.code, type, error.message)
      throw error
    }
  }

  /** Does the payload hold a CONNECTION_CLOSE, behind acknowledgements only? All that a closing connection wants to know of a packet. */
  holdsClose(bytes: Uint8Array, start: number, end: number): boolean {
    const reader = this.#reader
    reader.reset(bytes, start, end)
    try {
      while (reader.position < end) {
        const type = reader.varint()
        if (isAck(type)) readAckFrame(reader, type, this.#ack)
        else if (type !== FrameType.PADDING)
          return type === FrameType.CONNECTION_CLOSE || type === FrameType.CONNECTION_CLOSE_APP
      }
    } catch (error) {
      if (!(error instanceof TruncatedError || error instanceof TransportError)) throw error
    }
    return false
  }

  /** RFC 9000 §12.4: unknown types are encoding errors, known ones in the wrong packet are violations. */
  #refuse(type: number): never {
    if (KNOWN_TYPES.has(type))
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, `${frameName(type)} is not allowed in this packet`)
    throw new TransportError(ErrorCode.FRAME_ENCODING_ERROR, type, `unknown frame type 0x${type.toString(16)}`)
  }

  #frame(
    type: number,
    reader: Reader,
    bytes: Uint8Array,
    level: Level,
    path: Path,
    space: PacketSpace,
    localSequence: number,
    route: Route,
    datagramLength: number,
    now: number,
  ): void {
    const parts = this.#parts
    const frame = this.#stream
    switch (type) {
      case FrameType.PING:
        return
      case FrameType.ACK:
      case FrameType.ACK_ECN:
        readAckFrame(reader, type, this.#ack)
        if (level !== Level.OneRtt) this.#receiveAck(level, parts.paths.first, space, now)
        // spec/quic.md §4.4: with multipath, too, a plain ACK is about path 0
        else this.#receivePathAck(0, type, now)
        return
      case FrameType.PATH_ACK:
      case FrameType.PATH_ACK_ECN:
        this.#needsMultipath(type)
        readAckFrame(reader, type, this.#ack)
        this.#receivePathAck(this.#ack.pathId, type, now)
        return
      case FrameType.CRYPTO:
        readCryptoFrame(reader, frame)
        parts.handshake.receiveCrypto(level, bytes, frame.start, frame.length, frame.offset)
        return
      case FrameType.CONNECTION_CLOSE:
      case FrameType.CONNECTION_CLOSE_APP: {
        const close = readConnectionClose(reader, type)
        parts.peerClosed(close.application, close.code, close.frameType, close.reason, now)
        return
      }
      case FrameType.RESET_STREAM: {
        const reset = readResetStream(reader)
        parts.streams.receiveReset(reset.streamId, reset.errorCode, reset.finalSize)
        return
      }
      case FrameType.STOP_SENDING: {
        const stop = readStopSending(reader)
        parts.streams.receiveStopSending(stop.streamId, stop.errorCode)
        return
      }
      case FrameType.MAX_DATA:
        parts.streams.receiveMaxData(readMaxData(reader))
        return
      case FrameType.MAX_STREAM_DATA: {
        const limit = readMaxStreamData(reader)
        parts.streams.receiveMaxStreamData(limit.streamId, limit.limit)
        return
      }
      case FrameType.MAX_STREAMS_BIDI:
      case FrameType.MAX_STREAMS_UNI:
        parts.streams.receiveMaxStreams(type === FrameType.MAX_STREAMS_BIDI, readMaxStreams(reader, type))
        return
      case FrameType.DATA_BLOCKED:
        parts.streams.receiveDataBlocked(readDataBlocked(reader))
        return
      case FrameType.STREAM_DATA_BLOCKED: {
        const blocked = readStreamDataBlocked(reader)
        parts.streams.receiveStreamDataBlocked(blocked.streamId, blocked.limit)
        return
      }
      case FrameType.STREAMS_BLOCKED_BIDI:
      case FrameType.STREAMS_BLOCKED_UNI:
        parts.streams.receiveStreamsBlocked(type === FrameType.STREAMS_BLOCKED_BIDI, readStreamsBlocked(reader, type))
        return
      case FrameType.DATAGRAM:
      case FrameType.DATAGRAM_LEN:
        readDatagram(reader, type, frame)
        parts.datagrams.receive(bytes, frame.start, frame.length)
        return
      case FrameType.PATH_NEW_CONNECTION_ID:
        this.#needsMultipath(type)
        parts.paths.receiveNewId(readNewConnectionId(reader, type), type)
        return
      case FrameType.NEW_CONNECTION_ID:
        parts.paths.receiveNewId(readNewConnectionId(reader, type), type)
        return
      case FrameType.PATH_RETIRE_CONNECTION_ID:
        this.#needsMultipath(type)
        parts.paths.receiveRetire(readRetireConnectionId(reader, type), type, path.id, localSequence)
        return
      case FrameType.RETIRE_CONNECTION_ID:
        parts.paths.receiveRetire(readRetireConnectionId(reader, type), type, path.id, localSequence)
        return
      case FrameType.PATH_CHALLENGE: {
        const data = readPathData(reader)
        if (path.isOpen) path.queueResponse(route, data, datagramLength)
        return
      }
      case FrameType.PATH_RESPONSE:
        this.#receivePathResponse(path, readPathData(reader), route, now)
        return
      case FrameType.PATH_ABANDON:
        this.#needsMultipath(type)
        parts.paths.receiveAbandon(readPathAbandon(reader), now)
        return
      case FrameType.PATH_STATUS_AVAILABLE:
      case FrameType.PATH_STATUS_BACKUP:
        this.#needsMultipath(type)
        parts.paths.receiveStatus(readPathStatus(reader, type), type)
        return
      case FrameType.MAX_PATH_ID:
        this.#needsMultipath(type)
        parts.paths.receiveMaxPathId(readMaxPathId(reader))
        return
      case FrameType.PATHS_BLOCKED:
        this.#needsMultipath(type)
        parts.paths.receivePathsBlocked(readPathsBlocked(reader))
        return
      case FrameType.PATH_CIDS_BLOCKED:
        this.#needsMultipath(type)
        parts.paths.receiveCidsBlocked(readPathCidsBlocked(reader))
        return
      case FrameType.OBSERVED_ADDRESS_V4:
      case FrameType.OBSERVED_ADDRESS_V6:
        this.#receiveObservedAddress(path, reader, type)
        return
      case FrameType.ADD_ADDRESS_V4:
      case FrameType.ADD_ADDRESS_V6:
        parts.traversal.receiveAdd(readAddAddress(reader, type), type)
        return
      case FrameType.REMOVE_ADDRESS:
        parts.traversal.receiveRemove(readRemoveAddress(reader), type)
        return
      case FrameType.REACH_OUT_V4:
      case FrameType.REACH_OUT_V6:
        parts.traversal.receiveReachOut(readReachOut(reader, type), type)
        return
      case FrameType.TOM_MESSAGE: {
        const payload = readMessage(reader)
        if (parts.messages.peerCapabilities === 0)
          throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, `${frameName(type)} was not negotiated`)
        parts.events.pushUpTo(MAX_MESSAGES, { type: 'message', payload })
        return
      }
      case FrameType.NEW_TOKEN: {
        const token = readNewToken(reader)
        // RFC 9000 §19.7
        if (parts.role === 'server')
          throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, 'a client sent NEW_TOKEN')
        parts.events.pushUpTo(MAX_TOKENS, { type: 'token', token })
        return
      }
      case FrameType.HANDSHAKE_DONE:
        // RFC 9000 §19.20
        if (parts.role === 'server')
          throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, 'a client sent HANDSHAKE_DONE')
        parts.confirm(now)
        return
      case FrameType.IMMEDIATE_ACK:
        this.#needsAckFrequency(type)
        this.immediateAck = true
        return
      case FrameType.ACK_FREQUENCY:
        this.#receiveAckFrequency(reader)
        return
      default:
        this.#refuse(type)
    }
  }

  #receivePathAck(pathId: number, type: number, now: number): void {
    const path = this.#parts.paths.acknowledged(pathId, type)
    if (path !== undefined) this.#receiveAck(Level.OneRtt, path, path.space, now)
  }

  #receiveAck(level: Level, path: Path, space: PacketSpace, now: number): void {
    const parts = this.#parts
    const { handshake } = parts
    const ack = this.#ack
    // RFC 9002 §5.3: the delay counts in 1-RTT only, in units the peer announced
    const exponent = handshake.peerParameters?.ackDelayExponent ?? 3
    const delayMs = level === Level.OneRtt ? (ack.delay * 2 ** exponent) / 1000 : 0
    const news = path.detection.receivedAck(space, ack, delayMs, now)
    if (news && path.isOpen) {
      path.acknowledged(now)
      parts.paths.answered(path, path.detection.answeredSentAt, now)
    }
    if (level === Level.OneRtt) {
      const oneRtt = handshake.oneRtt
      if (oneRtt !== undefined && !oneRtt.phaseAcknowledged && space.largestAcked >= path.sendPhaseStart)
        oneRtt.phaseAcknowledged = true
    } else if (level === Level.Handshake && parts.role === 'client') {
      // RFC 9002 §6.2.2.1: the server has our Handshake packet, so it has validated our address
      path.detection.setPeerValidated(true)
    }
    const trace = parts.trace
    if (trace !== undefined) {
      const { rtt, congestion, bytesInFlight } = path.link.recovery
      trace.metrics(
        now,
        path.id,
        rtt.smoothed,
        rtt.latest,
        rtt.variance,
        congestion.window,
        bytesInFlight,
        path.detection.ptoCount,
      )
    }
  }

  #receivePathResponse(path: Path, data: Uint8Array, route: Route, now: number): void {
    // RFC 9000 §8.2.3: what is validated is the address the challenge went to, whatever way the answer came
    const wasValidated = path.link.validated
    if (path.link.receiveResponse(data, now)) {
      path.answered(now)
      this.#parts.paths.answered(path, path.link.answeredSentAt, now)
      path.previous?.stopValidation()
      path.previous = undefined
      if (!wasValidated) this.#parts.paths.validated(path, now)
    } else if (path.previous?.receiveResponse(data, now) !== true) this.#parts.traversal.receiveResponse(route, data)
  }

  /** draft-ietf-quic-multipath §2: its frames only between those that agreed on it. */
  #needsMultipath(type: number): void {
    if (!this.#parts.paths.multipath)
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, `${frameName(type)}: multipath was not negotiated`)
  }

  #receiveObservedAddress(path: Path, reader: Reader, type: number): void {
    const { sequence, address } = readObservedAddress(reader, type)
    const { settings, handshake, events } = this.#parts
    // spec/quic.md §3.2: for who sends reports to who wants them
    if (!sendsReports(handshake.peerParameters?.observedAddressRole, settings.observedAddressRole))
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, `${frameName(type)} was not negotiated`)
    // spec/quic.md §5.9: the newest on each path counts
    if (sequence <= path.observedSequence) return
    path.observedSequence = sequence
    const { ip, port } = address
    events.replace({ type: 'observed-address', path: path.id, address: { ip: canonicalIp(ip), port } })
  }

  #needsAckFrequency(type: number): void {
    if (this.#parts.settings.minAckDelayUs === undefined)
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, `${frameName(type)} was not negotiated`)
  }

  #receiveAckFrequency(reader: Reader): void {
    this.#needsAckFrequency(FrameType.ACK_FREQUENCY)
    const frequency = readAckFrequency(reader)
    if (frequency.maxAckDelayUs < (this.#parts.settings.minAckDelayUs ?? 0))
      throw new TransportError(
        ErrorCode.PROTOCOL_VIOLATION,
        FrameType.ACK_FREQUENCY,
        'a max ack delay below our min_ack_delay',
      )
    // older frames may arrive late
    if (frequency.sequence <= this.#frequencySequence) return
    this.#frequencySequence = frequency.sequence
    // spec/quic.md §6.4: for all paths
    this.#parts.paths.applyAckFrequency({
      threshold: frequency.threshold,
      maxAckDelayMs: Math.min(frequency.maxAckDelayUs / 1000, LONGEST_ACK_DELAY_MS),
      reorderingThreshold: frequency.reorderingThreshold,
    })
  }
}

function isAck(type: number): boolean {
  return (
    type === FrameType.ACK ||
    type === FrameType.ACK_ECN ||
    type === FrameType.PATH_ACK ||
    type === FrameType.PATH_ACK_ECN
  )
}
