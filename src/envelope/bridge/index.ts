/** The door of the bridge to ToM's earlier stack (docs/bridge.md): a side door, for hardly anybody needs it. */
export {
  type BridgedMessage,
  type BridgedNotice,
  type ReadBridgedOptions,
  readBridged,
  readBridgedNotice,
  type WriteBridgedOptions,
  writeBridged,
} from './bridged-text.ts'
export type {
  BridgeEvent,
  BridgeMail,
  BridgeMetrics,
  BridgeNode,
  BridgeReceipt,
  BridgeSettings,
  UndeliveredReason,
  V1Participant,
} from './types.ts'
export { type PresentedPeer, V1Bridge, type V1BridgeOptions } from './v1-bridge.ts'
