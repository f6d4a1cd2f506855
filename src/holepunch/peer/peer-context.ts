/** What all peers of an endpoint share. */
import type { SocketAddress } from '../../bytes/index.ts'
import type { Driver } from '../../driver/index.ts'
import type { Platform } from '../../platform/index.ts'
import type { Peer } from './peer.ts'
import type { PeerLink } from './peer-link.ts'

/** What is tried where both sides' NATs refuse plain punching: birthday probing. */
export interface HardNatHelp {
  /** There is no direct path yet. Called every few seconds; it decides whether something can be done. */
  begin(link: PeerLink): boolean
  /** A private message of the peer (`Connection.sendMessage`). */
  onMessage(link: PeerLink, payload: Uint8Array): boolean
  /** There is a direct path, or the connection has ended. */
  stop(link: PeerLink): void
}

export interface PeerContext {
  readonly platform: Platform
  readonly driver: Driver
  /** What peers are told, the most promising first. */
  localCandidates(): readonly SocketAddress[]
  /** Addresses that are ours, which no peer has a reason to name: never probed. */
  ownAddresses(): readonly SocketAddress[]
  /** We have sockets on this host alone, so a peer that we reach is here, too. */
  allowLoopback(): boolean
  /** Our IPv4 address as others see it. */
  publicV4(): SocketAddress | undefined
  /** What goes through this relay is not answered. */
  onRelaySuspect(url: string): void
  /** `peer.nextAt` was set. */
  plan(peer: Peer): void
  /** Absent: hard NATs are left to the relay. */
  readonly birthday: HardNatHelp | undefined
}
