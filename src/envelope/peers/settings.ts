/**
 * Every number of this folder with its unit and where it comes from. Not options of the public face: tests shorten them, nobody else has had a reason to
 * (spec/envelope.md §5.2, §5.4–5.6).
 */

/** How often the members of a swarm announce themselves; the same for those who speak and those who listen (`announce-interval.ts`). */
export interface AnnounceRate {
  /** In small swarms, ms: upstream's interval (spec/envelope.md §5.4). */
  readonly leastIntervalMs: number
  /** Each peer more adds so much, ms; beyond 50 peers all of them together announce five times a second, whatever their number. */
  readonly intervalPerPeerMs: number
}

const ANNOUNCE_RATE: AnnounceRate = { leastIntervalMs: 10_000, intervalPerPeerMs: 200 }

export interface PeerSettings extends AnnounceRate {
  /** Peers known at once; one more pushes out the least useful (spec/envelope.md §5.6, W10). */
  readonly maxPeers: number
  /** Peers known from unsigned announcements alone that one source may put here, and how many sources are told apart. Guesses: a liar beside us fills his own lane. */
  readonly maxHintsPerSource: number
  readonly hintSources: number
  /** Without a sign of life for so many announce intervals: stale, offline, forgotten. 20, 45 and 135 s at 10 s (spec/envelope.md §5.6). */
  readonly staleIntervals: number
  readonly offlineIntervals: number
  readonly forgottenIntervals: number
  /** A signed announcement counts as life while it is that young by the author's clock, ms: as much as clocks may differ (W3), and no replay is older. */
  readonly freshMs: number
  /** Role changes of one peer, and its names from unsigned announcements, are heeded once in so long each, ms (spec/envelope.md §5.5). */
  readonly minChangeMs: number
  /** How far a role change may be from our clock, ms (ROL-3). */
  readonly roleSkewMs: number
  /** Roles are looked at so often, ms; from the first score on one is a relay, below the second no more (spec/envelope.md §5.2). */
  readonly evaluateMs: number
  readonly promoteAt: number
  readonly demoteBelow: number
  /** Peers with measurements of ours; they outlive the peers' being known (L4c). */
  readonly maxMeasured: number
}

export const PEER_SETTINGS: PeerSettings = {
  ...ANNOUNCE_RATE,
  maxPeers: 10_000,
  maxHintsPerSource: 1_024,
  hintSources: 8,
  staleIntervals: 2,
  offlineIntervals: 4.5,
  forgottenIntervals: 13.5,
  freshMs: 5 * 60_000,
  minChangeMs: 30_000,
  roleSkewMs: 5 * 60_000,
  evaluateMs: 60_000,
  promoteAt: 10,
  demoteBelow: 2,
  maxMeasured: 10_000,
}

export interface PresenceSettings extends AnnounceRate {
  /** Announcements that are asked for wait until nothing more is asked for so long, ms, but at most the second: many neighbours at once are told once. Guesses. */
  readonly quietMs: number
  readonly maxGatherMs: number
  /** Between two announcements that were asked for, ms. A guess. */
  readonly minGapMs: number
  /** So many may be asked for in a row; then one in each interval. A guess: start, first neighbours, our address. */
  readonly askedInARow: number
  /** The shortest share of the interval between two regular ones; the longest is all of it. A guess: two of them never take longer than a peer takes to be stale. */
  readonly leastShare: number
  /** The same after one that was asked for. A guess: wide, so that nodes which started together, or saw the same, do not speak together for ever. */
  readonly leastShareAfterAsked: number
}

export const PRESENCE_SETTINGS: PresenceSettings = {
  ...ANNOUNCE_RATE,
  quietMs: 150,
  maxGatherMs: 1_000,
  minGapMs: 1_000,
  askedInARow: 3,
  leastShare: 0.8,
  leastShareAfterAsked: 0.1,
}
