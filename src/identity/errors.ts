/** The error of this room: keys, ids, addresses and tickets that are not what they should be. */

export type IdentityErrorCode =
  | 'INVALID_KEY'
  | 'INVALID_ID'
  | 'INVALID_ADDRESS'
  | 'INVALID_RELAY_URL'
  | 'INVALID_TICKET'
  | 'INVALID_TARGET'

/** Match on `code`. The message is one line: what is wrong and what was expected; never any secret. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError'
  readonly code: IdentityErrorCode

  constructor(code: IdentityErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
