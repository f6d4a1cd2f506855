/**
 * Path MTU discovery as spec/fast-path.md §4 and spec/quic.md §6.3 decide it for Node: one probe a size, since a repeated probe would
 * "succeed" once the kernel fragments; a black hole sends the link back to 1200 (RFC 8899 §4.3 in small).
 *
 * Two searches. What an Ethernet carries is looked for at once, a lost probe halves the way. Larger datagrams pay only for bulk, and a probe
 * of theirs costs as much as ten packets, so they are tried, the largest first, when full datagrams are in use.
 */
import { MIN_DATAGRAM } from '../config.ts'

/** Largest size of the first search, bytes: what iroh looks for, and IPv6 over Ethernet carries. */
const COMMON_SIZE = 1452
/** What the second search tries below the limit, bytes: a jumbo frame. */
const JUMBO_SIZE = 8900
/** Datagrams of the size in use that must have arrived before the second search begins. A guess. */
const FULL_DATAGRAMS = 8
/** Probes below this gain are not worth a datagram, bytes. */
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
  readonly #limit: number
  /** Size of the next probe, bytes; 0: the search is over. */
  #next: number
  #inFlight = 0
  /** Datagrams of the current size that arrived, up to FULL_DATAGRAMS. */
  #full = 0
  #losses = 0
  #lastLossAt = -1
  #resumeAt = 0

  /** `limit` is the least of what we want, the peer takes and the route carries. */
  constructor(limit: number) {
    this.#limit = limit
    this.#next = this.#first
  }

  get #first(): number {
    const size = Math.min(this.#limit, COMMON_SIZE)
    return size < MIN_DATAGRAM + MIN_STEP ? 0 : size
  }

  /** Size of the probe to send now, bytes, or 0. */
  probeSize(now: number): number {
    const next = this.#next
    if (next === 0 || this.#inFlight !== 0 || now < this.#resumeAt) return 0
    if (next > COMMON_SIZE && this.#full < FULL_DATAGRAMS) return 0
    return next
  }

  probeSent(size: number): void {
    this.#inFlight = size
  }

  /** Returns true when the datagram size grew. */
  probeAcked(size: number): boolean {
    if (size !== this.#inFlight) return false
    this.#inFlight = 0
    this.#losses = 0
    this.#full = 0
    this.current = size
    this.#next = size === Math.min(this.#limit, COMMON_SIZE) && this.#limit >= size + MIN_STEP ? this.#limit : 0
    return true
  }

  /** The next smaller size is tried once. */
  probeLost(size: number): void {
    if (size !== this.#inFlight) return
    this.#inFlight = 0
    if (size > COMMON_SIZE) this.#next = size > JUMBO_SIZE ? JUMBO_SIZE : 0
    else {
      const middle = Math.floor((this.current + size) / 2)
      this.#next = middle - this.current < MIN_STEP ? 0 : middle
    }
  }

  /** A packet of `size` bytes was acknowledged. */
  acked(size: number): void {
    if (size <= MIN_DATAGRAM) return
    this.#losses = 0
    if (size === this.current) {
      if (this.#full < FULL_DATAGRAMS) this.#full++
    } else if (size > this.current) {
      // It arrived after all: the peer was away for a while and there was no black hole, so the search goes on at once.
      this.#resumeAt = 0
    }
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
    this.#next = this.#first
    this.#inFlight = 0
    this.#full = 0
    this.#losses = 0
    this.#resumeAt = now + COOL_DOWN_MS
  }
}
