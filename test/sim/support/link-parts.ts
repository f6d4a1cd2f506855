/**
 * What happens to a datagram on its way, as parts to put in a row: each may drop it, change it, delay it or hand on several. A part keeps no
 * clock; it moves the time at which the datagram arrives.
 */
import type { SimRandom } from './random.ts'

export interface Parcel {
  bytes: Uint8Array
  /** When it comes out at the far end, as far as the parts up to here know, ms. */
  at: number
}

export interface LinkPart {
  pass(parcel: Parcel, next: (parcel: Parcel) => void): void
}

export class Delay implements LinkPart {
  readonly #ms: number

  constructor(ms: number) {
    this.#ms = ms
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    parcel.at += this.#ms
    next(parcel)
  }
}

/** Up to `ms` more for each datagram: reorders what is sent close together. */
export class Jitter implements LinkPart {
  readonly #ms: number
  readonly #random: SimRandom

  constructor(ms: number, random: SimRandom) {
    this.#ms = ms
    this.#random = random
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    parcel.at += this.#random.between(0, this.#ms)
    next(parcel)
  }
}

/** A few datagrams are late by `ms`. */
export class Straggle implements LinkPart {
  readonly #probability: number
  readonly #ms: number
  readonly #random: SimRandom

  constructor(probability: number, ms: number, random: SimRandom) {
    this.#probability = probability
    this.#ms = ms
    this.#random = random
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    if (this.#random.chance(this.#probability)) parcel.at += this.#random.between(0, this.#ms)
    next(parcel)
  }
}

export class Loss implements LinkPart {
  readonly #probability: number
  readonly #random: SimRandom

  constructor(probability: number, random: SimRandom) {
    this.#probability = probability
    this.#random = random
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    if (!this.#random.chance(this.#probability)) next(parcel)
  }
}

/** What makes a run of losses is over after so long, ms: sparse datagrams are lost one by one. */
const LONGEST_RUN_MS = 200

/** Loss in runs: the mean share is `probability`, the mean run `length` datagrams. */
export class BurstLoss implements LinkPart {
  readonly #enter: number
  readonly #leave: number
  readonly #random: SimRandom
  readonly #longestRunMs: number
  #losing = false
  #beganAt = 0

  constructor(probability: number, length: number, random: SimRandom, longestRunMs = LONGEST_RUN_MS) {
    this.#longestRunMs = longestRunMs
    this.#leave = 1 / length
    this.#enter = (probability * this.#leave) / (1 - probability)
    this.#random = random
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    const isOver = this.#losing && (this.#random.chance(this.#leave) || parcel.at - this.#beganAt > this.#longestRunMs)
    if (isOver) this.#losing = false
    else if (!this.#losing && this.#random.chance(this.#enter)) {
      this.#losing = true
      this.#beganAt = parcel.at
    }
    if (!this.#losing) next(parcel)
  }
}

export class Duplicate implements LinkPart {
  readonly #probability: number
  readonly #random: SimRandom

  constructor(probability: number, random: SimRandom) {
    this.#probability = probability
    this.#random = random
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    const copies = this.#random.chance(this.#probability) ? this.#random.int(1, 2) : 0
    for (let copy = 0; copy < copies; copy++)
      next({ bytes: parcel.bytes.slice(), at: parcel.at + this.#random.between(0, 20) })
    next(parcel)
  }
}

/** Flips a few bits. */
export class Corrupt implements LinkPart {
  readonly #probability: number
  readonly #random: SimRandom

  constructor(probability: number, random: SimRandom) {
    this.#probability = probability
    this.#random = random
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    if (this.#random.chance(this.#probability)) {
      for (let flips = this.#random.int(1, 4); flips > 0; flips--) {
        const at = this.#random.int(0, parcel.bytes.length - 1)
        parcel.bytes[at]! ^= 1 << this.#random.int(0, 7)
      }
    }
    next(parcel)
  }
}

/** Every so often everything waits until the spike is over, then comes at once. */
export class Spikes implements LinkPart {
  readonly #everyMs: number
  readonly #lengthMs: number

  constructor(everyMs: number, lengthMs: number) {
    this.#everyMs = everyMs
    this.#lengthMs = lengthMs
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    const phase = parcel.at % this.#everyMs
    if (phase < this.#lengthMs) parcel.at += this.#lengthMs - phase
    next(parcel)
  }
}

/** Nothing gets through from `from` to `to`, ms. */
export class Outage implements LinkPart {
  readonly #from: number
  readonly #to: number

  constructor(from: number, to: number) {
    this.#from = from
    this.#to = to
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    if (parcel.at < this.#from || parcel.at >= this.#to) next(parcel)
  }
}

/** The narrowest link: a rate in bytes per ms and a queue in bytes in front of it; what does not fit is dropped. */
export class Bottleneck implements LinkPart {
  readonly #rate: number
  readonly #queue: number
  #freeAt = 0

  constructor(rate: number, queue: number) {
    this.#rate = rate
    this.#queue = queue
  }

  /** How long what comes now would wait, ms. */
  backlogMs(now: number): number {
    return Math.max(this.#freeAt - now, 0)
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    const waits = this.backlogMs(parcel.at)
    if (waits * this.#rate + parcel.bytes.length > this.#queue) return
    this.#freeAt = Math.max(this.#freeAt, parcel.at) + parcel.bytes.length / this.#rate
    parcel.at = this.#freeAt
    next(parcel)
  }
}

/** A cable with a hand on it: cut, healed, or a black hole for large datagrams, whenever the test says so. What is under way still arrives. */
export class Gate implements LinkPart {
  isCut = false
  /** Larger datagrams vanish, bytes. */
  maxSize = Number.POSITIVE_INFINITY

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    if (!this.isCut && parcel.bytes.length <= this.maxSize) next(parcel)
  }
}

/** Drops what is larger than `size` bytes; from `shrinkAt` ms on, than `shrunk`. */
export class Mtu implements LinkPart {
  readonly #size: number
  readonly #shrinkAt: number
  readonly #shrunk: number

  constructor(size: number, shrinkAt = Number.POSITIVE_INFINITY, shrunk = size) {
    this.#size = size
    this.#shrinkAt = shrinkAt
    this.#shrunk = shrunk
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    if (parcel.bytes.length <= (parcel.at < this.#shrinkAt ? this.#size : this.#shrunk)) next(parcel)
  }
}

/** Parts in a row; the first is nearest to the sender. A bottleneck has to come before what reorders. */
export class Link implements LinkPart {
  readonly #parts: readonly LinkPart[]

  constructor(parts: readonly LinkPart[]) {
    this.#parts = parts
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    this.#from(0, parcel, next)
  }

  #from(index: number, parcel: Parcel, next: (parcel: Parcel) => void): void {
    const part = this.#parts[index]
    if (part === undefined) next(parcel)
    else part.pass(parcel, (passed) => this.#from(index + 1, passed, next))
  }
}
