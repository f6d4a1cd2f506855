/** The door of the platform room: only the seam types. What implements them is imported from `node/` or `browser/` by name. */
export type {
  AddressBytes,
  InterfaceAddress,
  Platform,
  RandomSource,
  Timer,
  UdpSocket,
  UdpSocketOptions,
} from './platform.ts'
