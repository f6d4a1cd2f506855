/**
 * Every number of the machines with its unit, and the two profiles (spec/gossip.md §9, §11): `UPSTREAM_GOSSIP_PROFILE` is what iroh-gossip 0.101 does, defects
 * included; `DEFAULT_GOSSIP_PROFILE` has the repairs that unmodified peers cannot notice on the wire.
 */

export interface MembershipSettings {
  /** Neighbours at most. */
  readonly activeViewCapacity: number
  /** Further peers that are remembered. */
  readonly passiveViewCapacity: number
  /** Hops of a newcomer's walk (ARWL), and the ttl at which it is remembered on the way (PRWL). */
  readonly activeWalkLength: number
  readonly passiveWalkLength: number
  readonly shuffleWalkLength: number
  /** Peers of each view in a shuffle. */
  readonly shuffleActiveCount: number
  readonly shufflePassiveCount: number
  readonly shuffleIntervalMs: number
  /** A request to be neighbours that is not answered in this time is given up. */
  readonly neighborRequestTimeoutMs: number
}

/** How long an announced payload may be on its way before it is asked for. */
export type GraftTiming =
  /** After the first announcement, and after each request before the next announcer is asked. */
  | { readonly kind: 'fixed'; readonly firstMs: number; readonly nextMs: number }
  /** Learned: from how deep the tree is and from round trips, within the bounds; `initialMs` until a few messages came. */
  | { readonly kind: 'measured'; readonly initialMs: number; readonly minMs: number; readonly maxMs: number }

export interface BroadcastSettings {
  readonly graft: GraftTiming
  /** Announcements are collected this long. */
  readonly dispatchDelayMs: number
  /** An announcer that is nearer to the author by so many hops replaces the neighbour that delivered. */
  readonly optimizationThreshold: number
  /** Payloads are kept this long for those who ask. */
  readonly payloadRetentionMs: number
  /** Ids are known this long: the same bytes are delivered again afterwards. */
  readonly idRetentionMs: number
  readonly evictIntervalMs: number
  /** Largest message body, bytes; it decides how many announcements share a message (spec/gossip.md §4.5). */
  readonly maxMessageSize: number
}

export interface GossipProfile {
  readonly name: string
  readonly membership: MembershipSettings
  readonly broadcast: BroadcastSettings
  /** The repairs of spec/gossip.md §11.1 (marked D), all of them local. */
  readonly isRepaired: boolean
}

/** Smallest `maxMessageSize`, bytes (iroh-gossip panics below). */
export const MIN_MESSAGE_SIZE = 512
/** Bytes (iroh-gossip). */
export const DEFAULT_MESSAGE_SIZE = 4096

/** As iroh-gossip 0.101.0, for comparison. */
export const UPSTREAM_GOSSIP_PROFILE: GossipProfile = {
  name: 'upstream-0.101',
  isRepaired: false,
  membership: {
    activeViewCapacity: 5,
    passiveViewCapacity: 30,
    activeWalkLength: 6,
    passiveWalkLength: 3,
    shuffleWalkLength: 6,
    shuffleActiveCount: 3,
    shufflePassiveCount: 4,
    shuffleIntervalMs: 60_000,
    neighborRequestTimeoutMs: 500,
  },
  broadcast: {
    graft: { kind: 'fixed', firstMs: 80, nextMs: 40 },
    dispatchDelayMs: 5,
    optimizationThreshold: 7,
    payloadRetentionMs: 30_000,
    idRetentionMs: 90_000,
    evictIntervalMs: 1_000,
    maxMessageSize: DEFAULT_MESSAGE_SIZE,
  },
}

export const DEFAULT_GOSSIP_PROFILE: GossipProfile = {
  name: 'default',
  isRepaired: true,
  // 3 s: upstream's later code; half a second is less than a dial through a relay takes
  membership: { ...UPSTREAM_GOSSIP_PROFILE.membership, neighborRequestTimeoutMs: 3_000 },
  broadcast: {
    ...UPSTREAM_GOSSIP_PROFILE.broadcast,
    // 1.5 s: with 3 s messages that overlap take up to a third longer, and nothing is saved
    graft: { kind: 'measured', initialMs: 400, minMs: 100, maxMs: 1_500 },
  },
}
