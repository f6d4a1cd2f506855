/**
 * The frames that manage paths: PATH_ABANDON, PATH_STATUS, MAX_PATH_ID, PATHS_BLOCKED, PATH_CIDS_BLOCKED. Owns what of them must still be said, and
 * says it again when it was lost and still holds. What they mean is paths.ts's business (spec/quic.md §4.1, §5.4 to §5.6).
 */
import type { FrameOwner, PacketWriter, SentFrame } from '../recovery/frame-owner.ts'
import {
  writeMaxPathId,
  writePathAbandon,
  writePathCidsBlocked,
  writePathStatus,
  writePathsBlocked,
} from '../wire/path-frames.ts'
import type { Path } from './path.ts'

const ABANDON = 0
const STATUS = 1
const MAX_PATH_ID = 2
const PATHS_BLOCKED = 3
const CIDS_BLOCKED = 4

/** Longest of these frames: a type of 2 bytes and two varints of 8. */
const LONGEST = 18

export class PathControl implements FrameOwner {
  readonly #wake: () => void
  readonly #heard: () => void
  /** Codes of PATH_ABANDON frames not yet acknowledged, by path id. */
  readonly #codes = new Map<number, number>()
  #abandons: number[] = []
  #statuses: Path[] = []
  /** Paths whose newest status is on its way: to say it again when it is lost. */
  readonly #sentStatuses = new Map<number, Path>()
  #maxPathId = -1
  #maxPending = false
  /** The peer's maximum that holds us up, -1 when none does. */
  #blockedAt = -1
  #blockedPending = false
  /** The path id that lacks connection ids, -1 when none does, and the sequence it waits for. */
  #starvedPath = -1
  #starvedSequence = 0
  #starvedPending = false

  /** `heard`: a PATH_ABANDON was acknowledged. */
  constructor(wake: () => void, heard: () => void) {
    this.#wake = wake
    this.#heard = heard
  }

  /** PATH_ABANDON frames not yet acknowledged. */
  get unheard(): number {
    return this.#codes.size
  }

  /** Did our PATH_ABANDON for `pathId`, said before, arrive? */
  isHeard(pathId: number): boolean {
    return !this.#codes.has(pathId)
  }

  abandon(pathId: number, code: number): void {
    this.#codes.set(pathId, code)
    this.#abandons.push(pathId)
    this.#wake()
  }

  /** The path's status has changed: its `statusSequence` counts the changes. */
  status(path: Path): void {
    if (!this.#statuses.includes(path)) this.#statuses.push(path)
    this.#wake()
  }

  maxPathId(value: number): void {
    this.#maxPathId = value
    this.#maxPending = true
    this.#wake()
  }

  pathsBlocked(peerMaximum: number): void {
    if (this.#blockedAt === peerMaximum) return
    this.#blockedAt = peerMaximum
    this.#blockedPending = true
    this.#wake()
  }

  cidsBlocked(pathId: number, sequence: number): void {
    if (this.#starvedPath === pathId && this.#starvedSequence === sequence) return
    this.#starvedPath = pathId
    this.#starvedSequence = sequence
    this.#starvedPending = true
    this.#wake()
  }

  /** Something holds up the opening of a path, and the peer has been told. */
  get isBlocked(): boolean {
    return this.#blockedAt !== -1 || this.#starvedPath !== -1
  }

  unblock(): void {
    this.#blockedAt = -1
    this.#blockedPending = false
    this.#starvedPath = -1
    this.#starvedPending = false
  }

  write(packet: PacketWriter): boolean {
    while (this.#abandons.length > 0) {
      if (packet.room < LONGEST) return true
      const pathId = this.#abandons.shift()!
      writePathAbandon(packet, pathId, this.#codes.get(pathId)!)
      packet.record(this, ABANDON, pathId)
    }
    while (this.#statuses.length > 0) {
      if (packet.room < LONGEST) return true
      const path = this.#statuses.shift()!
      if (!path.isOpen) continue
      writePathStatus(packet, path.id, path.statusSequence, path.status === 'backup')
      packet.record(this, STATUS, path.id, path.statusSequence)
      this.#sentStatuses.set(path.id, path)
    }
    if (this.#maxPending) {
      if (packet.room < LONGEST) return true
      writeMaxPathId(packet, this.#maxPathId)
      packet.record(this, MAX_PATH_ID, this.#maxPathId)
      this.#maxPending = false
    }
    if (this.#blockedPending) {
      if (packet.room < LONGEST) return true
      writePathsBlocked(packet, this.#blockedAt)
      packet.record(this, PATHS_BLOCKED, this.#blockedAt)
      this.#blockedPending = false
    }
    if (this.#starvedPending) {
      if (packet.room < LONGEST) return true
      writePathCidsBlocked(packet, this.#starvedPath, this.#starvedSequence)
      packet.record(this, CIDS_BLOCKED, this.#starvedPath, this.#starvedSequence)
      this.#starvedPending = false
    }
    return false
  }

  acked(frame: SentFrame): void {
    if (frame.a === ABANDON) {
      this.#codes.delete(frame.b)
      this.#heard()
    } else if (frame.a === STATUS && this.#sentStatuses.get(frame.b)?.statusSequence === frame.c)
      this.#sentStatuses.delete(frame.b)
  }

  lost(frame: SentFrame): void {
    switch (frame.a) {
      case ABANDON:
        if (this.#codes.has(frame.b) && !this.#abandons.includes(frame.b)) this.#abandons.push(frame.b)
        break
      case STATUS: {
        const path = this.#sentStatuses.get(frame.b)
        if (path?.statusSequence === frame.c && path.isOpen) this.status(path)
        break
      }
      case MAX_PATH_ID:
        if (frame.b === this.#maxPathId) this.#maxPending = true
        break
      case PATHS_BLOCKED:
        if (frame.b === this.#blockedAt) this.#blockedPending = true
        break
      default:
        if (frame.b === this.#starvedPath && frame.c === this.#starvedSequence) this.#starvedPending = true
    }
    this.#wake()
  }

  /** What waits to be said or acknowledged. */
  get pendingCount(): number {
    return this.#codes.size + this.#statuses.length + this.#sentStatuses.size
  }

  /** The path is gone: nobody needs to hear of its status. */
  forget(pathId: number): void {
    this.#sentStatuses.delete(pathId)
  }
}
