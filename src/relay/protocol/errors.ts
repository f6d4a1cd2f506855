/** The one error that bytes from the other side of a relay connection may cause. Whoever owns the connection catches it in one place and drops the connection. */

/** The other side broke the relay protocol (spec/relay.md §2, §3); the connection cannot go on. */
export class RelayProtocolError extends Error {
  override readonly name = 'RelayProtocolError'
  /** Stable, for matching. */
  readonly code = 'RELAY_PROTOCOL'
  /** One line: what came and what was expected. */
  readonly reason: string

  constructor(reason: string) {
    super(`the other side of the relay connection broke the protocol: ${reason}`)
    this.reason = reason
  }
}
