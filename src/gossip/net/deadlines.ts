/**
 * All that gossip wants to do later, on one timer of the platform: a binary heap of deadlines. Nothing is cancelled; whoever is called looks whether it still
 * means anything, so that a timer of a topic that was left never reaches the one that was joined again (spec/gossip.md §8.3).
 */
import type { Platform, Timer } from '../../platform/index.ts'

export interface TimerOwner<T> {
  /** `now` in ms on the platform's clock. */
  fire(what: T, now: number): void
}

interface Entry {
  readonly at: number
  /** Tells equal deadlines apart: first come, first served. */
  readonly order: number
  readonly owner: TimerOwner<unknown>
  readonly what: unknown
}

/** Deadlines met in one go; what is due beyond waits for a turn of the event loop. */
const MAX_PER_TURN = 1_024

export class Deadlines {
  readonly #platform: Platform
  readonly #onError: (error: unknown) => void
  readonly #timer: Timer
  readonly #heap: Entry[] = []
  #order = 0
  #armedFor = Number.POSITIVE_INFINITY
  #isClosed = false

  constructor(platform: Platform, onError: (error: unknown) => void) {
    this.#platform = platform
    this.#onError = onError
    // what keeps a process alive is its endpoint
    this.#timer = platform.createTimer(() => this.#run(), { isBackground: true })
  }

  /** Deadlines that are waiting. */
  get size(): number {
    return this.#heap.length
  }

  /** Calls `owner.fire(what)` at `at`, ms on the platform's clock. */
  add<T>(at: number, owner: TimerOwner<T>, what: T): void {
    if (this.#isClosed) return
    this.#up({ at, order: this.#order++, owner: owner as TimerOwner<unknown>, what }, this.#heap.length)
    this.#arm()
  }

  close(): void {
    this.#isClosed = true
    this.#heap.length = 0
    this.#timer.cancel()
  }

  #arm(): void {
    const at = this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
    if (at >= this.#armedFor) return
    this.#armedFor = at
    this.#timer.arm(at)
  }

  #run(): void {
    this.#armedFor = Number.POSITIVE_INFINITY
    const now = this.#platform.now()
    for (let count = 0; count < MAX_PER_TURN; count++) {
      const first = this.#heap[0]
      if (first === undefined || first.at > now) break
      this.#removeFirst()
      try {
        first.owner.fire(first.what, now)
      } catch (error) {
        this.#onError(error)
      }
    }
    if (!this.#isClosed) this.#arm()
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length > 0) this.#down(last)
  }

  #up(entry: Entry, start: number): void {
    const heap = this.#heap
    let at = start
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = heap[parentAt]!
      if (!isBefore(entry, parent)) break
      heap[at] = parent
      at = parentAt
    }
    heap[at] = entry
  }

  #down(entry: Entry): void {
    const heap = this.#heap
    const { length } = heap
    let at = 0
    for (;;) {
      let childAt = 2 * at + 1
      if (childAt >= length) break
      if (childAt + 1 < length && isBefore(heap[childAt + 1]!, heap[childAt]!)) childAt++
      const child = heap[childAt]!
      if (!isBefore(child, entry)) break
      heap[at] = child
      at = childAt
    }
    heap[at] = entry
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.at < right.at || (left.at === right.at && left.order < right.order)
}
