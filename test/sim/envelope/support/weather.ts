/** What lines and topic do to what passes. Shares of 1. */
export interface Weather {
  /** One way, ms. */
  readonly latency: readonly [number, number]
  /** Frames that the transport took and that never arrive. */
  readonly lost: number
  /** Frames that the transport gives up, of which half have arrived all the same. */
  readonly failed: number
  /** Frames that arrive twice. */
  readonly doubled: number
  /** Frames that arrive up to half a minute late, so after others. */
  readonly late: number
  /** Nodes that hear a content of gossip. */
  readonly heard: number
}

export const CALM: Weather = { latency: [2, 60], lost: 0, failed: 0, doubled: 0, late: 0, heard: 0.95 }
