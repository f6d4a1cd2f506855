/**
 * Datagram slots: fixed pieces of one memory that is allocated once and never grows. Owns which slot is free; who holds a slot owns
 * its bytes and releases it exactly once.
 */
import type { DatagramSlots } from '../quic/index.ts'

export interface SlotPoolOptions {
  /** Slots in the pool. Default 256: four rounds' worth of the largest burst. */
  readonly count?: number
  /** Bytes in a slot. Default 2,048: an Ethernet datagram, rounded up to a cache-friendly power of two. */
  readonly size?: number
  /** Memory to use, at least `count * size` bytes; WebAssembly memory where a kernel works in it. Default: fresh. */
  readonly memory?: Uint8Array
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

  constructor(options: SlotPoolOptions = {}) {
    this.count = options.count ?? 256
    this.slotSize = options.size ?? 2048
    this.bytes = options.memory ?? new Uint8Array(this.count * this.slotSize)
    if (this.bytes.length < this.count * this.slotSize) throw new RangeError('the memory is too small for the slots')
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
