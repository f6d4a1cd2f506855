/**
 * How paths end (draft-ietf-quic-multipath; spec/quic.md §5.5): PATH_ABANDON said and heard, draining, the id given back, and what happens when no path
 * is left.
 */
import type { EventQueue } from '../events.ts'
import { FrameType } from '../wire/frame-types.ts'
import type { PathAbandonFrame } from '../wire/path-frames.ts'
import type { Path } from './path.ts'
import type { PathControl } from './path-control.ts'
import type { PathIds } from './path-ids.ts'
import type { PathSet } from './path-set.ts'
import type { PathStatuses } from './path-statuses.ts'

/** An abandoned path whose peer does not answer with PATH_ABANDON of its own is forgotten after this, ms. A guess: several probe timeouts of a slow path. */
const ABANDON_WAIT_MS = 10_000
/** RFC 9002 §6.2.1 with RTTs of `initialRttMs`, three times: how long a server waits for a new path when the peer abandons the last (spec/quic.md §5.5). */
const NO_PATH_PTOS = 3
/** With more PATH_ABANDON frames than this unacknowledged, no path ids are given back: who uses them up has to listen, too. */
const MAX_UNHEARD = 16
const NEVER = Number.POSITIVE_INFINITY

export class PathRetirement {
  /** When a connection without a path ends, ms. */
  noPathAt = NEVER
  readonly #paths: PathSet
  readonly #ids: PathIds
  readonly #control: PathControl
  readonly #statuses: PathStatuses
  readonly #events: EventQueue
  readonly #initialRttMs: number

  constructor(
    paths: PathSet,
    ids: PathIds,
    control: PathControl,
    statuses: PathStatuses,
    events: EventQueue,
    initialRttMs: number,
  ) {
    this.#paths = paths
    this.#ids = ids
    this.#control = control
    this.#statuses = statuses
    this.#events = events
    this.#initialRttMs = initialRttMs
  }

  /** A path was opened: the connection is not without one any more. */
  opened(now: number): void {
    if (this.noPathAt === NEVER) return
    this.noPathAt = NEVER
    const { live, largestPtoMs } = this.#paths
    for (const other of live) if (!other.isOpen) other.discardAt = now + 3 * largestPtoMs
  }

  /** Throws for the last open path and for ids that are not open. */
  abandon(id: number, code: number, now: number): void {
    const path = this.#paths.findOpen(id)
    if (!this.#paths.multipath) throw new Error('the connection has one path only: close it instead')
    if (this.#paths.openCount === 1) throw new Error('the last path cannot be abandoned: close the connection instead')
    this.leave(path, code, false, now)
  }

  leave(path: Path, code: number, byPeer: boolean, now: number): void {
    const paths = this.#paths
    path.state = 'abandoned'
    path.stopClocks()
    path.pacedUntil = NEVER
    path.responses.length = 0
    path.link.stopValidation()
    path.previous?.stopValidation()
    path.discardAt = now + Math.max(ABANDON_WAIT_MS, 3 * paths.largestPtoMs)
    path.detection.requeue(path.space)
    path.carriesLastWord = !paths.hasAlternative(path)
    // spec/quic.md §5.5: the peer's ids count as retired
    path.peerIds.release()
    if (paths.openCount === 0)
      this.noPathAt = now + NO_PATH_PTOS * (3 * this.#initialRttMs + path.detection.peerMaxAckDelayMs)
    this.#control.abandon(path.id, code)
    this.#events.push({ type: 'path-abandoned', path: path.id, route: path.link.route, code, byPeer })
  }

  receive(frame: PathAbandonFrame, now: number): void {
    const { pathId, errorCode } = frame
    this.#ids.check(pathId, FrameType.PATH_ABANDON)
    if (this.#ids.isSpent(pathId)) return
    const path = this.#paths.find(pathId)
    if (path === undefined) {
      // never used: the id is spent all the same, and the peer gets another for it
      this.#control.abandon(pathId, errorCode)
      this.#spend(pathId)
      return
    }
    if (path.peerAbandoned) return
    path.peerAbandoned = true
    if (path.isOpen) this.leave(path, errorCode, true, now)
    path.discardAt = Math.min(path.discardAt, now + 3 * this.#paths.largestPtoMs)
  }

  /** The drain period is over: nothing leads to the path any more. The id is given back. */
  #discard(path: Path): void {
    const { live } = this.#paths
    path.state = 'discarded'
    path.discardAt = NEVER
    live.splice(live.indexOf(path), 1)
    // while it was the last there was, it carried what others must carry now
    path.detection.requeue(path.space)
    path.detection.clear()
    this.#events.push({ type: 'path-discarded', path: path.id })
    this.#spend(path.id)
  }

  #spend(id: number): void {
    this.#control.forget(id)
    this.#statuses.forget(id)
    this.#ids.spend(id)
    this.giveBack()
  }

  /** spec/quic.md §5.5: MAX_PATH_ID, or the peer runs out of path ids. */
  giveBack(): void {
    if (this.#control.unheard > MAX_UNHEARD) return
    const maximum = this.#ids.giveBack()
    if (maximum !== -1) this.#control.maxPathId(maximum)
  }

  /** When `tick` has something to do for an abandoned path, ms. */
  get deadline(): number {
    let earliest = this.noPathAt
    for (const path of this.#paths.live) earliest = Math.min(earliest, path.discardAt)
    return earliest
  }

  /** Discards what has drained. True when the connection has been without a path for too long. */
  tick(now: number): boolean {
    const { live } = this.#paths
    for (let index = live.length - 1; index >= 0; index--) {
      const path = live[index]!
      if (path.discardAt > now) continue
      // the last one stays until it is clear that no other comes
      if (live.length === 1) path.discardAt = NEVER
      // who does not know yet may go on sending, and an id that is unknown here would be answered by a stateless reset
      else if (!path.peerAbandoned && !this.#control.isHeard(path.id)) {
        path.detection.requeue(path.space)
        path.discardAt = now + ABANDON_WAIT_MS
      } else this.#discard(path)
    }
    return this.noPathAt <= now
  }

  /** The connection is gone. */
  release(): void {
    this.noPathAt = NEVER
    for (const path of this.#paths.live) path.discardAt = NEVER
  }
}
