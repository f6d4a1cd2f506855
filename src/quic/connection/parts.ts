/**
 * What the parts of one connection share: what the engine lent it, and the parts themselves. Assembled by connection.ts; a part
 * takes from here what it needs and never imports the connection.
 */
import type { EventQueue } from '../events.ts'
import type { Paths } from '../path/paths.ts'
import type { SentFramePool } from '../recovery/frame-owner.ts'
import type { Resources } from '../resources.ts'
import type { Datagrams } from '../streams/datagrams.ts'
import type { Streams } from '../streams/streams.ts'
import type { Control } from './control.ts'
import type { Handshake } from './handshake.ts'
import type { Lifecycle } from './lifecycle.ts'

/** Bits of the pending mask: which owner of 1-RTT control frames has something to write. */
export const Pending = { Control: 1, Ids: 2, Paths: 4 } as const

export interface Parts extends Resources {
  readonly pool: SentFramePool
  readonly events: EventQueue
  readonly lifecycle: Lifecycle
  readonly handshake: Handshake
  readonly paths: Paths
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
