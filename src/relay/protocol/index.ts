/** The door of `relay/protocol/`: the relay protocol without I/O, clock or randomness of its own, for both ends. */
export { CLIENT_AUTH_HEADER, clientAuthHeader, verifyClientAuthHeader } from './auth-header.ts'
export { Backoff } from './backoff.ts'
export { ClientHandshake, type ClientHandshakeState } from './client-handshake.ts'
export {
  BATCH_HEADER,
  DATAGRAM_HEADER,
  FrameType,
  frameName,
  HEALTH_TEXT,
  ID_LENGTH,
  MAX_BATCH_CONTENTS,
  MAX_DATAGRAM_CONTENTS,
  MAX_RELAY_FRAME,
  PING_LENGTH,
  PING_PAYLOAD,
  RELAY_PATH,
  RELAY_PROBE_PATH,
  RELAY_PROTOCOLS,
  type RelayProtocol,
  StatusCode,
} from './constants.ts'
export { RelayProtocolError } from './errors.ts'
export {
  FrameView,
  isForwardable,
  readClientFrame,
  readServerFrame,
  segmentEnd,
  toPongFrame,
  toReceiverFrame,
} from './frame-view.ts'
export {
  writeBatchHeader,
  writeDatagramHeader,
  writeEndpointGone,
  writeHealth,
  writePing,
  writePong,
  writeRestarting,
  writeStatus,
} from './frame-writer.ts'
export { challengeMessage, NOT_AUTHORIZED } from './handshake-frames.ts'
export { PeerIdCheck } from './peer-id-check.ts'
export { PingTracker } from './ping-tracker.ts'
export { ServerHandshake, type ServerHandshakeOptions, type ServerHandshakeState } from './server-handshake.ts'
export { TokenBucket } from './token-bucket.ts'
export { bearerToken, checkUpgrade, chooseProtocol, type HeaderLines, type UpgradeCheck } from './upgrade.ts'
export { isSecureRelay, relayDialUrl, relayProbeUrl } from './urls.ts'
