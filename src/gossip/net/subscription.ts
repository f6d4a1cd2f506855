/**
 * The events of one subscription, kept for its reader within bounds: who reads too slowly loses the oldest and is told how many (spec/gossip.md §8.2). Knows
 * nothing of topics.
 */
import type { GossipEvent } from './types.ts'

/** Contents kept for a slow reader, bytes, whatever the number of events. */
const MAX_BUFFERED_BYTES = 16_777_216
/** Places at the front of the queue that were read before it is moved up. */
const MAX_GAP = 1_024

type Result = IteratorResult<GossipEvent, undefined>

interface Reader {
  readonly resolve: (result: Result) => void
  readonly iterator: object
}

const END: Result = { done: true, value: undefined }

export class Subscription {
  readonly #maxEvents: number
  readonly #maxBytes: number
  readonly #onMissed: (count: number) => void
  readonly #events: (GossipEvent | undefined)[] = []
  #first = 0
  #bytes = 0
  #missed = 0
  #isEnded = false
  #readers: Reader[] = []

  constructor(maxEvents: number, onMissed: (count: number) => void, maxBytes = MAX_BUFFERED_BYTES) {
    this.#maxEvents = maxEvents
    this.#onMissed = onMissed
    this.#maxBytes = maxBytes
  }

  /** Events that wait to be read. */
  get size(): number {
    return this.#events.length - this.#first
  }

  push(event: GossipEvent): void {
    if (this.#isEnded) return
    const reader = this.#readers.shift()
    if (reader !== undefined) {
      reader.resolve({ done: false, value: event })
      return
    }
    this.#events.push(event)
    this.#bytes += bytesOf(event)
    if (this.#isOver) this.#drop()
  }

  /** Nothing comes any more; what is there can still be read. */
  end(): void {
    this.#isEnded = true
    for (const reader of this.#readers.splice(0)) reader.resolve(END)
  }

  /** Several iterators share the events: each goes to one of them. */
  iterate(): AsyncIterableIterator<GossipEvent, undefined> {
    let isDone = false
    const iterator: AsyncIterableIterator<GossipEvent, undefined> = {
      next: () => (isDone ? Promise.resolve(END) : this.#next(iterator)),
      return: () => {
        isDone = true
        this.#letGo(iterator)
        return Promise.resolve(END)
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  #next(iterator: object): Promise<Result> {
    const event = this.#take()
    if (event !== undefined) return Promise.resolve({ done: false, value: event })
    if (this.#isEnded) return Promise.resolve(END)
    return new Promise((resolve) => {
      this.#readers.push({ resolve, iterator })
    })
  }

  #letGo(iterator: object): void {
    const own = this.#readers.filter((reader) => reader.iterator === iterator)
    this.#readers = this.#readers.filter((reader) => reader.iterator !== iterator)
    for (const reader of own) reader.resolve(END)
  }

  #take(): GossipEvent | undefined {
    if (this.#missed === 0) return this.#shift()
    const missed = this.#missed
    this.#missed = 0
    return { kind: 'lagged', missed }
  }

  #shift(): GossipEvent | undefined {
    const event = this.#events[this.#first]
    if (event === undefined) return undefined
    this.#events[this.#first++] = undefined
    this.#bytes -= bytesOf(event)
    if (this.#first === this.#events.length) {
      this.#events.length = 0
      this.#first = 0
    } else if (this.#first > MAX_GAP && this.#first > this.#events.length / 2) {
      this.#events.splice(0, this.#first)
      this.#first = 0
    }
    return event
  }

  get #isOver(): boolean {
    return this.size > this.#maxEvents || (this.#bytes > this.#maxBytes && this.size > 1)
  }

  /** The oldest make room: what a late reader wants is how things are now. */
  #drop(): void {
    let dropped = 0
    for (; this.#isOver; dropped++) this.#shift()
    this.#missed += dropped
    this.#onMissed(dropped)
  }
}

function bytesOf(event: GossipEvent): number {
  return event.kind === 'received' ? event.content.length : 0
}
