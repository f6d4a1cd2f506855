/**
 * The line between a household, or a single host, and its provider: rate, delay, jitter and loss of each direction, shared by all that passes,
 * datagrams and the segments of WebSockets alike. May change, and be cut, while packets flow.
 */
import { Bottleneck, BurstLoss, type LinkPart, Loss, type Parcel } from '../link-parts.ts'
import type { SimRandom } from '../random.ts'

/** One direction, as the laboratory's links do it: loss, then a queue of limited rate, then delay. */
export interface WayShape {
  readonly delayMs?: number
  /** Up to so much more or less than the delay, ms; packets stay in order. */
  readonly jitterMs?: number
  /** Bytes a millisecond; default: no limit. */
  readonly rate?: number
  /** Share of packets that are lost. */
  readonly loss?: number
  /** Mean run of losses, packets: Gilbert-Elliott, where packets alone move the state, as in netem. Default: each by itself. */
  readonly burst?: number
}

/** A queue holds so much of its rate, or a round trip, ms; and at least so many bytes. */
const QUEUE_MS = 250
const LEAST_QUEUE = 24_000

export class Way implements LinkPart {
  isCut = false
  /** Packets that went in, and that were lost, cut or dropped by the queue. */
  readonly counters = { passed: 0, lost: 0 }
  delayMs = 0
  readonly #random: SimRandom
  #jitterMs = 0
  #loss: LinkPart | undefined = undefined
  #bottleneck: Bottleneck | undefined = undefined
  #queueMs = 0
  /** When the last one arrives. */
  #lastAt = 0

  constructor(shape: WayShape, random: SimRandom) {
    this.#random = random
    this.reshape(shape)
  }

  reshape({ delayMs = 0, jitterMs = 0, rate, loss = 0, burst = 1 }: WayShape): void {
    this.delayMs = delayMs
    this.#jitterMs = jitterMs
    this.#loss =
      loss === 0
        ? undefined
        : burst > 1
          ? new BurstLoss(loss, burst, this.#random, Number.POSITIVE_INFINITY)
          : new Loss(loss, this.#random)
    this.#bottleneck = undefined
    if (rate === undefined) return
    const queue = Math.max(LEAST_QUEUE, rate * Math.max(QUEUE_MS, 2 * delayMs))
    this.#queueMs = queue / rate
    this.#bottleneck = new Bottleneck(rate, queue)
  }

  pass(parcel: Parcel, next: (parcel: Parcel) => void): void {
    this.counters.passed++
    if (this.isCut || !isThrough(this.#loss, parcel) || !isThrough(this.#bottleneck, parcel)) {
      this.counters.lost++
      return
    }
    const wobble = this.#jitterMs === 0 ? 0 : this.#random.between(-this.#jitterMs, this.#jitterMs)
    this.#lastAt = Math.max(this.#lastAt, parcel.at + Math.max(0, this.delayMs + wobble))
    parcel.at = this.#lastAt
    next(parcel)
  }

  /** How long a sender that wants no more than half of the queue waits, ms. */
  waitMs(now: number): number {
    return Math.max(0, (this.#bottleneck?.backlogMs(now) ?? 0) - this.#queueMs / 2)
  }
}

function isThrough(part: LinkPart | undefined, parcel: Parcel): boolean {
  if (part === undefined) return true
  let isPassed = false
  part.pass(parcel, () => {
    isPassed = true
  })
  return isPassed
}

export interface LineShape {
  /** From the household, and towards it. */
  readonly up: WayShape
  readonly down: WayShape
}

export class AccessLink {
  readonly up: Way
  readonly down: Way

  constructor({ up, down }: LineShape, random: SimRandom) {
    this.up = new Way(up, random.fork('up'))
    this.down = new Way(down, random.fork('down'))
  }

  reshape({ up, down }: LineShape): void {
    this.up.reshape(up)
    this.down.reshape(down)
  }

  /** Nothing passes from now on, or all does again. */
  cut(isCut: boolean): void {
    this.up.isCut = isCut
    this.down.isCut = isCut
  }
}

/** The same both ways. */
export function line(shape: WayShape): LineShape {
  return { up: shape, down: shape }
}
