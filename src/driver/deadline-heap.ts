/**
 * A binary heap of things that have a deadline, smallest first, from which any of them can be moved or taken out. Each thing carries
 * its own place, so nothing is looked up; Infinity means "not in the heap".
 */

export interface Deadlined {
  /** ms on the driver's clock. Written by the heap only. */
  deadline: number
  /** Place in the heap, -1 outside. Written by the heap only. */
  heapIndex: number
}

const NEVER = Number.POSITIVE_INFINITY

export class DeadlineHeap<T extends Deadlined> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  /** The earliest deadline, Infinity when there is none. */
  get earliest(): number {
    const first = this.#items[0]
    return first === undefined ? NEVER : first.deadline
  }

  peek(): T | undefined {
    return this.#items[0]
  }

  /** Puts `item` in, moves it, or, for Infinity, takes it out. */
  set(item: T, deadline: number): void {
    if (item.heapIndex < 0) {
      if (deadline === NEVER) return
      item.deadline = deadline
      this.#items.push(item)
      this.#up(item, this.#items.length - 1)
      return
    }
    if (deadline === NEVER) {
      this.#remove(item)
      return
    }
    const before = item.deadline
    if (deadline === before) return
    item.deadline = deadline
    if (deadline < before) this.#up(item, item.heapIndex)
    else this.#down(item, item.heapIndex)
  }

  clear(): void {
    for (const item of this.#items) {
      item.heapIndex = -1
      item.deadline = NEVER
    }
    this.#items.length = 0
  }

  #remove(item: T): void {
    const at = item.heapIndex
    const last = this.#items.pop()!
    item.heapIndex = -1
    item.deadline = NEVER
    if (last === item) return
    this.#up(last, at)
    this.#down(last, last.heapIndex)
  }

  #up(item: T, start: number): void {
    const items = this.#items
    let at = start
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = items[parentAt]!
      if (parent.deadline <= item.deadline) break
      items[at] = parent
      parent.heapIndex = at
      at = parentAt
    }
    items[at] = item
    item.heapIndex = at
  }

  #down(item: T, start: number): void {
    const items = this.#items
    const { length } = items
    let at = start
    for (;;) {
      let childAt = 2 * at + 1
      if (childAt >= length) break
      if (childAt + 1 < length && items[childAt + 1]!.deadline < items[childAt]!.deadline) childAt++
      const child = items[childAt]!
      if (child.deadline >= item.deadline) break
      items[at] = child
      child.heapIndex = at
      at = childAt
    }
    items[at] = item
    item.heapIndex = at
  }
}
