/**
 * Path MTU discovery as spec/fast-path.md §4 and spec/quic.md §6.3 decide it for Node: one probe a size, since a repeated probe would
 * "succeed" once the kernel fragments; a lost probe ends the search; a black hole sends the link back to 1200 (RFC 8899 §4.3 in small).
 */
import { MIN_DATAGRAM } from '../config.ts'

/** Probes below this gain are not worth a datagram. */
const MIN_STEP = 20
/** Times in a row that full-size packets were found lost, with none acknowledged in between, that mean a black hole. A guess. */
const BLACK_HOLE_LOSSES = 4
/** Probe timeouts in a row that mean one. */
const BLACK_HOLE_TIMEOUTS = 3
/** After a black hole, ms until the search begins again. */
const COOL_DOWN_MS = 60_000

export class MtuDiscovery {
  /** Datagram size in use, bytes. */
  current = MIN_DATAGRAM
  #upper: number
  readonly #limit: number
  #inFlight = 0
  #done: boolean
  #losses = 0
  #lastLossAt = -1
  #resumeAt = 0

  /** `limit` is the least of what we want, the peer takes and the route carries. */
  constructor(limit: number) {
    this.#limit = limit
    this.#upper = limit
    this.#done = limit < MIN_DATAGRAM + MIN_STEP
  }

  /** Size of the probe to send now, or 0. */
  probeSize(now: number): number {
    if (this.#inFlight !== 0 || now < this.#resumeAt) return 0
    if (this.#done) return 0
    if (this.#resumeAt !== 0) this.#resumeAt = 0
    return this.#upper
  }

  probeSent(size: number): void {
    this.#inFlight = size
  }

  /** Returns true when the datagram size grew. */
  probeAcked(size: number): boolean {
    if (size !== this.#inFlight) return false
    this.#inFlight = 0
    this.#losses = 0
    this.current = size
    this.#done = true
    return true
  }

  /** The next smaller size is tried once, then the search ends. */
  probeLost(size: number): void {
    if (size !== this.#inFlight) return
    this.#inFlight = 0
    const middle = Math.floor((this.current + size) / 2)
    if (middle - this.current < MIN_STEP) this.#done = true
    else this.#upper = middle
  }

  /** A packet of `size` bytes was acknowledged. */
  acked(size: number): void {
    if (size > MIN_DATAGRAM) this.#losses = 0
  }

  /**
   * A packet of `size` bytes was lost. All that are found lost by one ACK (at the same `now`) count once: a full queue drops whole bursts. Returns
   * true when that makes a black hole: the size is back at 1200.
   */
  lost(size: number, now: number): boolean {
    if (size <= MIN_DATAGRAM || this.current === MIN_DATAGRAM || now === this.#lastLossAt) return false
    this.#lastLossAt = now
    this.#losses++
    if (this.#losses < BLACK_HOLE_LOSSES) return false
    this.#fallBack(now)
    return true
  }

  /**
   * `count` probe timeouts in a row brought no answer. When all that is sent has full size, nothing tells of losses but this. Returns true when
   * it makes a black hole.
   */
  timedOut(count: number, now: number): boolean {
    if (count < BLACK_HOLE_TIMEOUTS || this.current === MIN_DATAGRAM) return false
    this.#fallBack(now)
    return true
  }

  #fallBack(now: number): void {
    this.current = MIN_DATAGRAM
    this.#upper = this.#limit
    this.#done = false
    this.#inFlight = 0
    this.#losses = 0
    this.#resumeAt = now + COOL_DOWN_MS
  }
}
