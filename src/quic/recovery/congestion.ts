/**
 * The face every congestion controller shows, and the bounds of RFC 9002 §7.2 they share. One instance per link; it counts no bytes in
 * flight and sends nothing, it only says how large the window is.
 */
import { Cubic } from './cubic.ts'
import { NewReno } from './new-reno.ts'
import type { RttEstimator } from './rtt.ts'

export interface CongestionController {
  readonly name: 'cubic' | 'new-reno'
  /** Congestion window, bytes. */
  readonly window: number
  readonly slowStart: boolean
  /** A packet that counts in flight went out. */
  sent(packetNumber: number, bytes: number, now: number): void
  /** One in-flight packet was acknowledged. `rtt` already holds the sample of this acknowledgement. */
  acked(packetNumber: number, bytes: number, sentAt: number, now: number, rtt: RttEstimator, appLimited: boolean): void
  /** One call per batch of losses. `largestLostSentAt` decides whether a new recovery period starts (RFC 9002 §7.3.2). */
  lost(bytes: number, largestLostSentAt: number, now: number, persistent: boolean): void
  /** Every loss of the last reduction turned out wrong: undo it where possible. */
  spurious(now: number): void
  /** Begins with at least `bytes`, where something better than the usual start is known. Before anything was sent. */
  startFrom(bytes: number): void
  /** The datagram size of the link changed, bytes. */
  setMtu(bytes: number): void
  /** Same kind, initial state, current MTU. */
  fresh(): CongestionController
}

export function createCongestion(kind: 'cubic' | 'new-reno', mtu: number): CongestionController {
  return kind === 'cubic' ? new Cubic(mtu) : new NewReno(mtu)
}
