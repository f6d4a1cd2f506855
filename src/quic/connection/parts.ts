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
import type { Messages } from '../traversal/messages.ts'
import type { NatTraversal } from '../traversal/nat-traversal.ts'
import type { Control } from './control.ts'
import type { Handshake } from './handshake.ts'
import type { Lifecycle } from './lifecycle.ts'

/** Bits of the pending mask: which owner of 1-RTT control frames has something to write. */
export const Pending = { Control: 1, Ids: 2, Paths: 4, Traversal: 8, Messages: 16 } as const

/** What the connection makes itself. */
export interface OwnParts {
  readonly pool: SentFramePool
  readonly events: EventQueue
  readonly lifecycle: Lifecycle
  readonly handshake: Handshake
  readonly paths: Paths
  readonly streams: Streams
  readonly datagrams: Datagrams
  readonly control: Control
  readonly traversal: NatTraversal
  readonly messages: Messages
  /** Ends the connection with a CONNECTION_CLOSE of this code. */
  fail(code: number, frameType: number, reason: string, now: number): void
  /** RFC 9001 §4.1.2: the handshake is confirmed. */
  confirm(now: number): void
  /** The peer closed, or reset us. */
  peerClosed(application: boolean, code: number, frameType: number, reason: string, now: number): void
}

export interface Parts extends Resources, OwnParts {
  /** Bits of `Pending`. */
  pending: number
}

/** One by one, not spread: so all connections share one shape. */
export function assembleParts(resources: Resources, own: OwnParts): Parts {
  return {
    role: resources.role,
    settings: resources.settings,
    crypto: resources.crypto,
    random: resources.random,
    slots: resources.slots,
    routes: resources.routes,
    registry: resources.registry,
    protection: resources.protection,
    scratch: resources.scratch,
    trace: resources.trace,
    keyLog: resources.keyLog,
    pool: own.pool,
    events: own.events,
    lifecycle: own.lifecycle,
    handshake: own.handshake,
    paths: own.paths,
    streams: own.streams,
    datagrams: own.datagrams,
    control: own.control,
    traversal: own.traversal,
    messages: own.messages,
    pending: 0,
    fail: own.fail,
    confirm: own.confirm,
    peerClosed: own.peerClosed,
  }
}
