/**
 * The paths of a connection as a list: finding one, which of them data prefers, what is blocked. Opening and abandoning are the business of paths.ts and
 * path-retirement.ts.
 */
import type { Path } from './path.ts'
import { hasAlternative, preferredPath } from './path-scheduler.ts'
import type { Route } from './route.ts'

export class PathSet {
  /** Open and abandoned ones, in order of their ids. Never empty once the first was added. */
  readonly live: Path[] = []
  /** Both sides advertised initial_max_path_id. */
  multipath = false
  #blocked: Set<Route> | undefined = undefined

  find(id: number): Path | undefined {
    for (const path of this.live) if (path.id === id) return path
    return undefined
  }

  /** Throws for a path that is not open. */
  findOpen(id: number): Path {
    const path = this.find(id)
    if (path === undefined || !path.isOpen) throw new RangeError(`there is no open path ${id}`)
    return path
  }

  protected insert(path: Path): void {
    let at = this.live.length
    while (at > 0 && this.live[at - 1]!.id > path.id) at--
    this.live.splice(at, 0, path)
  }

  /** Where data goes first. */
  get preferred(): Path {
    return this.live.length === 1 ? this.live[0]! : preferredPath(this.live)
  }

  /** Probe timeout of the slowest path, ms. */
  get largestPtoMs(): number {
    let largest = 0
    for (const path of this.live) largest = Math.max(largest, path.detection.ptoMs())
    return largest
  }

  get openCount(): number {
    let count = 0
    for (const path of this.live) if (path.isOpen) count++
    return count
  }

  /** Could another path take over from this one? */
  hasAlternative(path: Path): boolean {
    return this.live.length > 1 && hasAlternative(this.live, path)
  }

  /** The driver can send nothing more on `route` for now, or it can again. */
  setBlocked(route: Route, isBlocked: boolean): void {
    if (isBlocked) {
      this.#blocked ??= new Set()
      this.#blocked.add(route)
      return
    }
    this.#blocked?.delete(route)
    if (this.#blocked?.size === 0) this.#blocked = undefined
  }

  isBlocked(route: Route): boolean {
    return this.#blocked?.has(route) === true
  }

  /** Nothing can go out on the path, however due it is: abandoned, waiting for something to come in (RFC 9000 §8.1), or for room in the driver. */
  isMute(path: Path): boolean {
    return !path.isOpen || path.detection.atAmplificationLimit || this.isBlocked(path.link.route)
  }

  /** Bytes in flight on all paths. */
  get bytesInFlight(): number {
    let bytes = 0
    for (const path of this.live) bytes += path.link.recovery.bytesInFlight
    return bytes
  }
}
