/** The door of `relay/server/hub/`: the relay behind its WebSockets, without HTTP, sockets or Node. */
export type { AccessControl, AccessDecision, AccessRequest } from './access.ts'
export { createRelayCounters, RELAY_COUNTER_HELP, RELAY_GAUGES, type RelayCounters } from './counters.ts'
export { type RelayCloseOptions, RelayHub, type RelayHubOptions } from './hub.ts'
export { DEFAULT_RELAY_LIMITS, type RelayLimits, type RelayRateLimit } from './limits.ts'
export type { RelayLogEntry, RelayLogEvent } from './log.ts'
export type { RelayClientRequest } from './pending-client.ts'
