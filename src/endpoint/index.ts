/**
 * The door of the endpoint room, portable: `Endpoint.bind` needs a runtime here. `node.ts` and `browser.ts` are the same with the runtime filled in.
 */
export { DatagramError } from '../quic/index.ts'
export type { Alpn } from './alpn.ts'
export type { BiStream, Connection } from './connection.ts'
export { Endpoint } from './endpoint.ts'
export {
  ConnectError,
  type ConnectErrorCode,
  type ConnectionClosedCode,
  ConnectionClosedError,
  EndpointError,
  type EndpointErrorCode,
  StreamError,
  type StreamErrorCode,
} from './errors.ts'
export type { Incoming } from './incoming.ts'
export type {
  ConnectOptions,
  ConnectTarget,
  EndpointOptions,
  EndpointRuntime,
  OnlineOptions,
} from './options.ts'
export type { PathEvent, PathInfo } from './path-info.ts'
export type { RecvStream } from './receive-stream.ts'
export type { IncomingFilter, ProtocolHandler, Router } from './router.ts'
export type { SendStream, SendStreamEnd } from './send-stream.ts'
export { type WaitOptions, WaitQueue } from './wait.ts'
