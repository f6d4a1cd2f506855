/** The door of `identity/`: keys, ids, addresses and tickets. */
export { isCurvePoint } from './curve-point.ts'
export { EndpointAddr, type EndpointAddrJson } from './endpoint-addr.ts'
export { EndpointId } from './endpoint-id.ts'
export { EndpointTicket } from './endpoint-ticket.ts'
export { IdentityError, type IdentityErrorCode } from './errors.ts'
export { RelayUrl } from './relay-url.ts'
export { SecretKey } from './secret-key.ts'
export { addrOf, parseTarget, type Target } from './target.ts'
export {
  compareTransportAddrs,
  customAddr,
  formatTransportAddr,
  ipAddr,
  parseTransportAddr,
  relayAddr,
  type TransportAddr,
  type TransportAddrJson,
  transportAddrFromJson,
  transportAddrToJson,
} from './transport-addr.ts'
