/** Why a frame was not sent, where neither the dial nor the connection can say it themselves. */

export type LinkErrorCode =
  /** The links were closed: nothing is sent any more. */
  | 'LINKS_CLOSED'
  /** More bytes than a frame may have, or none. */
  | 'BAD_LENGTH'
  /** Too much waits to be sent, to this peer or to all of them: wait for what was sent before. */
  | 'QUEUE_FULL'
  /** There are links to as many peers as may be, and all are in use. */
  | 'TOO_MANY_PEERS'
  /** The peer did not take it in time; `cause` is what the last attempt met, if it met anything. */
  | 'SEND_TIMEOUT'

/** Match on `code`. */
export class LinkError extends Error {
  override readonly name = 'LinkError'
  readonly code: LinkErrorCode

  constructor(code: LinkErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
