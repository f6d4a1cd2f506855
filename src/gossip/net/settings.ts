/**
 * Every number of the network side of gossip with its unit and where it comes from. Not options of the public face: tests shorten them, nobody else has had a
 * reason to (spec/gossip.md §3.8, §3.9, §11.2).
 */

export interface NetSettings {
  /** A connection that no topic needs is closed after this, ms (spec/gossip.md §3.8 C4). */
  readonly idleGraceMs: number
  /** How long the end of our streams may stay unacknowledged before we go on without, ms (spec/gossip.md §3.8 C3, C8, C9). */
  readonly ackTimeoutMs: number
  /** A dial is given up after this, ms: shorter than the endpoint's 30 s, for a swarm has other peers. */
  readonly dialTimeoutMs: number
  /** Dials at once, and peers that wait for one; a peer beyond that counts as unreachable. Guesses. */
  readonly maxDials: number
  readonly maxWaitingDials: number
  /** Peers with a connection or a dial; beyond, one that nobody needs makes room, or the newcomer is refused. A guess. */
  readonly maxPeers: number
  /** Connections of one peer; the oldest goes first. Restarted peers leave dead ones behind for the idle timeout. A guess. */
  readonly maxConnectionsPerPeer: number
  /** What waits to be sent on one topic to one peer: above the first `broadcast` waits, above the second payloads are dropped, bytes. */
  readonly highWaterBytes: number
  readonly maxQueuedBytes: number
  /** The same in messages. */
  readonly highWaterMessages: number
  readonly maxQueuedMessages: number
  /** What waits for one peer on all topics, bytes. */
  readonly maxQueuedBytesPerPeer: number
  /** A full queue of which nothing was taken for so long makes the peer a stalled one, which nobody waits for, ms. */
  readonly stalledAfterMs: number
  /** After so long it is no neighbour of that topic any more, ms. */
  readonly dropAfterMs: number
  /** How often full queues are looked at, ms. */
  readonly stallCheckMs: number
  /** What a connection may hold of ours, unacknowledged, bytes: a slow peer is felt soon, and 10 MB/s go over a round trip of 100 ms. A guess. */
  readonly sendBuffer: number
  /** Streams a peer may have open beyond one for each of our topics (spec/gossip.md §3.7). */
  readonly spareStreams: number
  /** Bytes read from one connection before others have their turn. */
  readonly readPerTurn: number
  /** Bad frames of one stream at once, and how many more each second, before the connection is closed. */
  readonly badFrames: number
  readonly badFramesPerSecond: number
  /** Membership messages of one peer at once, and each second; more are dropped, and after as many dropped ones the connection is closed. */
  readonly membershipBurst: number
  readonly membershipPerSecond: number
  /** The same for requests for a payload (Graft): each can cost a whole message. */
  readonly graftBurst: number
  readonly graftsPerSecond: number
  readonly floodedAfter: number
  /** Keys never seen before that are checked for one peer, and for all, at once and each second: one costs some 20 µs. */
  readonly keyBurst: number
  readonly keysPerSecond: number
  readonly keyBurstOfAll: number
  readonly keysPerSecondOfAll: number
  /** Learned addresses are kept so long, ms (spec/gossip.md §4.6). */
  readonly addressRetentionMs: number
}

export const NET_SETTINGS: NetSettings = {
  idleGraceMs: 5_000,
  ackTimeoutMs: 5_000,
  dialTimeoutMs: 15_000,
  maxDials: 32,
  maxWaitingDials: 128,
  maxPeers: 1_024,
  maxConnectionsPerPeer: 16,
  highWaterBytes: 262_144,
  maxQueuedBytes: 2_097_152,
  highWaterMessages: 4_096,
  maxQueuedMessages: 32_768,
  maxQueuedBytesPerPeer: 16_777_216,
  stalledAfterMs: 2_000,
  dropAfterMs: 10_000,
  stallCheckMs: 100,
  sendBuffer: 1_048_576,
  spareStreams: 32,
  readPerTurn: 65_536,
  badFrames: 16,
  badFramesPerSecond: 1,
  membershipBurst: 1_024,
  membershipPerSecond: 200,
  graftBurst: 8_192,
  graftsPerSecond: 2_000,
  floodedAfter: 4_096,
  keyBurst: 256,
  keysPerSecond: 64,
  keyBurstOfAll: 2_048,
  keysPerSecondOfAll: 1_024,
  addressRetentionMs: 300_000,
}
