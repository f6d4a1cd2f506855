/** The part of the public face that is the same in Node and in browsers. Re-exports only. */
export { type AddressLookup, MemoryLookup, type MemoryLookupOptions } from './discovery/index.ts'
export type {
  Alpn,
  BiStream,
  ConnectErrorCode,
  Connection,
  ConnectionClosedCode,
  ConnectOptions,
  ConnectTarget,
  EndpointErrorCode,
  EndpointRuntime,
  Incoming,
  IncomingFilter,
  PathEvent,
  PathInfo,
  ProtocolHandler,
  RecvStream,
  Router,
  SendStream,
  SendStreamEnd,
  StreamErrorCode,
  WaitOptions,
} from './endpoint/index.ts'
export { ConnectError, ConnectionClosedError, EndpointError, StreamError } from './endpoint/index.ts'
export {
  EndpointAddr,
  type EndpointAddrJson,
  EndpointId,
  EndpointTicket,
  IdentityError,
  type IdentityErrorCode,
  RelayUrl,
  SecretKey,
  type TransportAddr,
} from './identity/index.ts'
