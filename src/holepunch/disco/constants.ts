/** The figures of disco, equal in iroh 0.35 to 0.95 (spec/disco-stun-nat.md §3.1), and the bounds that are ours. Times in ms. */

/** Between two looks at all peers; also between two CallMeMaybe that sending causes. */
export const HEARTBEAT_INTERVAL_MS = 5_000
/** A path is not pinged for discovery unless its last ping is older than this. */
export const DISCOVERY_INTERVAL_MS = 5_000
/** A ping without answer is forgotten. */
export const PING_TIMEOUT_MS = 5_000
/** So long a Pong makes a path exclusive; payload while it is valid, too. */
export const TRUST_MS = 6_500
/** A heartbeat pings the chosen path if its last ping is at least so old. */
export const HEARTBEAT_LEAST_MS = 2_000
/** A peer unused for longer gets no heartbeats; a path without payload for longer is inactive. */
export const SESSION_ACTIVE_MS = 45_000
/** Look for a better path than a valid one, unless it is fast enough. */
export const UPGRADE_INTERVAL_MS = 60_000
export const GOOD_ENOUGH_MS = 5
/** An inactive path that showed no life for longer may be forgotten. */
export const PRUNE_AFTER_MS = 120_000
/** Forgettable paths kept for each peer, and inactive peers kept. */
export const MAX_INACTIVE_PATHS = 20
export const MAX_INACTIVE_PEERS = 30
/** Our own addresses are found anew before a CallMeMaybe when they are older than this. */
export const ADDRESSES_FRESH_MS = 27_000

/** Addresses in a CallMeMaybe of ours, and accepted of one: each makes the other side send a packet there (spec/disco-stun-nat.md §3.6). */
export const MAX_ADDRESSES_SENT = 32
export const MAX_ADDRESSES_ACCEPTED = 64
/** Paths kept of one peer, active or not: what it can make us ping. A guess, twice what a CallMeMaybe may add. */
export const MAX_PATHS = 128
/** Peers kept, active or not: pings of strangers make us remember them for 45 s. A guess. */
export const MAX_PEERS = 1_024
/** Pings that wait for their Pong: who pings us without end is pinged back as often. Beyond this the oldest are forgotten. A guess, about 2 MB. */
export const MAX_PINGS = 8_192
