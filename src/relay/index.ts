/**
 * The door of `relay/`: the protocol (frames, handshake) and the client. The server has a door of its own, `server/index.ts`. Inside the room, the client
 * and the server take the protocol from `protocol/index.ts`.
 */

export { RelayError, type RelayErrorCode } from './client/errors.ts'
export type { RelayClientLimits } from './client/limits.ts'
export { RelayTransport, type RelayTransportOptions } from './client/relay-transport.ts'
export type { RelayConfig, RelayStatus, RelayTransportHandler, RelayTransportStats } from './client/types.ts'
export * from './protocol/index.ts'
