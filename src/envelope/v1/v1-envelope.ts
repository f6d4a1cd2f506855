/** What an envelope of the earlier stack is, and its bounds (spec/envelope.md §2.1). Reading and writing its JSON are `v1-reader.ts` and `v1-writer.ts`. */
import type { PeerKey } from '../wire/envelope.ts'

/**
 * `absent`: the usual case, nothing says who wrote it. `valid`: signed by `from`, strictly verified. `invalid`: signed, but not by `from`, or not this.
 * `unverifiable`: signed, and it may be right, but the text that was signed cannot be had any more. All but `valid` are claims (V1-2).
 */
export type SignatureState = 'absent' | 'valid' | 'invalid' | 'unverifiable'

export interface V1Envelope {
  /** 1 to 128 printable ASCII characters. */
  readonly id: string
  /** 64 hex digits, perhaps of no point of the curve. */
  readonly from: PeerKey
  /** As `from`; empty: to all nodes that keep backups. */
  readonly to: PeerKey | ''
  /** Hops in their order. */
  readonly via: readonly PeerKey[]
  /** `chat`, `ack`, `app` … : 1 to 64 printable ASCII characters. */
  readonly type: string
  /** Any JSON value, or nothing. */
  readonly payload: unknown
  /** When it was made, ms since 1970 by the clock of `from`. */
  readonly timestamp: number
  /** Hex as it came; empty: none. */
  readonly signature: string
}

export interface V1Reading {
  readonly envelope: V1Envelope
  readonly signatureState: SignatureState
  /** The JSON as it came: what carries the signature on. */
  readonly text: string
}

export const MAX_V1_ID_LENGTH = 128
export const MAX_V1_TYPE_LENGTH = 64
/** Brackets inside brackets. */
export const MAX_V1_DEPTH = 64
/** Members of an envelope; those of this page are twelve. */
export const MAX_V1_MEMBERS = 64

/** Whether `text` is written as a key: 64 lower-case hex digits. Says nothing about the curve. */
export function isKeyText(text: unknown): text is PeerKey {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text)
}
