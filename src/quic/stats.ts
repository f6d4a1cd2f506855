/** Counters of a connection and of its paths, as snapshots. Bytes are UDP payload unless said otherwise; times in ms. */
import type { Route } from './path/route.ts'

export interface PathStats {
  readonly id: number
  readonly route: Route
  readonly validated: boolean
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
  readonly paths: readonly PathStats[]
}
