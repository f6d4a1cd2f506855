/** A paced and delayed one-way link for datagrams, in userspace: so much a second, then so much later, and a queue that overflows. */

export interface LinkShape {
  /** One way, ms. */
  readonly delayMs: number
  readonly mbit: number
  /** What waits for its turn beyond so many bytes is lost; undefined: nothing is. */
  readonly queueBytes: number | undefined
}

interface Parcel {
  /** When its last bit has left the queue, ms. */
  readonly leavesAt: number
  readonly length: number
  readonly deliver: () => void
}

/** Node's timers have a grain of a millisecond: what is due by the end of it goes now, and late by as much. */
const GRAIN_MS = 0.5

export class Shaper {
  readonly #shape: LinkShape
  readonly #now: () => number
  /** Called when the queue has become shorter. */
  readonly #onLeave: () => void
  /** In the order of their turns; `[0, #left)` have left the queue and are on their way. */
  #parcels: Parcel[] = []
  #left = 0
  #freeAt = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Bytes that wait for their turn. */
  queuedBytes = 0
  lost = 0

  constructor(shape: LinkShape, now: () => number, onLeave: () => void = () => {}) {
    this.#shape = shape
    this.#now = now
    this.#onLeave = onLeave
  }

  /** `deliver` is called later, or never. */
  push(length: number, deliver: () => void): void {
    const { mbit, queueBytes } = this.#shape
    const now = this.#now()
    this.#advance(now)
    if (queueBytes !== undefined && this.queuedBytes + length > queueBytes) {
      this.lost++
      return
    }
    this.#freeAt = Math.max(now, this.#freeAt) + (length * 8) / (mbit * 1000)
    this.queuedBytes += length
    this.#parcels.push({ leavesAt: this.#freeAt, length, deliver })
    this.#arm(now)
  }

  /** What is on its way does not arrive. */
  clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#parcels = []
    this.#left = 0
    this.queuedBytes = 0
  }

  #advance(now: number): void {
    const before = this.#left
    for (; this.#left < this.#parcels.length; this.#left++) {
      const { leavesAt, length } = this.#parcels[this.#left]!
      if (leavesAt > now) break
      this.queuedBytes -= length
    }
    let arrived = 0
    while (arrived < this.#left && this.#parcels[arrived]!.leavesAt + this.#shape.delayMs <= now + GRAIN_MS) arrived++
    const due = this.#parcels.splice(0, arrived)
    this.#left -= arrived
    for (const { deliver } of due) deliver()
    if (this.#left + arrived > before) this.#onLeave()
  }

  #arm(now: number): void {
    if (this.#timer !== undefined || this.#parcels.length === 0) return
    const arrival = this.#parcels[0]!.leavesAt + this.#shape.delayMs
    const leave = this.#parcels[this.#left]?.leavesAt ?? arrival
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        const at = this.#now()
        this.#advance(at)
        this.#arm(at)
      },
      Math.max(0, Math.min(arrival, leave) - now),
    )
  }
}
