/**
 * Writes the frames after the handshake into a buffer of the caller, who made sure that they fit; each function returns the position after what it wrote.
 * Meets spec/relay.md §3; reading is `frame-view.ts`.
 */
import { encodeUtf8 } from '../../bytes/index.ts'
import { FrameType, ID_LENGTH, MAX_RELAY_FRAME, PING_PAYLOAD } from './constants.ts'

/** 9 bytes. The payload is the 8 bytes of `payload` from `payloadAt`. */
export function writePing(out: Uint8Array, at: number, payload: Uint8Array, payloadAt = 0): number {
  out[at] = FrameType.Ping
  return writePayload(out, at + 1, payload, payloadAt)
}

/** 9 bytes. The payload, that of the ping, is the 8 bytes of `payload` from `payloadAt`. */
export function writePong(out: Uint8Array, at: number, payload: Uint8Array, payloadAt = 0): number {
  out[at] = FrameType.Pong
  return writePayload(out, at + 1, payload, payloadAt)
}

/** 33 bytes. `peer` is the 32-byte id of the endpoint that left. */
export function writeEndpointGone(out: Uint8Array, at: number, peer: Uint8Array): number {
  out[at] = FrameType.EndpointGone
  out.set(peer, at + 1)
  return at + 1 + ID_LENGTH
}

/** 2 bytes; `iroh-relay-v2` only. `code` is one of `StatusCode`, or any byte. */
export function writeStatus(out: Uint8Array, at: number, code: number): number {
  out[at] = FrameType.Status
  out[at + 1] = code
  return at + 2
}

/** 1 byte and the text as UTF-8; `iroh-relay-v1` only. Throws RangeError for a text that no frame can hold. */
export function writeHealth(out: Uint8Array, at: number, text: string): number {
  const bytes = encodeUtf8(text)
  if (bytes.length >= MAX_RELAY_FRAME) throw new RangeError(`a Health text has less than ${MAX_RELAY_FRAME} bytes`)
  out[at] = FrameType.Health
  out.set(bytes, at + 1)
  return at + 1 + bytes.length
}

/** 9 bytes. Both times in ms, 0…2^32 - 1. */
export function writeRestarting(out: Uint8Array, at: number, reconnectInMs: number, tryForMs: number): number {
  out[at] = FrameType.Restarting
  return writeU32(out, writeU32(out, at + 1, reconnectInMs), tryForMs)
}

/**
 * 34 bytes, then come the contents: one datagram of 1…65,502 bytes. `type` is ClientToRelayDatagram or RelayToClientDatagram, `peer` the
 * 32-byte id of the receiver or sender.
 */
export function writeDatagramHeader(out: Uint8Array, at: number, type: 4 | 6, peer: Uint8Array, ecn: number): number {
  return writeHeader(out, at, type, peer, ecn)
}

/**
 * 36 bytes, then come the contents: two or more datagrams of `segmentSize` bytes (1…65,535), the last may be shorter, in all at most 65,500 bytes.
 * `type` is ClientToRelayDatagramBatch or RelayToClientDatagramBatch.
 */
export function writeBatchHeader(
  out: Uint8Array,
  at: number,
  type: 5 | 7,
  peer: Uint8Array,
  ecn: number,
  segmentSize: number,
): number {
  const next = writeHeader(out, at, type, peer, ecn)
  out[next] = segmentSize >>> 8
  out[next + 1] = segmentSize
  return next + 2
}

function writeHeader(out: Uint8Array, at: number, type: number, peer: Uint8Array, ecn: number): number {
  out[at] = type
  out.set(peer, at + 1)
  const next = at + 1 + ID_LENGTH
  out[next] = ecn & 3
  return next + 1
}

function writePayload(out: Uint8Array, at: number, payload: Uint8Array, payloadAt: number): number {
  for (let i = 0; i < PING_PAYLOAD; i++) out[at + i] = payload[payloadAt + i]!
  return at + PING_PAYLOAD
}

function writeU32(out: Uint8Array, at: number, value: number): number {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
  return at + 4
}
