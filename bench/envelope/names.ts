/** How the figures about messages are called in results, and what they stand beside. */

/** As `--only` names it, in the rows too. */
export const ENVELOPE = 'envelope'
/** The column of the Rust program: envelopes with the libraries of the ToM stack, nodes on native iroh (conformance/native). */
export const RUST = 'Rust (tom-native)'
/** The block of the README between its own marks. */
export const ENVELOPE_BLOCK = 'bench-envelope'

/** Payloads of the envelopes that are built and opened, bytes. */
export const SEALED_SIZES = [5, 1_000, 100_000] as const
/** Payloads whose way over the wire is counted, bytes. */
export const WIRE_SIZES = [5, 100, 1_000] as const

/** Names of values in the rows. */
export const ofSealed = (size: number, what: string): string => `${size} B: ${what}`
export const ofWire = (size: number, what: string): string => `wire, ${size} B: ${what}`
/** `isStored`: what is sent and received is on the disk first. */
export const ofPair = (isStored: boolean, what: string): string => `two nodes${isStored ? ', stored' : ''}: ${what}`
export const ofSwarm = (size: number, what: string): string => `${size} nodes: ${what}`

/** Messages without an acknowledgement in time: as a share a single one would round away. */
export const UNDELIVERED = 'not delivered, of 1,000'
/** What the rows of known peers are about. */
export const BYTES_IN_TABLE = 'known peer, bytes in the table'
export const BYTES_IN_NODE = 'known peer, bytes in the node'
