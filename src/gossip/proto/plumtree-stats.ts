/** What a tree counts, for the simulator and for metrics. All counters only grow; owners may set them to 0, `maxHop` too. */
export interface PlumTreeStats {
  /** Payloads received, duplicates included, and all other messages of the tree. */
  payloadsReceived: number
  controlReceived: number
  /** Payloads that were known already. */
  duplicates: number
  /** Payloads whose id is not their hash. */
  badIds: number
  graftsSent: number
  prunesSent: number
  /** A nearer announcer replaced the neighbour that delivered. */
  optimizations: number
  /** Grafts for a payload that is not in the cache any more, or never was. */
  graftsInVain: number
  /** Announcements by peers that are no neighbours, and beyond the bounds: both forgotten. Repaired profile only. */
  strangerAnnouncements: number
  droppedAnnouncements: number
  /** The largest round of a first reception: 0 straight from the author. */
  maxHop: number
}

export function emptyStats(): PlumTreeStats {
  return {
    payloadsReceived: 0,
    controlReceived: 0,
    duplicates: 0,
    badIds: 0,
    graftsSent: 0,
    prunesSent: 0,
    optimizations: 0,
    graftsInVain: 0,
    strangerAnnouncements: 0,
    droppedAnnouncements: 0,
    maxHop: 0,
  }
}
