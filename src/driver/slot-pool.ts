/**
 * Datagram slots: fixed pieces of one memory that is allocated once and never grows. Owns which slot is free; who holds a slot owns
 * its bytes and releases it exactly once.
 */
import type { DatagramSlots } from '../quic/index.ts'

export interface SlotPoolOptions {
  /** Slots in the pool. Default 160: two full send queues and some to work with. */
  readonly count?: number
  /** Bytes in a slot. Default 16,384: the largest datagram we send or take (16,000), rounded up. Pages nobody writes to cost nothing. */
  readonly size?: number
  /** Makes the memory, `length` bytes; where a kernel works in memory of its own, that. Default: a fresh array. */
  readonly allocate?: (length: number) => Uint8Array
}

const FREE = 0
const HELD = 1

export class SlotPool implements DatagramSlots {
  readonly bytes: Uint8Array
  readonly slotSize: number
  readonly count: number
  /** Stack of free slots; the last one released is the next one used, and still in the cache. */
  readonly #free: Int32Array
  #freeCount: number
  readonly #state: Uint8Array
  /** The last view of each slot: most datagrams of a slot have the same, full size. */
  readonly #views: (Uint8Array | undefined)[]

  constructor(options: SlotPoolOptions = {}) {
    this.count = options.count ?? 160
    this.slotSize = options.size ?? 16_384
    const length = this.count * this.slotSize
    this.bytes = options.allocate?.(length) ?? new Uint8Array(length)
    if (this.bytes.length < length) throw new RangeError('the memory is too small for the slots')
    this.#views = new Array<Uint8Array | undefined>(this.count).fill(undefined)
    this.#free = new Int32Array(this.count)
    for (let index = 0; index < this.count; index++) this.#free[index] = this.count - 1 - index
    this.#freeCount = this.count
    this.#state = new Uint8Array(this.count)
  }

  get inUse(): number {
    return this.count - this.#freeCount
  }

  get available(): number {
    return this.#freeCount
  }

  offset(slot: number): number {
    return slot * this.slotSize
  }

  /** The first `length` bytes of a slot. */
  view(slot: number, length: number): Uint8Array {
    const last = this.#views[slot]
    if (last !== undefined && last.length === length) return last
    const start = slot * this.slotSize
    const view = this.bytes.subarray(start, start + length)
    this.#views[slot] = view
    return view
  }

  acquire(): number {
    if (this.#freeCount === 0) return -1
    const slot = this.#free[--this.#freeCount]!
    this.#state[slot] = HELD
    return slot
  }

  /** Throws for a slot that is not held: two owners would write into each other's packets. */
  release(slot: number): void {
    if (this.#state[slot] !== HELD) throw new Error(`datagram slot ${slot} is not in use`)
    this.#state[slot] = FREE
    this.#free[this.#freeCount++] = slot
  }
}
