/** Which path each peer is reached by now, and the changes of that, over all connections to it. */
import type { Connection, WaitOptions } from '../../endpoint/index.ts'
import { Feeds } from './feed.ts'
import type { NodePathEvent, PeerPath } from './types.ts'

export class PathWatch {
  readonly #feeds = new Feeds<NodePathEvent>()
  /** What was told last, by key. */
  readonly #told = new Map<string, string>()
  readonly #connectionTo: (key: string) => Connection | undefined

  constructor(connectionTo: (key: string) => Connection | undefined) {
    this.#connectionTo = connectionTo
  }

  /** The path in use to a peer. */
  pathTo(key: string): PeerPath | undefined {
    const path = this.#connectionTo(key)
      ?.paths()
      .find(({ selected }) => selected)
    return path === undefined ? undefined : { kind: path.kind, remote: path.remote, rttMs: path.rttMs }
  }

  events(options?: WaitOptions): AsyncIterableIterator<NodePathEvent> {
    return this.#feeds.read(options)
  }

  /** Follows a connection to its end. Never rejects. */
  async follow(connection: Connection): Promise<void> {
    this.#tell(connection)
    for await (const _ of connection.pathEvents()) this.#tell(connection)
    this.#tell(connection)
  }

  end(): void {
    this.#feeds.end()
  }

  #tell({ remoteId }: Connection): void {
    const key = remoteId.toString()
    const path = this.pathTo(key)
    const text = path === undefined ? '' : `${path.kind} ${path.remote}`
    if (text === (this.#told.get(key) ?? '')) return
    if (path === undefined) this.#told.delete(key)
    else this.#told.set(key, text)
    this.#feeds.push({ peer: remoteId, path })
  }
}
