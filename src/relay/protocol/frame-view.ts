/**
 * Reads the frames after the handshake without making objects: a message becomes numbers in a reused `FrameView`, and a server turns a datagram
 * frame into the one for its receiver where it stands. Meets spec/relay.md §3, §3.1, §3.2 and §3.5; writing is `frame-writer.ts`.
 */
import { decodeUtf8, EncodingError } from '../../bytes/index.ts'
import {
  BATCH_HEADER,
  DATAGRAM_HEADER,
  FrameType,
  frameName,
  ID_LENGTH,
  MAX_RELAY_FRAME,
  PING_PAYLOAD,
  type RelayProtocol,
} from './constants.ts'
import { RelayProtocolError } from './errors.ts'

/** Where the parts of one message stand. Filled by `readClientFrame` and `readServerFrame`; says nothing after they threw. Positions count in the message. */
export class FrameView {
  /** One of `FrameType`. */
  type = 0
  /** Where the 32-byte endpoint id begins; datagram frames and EndpointGone. */
  peerAt = 0
  /** 0 none, 1 ECT(1), 2 ECT(0), 3 CE; datagram frames. */
  ecn = 0
  /** Bytes of each datagram but the last; 0: the contents are one datagram. Datagram frames. */
  segmentSize = 0
  /** Where datagrams, the 8 bytes of a ping or pong, or the text begin. */
  contentsAt = 0
  /** Length of the message. */
  end = 0
  /** Code of a Status frame, 0…255. */
  status = 0
  /** Text of a Health frame. */
  text = ''
  /** Of a Restarting frame: how long to wait before reconnecting, and how long to try in all, ms. */
  reconnectInMs = 0
  tryForMs = 0
}

/** Reads what a server takes: datagrams to forward (4, 5), Ping, Pong. Throws RelayProtocolError for all else. */
export function readClientFrame(message: Uint8Array, view: FrameView): void {
  const at = readType(message, view)
  switch (view.type) {
    case FrameType.ClientToRelayDatagram:
      readDatagram(message, at, view)
      return
    case FrameType.ClientToRelayDatagramBatch:
      readBatch(message, at, view)
      return
    case FrameType.Ping:
    case FrameType.Pong:
      readExactly(at, PING_PAYLOAD, view)
      return
    default:
      throw new RelayProtocolError(`${frameName(view.type)} is no frame that a client sends after the handshake`)
  }
}

/**
 * Reads what a client takes under `protocol`: datagrams (6, 7), EndpointGone, Ping, Pong, Restarting; Health only in version 1, Status only in version 2.
 * Throws RelayProtocolError for all else. Whether an id is a point of the curve is `PeerIdCheck`'s question.
 */
export function readServerFrame(message: Uint8Array, view: FrameView, protocol: RelayProtocol): void {
  const at = readType(message, view)
  switch (view.type) {
    case FrameType.RelayToClientDatagram:
      readDatagram(message, at, view)
      return
    case FrameType.RelayToClientDatagramBatch:
      readBatch(message, at, view)
      return
    case FrameType.EndpointGone:
      readExactly(at, ID_LENGTH, view)
      view.peerAt = at
      return
    case FrameType.Ping:
    case FrameType.Pong:
      readExactly(at, PING_PAYLOAD, view)
      return
    case FrameType.Restarting:
      readExactly(at, 8, view)
      view.reconnectInMs = readU32(message, at)
      view.tryForMs = readU32(message, at + 4)
      return
    case FrameType.Health:
      expectVersion(protocol === 'iroh-relay-v1', view, protocol)
      view.contentsAt = at
      view.text = readText(message.subarray(at))
      return
    case FrameType.Status:
      expectVersion(protocol === 'iroh-relay-v2', view, protocol)
      if (view.end === at) throw new RelayProtocolError('Status (13) without its code')
      view.status = message[at]!
      return
    default:
      throw new RelayProtocolError(`${frameName(view.type)} is no frame that a server sends after the handshake`)
  }
}

/**
 * Turns a client's datagram frame, read into `view`, into the frame for its receiver where it stands (spec/relay.md §3.2): type, the 32 bytes
 * of the `sender`, masked ECN; the contents stay. Returns where that frame begins; it ends at `view.end`. `view` describes the old frame
 * still: look the receiver up before.
 */
