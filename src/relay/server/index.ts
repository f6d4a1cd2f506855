/** The door of the relay server: only for Node. */
export { AllowList, DenyList, SharedToken } from './access.ts'
export { AccessHook, type AccessHookOptions } from './access-hook.ts'
export { type BindAddress, formatBindAddress, parseBindAddress } from './bind-address.ts'
export type { PemFiles, PemPair } from './certificate.ts'
export { RelayServerError, type RelayServerErrorCode } from './errors.ts'
export type {
  AccessControl,
  AccessDecision,
  AccessRequest,
  RelayCloseOptions,
  RelayCounters,
  RelayLimits,
  RelayRateLimit,
} from './hub/index.ts'
export { RelayHub } from './hub/index.ts'
export { metricsText } from './metrics.ts'
export type {
  CertificateSource,
  RelayQuicOptions,
  RelayServerEvent,
  RelayServerLimits,
  RelayServerLog,
  RelayServerLogEntry,
  RelayServerOptions,
  RelayTlsOptions,
} from './options.ts'
export { RelayServer } from './relay-server.ts'
