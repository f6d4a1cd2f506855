/** The door of `holepunch/`: net reports (our addresses, the home relay) and the choice among open paths. */
export { Birthday, type BirthdayLink, type BirthdayOptions } from './birthday/birthday.ts'
export { isDialable, localAddresses } from './candidates/interface-addresses.ts'
export { type CandidateSource, type OwnCandidate, ownCandidates } from './candidates/own-candidates.ts'
export { DiscoSocket, type DiscoSocketOptions } from './disco/disco-socket.ts'
export { DiscoPort } from './disco/port.ts'
export { diagnose } from './doctor/diagnose.ts'
export type { Diagnosis, DoctorInput, Finding, FindingTopic, PairOutcome, PeerKind } from './doctor/diagnosis.ts'
export {
  type NatKind,
  type NetReport,
  natKind,
  type RelayLatency,
  type ReportedAddress,
  reportedAddresses,
} from './net-report/report.ts'
export { NetReporter, type NetReporterOptions, type ReportKind } from './net-report/reporter.ts'
export { type NetworkChange, NetworkMonitor } from './network/network-monitor.ts'
export type { HardNatHelp } from './peer/peer-context.ts'
export { NO_WISHES, type PathWishes } from './peer/peer-link.ts'
export { type ConnectionWatch, Peers } from './peer/peers.ts'
export type { PortMapProtocol } from './portmap/mapping-client.ts'
export { PortMapper, type PortMapperOptions, type PortMapping } from './portmap/port-mapper.ts'
export { type PortMapProbe, probePortMapping } from './portmap/probe.ts'
export { type PathCandidate, selectPath } from './selection/select-path.ts'
export { classifyMapping, type FilteringBehaviour, type MappingBehaviour, type MappingSample } from './stun/classify.ts'
export { probeFiltering } from './stun/filtering.ts'
export { parseStunServer, type StunServerName } from './stun/server-name.ts'
export { SideSockets } from './stun/side-sockets.ts'
export type { StunSockets } from './stun/stun-asker.ts'
export {
  type StunFailure,
  StunProber,
  type StunProberOptions,
  type StunReport,
  type StunSample,
} from './stun/stun-prober.ts'
