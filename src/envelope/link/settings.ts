/** Every number of the links with its unit and where it comes from. Not options of the public face: tests shorten them (spec/envelope.md §3, §4.5). */
import { MAX_FRAME_LENGTH } from '../wire/envelope.ts'

export interface LinkSettings {
  /** Largest frame, bytes, both ways (spec/envelope.md §1.9). */
  readonly maxFrameLength: number
  /** Attempts for one frame, and the pause before the second and the third, ms (spec/envelope.md §4.5). */
  readonly attempts: number
  readonly retryDelaysMs: readonly number[]
  /** A frame that the transport has not taken is given up after this, ms: time for all attempts. */
  readonly sendTimeoutMs: number
  /** A frame that was taken and whose bytes the peer has not acknowledged is given up after this, ms: then the message has failed (spec/envelope.md §4.5). */
  readonly unackedTimeoutMs: number
  /** A dial is given up after this, ms: shorter than the endpoint's 30 s, so that a second attempt still makes sense. */
  readonly dialTimeoutMs: number
  /** A dial that has lasted so long begins anew when there is news of where the peer is, ms. A guess: longer than a handshake over most paths. */
  readonly redialAfterMs: number
  /** Dials at once; more wait. A guess. */
  readonly maxDials: number
  /** Frames that wait to be taken by the transport: to one peer, and to all. Guesses. */
  readonly maxQueuedPerPeer: number
  readonly maxQueuedBytesPerPeer: number
  readonly maxQueued: number
  readonly maxQueuedBytes: number
  /** Streams of ours on a connection whose reverse end has not come. The peer allows 100 as a rule (spec/envelope.md §3.5). */
  readonly maxUnderway: number
  /** How long the reverse end is waited for, ms (TRN-5). */
  readonly reverseEndMs: number
  /** What a connection may hold of ours, unacknowledged, bytes: 10 MB/s go over a round trip of 100 ms. A guess, as gossip's. */
  readonly sendBuffer: number
  /** Sends in a row without an acknowledgement after which the connection counts as dead (TRN-10). */
  readonly unansweredLimit: number
  /**
   * While an acknowledgement is due it is looked so often, ms, whether anything came over the connection; after `silentLooks` in vain another one is dialled beside it, and takes over if the peer
   * answers there. A peer that was killed and came back would else be talked to in vain until QUIC's idle timeout of 30 s. Guesses: together some probe timeouts of a bad path.
   */
  readonly lookMs: number
  readonly silentLooks: number
  /** A connection that was evicted may still deliver what it has for so long, ms; as a shutdown (TRN-7). */
  readonly retireMs: number
  /** How long `close` waits for data in flight, ms (TRN-7). */
  readonly drainMs: number
  /** And for dials that began no longer ago than this, ms: two handshakes over a round trip of 400 ms. Older ones lead nowhere. */
  readonly drainDialsMs: number

  /** Streams of the peer that are read at once on a connection (spec/envelope.md §3.5). */
  readonly maxReading: number
  /** Lengths of the frames that are read at once on a connection, together, bytes; others wait, unread. At least `maxFrameLength`. */
  readonly maxReadingBytesPerConnection: number
  /** Bytes of unfinished frames of all connections; beyond, whoever has most loses his largest one. */
  readonly maxReadingBytes: number
  /** A stream must have brought its length by then, ms; after that something more each time, and the whole frame in the end. Guesses. */
  readonly headerTimeoutMs: number
  readonly frameTimeoutMs: number
  readonly maxFrameMs: number
  /** Frames of a connection that are none, at once and one more each second, before it is closed. As gossip's. */
  readonly refusals: number
  readonly refusalsPerSecond: number

  /** Peers with a link. Guess, as gossip's. */
  readonly maxPeers: number
  /** Connections of one peer that it dialled; the oldest goes first. Restarted peers leave dead ones behind for the idle timeout. */
  readonly maxAcceptedPerPeer: number
  /** Beyond so many links, those that nobody used for `idleMs` are closed. */
  readonly manyPeers: number
  readonly idleMs: number
  /** Among `maxPeers` a newcomer pushes out nobody who was used since this, ms. */
  readonly minIdleMs: number
}

export const LINK_SETTINGS: LinkSettings = {
  maxFrameLength: MAX_FRAME_LENGTH,
  attempts: 3,
  retryDelaysMs: [500, 1_000],
  sendTimeoutMs: 45_000,
  unackedTimeoutMs: 90_000,
  dialTimeoutMs: 12_000,
  redialAfterMs: 1_000,
  maxDials: 128,
  maxQueuedPerPeer: 4_096,
  maxQueuedBytesPerPeer: 8 * 1024 * 1024,
  maxQueued: 32_768,
  maxQueuedBytes: 64 * 1024 * 1024,
  maxUnderway: 256,
  reverseEndMs: 10_000,
  sendBuffer: 1024 * 1024,
  unansweredLimit: 3,
  lookMs: 1_000,
  silentLooks: 2,
  retireMs: 3_000,
  drainMs: 3_000,
  drainDialsMs: 1_000,
  maxReading: 100,
  maxReadingBytesPerConnection: 4 * 1024 * 1024,
  maxReadingBytes: 64 * 1024 * 1024,
  headerTimeoutMs: 10_000,
  frameTimeoutMs: 30_000,
  maxFrameMs: 300_000,
  refusals: 16,
  refusalsPerSecond: 1,
  maxPeers: 1_024,
  maxAcceptedPerPeer: 4,
  manyPeers: 64,
  idleMs: 300_000,
  minIdleMs: 30_000,
}
