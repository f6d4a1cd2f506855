/** What is known of whether a peer is there (spec/envelope.md §5.6). Types only. */

/** By verified signs of life. */
export type Liveness = 'online' | 'stale' | 'offline'
