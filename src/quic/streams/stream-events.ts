/**
 * What streams and datagrams are told (settings) and what they tell (events, counters, results of a read). Types only.
 */

/** All sizes in bytes. */
export interface StreamSettings {
  /** First connection receive window; it grows up to 1.5 × `maxReceiveWindow`, never shrinks. */
  initialMaxData: number
  /** First receive window of a stream. */
  streamReceiveWindow: number
  /** What auto-tuning may grow a stream's receive window to. */
  maxReceiveWindow: number
  /** Streams of a kind the peer may have open at once. */
  maxStreamsBidi: number
  maxStreamsUni: number
  /** Unsent and unacknowledged stream data a connection keeps. */
  sendBuffer: number
  /** Received datagrams waiting for the application; 0 when datagrams were not advertised. */
  datagramReceiveBuffer: number
  datagramSendBuffer: number
}

/**
 * What the application must hear. Each is called once per change: `readable` again only after `read` returned 'empty', `writable` only
 * after a short `write`, `incoming` only after `accept` returned -1, `available` only after `open` returned -1, `datagram` only after
 * `read` returned undefined, `datagramWritable` only after `send` dropped or refused one. `readable` and `stopped` of a stream that the peer opened are
 * held back until `accept` returned it. The callbacks must not call back into the streams.
 */
export interface StreamEvents {
  readable(id: number): void
  writable(id: number): void
  incoming(bidirectional: boolean): void
  available(bidirectional: boolean): void
  /** The peer's STOP_SENDING arrived; the stream was reset with the same code. */
  stopped(id: number, code: number): void
  /** FIN and all data are acknowledged; the sending half is forgotten. */
  finished(id: number): void
  datagram(): void
  datagramWritable(): void
}

/**
 * 'data': a view of memory that is never written again. 'fin' and 'reset' are said once, then the receiving half is
 * forgotten.
 */
export type ReadResult =
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | 'empty'
  | 'fin'
  | { readonly kind: 'reset'; readonly code: number }

export class StreamStats {
  /** Streams this side opened. */
  opened = 0
  /** Streams of the peer that the application accepted. */
  accepted = 0
  /** Stream data bytes sent for the first time. */
  bytesSent = 0
  /** Stream data bytes received, without duplicates. */
  bytesReceived = 0
  retransmittedBytes = 0
}
