/**
 * Packets sent in one space and not yet settled: a ring of reused records indexed by packet number. What becomes of them is decided by
 * loss-detection.ts. RFC 9002 appendix A.1.
 *
 * Memory: the ring spans from the oldest unsettled packet to the newest; packets in flight are bounded by the congestion window, others
 * by MAX_IDLE_SPAN. It begins small, its records are made when they are first needed, and a large one is let go when nothing is outstanding.
 */
import type { SentFrame } from './frame-owner.ts'
import type { LinkRecovery } from './link-recovery.ts'

export const SentState = {
  /** Settled, or never used. */
  Free: 0,
  Outstanding: 1,
  /** Covered by the acknowledgement that is being processed. */
  Acked: 2,
  Lost: 3,
  /** The number was left out on purpose (RFC 9000 §21.4). */
  Skipped: 4,
} as const
export type SentState = (typeof SentState)[keyof typeof SentState]

/** Packets that do not count in flight may never be acknowledged; no more than this many are kept waiting at the front. */
const MAX_IDLE_SPAN = 512
/** Records in the ring at first; a power of two. An idle connection has one or two packets outstanding. */
const FIRST_SIZE = 4
/** A ring larger than this is not kept for a pause: 100 bytes a record. */
const KEPT_SIZE = 256

/** Reused: valid only while its number is in the ring. */
export class SentPacket {
  packetNumber = 0
  /** ms */
  sentAt = 0
  /** UDP payload bytes of this packet. */
  size = 0
  ackEliciting = false
  inFlight = false
  /** Frames to settle; undefined when there are none or a probe timeout has made them pending again. */
  frames: SentFrame | undefined = undefined
  link: LinkRecovery | undefined = undefined
  mtuProbe = false
  /** Largest packet number acknowledged inside, of this path's own space; -1 for none. */
  largestAckSent = -1
  state: SentState = SentState.Free
}

function emptyRing(size: number): (SentPacket | undefined)[] {
  return new Array<SentPacket | undefined>(size).fill(undefined)
}

export class SentPackets {
  /** Lowest number in the ring. */
  first: number
  /** One more than the highest number sent. */
  end: number
  /** Ack-eliciting packets outstanding. */
  eliciting: number
  #ring: (SentPacket | undefined)[]
  #mask: number

  constructor() {
    this.first = 0
    this.end = 0
    this.eliciting = 0
    this.#ring = emptyRing(FIRST_SIZE)
    this.#mask = FIRST_SIZE - 1
  }

  /** The record of a number in the ring: `first` <= `packetNumber` < `end`. */
  at(packetNumber: number): SentPacket {
    return this.#ring[packetNumber & this.#mask]!
  }

  /** The record for a number that has just been sent, outstanding; numbers left out before it become skipped. Numbers only rise. */
  add(packetNumber: number): SentPacket {
    if (packetNumber < this.end) throw new RangeError(`packet ${packetNumber} was sent before`)
    while (this.end < packetNumber) this.#append(SentState.Skipped)
    return this.#append(SentState.Outstanding)
  }

  #append(state: SentState): SentPacket {
    while (this.end - this.first >= MAX_IDLE_SPAN && !this.#frontMustStay()) this.first++
    if (this.end - this.first === this.#ring.length) this.#grow()
    const index = this.end & this.#mask
    let record = this.#ring[index]
    if (record === undefined) {
      record = new SentPacket()
      this.#ring[index] = record
    }
    record.packetNumber = this.end++
    record.state = state
    return record
  }

  #frontMustStay(): boolean {
    const front = this.at(this.first)
    if (front.state === SentState.Outstanding && front.inFlight) return true
    this.release(front, SentState.Free)
    return false
  }

  #grow(): void {
    const old = this.#ring
    const ring = emptyRing(old.length * 2)
    const mask = ring.length - 1
    for (let number = this.first; number < this.end; number++) ring[number & mask] = old[number & this.#mask]!
    this.#ring = ring
    this.#mask = mask
  }

  /** The record is settled: gives up what it refers to. Its frames must be gone. */
  release(record: SentPacket, state: SentState): void {
    record.state = state
    record.link = undefined
    record.frames = undefined
  }

  /** Drops settled records from the front. */
  advance(): void {
    while (this.first < this.end && this.at(this.first).state !== SentState.Outstanding) this.first++
    if (this.first < this.end || this.#ring.length <= KEPT_SIZE) return
    this.#ring = emptyRing(FIRST_SIZE)
    this.#mask = FIRST_SIZE - 1
  }
}
