/** Virtual time: one heap of things to do, in order of time and then of their scheduling. Nothing in a simulation waits for anything else. */

export interface ScheduledEvent {
  readonly at: number
  readonly order: number
  /** Undefined once it ran or was cancelled. */
  action: (() => void) | undefined
}

function before(left: ScheduledEvent, right: ScheduledEvent): boolean {
  return left.at < right.at || (left.at === right.at && left.order < right.order)
}

export class VirtualClock {
  /** ms */
  now = 1000
  /** Events that are neither done nor cancelled. */
  pending = 0
  /** Events done. */
  steps = 0
  readonly #heap: ScheduledEvent[] = []
  #order = 0

  /** `at` in ms; the past means now. */
  schedule(at: number, action: () => void): ScheduledEvent {
    const event: ScheduledEvent = { at: Math.max(at, this.now), order: this.#order++, action }
    this.#heap.push(event)
    this.#up(this.#heap.length - 1)
    this.pending++
    return event
  }

  after(ms: number, action: () => void): ScheduledEvent {
    return this.schedule(this.now + ms, action)
  }

  cancel(event: ScheduledEvent): void {
    if (event.action === undefined) return
    event.action = undefined
    this.pending--
  }

  /** Does the earliest event not later than `until`; false when there is none. */
  step(until: number): boolean {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined || first.at > until) return false
      this.#pop()
      const { action } = first
      if (action === undefined) continue
      first.action = undefined
      this.pending--
      this.steps++
      this.now = first.at
      action()
      return true
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }

  #up(start: number): void {
    const heap = this.#heap
    const event = heap[start]!
    let at = start
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }
}
