/**
 * What the message side of HyParView (hyparview.ts) asks of the side that makes and ends links. Two answers exist: hyparview-links.ts, and
 * hyparview-upstream.ts, which keeps the defects of iroh-gossip 0.101 (spec/gossip.md §11.1).
 */
import type { PeerKey, Priority } from './messages.ts'

export interface Linking<P extends PeerKey> {
  /** Peers that were asked to be neighbours and are no neighbours yet; upstream's profile: and those whose entry was left behind (P1). */
  readonly pending: readonly P[]
  isPending(peer: P): boolean
  /** A newcomer that came to us: always becomes a neighbour, and is told so. */
  joined(peer: P, data: Uint8Array | undefined, now: number): void
  /** Neighbor: a request, or the answer to ours. */
  neighbor(peer: P, priority: Priority, data: Uint8Array | undefined, now: number): void
  /** The walk of a newcomer ends here, or it is a neighbour already: says Neighbor to it. */
  offer(peer: P, data: Uint8Array | undefined, now: number): void
  disconnect(peer: P, isAlive: boolean, now: number): void
  /** The connection is gone, or could not be made. */
  connectionLost(peer: P, now: number): void
  requestTimedOut(peer: P, serial: number, now: number): void
  /** Asks remembered peers to be neighbours while there is room. */
  refill(now: number): void
  quit(): void
}
