/** What can keep a relay server from starting, as errors with a stable `code`. The message is one line that says what to do. */
import { messageOf } from '../../bytes/index.ts'

/**
 * `INVALID_OPTION`: an option nobody could follow. `BIND_FAILED`: an address that cannot be had. `BAD_CERTIFICATE`: a certificate or key that
 * cannot be read or used.
 */
export type RelayServerErrorCode = 'INVALID_OPTION' | 'BIND_FAILED' | 'BAD_CERTIFICATE'

export class RelayServerError extends Error {
  override readonly name = 'RelayServerError'
  readonly code: RelayServerErrorCode

  constructor(code: RelayServerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The first line of an error's message: the words of OpenSSL and of the system are one line each, those of others may go on. */
export function lineOf(error: unknown): string {
  const text = messageOf(error)
  return text.split('\n')[0]!
}
