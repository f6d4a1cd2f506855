/**
 * Which path ids may be used, which are spent, and the connection ids of all of them, also of paths that are not open yet
 * (draft-ietf-quic-multipath; spec/quic.md §4.3, §4.6). What lives on a path is paths.ts's business.
 */
import { ErrorCode, TransportError } from '../errors.ts'
import type { PacketWriter } from '../recovery/frame-owner.ts'
import type { Resources } from '../resources.ts'
import { FrameType } from '../wire/frame-types.ts'
import type { NewConnectionIdFrame, RetireConnectionIdFrame } from '../wire/id-frames.ts'
import { HIGHEST_PATH_ID, type PathCidsBlockedFrame } from '../wire/path-frames.ts'
import { LocalIds } from './local-ids.ts'
import { PeerIds } from './peer-ids.ts'

/** Ids that we issue for a path that nobody uses yet: one to open it with. The others follow at once when it is (spec/quic.md §7.4 asks for one or more). */
const IDS_IN_ADVANCE = 1
/** A client never goes back to an id below those it used, so what lies further below than reordering explains is given up. */
const REORDERING = 64
/** We issue ids for so many path ids above the highest in use: a client opens them one by one, and both maxima may be 2^32 - 1. */
const PATHS_IN_ADVANCE = 32

export class PathIds {
  /** Highest path id that the peer may use, and that we may; -1 without multipath. */
  localMax = -1
  peerMax = -1
  /** Highest path id ever used or abandoned. */
  highest = 0
  readonly #resources: Resources
  readonly #wake: () => void
  readonly #local = new Map<number, LocalIds>()
  readonly #peer = new Map<number, PeerIds>()
  /** Path ids below have connection ids of ours: all that both sides may use. */
  #issuedBelow = 1
  /** The peer's active_connection_id_limit. */
  #peerLimit = 2
  /** Abandoned and discarded ids: those below `#spentBelow` that are not in use, and these. */
  readonly #spent = new Set<number>()
  #spentBelow = 0
  readonly #inUse = new Set<number>([0])
  /** Spent ids that were not given back yet. */
  #owed = 0

  /** `firstPeerId`: where path 0's packets go until the peer has chosen. */
  constructor(resources: Resources, firstPeerId: Uint8Array, wake: () => void) {
    this.#resources = resources
    this.#wake = wake
    const { registry, settings } = resources
    this.#peer.set(0, new PeerIds(registry, 0, firstPeerId, settings.activeConnectionIdLimit, wake))
  }

