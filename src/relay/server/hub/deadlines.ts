/** The deadlines of all connections of a hub, under one timer: ten thousand idle clients are ten thousand numbers, not timers. */
import { type Deadlined, DeadlineHeap } from '../../../driver/index.ts'
import type { Platform, Timer } from '../../../platform/index.ts'

const NEVER = Number.POSITIVE_INFINITY

export interface HubDeadlined extends Deadlined {
  /** Its deadline has come, and was taken out of the heap: it sets the next one, if there is one. */
  onDeadline(now: number): void
}

export class HubDeadlines {
  readonly #now: () => number
  readonly #heap: DeadlineHeap<HubDeadlined>
  readonly #timer: Timer
  #armedAt: number

  constructor(platform: Pick<Platform, 'now' | 'createTimer'>) {
    this.#now = () => platform.now()
    this.#heap = new DeadlineHeap()
    this.#timer = platform.createTimer(() => this.#onTimer())
    this.#armedAt = NEVER
  }

  /** How many wait. */
  get size(): number {
    return this.#heap.size
  }

  /** `deadline` in ms; Infinity: none. */
  set(item: HubDeadlined, deadline: number): void {
    this.#heap.set(item, deadline)
    this.#arm()
  }

  /** As `set`, unless an earlier one is set already: then that one comes, and its owner looks again. */
  setBy(item: HubDeadlined, deadline: number): void {
    if (item.heapIndex < 0 || deadline < item.deadline) this.set(item, deadline)
  }

  #arm(): void {
    const { earliest } = this.#heap
    if (earliest === NEVER) {
      if (this.#armedAt !== NEVER) this.#timer.cancel()
      this.#armedAt = NEVER
    } else if (earliest < this.#armedAt) {
      // a later one is not armed: the timer comes too early then, and is armed anew
      this.#armedAt = earliest
      this.#timer.arm(earliest)
    }
  }

  #onTimer(): void {
    this.#armedAt = NEVER
    const now = this.#now()
    // not more than there are, in case one of them never wants a time to come
    for (let left = this.#heap.size; left > 0; left--) {
      const first = this.#heap.peek()
      if (first === undefined || first.deadline > now) break
      this.#heap.set(first, NEVER)
      first.onDeadline(now)
    }
    this.#arm()
  }
}
