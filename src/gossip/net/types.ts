/** What the public classes of gossip take and give: options and events. Types only (spec/gossip.md §8). */
import type { Alpn, ConnectTarget, WaitOptions } from '../../endpoint/index.ts'
import type { EndpointId } from '../../identity/index.ts'
import type { NeighborDownReason } from '../proto/effects.ts'
import type { GossipProfile } from '../proto/settings.ts'
import type { TopicId } from '../topic-id.ts'

/** A text is read by `TopicId.parse`; bytes are the 32 of an id. */
export type TopicName = TopicId | Uint8Array | string

export interface GossipOptions {
  /** Default: `DEFAULT_GOSSIP_PROFILE`. */
  readonly profile?: GossipProfile
  /** Protocols, the most wanted first; all are accepted and all are offered when dialling. Default: `/iroh-gossip/1`. */
  readonly alpns?: readonly Alpn[]
  /** Largest message with its envelope, bytes: default 4096, at least 512. It must be the same in the whole swarm. */
  readonly maxMessageSize?: number
  /** Take connections of these ALPNs at `endpoint.router()`. Default true; false: the application hands them to `handleConnection`. */
  readonly accept?: boolean
  /** Hears what would otherwise be lost: peers that break the protocol, defects. Default: the endpoint's. */
  readonly onError?: (error: unknown) => void
}

export interface SubscribeOptions {
  /** Peers to join. None is fine: then somebody has to join us. */
  readonly bootstrap?: readonly ConnectTarget[]
  /** Events kept for a slow reader, default 2048; the oldest are dropped first, and counted by a `lagged` event. */
  readonly maxBufferedEvents?: number
}

export interface JoinedOptions extends WaitOptions {
  /** Give up after this, ms. Default 30,000. */
  readonly timeoutMs?: number
}

export type GossipEvent =
  | { readonly kind: 'neighbor-up'; readonly peer: EndpointId }
  | { readonly kind: 'neighbor-down'; readonly peer: EndpointId; readonly reason: NeighborDownReason }
  | {
      readonly kind: 'received'
      /** Yours to keep, not to write into: other subscribers have the same bytes. */
      readonly content: Uint8Array
      /** The last hop, not the author. */
      readonly deliveredFrom: EndpointId
      readonly scope: 'swarm' | 'neighbors'
      /** Hops between the author and `deliveredFrom`: 0 straight from the author. */
      readonly round: number
    }
  /** A peer that was to be joined did not answer; it is tried again while there is no neighbour. */
  | { readonly kind: 'join-failed'; readonly peer: EndpointId; readonly error?: unknown }
  /** The reader was too slow: so many events before the next one were dropped. */
  | { readonly kind: 'lagged'; readonly missed: number }