  local(id: number): LocalIds {
    let ids = this.#local.get(id)
    if (ids === undefined) {
      ids = new LocalIds(this.#resources.registry, id, this.#wake)
      this.#local.set(id, ids)
    }
    return ids
  }

  peer(id: number): PeerIds {
    let ids = this.#peer.get(id)
    if (ids === undefined) {
      const { registry, settings } = this.#resources
      ids = new PeerIds(registry, id, undefined, settings.activeConnectionIdLimit, this.#wake)
      this.#peer.set(id, ids)
    }
    return ids
  }

  /** Multipath is agreed on: the maxima of both sides. */
  start(localMax: number, peerMax: number): void {
    this.localMax = localMax
    this.peerMax = peerMax
  }

  /** After the handshake: ids for path 0, as many as the peer stores, and some for all others that both sides may use (spec/quic.md §4.6). */
  fill(peerLimit: number): void {
    this.#peerLimit = peerLimit
    this.local(0).fill(peerLimit)
    this.#issue()
  }

  #issue(): void {
    const below = Math.min(this.localMax, this.peerMax, this.highest + PATHS_IN_ADVANCE) + 1
    for (let id = this.#issuedBelow; id < below; id++) {
      if (!this.isSpent(id)) this.local(id).fill(Math.min(this.#peerLimit, IDS_IN_ADVANCE))
    }
    this.#issuedBelow = Math.max(this.#issuedBelow, below)
  }

  /** The path is opened: from now on it has as many ids as path 0. */
  use(id: number): void {
    this.#inUse.add(id)
    this.local(id).fill(this.#peerLimit)
    this.#reached(id)
  }

  #reached(id: number): void {
    this.highest = Math.max(this.highest, id)
    this.#spentBelow = Math.max(this.#spentBelow, id - REORDERING)
    this.#compact()
    this.#issue()
  }

  isSpent(id: number): boolean {
    return this.#spent.has(id) || (id < this.#spentBelow && !this.#inUse.has(id))
  }

  /** The id leads nowhere any more and is never used again. */
  spend(id: number): void {
    this.#inUse.delete(id)
    this.#spent.add(id)
    this.#release(id)
    this.#reached(id)
    this.#owed++
  }

  /** The peer gets another id for each that was spent. Returns its new maximum, -1 when that is the old one. */
  giveBack(): number {
    const maximum = Math.min(this.localMax + this.#owed, HIGHEST_PATH_ID)
    this.#owed = 0
    if (maximum === this.localMax) return -1
    this.localMax = maximum
    this.#issue()
    return maximum
  }

  #release(id: number): void {
    this.#local.get(id)?.release()
    this.#local.delete(id)
    this.#peer.get(id)?.release()
    this.#peer.delete(id)
  }

  /** Ids that were never used and lie far below those that were are spent as well, so that neither set nor maps grow. */
  #compact(): void {
    for (const id of this.#spent) if (id < this.#spentBelow) this.#spent.delete(id)
    for (const ids of [this.#local, this.#peer])
      for (const id of ids.keys()) if (id < this.#spentBelow && !this.#inUse.has(id)) this.#release(id)
  }

  /** draft-ietf-quic-multipath §4: a path id beyond what we allow. */
  check(id: number, type: number): void {
    if (id > this.localMax)
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, `path ${id} is beyond the limit of ${this.localMax}`)
  }

  /** The caller has seen to it that the path is not abandoned. */
  receiveNew(frame: NewConnectionIdFrame, type: number): void {
    const { pathId, id } = frame
    const ids = this.peer(pathId)
    for (const other of this.#peer.values()) {
      // one id leads to one path only
      if (other !== ids && other.holds(id))
        throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, type, 'a connection id was issued for two paths')
    }
    ids.receiveNew(frame.sequence, frame.retirePriorTo, id, frame.resetToken)
  }

  /** `usedPath` and `usedSequence`: of the id that the packet with the frame came in on. */
  receiveRetire(frame: RetireConnectionIdFrame, type: number, usedPath: number, usedSequence: number): void {
    const { pathId, sequence } = frame
    if (pathId > 0) this.check(pathId, type)
    if (this.isSpent(pathId)) return
    this.local(pathId).receiveRetire(sequence, pathId === usedPath ? usedSequence : -1)
  }

  /** MAX_PATH_ID. False when it says nothing new. */
  receiveMaximum(value: number): boolean {
    if (value <= this.peerMax) return false
    this.peerMax = value
    this.#issue()
    return true
  }

  receiveBlocked(frame: PathCidsBlockedFrame): void {
    const { pathId, nextSequence } = frame
    this.check(pathId, FrameType.PATH_CIDS_BLOCKED)
    const issued = this.#local.get(pathId)?.nextSequence ?? 0
    if (!this.isSpent(pathId) && nextSequence > issued)
      throw new TransportError(
        ErrorCode.PROTOCOL_VIOLATION,
        FrameType.PATH_CIDS_BLOCKED,
        `path ${pathId} waits for connection id ${nextSequence}, but only ${issued} were issued`,
      )
  }

  /** NEW_CONNECTION_ID and RETIRE_CONNECTION_ID of all paths; true while more wait. */
  write(packet: PacketWriter): boolean {
    for (const ids of this.#peer.values()) if (ids.hasPending && ids.write(packet)) return true
    for (const ids of this.#local.values()) if (ids.hasPending && ids.write(packet)) return true
    return false
  }

  /** Path ids that are remembered for some reason. */
  get count(): number {
    return new Set([...this.#local.keys(), ...this.#peer.keys(), ...this.#spent, ...this.#inUse]).size
  }

  /** Connection ids of both sides, and frames about them that wait. */
  get connectionIdCount(): number {
    let count = 0
    for (const table of [this.#local, this.#peer])
      for (const ids of table.values()) count += ids.count + ids.pendingCount
    return count
  }

  /** No id leads here any more. */
  release(): void {
    for (const ids of this.#local.values()) ids.release()
    for (const ids of this.#peer.values()) ids.release()
  }
}