export function toReceiverFrame(message: Uint8Array, view: FrameView, sender: Uint8Array): number {
  const isBatch = view.segmentSize !== 0
  const start = view.contentsAt - (isBatch ? BATCH_HEADER : DATAGRAM_HEADER)
  message[start] = isBatch ? FrameType.RelayToClientDatagramBatch : FrameType.RelayToClientDatagram
  message.set(sender, start + 1)
  message[start + 1 + ID_LENGTH] = view.ecn
  return start
}

/** Turns a Ping, read into `view`, into its Pong where it stands. Returns where the frame begins; it ends at `view.end`. */
export function toPongFrame(message: Uint8Array, view: FrameView): number {
  const start = view.contentsAt - 1
  message[start] = FrameType.Pong
  return start
}

/**
 * Whether a datagram frame may be sent on (spec/relay.md §3.1): not empty, and not longer than what its receiver takes. Such frames are legal to
 * receive, but forwarding them costs the receiver its connection, so a server drops them.
 */
export function isForwardable(view: FrameView): boolean {
  const length = view.end - view.contentsAt
  return length > 0 && length <= MAX_RELAY_FRAME - (view.segmentSize === 0 ? DATAGRAM_HEADER : BATCH_HEADER)
}

/**
 * Where the datagram that begins at `at` ends. Walks the contents of a datagram frame without an iterator:
 * `for (let at = view.contentsAt; at < view.end; at = next) { next = segmentEnd(view, at); … }`. Always beyond `at` while `at < view.end`.
 */
export function segmentEnd(view: FrameView, at: number): number {
  const next = at + view.segmentSize
  return view.segmentSize === 0 || next > view.end ? view.end : next
}

/** Reads the frame type (any length of varint, RFC 9000 §16) and checks the length of the rest; returns where the rest begins. */
function readType(message: Uint8Array, view: FrameView): number {
  const end = message.length
  if (end === 0) throw new RelayProtocolError('an empty message')
  const first = message[0]!
  view.end = end
  let at = 1
  if (first < 0x40) {
    view.type = first
  } else {
    at = 1 << (first >>> 6)
    if (at > end) throw new RelayProtocolError('a message that ends inside its frame type')
    let type = first & 0x3f
    // loses bits above 2^53 only, and no type is so large
    for (let i = 1; i < at; i++) type = type * 0x100 + message[i]!
    view.type = type
  }
  if (end - at > MAX_RELAY_FRAME) {
    throw new RelayProtocolError(
      `${frameName(view.type)} with ${end - at} bytes, at most ${MAX_RELAY_FRAME} are allowed`,
    )
  }
  return at
}

function readDatagram(message: Uint8Array, at: number, view: FrameView): void {
  const contentsAt = at + DATAGRAM_HEADER - 1
  if (contentsAt > view.end) throw tooShort(view, at, DATAGRAM_HEADER - 1)
  view.peerAt = at
  view.ecn = message[at + ID_LENGTH]! & 3
  view.segmentSize = 0
  view.contentsAt = contentsAt
}

function readBatch(message: Uint8Array, at: number, view: FrameView): void {
  const contentsAt = at + BATCH_HEADER - 1
  if (contentsAt > view.end) throw tooShort(view, at, BATCH_HEADER - 1)
  view.peerAt = at
  view.ecn = message[at + ID_LENGTH]! & 3
  view.segmentSize = (message[contentsAt - 2]! << 8) | message[contentsAt - 1]!
  view.contentsAt = contentsAt
}

function readExactly(at: number, length: number, view: FrameView): void {
  if (view.end - at !== length) {
    throw new RelayProtocolError(`${frameName(view.type)} with ${view.end - at} bytes, expected exactly ${length}`)
  }
  view.contentsAt = at
}

function tooShort(view: FrameView, at: number, least: number): RelayProtocolError {
  return new RelayProtocolError(`${frameName(view.type)} with ${view.end - at} bytes, expected ${least} or more`)
}

function expectVersion(fits: boolean, view: FrameView, protocol: RelayProtocol): void {
  if (!fits) throw new RelayProtocolError(`${frameName(view.type)} does not exist in ${protocol}`)
}

function readText(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes)
  } catch (error) {
    if (error instanceof EncodingError) throw new RelayProtocolError('Health (11) with text that is not UTF-8')
    throw error
  }
}

function readU32(message: Uint8Array, at: number): number {
  return ((message[at]! << 24) | (message[at + 1]! << 16) | (message[at + 2]! << 8) | message[at + 3]!) >>> 0
}
