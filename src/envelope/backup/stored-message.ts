/** What the backup keeps, and what is written to the journal about it (spec/envelope.md §6, BAK-1 to BAK-6). Types only. */
import type { PeerKey } from '../wire/envelope.ts'

/** A whole signed envelope that its recipient has not acknowledged. An id is only unique for one sender. */
export interface StoredMessage {
  readonly id: string
  readonly from: PeerKey
  readonly to: PeerKey
  /** The envelope as it is sent, canonical. */
  readonly wire: Uint8Array
  /** Ms since 1970: at most 24 h after the envelope's timestamp (BAK-2). */
  readonly expiresAt: number
  /** Nodes besides us that have said they keep it. */
  readonly holders: readonly PeerKey[]
}

export type JournalRecord =
  /** Kept from now on; replaces what was known of it. */
  | { readonly kind: 'keep'; readonly message: StoredMessage }
  /** Nobody needs it any more: acknowledged, expired or pushed out. */
  | { readonly kind: 'drop'; readonly id: string; readonly from: PeerKey }
  /** The application has had it: never again (RTR-11). `timestamp` is the envelope's, ms since 1970. */
  | { readonly kind: 'delivered'; readonly id: string; readonly from: PeerKey; readonly timestamp: number }

/** What a journal held when it was opened: records of the past that still mean something. */
export interface Restored {
  readonly messages: readonly StoredMessage[]
  readonly delivered: readonly { readonly id: string; readonly from: PeerKey; readonly timestamp: number }[]
}
