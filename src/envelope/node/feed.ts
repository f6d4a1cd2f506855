/** Events for one reader, kept within bounds: who reads too slowly loses the oldest. Ends with its owner, after what is there was read. */
import { type WaitOptions, WaitQueue } from '../../endpoint/index.ts'

/** Events that a slow reader may fall behind. A guess. */
const MAX_EVENTS = 1_024

export class Feed<T> {
  readonly #events: T[] = []
  readonly #news = new WaitQueue()
  #isEnded = false

  push(event: T): void {
    if (this.#isEnded) return
    this.#events.push(event)
    if (this.#events.length > MAX_EVENTS) this.#events.shift()
    this.#news.wake()
  }

  end(): void {
    this.#isEnded = true
    this.#news.wake()
  }

  async *read(signal?: AbortSignal): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const event = this.#events.shift()
      if (event !== undefined) yield event
      else if (this.#isEnded) return
      else await this.#news.wait(signal)
    }
  }
}

/** A feed for each who reads. */
export class Feeds<T> {
  readonly #feeds = new Set<Feed<T>>()
  #isEnded = false

  push(event: T): void {
    for (const feed of this.#feeds) feed.push(event)
  }

  end(): void {
    this.#isEnded = true
    for (const feed of this.#feeds) feed.end()
  }

  /** Events from now on, those of `first` before them. */
  read({ signal }: WaitOptions = {}, first: Iterable<T> = []): AsyncIterableIterator<T> {
    const feed = new Feed<T>()
    for (const event of first) feed.push(event)
    if (this.#isEnded) feed.end()
    else this.#feeds.add(feed)
    return this.#follow(feed, signal)
  }

  /** The feed is let go when the reader leaves its loop. */
  async *#follow(feed: Feed<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
    try {
      yield* feed.read(signal)
    } finally {
      this.#feeds.delete(feed)
    }
  }
}
