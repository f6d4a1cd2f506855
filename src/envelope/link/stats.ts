/** What the links count. */

export type RefusalReason =
  /** A length of 0. */
  | 'empty'
  /** A length beyond 1 MiB. */
  | 'too-long'
  /** The first byte begins no envelope (TRN-1). */
  | 'first-byte'
  /** The stream ended, or was reset, before the frame was complete. */
  | 'cut-short'
  /** The frame was not complete in time. */
  | 'timeout'
  /** Too many bytes of unfinished frames, and this peer had most of them. */
  | 'memory'
  /** A unidirectional stream or a datagram: this protocol has none. */
  | 'not-a-frame'

export interface LinkCounters {
  /** Frames that the transport took, and those handed to the handler; bytes without their lengths. */
  framesSent: number
  bytesSent: number
  framesReceived: number
  bytesReceived: number
  /** Of those received. */
  framesV1: number
  /** By reason. */
  readonly refused: Record<RefusalReason, number>
  dials: number
  dialFailures: number
  accepted: number
  /** Connections given up for TRN-10, and those closed because nobody used them. */
  evictions: number
  idleClosed: number
  /** Peers whose connections were closed for too many frames that were none. */
  floods: number
  /** Second and third attempts. */
  retries: number
  /** Frames sent again because their connection ended before the peer had acknowledged their bytes, and those that stayed lost. */
  resent: number
  lost: number
  /** `send` failed in the end. */
  sendFailures: number
  /** Reverse directions that ended in time, and those that did not (TRN-5). */
  reverseEnds: number
  reverseTimeouts: number
}

export interface LinkStats extends Readonly<LinkCounters> {
  readonly peers: number
  readonly queued: number
  readonly queuedBytes: number
  /** Of unfinished frames. */
  readonly readingBytes: number
}

export function newCounters(): LinkCounters {
  return {
    framesSent: 0,
    bytesSent: 0,
    framesReceived: 0,
    bytesReceived: 0,
    framesV1: 0,
    refused: {
      empty: 0,
      'too-long': 0,
      'first-byte': 0,
      'cut-short': 0,
      timeout: 0,
      memory: 0,
      'not-a-frame': 0,
    },
    dials: 0,
    dialFailures: 0,
    accepted: 0,
    evictions: 0,
    idleClosed: 0,
    floods: 0,
    retries: 0,
    resent: 0,
    lost: 0,
    sendFailures: 0,
    reverseEnds: 0,
    reverseTimeouts: 0,
  }
}
