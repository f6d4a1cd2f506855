/** PATH_STATUS: what each side prefers of a path (spec/quic.md §5.6), and what of it the peer has been told. */
import type { EventQueue } from '../events.ts'
import type { PathStatusFrame } from '../wire/path-frames.ts'
import type { Path, PathStatus } from './path.ts'
import type { PathControl } from './path-control.ts'
import type { PathSet } from './path-set.ts'

/** PATH_STATUS frames kept for paths that have not appeared yet: a client opens a few at once. */
const MAX_EARLY = 8

export class PathStatuses {
  readonly #paths: PathSet
  readonly #control: PathControl
  readonly #events: EventQueue
  /** Server: PATH_STATUS frames that overtook the first packet of their path, by its id. */
  readonly #early = new Map<number, PathStatusFrame>()

  constructor(paths: PathSet, control: PathControl, events: EventQueue) {
    this.#paths = paths
    this.#control = control
    this.#events = events
  }

  /** Throws for a path that is not open. */
  set(id: number, status: PathStatus): void {
    const path = this.#paths.findOpen(id)
    if (path.status === status) return
    path.status = status
    // spec/quic.md §5.4: of a new path the peer hears once it is validated
    if (path.link.validated || path.id === 0 || path.statusSequence > 0) this.say(path)
  }

  say(path: Path): void {
    if (!this.#paths.multipath) return
    path.statusSequence++
    this.#control.status(path)
  }

  /** The frame is about a path that `mayAppear` still, or about one that is there. */
  receive(frame: PathStatusFrame, mayAppear: boolean): void {
    const early = this.#early
    const path = this.#paths.find(frame.pathId)
    if (path !== undefined) this.#take(path, frame)
    else if (mayAppear && (early.size < MAX_EARLY || early.has(frame.pathId))) {
      if (frame.sequence > (early.get(frame.pathId)?.sequence ?? 0)) early.set(frame.pathId, frame)
    }
  }

  #take(path: Path, frame: PathStatusFrame): void {
    if (!path.isOpen || frame.sequence <= path.peerStatusSequence) return
    path.peerStatusSequence = frame.sequence
    const status = frame.backup ? 'backup' : 'available'
    if (path.peerStatus === status) return
    path.peerStatus = status
    this.#events.replace({ type: 'path-status', path: path.id, status })
  }

  /** The path has come: what was said of it before holds now. */
  appeared(path: Path): void {
    const early = this.#early.get(path.id)
    if (early !== undefined) this.#take(path, early)
    this.#early.delete(path.id)
  }

  forget(id: number): void {
    this.#early.delete(id)
  }

  /** Frames that wait for their paths. */
  get earlyCount(): number {
    return this.#early.size
  }
}
