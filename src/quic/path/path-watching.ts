/**
 * Watching paths for one that is dead (path-liveness.ts), over all paths of a connection: who hears of whose answers, and what is done at each step. Off
 * until somebody asks for it.
 */
import type { EventQueue } from '../events.ts'
import type { Path } from './path.ts'
import { PathLiveness } from './path-liveness.ts'
import type { PathSet } from './path-set.ts'

const NEVER = Number.POSITIVE_INFINITY

export class PathWatching {
  /** The least silence of a dead path, ms; 0: paths are not watched. */
  minMs = 0
  readonly #paths: PathSet
  readonly #events: EventQueue
  readonly #challenge: (path: Path, now: number) => void

  /** `challenge` sends a PATH_CHALLENGE on a path. */
  constructor(paths: PathSet, events: EventQueue, challenge: (path: Path, now: number) => void) {
    this.#paths = paths
    this.#events = events
    this.#challenge = challenge
  }

  /** The path is watched from now on, from a fresh start, or not any more. */
  equip(path: Path): void {
    path.liveness = this.minMs > 0 ? new PathLiveness(this.minMs) : undefined
  }

  /** The peer answered on `path` what was sent there at `sentAt`, ms. */
  answered(path: Path, sentAt: number, now: number): void {
    if (!path.isOpen || !path.link.validated) return
    for (const other of this.#paths.live)
      if (other !== path) other.liveness?.otherAnswered(sentAt, now, other.detection.ptoMs())
  }

  /** When `tick` has something to do for the path, ms. A path that was never proved to work is judged by its validation. */
  deadline(path: Path): number {
    const { liveness, detection, isOpen, link } = path
    return liveness === undefined || !isOpen || !link.validated ? NEVER : liveness.deadline(detection.ptoMs())
  }

  tick(path: Path, now: number): void {
    if (this.deadline(path) > now) return
    switch (path.liveness!.tick(now, path.detection.ptoMs())) {
      case 'challenge':
        this.#challenge(path, now)
        this.#askOthers(path)
        break
      case 'ask-others':
        this.#askOthers(path)
        break
      case 'dead':
        this.#events.push({ type: 'path-dead', path: path.id, route: path.link.route })
        break
      default:
    }
  }

  #askOthers(path: Path): void {
    for (const other of this.#paths.live)
      if (other !== path && other.isOpen && other.link.validated) other.pingPending = true
  }
}
