/** The one error of the text codecs and address parsers in this room, which protocols turn into their own, and parts of messages. */

/** Text or bytes that are not in the expected form; the message says what was expected. */
export class EncodingError extends Error {
  override readonly name = 'EncodingError'
  /** Stable, for matching. */
  readonly code = 'INVALID_ENCODING'
}

/** Text for a message: quoted, on one line, and cut when it is long. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

/** The message of whatever was thrown, for use inside another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
