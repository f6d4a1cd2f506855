/** The door of `holepunch/`: net reports (our addresses, the home relay) and the choice among open paths. */
export {
  type NetReport,
  type RelayLatency,
  type ReportedAddress,
  reportedAddresses,
} from './net-report/report.ts'
export { NetReporter, type NetReporterOptions, type ReportKind } from './net-report/reporter.ts'
export { type PathCandidate, selectPath } from './selection/select-path.ts'
