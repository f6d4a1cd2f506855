/** The door of the platform room: the seam types, and the errors that all who implement them throw. What implements them is imported from `node/` or `browser/` by name. */
export type { AppendFile, Folder } from './files.ts'
export type {
  AddressBytes,
  DefaultRoutes,
  ExportKeyingMaterial,
  Gateway,
  HttpAnswer,
  HttpGetOptions,
  HttpRequestOptions,
  HttpResponse,
  InterfaceAddress,
  Platform,
  RandomSource,
  Timer,
  TimerOptions,
  UdpSocket,
  UdpSocketOptions,
  WebClient,
  WebSocketEnd,
  WebSocketLink,
  WebSocketOptions,
} from './platform.ts'
export { uniform } from './uniform.ts'
export { WebError, type WebErrorCode } from './web-error.ts'
