/** What a relay says about its clients: one entry for each thing that happened to a connection, none for frames. Where it goes is the owner's. */

export type RelayLogEvent =
  /** Let in. */
  | 'connected'
  /** Ended, whoever ended it; `message` says why. */
  | 'disconnected'
  /** The access rules, or a limit, said no. */
  | 'denied'
  /** The access rules could not be asked: denied. */
  | 'access-failed'
  /** Broke the protocol, before it was let in or after. */
  | 'protocol-error'
  /** Took too long to be let in. */
  | 'handshake-timeout'
  /** Was not let in because it left before. */
  | 'abandoned'
  /** Closed at once: too many links, or the relay is closing. */
  | 'refused'
  /** A newer connection of the same id took over. */
  | 'deactivated'
  /** Became the active one again. */
  | 'reactivated'
  /** Has to wait for its rate limit, for the first time. */
  | 'rate-limited'

export interface RelayLogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: RelayLogEvent
  /** One line. Texts that a client sent are not in it. */
  readonly message: string
  /** As hex; undefined while it is not proven. */
  readonly endpoint: string | undefined
  readonly remoteAddress: string
}

/** Called synchronously; must not throw. */
export type RelayLog = (entry: RelayLogEntry) => void
