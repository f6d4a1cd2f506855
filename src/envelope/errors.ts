/**
 * What goes wrong in this room, as two classes with a stable `code`: `EnvelopeError` for bytes that a peer sent, which cost that envelope and are counted;
 * `TomError` for what the application asked for.
 */

export type EnvelopeErrorCode =
  /** No MessagePack of that shape, or bytes after it. */
  | 'MALFORMED'
  /** More bytes than an envelope or frame may have (spec/envelope.md §1.9). */
  | 'TOO_LARGE'
  /** A type name that is none of the 36 (spec/envelope.md §1.7). */
  | 'UNKNOWN_TYPE'
  /** A key that is no point of the curve, or not written as keys are. */
  | 'INVALID_KEY'
  /** Id, hops, timestamp or signature beyond their bounds (ENV-6, RTR-6). */
  | 'INVALID_FIELD'
  /** No signature. */
  | 'UNSIGNED'
  /** The strict check failed (spec/envelope.md §1.5). */
  | 'BAD_SIGNATURE'
  /** Older than 24 h (L2c). */
  | 'EXPIRED'
  /** More than five minutes ahead of our clock. */
  | 'FROM_FUTURE'
  /** Verified, but its payload does not open. */
  | 'DECRYPT_FAILED'
  /** Verified, but its payload is not what its type says. */
  | 'UNREADABLE_BODY'

/** Match on `code`. Never carries secret material, nor more than a few bytes of what was read. */
export class EnvelopeError extends Error {
  override readonly name = 'EnvelopeError'
  readonly code: EnvelopeErrorCode

  constructor(code: EnvelopeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export type TomErrorCode =
  /** An option or argument makes no sense; the message says which. */
  | 'INVALID_OPTION'
  /** The message does not fit into an envelope. */
  | 'MESSAGE_TOO_LARGE'
  /** Too many messages wait for their acknowledgement: wait for receipts. */
  | 'TOO_MANY_MESSAGES'
  /** The recipient has not acknowledged the message in time; it may still do so. */
  | 'NOT_DELIVERED'
  /** The storage cannot be read or written; the message says what was lost. */
  | 'STORAGE_FAILED'
  /** The node was closed: start a new one. */
  | 'NODE_CLOSED'

/** Match on `code`. */
export class TomError extends Error {
  override readonly name = 'TomError'
  readonly code: TomErrorCode

  constructor(code: TomErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
