/** Counters of a connection and of its paths, as snapshots. Bytes are UDP payload unless said otherwise; times in ms. */
import type { Path, PathState, PathStatus } from '../path/path.ts'
import type { Paths } from '../path/paths.ts'
import type { Route } from '../path/route.ts'
import type { Parts } from './parts.ts'

export interface PathStats {
  readonly id: number
  readonly route: Route
  /** `abandoned`: nothing is sent any more, late packets are still taken. */
  readonly state: PathState
  readonly validated: boolean
  /** New data goes here first. */
  readonly preferred: boolean
  /** What we prefer, and what the peer does (PATH_STATUS). */
  readonly status: PathStatus
  readonly peerStatus: PathStatus
  /** Smoothed, latest and least RTT; 0 before the first sample. */
  readonly rttMs: number
  readonly latestRttMs: number
  readonly minRttMs: number
  /** Datagram size in use, bytes. */
  readonly mtu: number
  readonly congestionWindow: number
  readonly bytesInFlight: number
  readonly datagramsSent: number
  readonly datagramsReceived: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly lostPackets: number
  readonly lostBytes: number
  readonly spuriousLosses: number
  /** Probe timeouts since the start. */
  readonly ptos: number
}

export interface ConnectionStats {
  /** TLS 1.3 id, for example 0x1301; 0 before it is negotiated. */
  readonly cipherSuite: number
  readonly keyUpdates: number
  readonly streamsOpened: number
  readonly streamsAccepted: number
  readonly openStreams: number
  /** Stream payload, first transmissions only. */
  readonly streamBytesSent: number
  readonly streamBytesReceived: number
  readonly streamBytesRetransmitted: number
  /** Both sides know multipath. */
  readonly multipath: boolean
  readonly paths: readonly PathStats[]
  readonly footprint: Footprint
}

/** What the peer has made us keep, in entries. docs/security.md says how many there may be. */
export interface Footprint {
  /** Not discarded. */
  readonly paths: number
  /** Path ids in use, spent, or with connection ids. */
  readonly pathIds: number
  /** Connection ids of both sides, and frames about them that wait. */
  readonly connectionIds: number
  /** Frames about paths that wait to be sent or acknowledged. */
  readonly pathFrames: number
  /** PATH_CHALLENGE frames not answered yet. */
  readonly responses: number
  /** Routes probed in this round of NAT traversal, and challenges that rode on answers. */
  readonly probes: number
  /** Records of packets sent. */
  readonly sentPackets: number
  /** Frames sent and not settled. */
  readonly sentFrames: number
  /** Events that nobody has taken. */
  readonly events: number
}

function footprint({ paths, pool, events, traversal }: Parts): Footprint {
  let responses = 0
  let sentPackets = 0
  for (const path of paths.live) {
    responses += path.responses.length
    sentPackets += path.space.sent.end - path.space.sent.first
  }
  return {
    paths: paths.live.length,
    ...paths.footprint(),
    responses,
    probes: traversal.probes.count,
    sentPackets,
    sentFrames: pool.live,
    events: events.length,
  }
}

function pathStats(path: Path, preferred: boolean): PathStats {
  const { rtt, congestion, bytesInFlight } = path.link.recovery
  const { stats } = path.detection
  return {
    id: path.id,
    route: path.link.route,
    state: path.state,
    validated: path.link.validated,
    preferred,
    status: path.status,
    peerStatus: path.peerStatus,
    rttMs: rtt.hasSample ? rtt.smoothed : 0,
    latestRttMs: rtt.hasSample ? rtt.latest : 0,
    minRttMs: rtt.hasSample ? rtt.min : 0,
    mtu: path.link.mtu.current,
    congestionWindow: congestion.window,
    bytesInFlight,
    datagramsSent: path.datagramsSent,
    datagramsReceived: path.datagramsReceived,
    bytesSent: path.bytesSent,
    bytesReceived: path.bytesReceived,
    lostPackets: stats.lostPackets,
    lostBytes: stats.lostBytes,
    spuriousLosses: stats.spuriousLosses,
    ptos: stats.ptos,
  }
}

/** Of all paths that are not discarded, in order of their ids. */
export function allPathStats(paths: Paths): PathStats[] {
  const { preferred } = paths
  return paths.live.map((path) => pathStats(path, path === preferred))
}

export function connectionStats(parts: Parts): ConnectionStats {
  const { handshake, streams, paths } = parts
  return {
    cipherSuite: handshake.tls.suite?.id ?? 0,
    keyUpdates: handshake.oneRtt?.updates ?? 0,
    streamsOpened: streams.stats.opened,
    streamsAccepted: streams.stats.accepted,
    openStreams: streams.openCount,
    streamBytesSent: streams.stats.bytesSent,
    streamBytesReceived: streams.stats.bytesReceived,
    streamBytesRetransmitted: streams.stats.retransmittedBytes,
    multipath: paths.multipath,
    paths: allPathStats(paths),
    footprint: footprint(parts),
  }
}
