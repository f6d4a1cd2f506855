/** How the gossip figures are called in results, and what they stand beside. */

/** As `--only` names it, in the rows too. */
export const GOSSIP = 'gossip'
/** The column of the native crate; its version is pinned in conformance/native/Cargo.toml. */
export const IROH_GOSSIP = 'iroh-gossip 0.101'
/** The block of the README between its own marks. */
export const GOSSIP_BLOCK = 'bench-gossip'

/** Names of values in the rows: the size of the swarm and what it is about. */
export const ofSwarm = (size: number, what: string): string => `${size} nodes: ${what}`
export const ofFlood = (size: number, what: string): string => `flood of ${size}: ${what}`

/** Deliveries that were due and did not come: as a share a single one would round away. */
export const LOST = 'lost of a million'
