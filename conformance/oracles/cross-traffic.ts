/**
 * A transfer without end that competes for the server's link: packets of 1,500 bytes under a window that grows as TCP CUBIC's does (RFC 9438) and
 * shrinks with each round of losses. It exists only as packets in the queue, and its receiver as acknowledgements one delay later.
 */
import type { Link } from './link.ts'

/** UDP payload; with the headers that `Link` adds it is an Ethernet's 1,500 bytes. */
const PACKET = 1472
/** RFC 9438 §4.1 and §4.6. */
const C = 0.4
const BETA = 0.7
/** RFC 6928. */
const INITIAL_WINDOW = 10

interface Arrival {
  readonly at: number
  readonly sentAt: number
  readonly isLost: boolean
}

export class CrossTraffic {
  readonly #link: Link
  readonly #returnMs: number
  /** Acknowledgements, or what tells of a loss, on their way to the sender, in order of time. */
  readonly #returning: Arrival[] = []
  #window = INITIAL_WINDOW
  #threshold = Number.POSITIVE_INFINITY
  #largestWindow = 0
  #epochAt: number | undefined = undefined
  /** Losses of what was sent before this belong to the last reduction. */
  #reducedAt = Number.NEGATIVE_INFINITY
  #inFlight = 0
  #rttMs: number
  /** Delivered so far, with headers. */
  bytes = 0

  /** `returnMs`: from receiver to sender. */
  constructor(link: Link, returnMs: number) {
    this.#link = link
    this.#returnMs = returnMs
    this.#rttMs = 2 * returnMs
  }

  /** Everything until `now`. */
  advance(now: number): void {
    for (;;) {
      const next = this.#returning[0]
      if (next === undefined || next.at > now) break
      this.#returning.shift()
      this.#inFlight--
      if (next.isLost) this.#lost(next)
      else this.#acked(next)
      this.#fill(next.at)
    }
    this.#fill(now)
  }

  #fill(now: number): void {
    while (this.#inFlight < Math.floor(this.#window)) {
      const { fate, at } = this.#link.pass(PACKET, now)
      this.#inFlight++
      const isLost = fate !== 'delivered'
      // The packets that follow a lost one tell of it, about a round trip later.
      const back = isLost ? now + this.#rttMs : at + this.#returnMs
      this.#insert({ at: back, sentAt: now, isLost })
    }
  }

  #insert(arrival: Arrival): void {
    let index = this.#returning.length
    while (index > 0 && this.#returning[index - 1]!.at > arrival.at) index--
    this.#returning.splice(index, 0, arrival)
  }

  #acked({ at, sentAt }: Arrival): void {
    this.bytes += PACKET + 28
    this.#rttMs += (at - sentAt - this.#rttMs) / 8
    if (this.#window < this.#threshold) {
      this.#window++
      return
    }
    this.#epochAt ??= at
    const k = Math.cbrt((this.#largestWindow * (1 - BETA)) / C)
    const seconds = (at - this.#epochAt + this.#rttMs) / 1000
    const target = C * (seconds - k) ** 3 + this.#largestWindow
    // RFC 9438 §4.4: at least what Reno would add
    this.#window += Math.max((target - this.#window) / this.#window, 0.5 / this.#window)
  }

  #lost({ at, sentAt }: Arrival): void {
    if (sentAt <= this.#reducedAt) return
    this.#reducedAt = at
    this.#largestWindow = this.#window
    this.#window = Math.max(this.#window * BETA, 2)
    this.#threshold = this.#window
    this.#epochAt = undefined
  }
}
