/**
 * What the machines do to the world, as calls on an interface that their owner implements: the order of the calls is the order of the outputs. A call may not
 * come back into a machine; owners that react (an application that answers an event) do so after the machine returned.
 */
import type { BroadcastMessage, MembershipMessage, Message, MessageId, PeerKey } from './messages.ts'

/** Why a neighbour is none any more. */
export type NeighborDownReason =
  /** It said Disconnect and stays alive elsewhere: it made room for another, or refused us. */
  | 'evicted-by-peer'
  /** It left the topic. */
  | 'left'
  /** We made room for another. */
  | 'evicted'
  /** The connection is gone. */
  | 'connection-lost'
  /** We left the topic. */
  | 'quit'

export type MembershipTimer<P extends PeerKey> =
  | { readonly kind: 'shuffle' }
  /** A request to be neighbours got no answer. `serial` tells it from a later request to the same peer. */
  | { readonly kind: 'pending-neighbor'; readonly peer: P; readonly serial: number }
  /** We have no neighbour: join again. `serial` as above. */
  | { readonly kind: 'rejoin'; readonly serial: number }

export type BroadcastTimer =
  | { readonly kind: 'graft'; readonly id: MessageId }
  | { readonly kind: 'dispatch' }
  | { readonly kind: 'evict' }

export type TopicTimer<P extends PeerKey> = MembershipTimer<P> | BroadcastTimer

export interface MembershipEffects<P extends PeerKey> {
  send(peer: P, message: MembershipMessage<P>): void
  /** This topic needs no connection to the peer any more (upstream's DisconnectPeer); other topics may. */
  release(peer: P): void
  /** Calls `fire` with the timer after so many ms. Timers are never cancelled: those that came too late are ignored by the machine. */
  schedule(timer: MembershipTimer<P>, afterMs: number): void
  neighborUp(peer: P): void
  neighborDown(peer: P, reason: NeighborDownReason): void
  /** How to reach the peer, by its own or another peer's word; never empty. */
  learned(peer: P, data: Uint8Array): void
  /** A Join got no answer: the connection failed, or nothing came in time. It is tried again while we have no neighbour. */
  joinFailed(peer: P): void
}

export interface BroadcastEffects<P extends PeerKey> {
  /** The same object may be sent to several peers, one call after the other. */
  send(peer: P, message: BroadcastMessage): void
  schedule(timer: BroadcastTimer, afterMs: number): void
  /** Once for each payload within the retention of ids. */
  deliver(delivery: Delivery<P>): void
  /** Smoothed round trip to a peer, ms; undefined when nothing is known. */
  roundTripMs(peer: P): number | undefined
}

export interface Delivery<P extends PeerKey> {
  readonly id: MessageId
  readonly content: Uint8Array
  /** The last hop, not the author. */
  readonly from: P
  /** Hops travelled before the last link: 0 straight from the author; undefined: scope Neighbors, straight from the author too. */
  readonly round: number | undefined
}

export type TopicEvent<P extends PeerKey> =
  | { readonly kind: 'neighbor-up'; readonly peer: P }
  | { readonly kind: 'neighbor-down'; readonly peer: P; readonly reason: NeighborDownReason }
  | { readonly kind: 'join-failed'; readonly peer: P }
  | ({ readonly kind: 'received' } & Delivery<P>)

/** What a whole topic does. */
export interface TopicEffects<P extends PeerKey> {
  send(peer: P, message: Message<P>): void
  release(peer: P): void
  schedule(timer: TopicTimer<P>, afterMs: number): void
  emit(event: TopicEvent<P>): void
  learned(peer: P, data: Uint8Array): void
  roundTripMs(peer: P): number | undefined
}

/** Random numbers for the machines: the system's in production, seeded in the simulator. */
export interface Dice {
  /** An integer 0 ≤ x < `limit`; `limit` is at least 1. */
  below(limit: number): number
}
