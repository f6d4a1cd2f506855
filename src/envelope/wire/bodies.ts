/** The payloads of envelopes and the contents of gossip as values (spec/envelope.md §1.8, §5.4, §5.5, §6.3). Types only for now; codecs follow. */
import type { PeerKey } from './envelope.ts'

export type Role = 'Peer' | 'Relay'
export type AckKind = 'RelayForwarded' | 'RecipientReceived'

export interface Ack {
  readonly originalId: string
  readonly kind: AckKind
}

export interface ReadReceipt {
  readonly originalId: string
  /** Ms since 1970. */
  readonly readAt: number
}

export interface PeerAnnounce {
  readonly peer: PeerKey
  /** At most 64 bytes of UTF-8 (PRS-1). */
  readonly name: string
  readonly roles: readonly Role[]
  /** Ms since 1970. */
  readonly timestamp: number
}

export interface RoleChange {
  readonly peer: PeerKey
  readonly role: Role
  /** Finite; what the peer claims, never used. */
  readonly score: number
  readonly timestamp: number
  /** 64 bytes. */
  readonly signature: Uint8Array
}

export interface BackupReplica {
  readonly id: string
  /** The whole envelope (BAK-7). */
  readonly wire: Uint8Array
  readonly to: PeerKey
  readonly from: PeerKey
  /** Ms since 1970. */
  readonly expiresAt: number
  /** 0 to 100. */
  readonly viability: number
  readonly holders: readonly PeerKey[]
}
