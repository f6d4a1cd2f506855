/** What gossip counts: upstream's names in camel case (spec/gossip.md §5), and what goes wrong. */

export interface GossipMetrics {
  /** Now: topics we take part in, and peers with a connection or a dial. */
  readonly topics: number
  readonly peers: number
  /** "ctrl" is every message but payloads ("data"). */
  readonly msgsCtrlSent: number
  readonly msgsCtrlRecv: number
  readonly msgsDataSent: number
  readonly msgsDataRecv: number
  /** Bytes: bodies plus the 32 of the topic id, as upstream counts them. */
  readonly msgsCtrlSentSize: number
  readonly msgsCtrlRecvSize: number
  readonly msgsDataSentSize: number
  readonly msgsDataRecvSize: number
  readonly neighborUp: number
  readonly neighborDown: number
  /** Frames that could not be decoded, were too long, or whose content has another hash than they say. */
  readonly badFrames: number
  /** Frames for topics nobody subscribed here. */
  readonly unknownTopic: number
  /** Messages over the budget of their sender, which were dropped. */
  readonly rateLimited: number
  /** Connections closed because the peer went on with bad or too many messages. */
  readonly floods: number
  /** What a peer said of somebody's addresses, and could not be read. */
  readonly badAddresses: number
  readonly dials: number
  readonly dialFailures: number
  /** Connections of all peers, since the start. */
  readonly connections: number
  /** Streams of ours that peers stopped reading. */
  readonly streamsStopped: number
  /** Messages dropped because a peer did not take them in time. */
  readonly dropped: number
  /** Messages that no frame can hold; reported to `onError`, too. */
  readonly oversized: number
  /** Peers given up in a topic because they took nothing for too long. */
  readonly stalledPeers: number
  /** Events that subscribers were too slow for. */
  readonly missedEvents: number
}

/** What only grows. */
export type Counters = { -readonly [name in Exclude<keyof GossipMetrics, 'topics' | 'peers'>]: number }

export function newCounters(): Counters {
  return {
    msgsCtrlSent: 0,
    msgsCtrlRecv: 0,
    msgsDataSent: 0,
    msgsDataRecv: 0,
    msgsCtrlSentSize: 0,
    msgsCtrlRecvSize: 0,
    msgsDataSentSize: 0,
    msgsDataRecvSize: 0,
    neighborUp: 0,
    neighborDown: 0,
    badFrames: 0,
    unknownTopic: 0,
    rateLimited: 0,
    floods: 0,
    badAddresses: 0,
    dials: 0,
    dialFailures: 0,
    connections: 0,
    streamsStopped: 0,
    dropped: 0,
    oversized: 0,
    stalledPeers: 0,
    missedEvents: 0,
  }
}
