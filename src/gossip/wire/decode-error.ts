/** The one error of this folder: bytes of a peer that are not what they should be (spec/gossip.md §3.6). It never closes anything by itself: the frame is skipped. */
import { EncodingError, messageOf, TruncatedError } from '../../bytes/index.ts'

/** Stable, for metrics and matching. */
export type DecodeReason =
  /** The bytes end inside a field. */
  | 'truncated'
  /** An integer is too wide, a bool or option is neither 0 nor 1, a list claims more than is there, a text is not UTF-8. */
  | 'malformed'
  /** An enum has no such variant: a message of a later protocol, or noise. */
  | 'unknown-variant'
  /** 32 bytes that are no public key. */
  | 'invalid-key'
  /** A relay that is no URL. */
  | 'invalid-url'

export class DecodeError extends Error {
  override readonly name = 'DecodeError'
  readonly reason: DecodeReason

  constructor(reason: DecodeReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** Runs `read`; what the cursors and codecs of `bytes/` throw becomes a DecodeError. Anything else is a defect of ours and stays what it is. */
export function decoding<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof TruncatedError) throw new DecodeError('truncated', error.message, { cause: error })
    if (error instanceof EncodingError) throw new DecodeError('malformed', messageOf(error), { cause: error })
    throw error
  }
}
