/** Times and bounds of the relay client with their defaults, from spec/relay.md §0, §3.5 and §5 where that says something. */

/** All of it can be set, for tests and for unusual hosts. Times in ms. */
export interface RelayClientLimits {
  /** From the dial to the end of the handshake (spec/relay.md §2.2). Default 10 s. */
  readonly connectTimeoutMs: number
  /** Silence after which the relay is pinged (§3.5). Default 15 s. */
  readonly pingIntervalMs: number
  /** How long the system may take nothing of what waits to be sent, before the connection is dropped (§5.4). Default 15 s. */
  readonly writeStallMs: number
  /** A connection that is not home closes this long after the last datagram sent (§5.5). Default 60 s. */
  readonly idleMs: number
  /** While not connected, what waits is thrown away this often (§5.4). Default 3 s. */
  readonly staleQueueMs: number
  /** After an established connection was lost the next attempt follows at once, but not twice within this time: then back-off. Default 1 s, a guess. */
  readonly immediateReconnectMs: number
  /** Longest wait that a Restarting frame can ask for. Default 60 s. */
  readonly maxRestartWaitMs: number
  /** Connections besides the home relay. The longest unused goes. Default 16. */
  readonly maxOnDemand: number
  /** Datagrams, and bytes, that wait for one relay while it is not connected. Defaults 64 (§5.4) and 256 KiB. */
  readonly maxWaitingDatagrams: number
  readonly maxWaitingBytes: number
  /** Bytes queued in one link from which `isBlocked` is true. Default, and at the least, 256 KiB: below that a link need not say that it drained. */
  readonly blockAtBytes: number
  /** Bytes queued in one link from which datagrams are dropped. Default 1 MiB; not below `blockAtBytes`. */
  readonly dropAtBytes: number
  /** Senders remembered per relay; the oldest goes. Default 1,024. */
  readonly maxPeers: number
}

const DEFAULTS: RelayClientLimits = {
  connectTimeoutMs: 10_000,
  pingIntervalMs: 15_000,
  writeStallMs: 15_000,
  idleMs: 60_000,
  staleQueueMs: 3_000,
  immediateReconnectMs: 1_000,
  maxRestartWaitMs: 60_000,
  maxOnDemand: 16,
  maxWaitingDatagrams: 64,
  maxWaitingBytes: 262_144,
  blockAtBytes: 262_144,
  dropAtBytes: 1_048_576,
  maxPeers: 1_024,
}

/** Fills in the defaults. */
export function relayClientLimits(given: Partial<RelayClientLimits> = {}): RelayClientLimits {
  const limits = { ...DEFAULTS, ...given }
  const blockAtBytes = Math.max(limits.blockAtBytes, DEFAULTS.blockAtBytes)
  return { ...limits, blockAtBytes, dropAtBytes: Math.max(limits.dropAtBytes, blockAtBytes) }
}
