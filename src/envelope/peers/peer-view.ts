/** What others see of a peer: the state in `PeerStore`'s columns and our measurements as records and changes. Reads only (spec/envelope.md §5.6, PRS-2, W10). */

import type { Role } from '../wire/bodies.ts'
import type { PeerKey } from '../wire/envelope.ts'
import type { Liveness } from './liveness.ts'
import type { Measurements } from './measurements.ts'
import { CONNECTED, HINTED, MET, type PeerStore } from './peer-store.ts'

/** What became of a peer. `liveness` equal to `before`: its name, its role or the proof of its key changed. */
export interface PeerChange {
  readonly peer: PeerKey
  readonly liveness: Liveness | 'forgotten'
  /** Undefined: it was unknown. */
  readonly before: Liveness | undefined
  /** What it calls itself; empty where we have not heard. */
  readonly name: string
  readonly role: Role
  readonly isVerified: boolean
}

export interface PeerRecord {
  readonly key: PeerKey
  readonly name: string
  readonly liveness: Liveness
  readonly role: Role
  /** It proved its key to us, by a signature or a connection. */
  readonly isVerified: boolean
  /** A node like us: it signs its announcements. */
  readonly isOurs: boolean
  readonly isConnected: boolean
  /** The last verified sign of life, monotonic ms; undefined: none. */
  readonly lastSeen: number | undefined
}

/** By the queues `OFFLINE`, `STALE` and `ONLINE`. */
const LIVENESS: readonly Liveness[] = ['offline', 'stale', 'online']

export class PeerView {
  readonly #store: PeerStore
  readonly #measurements: Measurements

  constructor(store: PeerStore, measurements: Measurements) {
    this.#store = store
    this.#measurements = measurements
  }

  liveness(slot: number): Liveness {
    const queue = this.#store.queues.queueOf(slot)
    if (queue === CONNECTED) return 'online'
    return queue >= HINTED ? 'offline' : LIVENESS[queue % MET]!
  }

  isVerified(slot: number): boolean {
    return this.#store.queues.queueOf(slot) < HINTED
  }

  /** What it signed, or what we measured; never what others say. */
  role(slot: number): Role {
    if (this.#store.claimsRelay[slot] === 1) return 'Relay'
    return this.#measurements.of(this.#store.key(slot))?.isRelay === true ? 'Relay' : 'Peer'
  }

  /** To `liveness`, by default what it is now. */
  change(
    slot: number,
    before: Liveness | undefined,
    liveness: PeerChange['liveness'] = this.liveness(slot),
  ): PeerChange {
    return {
      peer: this.#store.key(slot),
      liveness,
      before,
      name: this.#store.name(slot),
      role: this.role(slot),
      isVerified: this.isVerified(slot),
    }
  }

  /** The same liveness, with something else that is new. */
  renewal(slot: number): PeerChange {
    return this.change(slot, this.liveness(slot))
  }

  record(slot: number): PeerRecord {
    const store = this.#store
    return {
      key: store.key(slot),
      name: store.name(slot),
      liveness: this.liveness(slot),
      role: this.role(slot),
      isVerified: this.isVerified(slot),
      isOurs: store.isOurs[slot] === 1,
      isConnected: store.connected.has(slot),
      lastSeen: store.seenAt[slot] === Number.NEGATIVE_INFINITY ? undefined : store.seenAt[slot],
    }
  }
}

/** Whether `after` is no news to who knows `before`. */
export function isSame(before: PeerRecord | undefined, after: PeerChange): boolean {
  return (
    before !== undefined &&
    before.liveness === after.liveness &&
    before.name === after.name &&
    before.role === after.role &&
    before.isVerified === after.isVerified
  )
}
