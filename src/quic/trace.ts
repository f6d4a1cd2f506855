/** Where a connection tells what it does, for qlog. Off (undefined) costs one test at each call. */
import type { Level } from './level.ts'

export interface TraceSink {
  /** A packet is about to be sealed; its frames stand in `bytes[payloadStart, payloadEnd)`. `size` is its share of the datagram, bytes. */
  packetSent(
    now: number,
    level: Level,
    pathId: number,
    packetNumber: number,
    size: number,
    bytes: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
  ): void
  /** A packet was opened; its frames stand in `bytes[payloadStart, payloadEnd)`. */
  packetReceived(
    now: number,
    level: Level,
    pathId: number,
    packetNumber: number,
    size: number,
    bytes: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
  ): void
  packetDropped(now: number, size: number, reason: string): void
  /** After acknowledgements and losses. Milliseconds and bytes. */
  metrics(
    now: number,
    pathId: number,
    smoothedRtt: number,
    latestRtt: number,
    rttVariance: number,
    congestionWindow: number,
    bytesInFlight: number,
    ptoCount: number,
  ): void
  /** Anything else, by its qlog name, for example `connectivity:connection_closed`. */
  event(now: number, name: string, data: Record<string, unknown>): void
}
