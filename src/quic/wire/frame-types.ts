/**
 * The frame types we know and the three facts about a type that do not need its content: ack-eliciting, probing, and the encryption
 * levels it may travel at. Reading and writing frames is the other files' business. RFC 9000 §12.4, §12.5, §19; RFC 9221 §4; spec/quic.md §4.1, §4.2.
 */
import { Level } from '../level.ts'

export const FrameType = {
  PADDING: 0x00,
  PING: 0x01,
  ACK: 0x02,
  ACK_ECN: 0x03,
  RESET_STREAM: 0x04,
  STOP_SENDING: 0x05,
  CRYPTO: 0x06,
  NEW_TOKEN: 0x07,
  /** First of eight, 0x08 to 0x0f: the low three bits are `StreamFlag`s. */
  STREAM: 0x08,
  STREAM_LAST: 0x0f,
  MAX_DATA: 0x10,
  MAX_STREAM_DATA: 0x11,
  MAX_STREAMS_BIDI: 0x12,
  MAX_STREAMS_UNI: 0x13,
  DATA_BLOCKED: 0x14,
  STREAM_DATA_BLOCKED: 0x15,
  STREAMS_BLOCKED_BIDI: 0x16,
  STREAMS_BLOCKED_UNI: 0x17,
  NEW_CONNECTION_ID: 0x18,
  RETIRE_CONNECTION_ID: 0x19,
  PATH_CHALLENGE: 0x1a,
  PATH_RESPONSE: 0x1b,
  CONNECTION_CLOSE: 0x1c,
  CONNECTION_CLOSE_APP: 0x1d,
  HANDSHAKE_DONE: 0x1e,
  /** draft-ietf-quic-ack-frequency. */
  IMMEDIATE_ACK: 0x1f,
  ACK_FREQUENCY: 0xaf,
  /** RFC 9221. */
  DATAGRAM: 0x30,
  DATAGRAM_LEN: 0x31,
  /** draft-ietf-quic-multipath, final code points. */
  PATH_ACK: 0x3e,
  PATH_ACK_ECN: 0x3f,
  PATH_ABANDON: 0x3e75,
  PATH_STATUS_BACKUP: 0x3e76,
  PATH_STATUS_AVAILABLE: 0x3e77,
  PATH_NEW_CONNECTION_ID: 0x3e78,
  PATH_RETIRE_CONNECTION_ID: 0x3e79,
  MAX_PATH_ID: 0x3e7a,
  PATHS_BLOCKED: 0x3e7b,
  PATH_CIDS_BLOCKED: 0x3e7c,
  /** draft-seemann-quic-address-discovery. */
  OBSERVED_ADDRESS_V4: 0x9f81a6,
  OBSERVED_ADDRESS_V6: 0x9f81a7,
  /** n0's NAT traversal, spec/quic.md §5.8. */
  ADD_ADDRESS_V4: 0x3d7f90,
  ADD_ADDRESS_V6: 0x3d7f91,
  REACH_OUT_V4: 0x3d7f92,
  REACH_OUT_V6: 0x3d7f93,
  REMOVE_ADDRESS: 0x3d7f94,
  /** Private, between peers that know `tomCapabilities`. */
  TOM_MESSAGE: 0x746f6e,
} as const

/** RFC 9000 §19.8: low bits of a STREAM frame's type. */
export const StreamFlag = { FIN: 0x01, LEN: 0x02, OFF: 0x04 } as const

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(FrameType).map(([name, type]) => [type, name]))

/** Name of a frame type for traces and error texts; unknown types in hex. */
export function frameName(type: number): string {
  if (type >= FrameType.STREAM && type <= FrameType.STREAM_LAST) return 'STREAM'
  return NAMES.get(type) ?? `0x${type.toString(16)}`
}

/** RFC 9002 §2: everything but acknowledgements, padding and closes. */
export function isAckEliciting(type: number): boolean {
  switch (type) {
    case FrameType.PADDING:
    case FrameType.ACK:
    case FrameType.ACK_ECN:
    case FrameType.PATH_ACK:
    case FrameType.PATH_ACK_ECN:
    case FrameType.CONNECTION_CLOSE:
    case FrameType.CONNECTION_CLOSE_APP:
      return false
    default:
      return true
  }
}

/** RFC 9000 §9.1 and spec/quic.md §4.2: a packet of only such frames does not move the path to its source. */
export function isProbing(type: number): boolean {
  switch (type) {
    case FrameType.PADDING:
    case FrameType.PATH_CHALLENGE:
    case FrameType.PATH_RESPONSE:
    case FrameType.NEW_CONNECTION_ID:
    case FrameType.PATH_NEW_CONNECTION_ID:
    case FrameType.OBSERVED_ADDRESS_V4:
    case FrameType.OBSERVED_ADDRESS_V6:
      return true
    default:
      return false
  }
}

/**
 * May a frame of this type be in a packet of this level? A known frame at the wrong level is a PROTOCOL_VIOLATION. Unknown types are
 * refused at Initial and Handshake; at the other levels they pass, for the dispatch to answer with FRAME_ENCODING_ERROR.
 */
export function isAllowedAt(type: number, level: Level): boolean {
  if (level === Level.OneRtt) return true
  if (level === Level.ZeroRtt) return isAllowedInZeroRtt(type)
  switch (type) {
    case FrameType.PADDING:
    case FrameType.PING:
    case FrameType.ACK:
    case FrameType.ACK_ECN:
    case FrameType.CRYPTO:
    case FrameType.CONNECTION_CLOSE:
      return true
    default:
      return false
  }
}

function isAllowedInZeroRtt(type: number): boolean {
  switch (type) {
    // RFC 9000 §12.5: a client cannot have a reason for any of these before it heard from the server.
    case FrameType.ACK:
    case FrameType.ACK_ECN:
    case FrameType.CRYPTO:
    case FrameType.NEW_TOKEN:
    case FrameType.PATH_RESPONSE:
    case FrameType.RETIRE_CONNECTION_ID:
    case FrameType.HANDSHAKE_DONE:
      return false
    case FrameType.DATAGRAM:
    case FrameType.DATAGRAM_LEN:
      return true
    default:
      // What is left of RFC 9000 may travel; the extensions of spec/quic.md §4.1 are negotiated, so 1-RTT only.
      return type < FrameType.IMMEDIATE_ACK || !NAMES.has(type)
  }
}
