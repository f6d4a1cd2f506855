/**
 * One direction of a WebSocket as TCP carries it: cut into segments that share the access links' queues and losses with the datagrams. What is lost is sent
 * again after a round trip, then ever later (RFC 6298), and nothing overtakes it: a loss is a delay. Never gives up.
 */
import type { ScheduledEvent, VirtualClock } from '../clock.ts'
import type { Way } from './access-link.ts'

const SEGMENT = 1400
/** Above the round trip, the least time before a segment counts as lost when nothing else tells, ms (Linux). */
const LEAST_TIMEOUT_MS = 200
const MOST_TIMEOUT_MS = 120_000

interface Message {
  /** Segments that are not across. */
  left: number
  arrivesAt: number
  readonly arrived: () => void
}

interface Segment {
  readonly message: Message
  readonly size: number
}

export class TcpFlow {
  readonly #clock: VirtualClock
  /** In the order in which they are passed. */
  readonly #ways: readonly Way[]
  readonly #roundTripMs: () => number
  readonly #messages: Message[] = []
  readonly #unsent: Segment[] = []
  readonly #lost: Segment[] = []
  #retry: ScheduledEvent | undefined = undefined
  #pumping: ScheduledEvent | undefined = undefined
  /** Retries in a row that were lost again: meanwhile nothing else is sent. */
  #timeouts = 0

  constructor(clock: VirtualClock, ways: readonly Way[], roundTripMs: () => number) {
    this.#clock = clock
    this.#ways = ways
    this.#roundTripMs = roundTripMs
  }

  carry(bytes: number, arrived: () => void): void {
    const count = Math.max(1, Math.ceil(bytes / SEGMENT))
    const message: Message = { left: count, arrivesAt: 0, arrived }
    this.#messages.push(message)
    for (let index = 0; index < count; index++)
      this.#unsent.push({ message, size: Math.min(SEGMENT, bytes - index * SEGMENT) + 40 })
    this.#pump()
  }

  #pump(): void {
    while (this.#timeouts === 0 && this.#unsent.length > 0 && this.#pumping === undefined) {
      const waitMs = Math.max(0, ...this.#ways.map((way) => way.waitMs(this.#clock.now)))
      if (waitMs > 0) {
        this.#pumping = this.#clock.after(waitMs, () => {
          this.#pumping = undefined
          this.#pump()
        })
        return
      }
      const segment = this.#unsent.shift()!
      if (this.#send(segment)) continue
      this.#lost.push(segment)
      if (this.#retry === undefined) this.#retryIn(2 * this.#roundTripMs())
    }
  }

  #retryIn(ms: number): void {
    this.#retry = this.#clock.after(Math.max(1, ms), () => {
      this.#retry = undefined
      this.#sendAgain()
    })
  }

  /** The oldest first; where it gets through, the others follow. */
  #sendAgain(): void {
    while (this.#lost.length > 0 && this.#send(this.#lost[0]!)) {
      this.#lost.shift()
      this.#timeouts = 0
    }
    if (this.#lost.length > 0) {
      const timeout = (this.#roundTripMs() + LEAST_TIMEOUT_MS) * 2 ** this.#timeouts
      this.#timeouts++
      this.#retryIn(Math.min(timeout, MOST_TIMEOUT_MS))
    }
    this.#pump()
  }

  /** False: lost. */
  #send({ message, size }: Segment): boolean {
    const parcel = { bytes: new Uint8Array(size), at: this.#clock.now }
    for (const way of this.#ways) {
      let isThrough = false
      way.pass(parcel, () => {
        isThrough = true
      })
      if (!isThrough) return false
    }
    message.arrivesAt = Math.max(message.arrivesAt, parcel.at)
    if (--message.left === 0) this.#clock.schedule(message.arrivesAt, () => this.#deliver())
    return true
  }

  #deliver(): void {
    for (;;) {
      const [first] = this.#messages
      if (first === undefined || first.left > 0 || first.arrivesAt > this.#clock.now) return
      this.#messages.shift()
      first.arrived()
    }
  }
}
