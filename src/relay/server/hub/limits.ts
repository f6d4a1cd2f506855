/**
 * What one client may cost a relay, with units, defaults and where each default comes from (spec/relay.md §0, §3.5, §4.1–4.3, §4.8).
 * "Guess" marks what no other implementation says.
 */

/** How fast one client may send, spec/relay.md §4.3. Counted are raw bytes of its connection, WebSocket headers included. */
export interface RelayRateLimit {
  /** In the long run, bytes a second; at least 10. */
  readonly bytesPerSecond: number
  /** At once, after silence, bytes. Default: a tenth of `bytesPerSecond`. */
  readonly maxBurstBytes?: number | undefined
}

export interface RelayLimits {
  /** From the upgrade until the client is in, the access decision included, ms. Default 10,000 (spec/relay.md §2.6; iroh's server waits for ever). */
  readonly handshakeTimeoutMs: number
  /** WebSocket links at once: clients, those in the handshake, those that are closing. Beyond, new ones are closed with 1013. Default 100,000 (guess; file descriptors end before). */
  readonly maxConnections: number
  /**
   * Connections of one id besides the active one. Beyond, the one that was silent longest is dropped when it was silent for longer than clients ping, else
   * the new one is denied. Default 8 (guess; iroh's server has no bound).
   */
  readonly maxInactivePerEndpoint: number
  /** Datagram frames that wait in the relay for one client that reads slowly. Default 512 (iroh). */
  readonly queueDatagrams: number
  /** The same in bytes. Default 1 MiB (guess: iroh has no bound, which is 32 MiB). */
  readonly queueBytes: number
  /** Other frames (EndpointGone, Status, Health) that wait for one client. Default 512 (iroh). They are a few bytes each. */
  readonly queueMessages: number
  /**
   * Bytes that may stand in a client's link, unread by the system, before frames wait in its queue instead. Must be above the link's low mark. What stands
   * there is ahead of a pong. Default 512 KiB (guess).
   */
  readonly linkBytes: number
  /** A client whose frames wait is dropped when the system takes none of its bytes for so long, ms. Default 2,000 (iroh). */
  readonly writeTimeoutMs: number
  /** A client that was silent for so long is pinged, ms; to this a random time between the next two is added. Default 15,000 (iroh). */
  readonly pingIntervalMs: number
  /** Default 1,000 and 5,000 (iroh). */
  readonly pingJitterMinMs: number
  readonly pingJitterMaxMs: number
  /** Ids that an endpoint sent to and that hear EndpointGone when it leaves. Beyond, those sent to first are forgotten. Default 1,024 (guess; iroh has no bound). */
  readonly maxDestinations: number
  /**
   * What one client may have forwarded before it is not read from until the event loop has turned, bytes; a frame counts 256 bytes on top, so that many
   * small frames are no way around. Default 262,144 (guess: below a millisecond).
   */
  readonly turnBytes: number
  /** `close` waits so long for clients to answer its Close, ms. Default 3,000 (guess: a link itself gives up after 2 s). */
  readonly closeTimeoutMs: number
  /** Default undefined: none (iroh). Can be changed live, by `setRateLimit`. */
  readonly rateLimit: RelayRateLimit | undefined
}

export const DEFAULT_RELAY_LIMITS: RelayLimits = {
  handshakeTimeoutMs: 10_000,
  maxConnections: 100_000,
  maxInactivePerEndpoint: 8,
  queueDatagrams: 512,
  queueBytes: 1024 * 1024,
  queueMessages: 512,
  linkBytes: 512 * 1024,
  writeTimeoutMs: 2000,
  pingIntervalMs: 15_000,
  pingJitterMinMs: 1000,
  pingJitterMaxMs: 5000,
  maxDestinations: 1024,
  turnBytes: 256 * 1024,
  closeTimeoutMs: 3000,
  rateLimit: undefined,
}

/** Limits that may be 0; all others are 1 or more. */
const MAY_BE_ZERO: readonly string[] = [
  'maxInactivePerEndpoint',
  'queueDatagrams',
  'queueBytes',
  'queueMessages',
  'pingJitterMinMs',
  'pingJitterMaxMs',
]

/** Fills in the defaults. Throws RangeError for a limit that is no number, or too small to mean anything. */
export function resolveLimits(given: Partial<RelayLimits>): RelayLimits {
  const limits = { ...DEFAULT_RELAY_LIMITS }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (!(name in limits)) throw new RangeError(`${name} is no limit of a relay`)
    if (name !== 'rateLimit') expectNumber(name, value)
    Object.assign(limits, { [name]: value })
  }
  if (limits.pingJitterMaxMs < limits.pingJitterMinMs) {
    throw new RangeError(
      `pingJitterMaxMs is ${limits.pingJitterMaxMs}, below pingJitterMinMs, ${limits.pingJitterMinMs}`,
    )
  }
  return limits
}

function expectNumber(name: string, value: unknown): void {
  const least = MAY_BE_ZERO.includes(name) ? 0 : 1
  if (typeof value !== 'number' || !(value >= least))
    throw new RangeError(`${name} must be a number of ${least} or more, not ${value}`)
}
