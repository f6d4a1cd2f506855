/** The door of the platform room: only the seam types. What implements them is imported from `node/` or `browser/` by name. */
export type {
  AddressBytes,
  ExportKeyingMaterial,
  HttpAnswer,
  HttpGetOptions,
  InterfaceAddress,
  Platform,
  RandomSource,
  Timer,
  UdpSocket,
  UdpSocketOptions,
  WebClient,
  WebSocketEnd,
  WebSocketLink,
  WebSocketOptions,
} from './platform.ts'
