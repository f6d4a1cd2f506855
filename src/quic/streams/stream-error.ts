/**
 * What an application hears when it uses a stream or the datagram queue wrongly, at the call. Errors of the peer are
 * `TransportError`s and never appear here.
 */

export type StreamErrorCode =
  /** `finish` was called before: nothing more can be written. */
  | 'STREAM_FINISHED'
  /** `reset` was called before. */
  | 'STREAM_RESET'
  /** The peer wants no more data (`peerCode` says why), or this side called `stopSending` and wants to read. */
  | 'STREAM_STOPPED'
  /** There is no such half of a stream: never opened, the wrong direction, or over and forgotten. */
  | 'STREAM_UNKNOWN'
  /** The connection ended, and what it had received on the stream was read. */
  | 'CONNECTION_CLOSED'

export class StreamError extends Error {
  override readonly name = 'StreamError'
  /** Stable; match this, not the message. */
  readonly code: StreamErrorCode
  readonly streamId: number
  /** The application code of the peer's STOP_SENDING; only with STREAM_STOPPED. */
  readonly peerCode: number | undefined

  constructor(code: StreamErrorCode, streamId: number, message: string, peerCode?: number) {
    super(`stream ${streamId}: ${message}`)
    this.code = code
    this.streamId = streamId
    this.peerCode = peerCode
  }
}

export type DatagramErrorCode =
  /** More than the peer takes, or than one packet of the path holds. */
  | 'DATAGRAM_TOO_LARGE'
  /** The peer takes no datagrams, or its transport parameters are not known yet. */
  | 'DATAGRAM_UNSUPPORTED'
  | 'CONNECTION_CLOSED'

export class DatagramError extends Error {
  override readonly name = 'DatagramError'
  /** Stable; match this, not the message. */
  readonly code: DatagramErrorCode

  constructor(code: DatagramErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
