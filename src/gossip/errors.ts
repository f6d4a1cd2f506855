/** What the application sees when gossip refuses or fails: one class with a stable `code`, and a message that ends in what to do. */
export type GossipErrorCode =
  /** An option or argument makes no sense; the message says which. */
  | 'INVALID_OPTION'
  /** The payload does not fit into a message of this swarm. */
  | 'MESSAGE_TOO_LARGE'
  /** No neighbour was found in time; the message says what was tried. */
  | 'JOIN_TIMEOUT'
  /** The topic was left here: subscribe again. */
  | 'TOPIC_CLOSED'
  /** This `Gossip` was closed, or its endpoint. */
  | 'GOSSIP_CLOSED'

/** Match on `code`. */
export class GossipError extends Error {
  override readonly name = 'GossipError'
  readonly code: GossipErrorCode

  constructor(code: GossipErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
