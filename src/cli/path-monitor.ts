/** Watches which kind of path a connection uses and reports each change (spec/envelope.md §8.3, `path_change`). */
import type { Connection, PathInfo } from '../endpoint/index.ts'
import type { Run } from './run.ts'

export type Via = 'RELAY' | 'DIRECT' | 'UNKNOWN' | 'NONE'

export class PathMonitor {
  /** UNKNOWN until the first path was seen. */
  selected: Via = 'UNKNOWN'
  /** When the selected path became direct the first time, seconds since the process started. */
  directSince: number | undefined = undefined
  readonly #connection: Connection
  readonly #run: Run

  constructor(connection: Connection, run: Run) {
    this.#connection = connection
    this.#run = run
    // Subscribed before the snapshot is read: nothing in between gets lost.
    const events = connection.pathEvents()
    this.#look()
    this.#follow(events)
  }

  async #follow(events: ReturnType<Connection['pathEvents']>): Promise<void> {
    for await (const _event of events) if (this.#connection.closeReason === undefined) this.#look()
  }

  #look(): void {
    const paths = this.#connection.paths()
    const path = paths.find(({ selected }) => selected)
    const selected: Via = path === undefined ? 'NONE' : path.kind === 'relay' ? 'RELAY' : 'DIRECT'
    if (selected === this.selected) return
    this.selected = selected
    const elapsed = this.#run.elapsed()
    if (selected === 'DIRECT') this.directSince ??= elapsed
    this.#run.reporter.event('path_change', {
      selected,
      rtt_ms: path?.rttMs ?? 0,
      paths: paths.map(formatPath),
      elapsed_s: elapsed,
    })
  }
}

/** The Rust debug text of the old program. */
function formatPath({ kind, remote, selected }: PathInfo): string {
  const address = kind === 'relay' ? `relay:Relay(RelayUrl("${remote}"))` : `ip:Ip(${remote})`
  return selected ? `${address}*` : address
}
