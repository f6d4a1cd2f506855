/**
 * Queues of small integers (slots of `PeerStore`), each slot in one queue at most, linked through two arrays. They are in the order of the last touch, so what is
 * due next stands in front and nobody scans: a sign of life costs a few array writes, a tick as much as there is to do.
 */

const NOWHERE = -1
const NO_QUEUE = 255

export class PeerQueues {
  readonly #heads: Int32Array
  readonly #tails: Int32Array
  readonly #sizes: Int32Array
  #next = new Int32Array(0)
  #previous = new Int32Array(0)
  #queueOf = new Uint8Array(0)

  /** At most 255. */
  constructor(queues: number) {
    this.#heads = new Int32Array(queues).fill(NOWHERE)
    this.#tails = new Int32Array(queues).fill(NOWHERE)
    this.#sizes = new Int32Array(queues)
  }

  /** Slots go up to `capacity`, not included. */
  grow(capacity: number): void {
    const next = new Int32Array(capacity)
    const previous = new Int32Array(capacity)
    const queueOf = new Uint8Array(capacity).fill(NO_QUEUE)
    next.set(this.#next)
    previous.set(this.#previous)
    queueOf.set(this.#queueOf)
    this.#next = next
    this.#previous = previous
    this.#queueOf = queueOf
  }

  /** The one that was not touched for the longest; -1: none. */
  head(queue: number): number {
    return this.#heads[queue]!
  }

  /** The one that was touched last; -1: none. */
  tail(queue: number): number {
    return this.#tails[queue]!
  }

  size(queue: number): number {
    return this.#sizes[queue]!
  }

  /** Meaningless for a slot in no queue. */
  queueOf(slot: number): number {
    return this.#queueOf[slot]!
  }

  /** To the end of `queue`, from wherever it was. */
  move(slot: number, queue: number): void {
    if (this.#queueOf[slot] !== NO_QUEUE) this.remove(slot)
    const tail = this.#tails[queue]!
    this.#previous[slot] = tail
    this.#next[slot] = NOWHERE
    if (tail === NOWHERE) this.#heads[queue] = slot
    else this.#next[tail] = slot
    this.#tails[queue] = slot
    this.#queueOf[slot] = queue
    this.#sizes[queue]!++
  }

  /** To the end of the queue it is in. */
  touch(slot: number): void {
    const queue = this.#queueOf[slot]!
    if (this.#tails[queue] !== slot) this.move(slot, queue)
  }

  remove(slot: number): void {
    const queue = this.#queueOf[slot]!
    const next = this.#next[slot]!
    const previous = this.#previous[slot]!
    if (previous === NOWHERE) this.#heads[queue] = next
    else this.#next[previous] = next
    if (next === NOWHERE) this.#tails[queue] = previous
    else this.#previous[next] = previous
    this.#queueOf[slot] = NO_QUEUE
    this.#sizes[queue]!--
  }
}
