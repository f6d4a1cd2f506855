/**
 * The door of `envelope/`, portable: ToM's messages over an endpoint (`TomNode`, which needs a runtime here: `node.ts` and `browser.ts` fill it in), and what tools and bridges need of
 * envelopes themselves.
 */
export type { Taken } from './core/deliveries.ts'
export { Messenger, type MessengerSetup } from './core/messenger.ts'
export type { MessengerMetrics, Refusal } from './core/metrics.ts'
export type { MessengerEvent, MessengerWorld } from './core/world.ts'
export { EnvelopeError, type EnvelopeErrorCode, TomError, type TomErrorCode } from './errors.ts'
export { DISCOVERY_TOPIC_TEXT, ENVELOPE_ALPN, GOSSIP_ALPNS } from './link/alpns.ts'
export { Receipt } from './node/receipt.ts'
export { TomNode } from './node/tom-node.ts'
export type {
  DeliveredOptions,
  IncomingMessage,
  NodePathEvent,
  PeerEvent,
  PeerInfo,
  PeerPath,
  ReceiptState,
  SendOptions,
  TomNodeOptions,
  TomNodeParts,
  V1Frame,
} from './node/types.ts'
export type { Liveness } from './peers/liveness.ts'
export type { DeliveryState } from './routing/delivery-state.ts'
export { Sealer } from './sealing/sealer.ts'
export { isV1Box, openV1Box, sealV1Box, type V1Box } from './v1/v1-box.ts'
export type { SignatureState, V1Envelope, V1Reading } from './v1/v1-envelope.ts'
export { contentOfV1, type V1Body, type V1Content, v1AckBody, v1ChatBody, v1ReadBody } from './v1/v1-mapping.ts'
export { readV1, type SignatureChecker } from './v1/v1-reader.ts'
export { type V1Draft, writeV1 } from './v1/v1-writer.ts'
export type { Ack, AckKind, BackupReplica, PeerAnnounce, ReadReceipt, Role, RoleChange } from './wire/bodies.ts'
export {
  decodeAck,
  decodeBackupReplica,
  decodeId,
  decodeIdList,
  decodePeerAnnounce,
  decodeReadReceipt,
  decodeRoleChange,
  encodeAck,
  encodeBackupReplica,
  encodeId,
  encodeIdList,
  encodePeerAnnounce,
  encodeReadReceipt,
  encodeRoleChange,
} from './wire/body-codec.ts'
export { type Envelope, MAX_ENVELOPE_LENGTH, type PeerKey } from './wire/envelope.ts'
export { decodeEnvelope, encodeEnvelope, envelopeSigningBytes } from './wire/envelope-codec.ts'
export { KnownKeys } from './wire/known-keys.ts'
export { MESSAGE_TYPES, type MessageType } from './wire/message-type.ts'
