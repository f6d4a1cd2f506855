/** Names, numbers and sizes of the relay protocol: versions (spec/relay.md §1.4), frame types (§2.1, §3), Status codes (§3.4) and limits (§0, §3.1). */

/** WebSocket subprotocols, the newest first: the order in which they are offered. */
export const RELAY_PROTOCOLS = ['iroh-relay-v2', 'iroh-relay-v1'] as const
export type RelayProtocol = (typeof RELAY_PROTOCOLS)[number]

/** Path of the upgrade request, and of the latency probe (spec/relay.md §1.2). */
export const RELAY_PATH = '/relay'
export const RELAY_PROBE_PATH = '/ping'

/** Bytes of a whole frame, type included, that may be sent; of what follows the type, one byte more may be received. */
export const MAX_RELAY_FRAME = 65_536

/** Bytes of an endpoint id. */
export const ID_LENGTH = 32
/** Bytes before the contents of a datagram frame (types 4 and 6): type, id, ECN. */
export const DATAGRAM_HEADER = 1 + ID_LENGTH + 1
/** Bytes before the contents of a batch frame (types 5 and 7): type, id, ECN, segment size. */
export const BATCH_HEADER = DATAGRAM_HEADER + 2
/** Most bytes of contents that may be sent in one frame. */
export const MAX_DATAGRAM_CONTENTS = MAX_RELAY_FRAME - DATAGRAM_HEADER
export const MAX_BATCH_CONTENTS = MAX_RELAY_FRAME - BATCH_HEADER
/** Bytes that a ping carries and its pong brings back. */
export const PING_PAYLOAD = 8
/** Bytes of a Ping or Pong frame. */
export const PING_LENGTH = 1 + PING_PAYLOAD

export const FrameType = {
  ServerChallenge: 0,
  ClientAuth: 1,
  ServerConfirmsAuth: 2,
  ServerDeniesAuth: 3,
  ClientToRelayDatagram: 4,
  ClientToRelayDatagramBatch: 5,
  RelayToClientDatagram: 6,
  RelayToClientDatagramBatch: 7,
  EndpointGone: 8,
  Ping: 9,
  Pong: 10,
  Health: 11,
  Restarting: 12,
  Status: 13,
} as const

/** Codes of Status frames. Others may come and mean nothing yet. */
export const StatusCode = {
  Healthy: 0,
  SameEndpointIdConnected: 1,
  RateLimited: 2,
} as const

/** What clients of `iroh-relay-v1` are told instead of Status 0 and 1, word for word what iroh's server says. */
export const HEALTH_TEXT = {
  Healthy: 'The connection is healthy and has recovered from previous problems',
  SameEndpointIdConnected: 'Another endpoint connected with the same endpoint id. No more messages will be received.',
} as const

const FRAME_NAMES: readonly string[] = Object.keys(FrameType)

/** Name and number of a frame type, for messages: `Ping (9)`. */
export function frameName(type: number): string {
  const name = FRAME_NAMES[type]
  return name === undefined ? `unknown frame type ${type}` : `${name} (${type})`
}
