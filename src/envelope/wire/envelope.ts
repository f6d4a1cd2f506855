/** What an envelope is, and its bounds (spec/envelope.md §1.1, §1.9). Its bytes are `envelope-codec.ts`'s. */
import type { MessageType } from './message-type.ts'

/** A public key as it stands on the wire: 64 lower-case hex digits. */
export type PeerKey = string

/** Immutable. `id`, `from`, `to`, `via`, `type`, `payload`, `timestamp` and `isEncrypted` are signed; `hopsLeft` is lowered by each hop. */
export interface Envelope {
  /** 1 to 64 printable ASCII characters; ours are UUIDs, version 4. */
  readonly id: string
  readonly from: PeerKey
  readonly to: PeerKey
  /** Hops in their order; none: straight to `to`. */
  readonly via: readonly PeerKey[]
  readonly type: MessageType
  /** Encrypted where `isEncrypted`. */
  readonly payload: Uint8Array
  /** When it was made, ms since 1970 by the clock of `from`. */
  readonly timestamp: number
  /** 64 bytes; none while unsigned. */
  readonly signature: Uint8Array
  /** How many hops may still pass it on (`ttl` on the wire). Not signed. */
  readonly hopsLeft: number
  readonly isEncrypted: boolean
}

/** Bytes of a whole envelope (ENV-5). */
export const MAX_ENVELOPE_LENGTH = 262_144
/** Bytes of a frame on a stream. */
export const MAX_FRAME_LENGTH = 1_048_576
export const MAX_ID_LENGTH = 64
export const MAX_HOPS = 4
export const SIGNATURE_LENGTH = 64
/** How long a message lives at most, everywhere, ms (lock 2). */
export const LIFETIME_MS = 24 * 60 * 60 * 1000
/** How far a clock may be ahead of ours, ms (W3). */
export const CLOCK_SKEW_MS = 5 * 60 * 1000
