/** What happens to the paths of a connection of ours, kept from the first moment, and what to wait for. */
import { expect } from 'vitest'
import type { PathInfo } from '../../../src/endpoint/path-info.ts'
import type { Connection, PathEvent } from '../../../src/index.ts'

type Change = Exclude<PathEvent, { type: 'lagged' }>

/** A punch takes milliseconds; the next round is at most 5 s away. */
const LIMIT = { timeout: 20_000, interval: 5 }

export class PathLog {
  readonly connection: Connection
  /** When the log began. */
  readonly first: readonly PathInfo[]
  readonly changes: Change[] = []

  constructor(connection: Connection) {
    this.connection = connection
    const events = connection.pathEvents()
    this.first = connection.paths()
    void this.#read(events)
  }

  async #read(events: AsyncIterable<PathEvent>): Promise<void> {
    for await (const event of events) {
      if (event.type === 'lagged') throw new Error(`${event.missed} path events were missed`)
      this.changes.push(event)
    }
  }

  get selected(): PathInfo | undefined {
    return this.connection.paths().find(({ selected }) => selected)
  }

  /** The kinds of path that were selected, one after the other. */
  get selections(): string[] {
    const begin = this.first.filter(({ selected }) => selected)
    const all = [...begin, ...this.changes.filter(({ type }) => type === 'selected')].map(({ kind }) => kind)
    return all.filter((kind, index) => kind !== all[index - 1])
  }

  /** Bytes of stream data and all else that the paths of a kind have carried. */
  bytes(kind: 'relay' | 'direct', direction: 'bytesSent' | 'bytesReceived'): number {
    return this.connection
      .paths()
      .filter((path) => path.kind === kind)
      .reduce((sum, { stats }) => sum + stats[direction], 0)
  }

  async goes(kind: 'relay' | 'direct', limitMs = LIMIT.timeout): Promise<void> {
    await expect.poll(() => this.selected?.kind, { ...LIMIT, timeout: limitMs }).toBe(kind)
  }

  /** Nothing is left of what punching opened besides: one direct path, in use, and the relay behind it. */
  async settles(): Promise<void> {
    const kinds = (): string[] =>
      this.connection
        .paths()
        .map(({ kind, selected }) => `${kind}${selected ? ', selected' : ''}`)
        .sort()
    await expect.poll(kinds, LIMIT).toEqual(['direct, selected', 'relay'])
  }
}
