/**
 * What peers of a topic say to each other, as values (spec/gossip.md §4.3). Generic in the peer: 64 hex digits of its id on the network, a number in
 * the simulator. Bytes are `wire/`'s business.
 */

/** A peer as the machines know it. Compared with `<`: for hex of equal length that is the order of the bytes. */
export type PeerKey = string | number

/** BLAKE3-256 of a payload as 64 hex digits (spec/gossip.md §4.2); in the simulator any text that names the payload. */
export type MessageId = string

/** A peer, and what is known of how to reach it: opaque bytes (spec/gossip.md §4.6). Undefined: nothing was said; empty: nothing is known. */
export interface PeerInfo<P extends PeerKey> {
  readonly id: P
  readonly data: Uint8Array | undefined
}

export type Priority = 'high' | 'low'

export interface Announcement {
  readonly id: MessageId
  /** Hops that the payload would have travelled on the announcer's link. */
  readonly round: number
}

/** HyParView. */
export type MembershipMessage<P extends PeerKey> =
  | { readonly kind: 'join'; readonly data: Uint8Array | undefined }
  | { readonly kind: 'forward-join'; readonly peer: PeerInfo<P>; readonly ttl: number }
  | {
      readonly kind: 'shuffle'
      readonly origin: P
      readonly nodes: readonly PeerInfo<P>[]
      readonly ttl: number
    }
  | { readonly kind: 'shuffle-reply'; readonly nodes: readonly PeerInfo<P>[] }
  | { readonly kind: 'neighbor'; readonly priority: Priority; readonly data: Uint8Array | undefined }
  | { readonly kind: 'disconnect'; readonly alive: boolean }

/** PlumTree. */
export type BroadcastMessage =
  | {
      readonly kind: 'gossip'
      readonly id: MessageId
      readonly content: Uint8Array
      /** Hops travelled before this link, 0 from the author; undefined: for neighbours only (scope Neighbors). */
      readonly round: number | undefined
    }
  | { readonly kind: 'prune' }
  | { readonly kind: 'graft'; readonly id: MessageId | undefined; readonly round: number }
  | { readonly kind: 'ihave'; readonly announcements: readonly Announcement[] }

export type Message<P extends PeerKey> = MembershipMessage<P> | BroadcastMessage
