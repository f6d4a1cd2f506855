/** What is known of a message that was sent (spec/envelope.md §4.4). Types only. */

/** Only forward, but `failed` may become `delivered` or `read` (RTR-13). */
export type DeliveryState = 'pending' | 'sent' | 'relayed' | 'delivered' | 'read' | 'failed'
