/**
 * The packet numbers received in one space, as ranges: finds duplicates and fills ACK frames. When to acknowledge is ack-policy.ts's
 * business. RFC 9000 §12.3 and §13.2.3.
 */
import { writeAckFrame } from '../wire/ack-frames.ts'
import type { PacketWriter } from './frame-owner.ts'

/** Ranges kept (spec/quic.md §6.4); the oldest make room, and what is below them counts as received. */
export const MAX_RANGES = 64
/**
 * So many numbers below the highest stay known one by one, acknowledged or not (as many as noq tells apart): a packet of the same path may come by a slower route, a probe of NAT traversal above all, and must not
 * count as a duplicate because others overtook it.
 */
const LATE_WINDOW = 128

export class ReceivedPackets {
  /** Highest number received, -1 before the first. */
  largest: number
  /** When the highest number arrived, ms. */
  largestAt: number
  rangeCount: number
  /** Ranges are inclusive and descend, index 0 is the highest: the order of ACK frames. As long as there ever were ranges: mostly one. */
  #high: number[]
  #low: number[]
  /** Numbers up to here are forgotten: taken for received. */
  #floor: number

  constructor() {
    this.largest = -1
    this.largestAt = 0
    this.rangeCount = 0
    this.#high = []
    this.#low = []
    this.#floor = -1
  }

  /** There are numbers missing between those received. */
  get hasGaps(): boolean {
    return this.rangeCount > 1
  }

  /** Notes an authenticated packet. False: a duplicate, or too old to know; it must not be processed (RFC 9000 §12.3). */
  add(packetNumber: number, now: number): boolean {
    const high = this.#high
    if (packetNumber > this.largest) {
      if (this.rangeCount > 0 && packetNumber === high[0]! + 1) high[0] = packetNumber
      else this.#insert(0, packetNumber)
      this.largest = packetNumber
      this.largestAt = now
      return true
    }
    return this.#addOlder(packetNumber)
  }

  #addOlder(packetNumber: number): boolean {
    if (packetNumber <= this.#floor) return false
    const high = this.#high
    const low = this.#low
    // The first range that does not lie wholly above.
    let index = 0
    while (index < this.rangeCount && packetNumber < low[index]!) index++
    if (index < this.rangeCount && packetNumber <= high[index]!) return false

    const joinsAbove = index > 0 && low[index - 1] === packetNumber + 1
    const joinsBelow = index < this.rangeCount && high[index] === packetNumber - 1
    if (joinsAbove && joinsBelow) {
      low[index - 1] = low[index]!
      this.#remove(index)
    } else if (joinsAbove) low[index - 1] = packetNumber
    else if (joinsBelow) high[index] = packetNumber
    else {
      // Older than everything in a full table: it could not be acknowledged, so it does not count.
      if (index === MAX_RANGES) return false
      this.#insert(index, packetNumber)
    }
    return true
  }

  isDuplicate(packetNumber: number): boolean {
    if (packetNumber > this.largest) return false
    if (packetNumber <= this.#floor) return true
    for (let index = 0; index < this.rangeCount; index++) {
      if (packetNumber >= this.#low[index]!) return packetNumber <= this.#high[index]!
    }
    return false
  }

  /** Lowest number from `from` to `to`, both included, that has not been received; -1 when there is none. */
  firstMissing(from: number, to: number): number {
    let candidate = Math.max(from, this.#floor + 1)
    for (let index = this.rangeCount - 1; index >= 0 && this.#low[index]! <= candidate; index--) {
      candidate = Math.max(candidate, this.#high[index]! + 1)
    }
    return candidate <= to ? candidate : -1
  }

  /**
   * The peer has seen an ACK whose largest was `upTo`: ranges up to there need not be sent again (RFC 9000 §13.2.4), once they are 128 numbers old. They still
   * count as received, and so does what was missing among them.
   */
  prune(upTo: number): void {
    if (upTo <= this.#floor) return
    const last = this.largest - 1
    // The largest stays, since every ACK frame needs a range.
    const floor = Math.min(upTo, last, this.largest - LATE_WINDOW)
    if (floor <= this.#floor) return
    this.#floor = floor
    while (this.rangeCount > 0 && this.#high[this.rangeCount - 1]! <= floor) this.rangeCount--
    const bottom = this.rangeCount - 1
    if (this.#low[bottom]! <= floor) this.#low[bottom] = floor + 1
  }

  /**
   * Writes ACK (`pathId` -1) or PATH_ACK with the newest ranges that fit. False: no room, or nothing received; nothing was written. The
   * frame is not recorded in the packet.
   */
  writeAck(packet: PacketWriter, pathId: number, ackDelayExponent: number, now: number): boolean {
    if (this.rangeCount === 0) return false
    const delay = Math.floor((Math.max(now - this.largestAt, 0) * 1000) / 2 ** ackDelayExponent)
    return writeAckFrame(packet, pathId, delay, this.rangeCount, this.#high, this.#low) > 0
  }

  #insert(index: number, packetNumber: number): void {
    if (this.#high.length === 0) {
      // Of exactly this length: an array that is pushed to gets room for 17.
      this.#high = [packetNumber]
      this.#low = [packetNumber]
      this.rangeCount = 1
      return
    }
    const high = this.#high
    const low = this.#low
    if (this.rangeCount === MAX_RANGES) {
      this.#floor = high[MAX_RANGES - 1]!
      this.rangeCount--
    }
    for (let at = this.rangeCount; at > index; at--) {
      high[at] = high[at - 1]!
      low[at] = low[at - 1]!
    }
    high[index] = packetNumber
    low[index] = packetNumber
    this.rangeCount++
  }

  #remove(index: number): void {
    const high = this.#high
    const low = this.#low
    this.rangeCount--
    for (let at = index; at < this.rangeCount; at++) {
      high[at] = high[at + 1]!
      low[at] = low[at + 1]!
    }
  }
}
