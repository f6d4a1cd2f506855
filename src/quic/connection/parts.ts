/**
 * What the parts of one connection share: what the engine lent it, and the parts themselves. Assembled by connection.ts; a part
 * takes from here what it needs and never imports the connection.
 */
import type { CryptoProvider } from '../../crypto/index.ts'
import type { RandomSource } from '../../platform/index.ts'
import type { QuicSettings } from '../config.ts'
import type { EventQueue } from '../events.ts'
import type { Role } from '../level.ts'
import type { IdRegistry } from '../path/id-registry.ts'
import type { Path } from '../path/path.ts'
import type { RouteInfo } from '../path/route.ts'
import type { PacketProtection } from '../protection/packet-protection.ts'
import type { SentFramePool } from '../recovery/frame-owner.ts'
import type { DatagramSlots } from '../slots.ts'
import type { Datagrams } from '../streams/datagrams.ts'
import type { Streams } from '../streams/streams.ts'
import type { TraceSink } from '../trace.ts'
import type { Control } from './control.ts'
import type { Handshake } from './handshake.ts'
import type { Lifecycle } from './lifecycle.ts'

/** Lent by the engine for the connection's life. */
export interface Resources {
  readonly role: Role
  readonly settings: QuicSettings
  readonly crypto: CryptoProvider
  readonly random: RandomSource
  readonly slots: DatagramSlots
  readonly routes: RouteInfo
  readonly registry: IdRegistry
  readonly protection: PacketProtection
  readonly trace: TraceSink | undefined
  readonly keyLog: ((line: string) => void) | undefined
}

/** Bits of the pending mask: which owner of 1-RTT control frames has something to write. */
export const Pending = { Control: 1, LocalIds: 2, PeerIds: 4 } as const

export interface Parts extends Resources {
  readonly pool: SentFramePool
  readonly events: EventQueue
  readonly lifecycle: Lifecycle
  readonly handshake: Handshake
  /** Path 0. */
  readonly path: Path
  readonly streams: Streams
  readonly datagrams: Datagrams
  readonly control: Control
  /** Bits of `Pending`. */
  pending: number
  /** Ends the connection with a CONNECTION_CLOSE of this code. */
  fail(code: number, frameType: number, reason: string, now: number): void
  /** RFC 9001 §4.1.2: the handshake is confirmed. */
  confirm(now: number): void
  /** The peer closed, or reset us. */
  peerClosed(application: boolean, code: number, frameType: number, reason: string, now: number): void
}
