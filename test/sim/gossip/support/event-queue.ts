/**
 * What will happen, ordered by (time, sequence): a 4-ary heap over typed arrays, so that millions of events make no garbage (spec/gossip.md §12.8 S2). It knows
 * nothing of what the events mean.
 */

const NOTHING: unknown = undefined

export class EventQueue {
  /** The heap: three columns of one table. */
  #times: Float64Array
  #sequences: Float64Array
  #slots: Int32Array
  #length = 0
  /** What belongs to an event, in a slot that does not move with the heap. */
  #kinds: Uint8Array
  #targets: Int32Array
  #sources: Int32Array
  #epochs: Int32Array
  readonly #payloads: unknown[] = []
  readonly #free: number[] = []
  #sequence = 0

  /** The event that `pop` took out. */
  time = 0
  kind = 0
  target = 0
  source = 0
  epoch = 0
  payload: unknown = NOTHING

  constructor(capacity = 1024) {
    this.#times = new Float64Array(capacity)
    this.#sequences = new Float64Array(capacity)
    this.#slots = new Int32Array(capacity)
    this.#kinds = new Uint8Array(capacity)
    this.#targets = new Int32Array(capacity)
    this.#sources = new Int32Array(capacity)
    this.#epochs = new Int32Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  /** When the next event is due, µs; Infinity without one. */
  get nextTime(): number {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : this.#times[0]!
  }

  /** Events of the same time come out in the order they went in. */
  push(time: number, kind: number, target: number, source: number, epoch: number, payload: unknown): void {
    if (this.#length === this.#times.length) this.#grow()
    const slot = this.#free.pop() ?? this.#length
    this.#kinds[slot] = kind
    this.#targets[slot] = target
    this.#sources[slot] = source
    this.#epochs[slot] = epoch
    this.#payloads[slot] = payload
    this.#rise(this.#length++, time, this.#sequence++, slot)
  }

  /** Takes the first event out, into the fields. False: there is none. */
  pop(): boolean {
    if (this.#length === 0) return false
    const slot = this.#slots[0]!
    this.time = this.#times[0]!
    this.kind = this.#kinds[slot]!
    this.target = this.#targets[slot]!
    this.source = this.#sources[slot]!
    this.epoch = this.#epochs[slot]!
    this.payload = this.#payloads[slot]
    this.#payloads[slot] = NOTHING
    this.#free.push(slot)
    const last = --this.#length
    if (last > 0) this.#sink(this.#times[last]!, this.#sequences[last]!, this.#slots[last]!)
    return true
  }

  #rise(index: number, time: number, sequence: number, slot: number): void {
    const times = this.#times
    const sequences = this.#sequences
    const slots = this.#slots
    let at = index
    while (at > 0) {
      const parent = (at - 1) >> 2
      // a later sequence never rises above an equal time
      if (times[parent]! <= time) break
      times[at] = times[parent]!
      sequences[at] = sequences[parent]!
      slots[at] = slots[parent]!
      at = parent
    }
    times[at] = time
    sequences[at] = sequence
    slots[at] = slot
  }

  #sink(time: number, sequence: number, slot: number): void {
    const times = this.#times
    const sequences = this.#sequences
    const slots = this.#slots
    const length = this.#length
    let at = 0
    for (;;) {
      const first = at * 4 + 1
      if (first >= length) break
      const end = Math.min(first + 4, length)
      let least = first
      let leastTime = times[first]!
      for (let child = first + 1; child < end; child++) {
        const childTime = times[child]!
        if (childTime > leastTime || (childTime === leastTime && sequences[child]! > sequences[least]!)) continue
        least = child
        leastTime = childTime
      }
      if (leastTime > time || (leastTime === time && sequences[least]! > sequence)) break
      times[at] = leastTime
      sequences[at] = sequences[least]!
      slots[at] = slots[least]!
      at = least
    }
    times[at] = time
    sequences[at] = sequence
    slots[at] = slot
  }

  #grow(): void {
    const capacity = this.#times.length * 2
    const copied = <T extends { set(from: T): void }>(from: T, to: T): T => {
      to.set(from)
      return to
    }
    this.#times = copied(this.#times, new Float64Array(capacity))
    this.#sequences = copied(this.#sequences, new Float64Array(capacity))
    this.#slots = copied(this.#slots, new Int32Array(capacity))
    this.#kinds = copied(this.#kinds, new Uint8Array(capacity))
    this.#targets = copied(this.#targets, new Int32Array(capacity))
    this.#sources = copied(this.#sources, new Int32Array(capacity))
    this.#epochs = copied(this.#epochs, new Int32Array(capacity))
  }
}
