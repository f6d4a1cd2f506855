/**
 * Whose turn it is: intrusive lists by priority, round robin inside one. It knows nothing of what waits; adding, removing and finding the
 * next take no scan over the streams. RFC 9000 §2.3.
 */

/** One waiting item's place; made once per item, in at most one queue at a time. */
export class QueueNode<T> {
  readonly item: T
  priority: number
  previous: QueueNode<T> | undefined
  next: QueueNode<T> | undefined
  lane: Lane<T> | undefined

  constructor(item: T, priority = 0) {
    this.item = item
    this.priority = priority
    this.previous = undefined
    this.next = undefined
    this.lane = undefined
  }

  get isQueued(): boolean {
    return this.lane !== undefined
  }
}

interface Lane<T> {
  readonly priority: number
  head: QueueNode<T> | undefined
  tail: QueueNode<T> | undefined
}

/** Empty lanes are kept for their next use; beyond this many, adding one sweeps them. */
const LANES_KEPT = 16

export class FairQueue<T> {
  /** Highest priority first. */
  #lanes: Lane<T>[] = []
  #count = 0

  get isEmpty(): boolean {
    return this.#count === 0
  }

  get count(): number {
    return this.#count
  }

  /** The longest waiting item of the highest priority. */
  get first(): QueueNode<T> | undefined {
    const lanes = this.#lanes
    for (let index = 0; index < lanes.length; index++) {
      const head = lanes[index]!.head
      if (head !== undefined) return head
    }
    return undefined
  }

  /** Appends to its priority's lane; no effect when it waits already. */
  add(node: QueueNode<T>): void {
    if (node.lane !== undefined) return
    this.#append(node, this.#lane(node.priority))
    this.#count++
  }

  /** No effect when it does not wait. */
  remove(node: QueueNode<T>): void {
    const lane = node.lane
    if (lane === undefined) return
    this.#unlink(node, lane)
    node.lane = undefined
    this.#count--
  }

  /** Its turn is over: to the end of its lane. */
  rotate(node: QueueNode<T>): void {
    const lane = node.lane
    if (lane === undefined || lane.tail === node) return
    this.#unlink(node, lane)
    this.#append(node, lane)
  }

  clear(): void {
    for (let node = this.first; node !== undefined; node = this.first) this.remove(node)
    this.#lanes.length = 0
  }

  #append(node: QueueNode<T>, lane: Lane<T>): void {
    node.lane = lane
    node.next = undefined
    node.previous = lane.tail
    if (lane.tail === undefined) lane.head = node
    else lane.tail.next = node
    lane.tail = node
  }

  #unlink(node: QueueNode<T>, lane: Lane<T>): void {
    if (node.previous === undefined) lane.head = node.next
    else node.previous.next = node.next
    if (node.next === undefined) lane.tail = node.previous
    else node.next.previous = node.previous
    node.previous = undefined
    node.next = undefined
  }

  #lane(priority: number): Lane<T> {
    let lanes = this.#lanes
    for (let index = 0; index < lanes.length; index++) if (lanes[index]!.priority === priority) return lanes[index]!
    if (lanes.length >= LANES_KEPT) lanes = this.#lanes = lanes.filter((lane) => lane.head !== undefined)
    const lane: Lane<T> = { priority, head: undefined, tail: undefined }
    const at = lanes.findIndex((other) => other.priority < priority)
    lanes.splice(at < 0 ? lanes.length : at, 0, lane)
    return lane
  }
}
