/** Names that nodes agree on before they say anything (spec/envelope.md §3.1). */

/** Envelopes, one to a stream. */
export const ENVELOPE_ALPN = 'tom-protocol/transport/0'
/** Gossip, the most wanted first: stock iroh's name, and that of the Rust stack's fork. */
export const GOSSIP_ALPNS: readonly string[] = ['/iroh-gossip/1', '/tom-gossip/1']
/** The topic where all nodes of ToM meet: 32 bytes, which are this text. */
export const DISCOVERY_TOPIC_TEXT = 'tom-protocol-gossip-discovery-v1'

/** A copy of the 32 bytes of the topic's id. */
export function discoveryTopic(): Uint8Array {
  return new TextEncoder().encode(DISCOVERY_TOPIC_TEXT)
}
