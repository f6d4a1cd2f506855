/**
 * Packets declared lost a short while ago, so that an acknowledgement that comes after all is recognised. Their frames are gone; only
 * number, link and time are kept. RFC 9002 §6 (spurious loss), RFC 9438 §4.9.
 */
import type { AckFrame } from '../wire/ack-frames.ts'
import type { LinkRecovery } from './link-recovery.ts'

/** Lost packets remembered in one space; the oldest make room. A power of two. */
const CAPACITY = 256
const MASK = CAPACITY - 1
/** Stands in until a packet is lost: most spaces never lose one. */
const NONE = new Float64Array(0)

/** RFC 9000 §19.3: descending ranges; binary search since a frame may hold hundreds. */
function covers(ack: AckFrame, packetNumber: number): boolean {
  let from = 0
  let to = ack.count - 1
  while (from < to) {
    const middle = (from + to) >>> 1
    if (packetNumber >= ack.smallest[middle]!) to = middle
    else from = middle + 1
  }
  return packetNumber >= ack.smallest[from]! && packetNumber <= ack.largest[from]!
}

export class LostPackets {
  /** A ring over two counters that only rise. */
  #first: number
  #end: number
  #numbers: Float64Array
  #lostAt: Float64Array
  #links: (LinkRecovery | undefined)[] | undefined

  constructor() {
    this.#first = 0
    this.#end = 0
    this.#numbers = NONE
    this.#lostAt = NONE
    this.#links = undefined
  }

  get isEmpty(): boolean {
    return this.#first === this.#end
  }

  add(packetNumber: number, link: LinkRecovery, now: number): void {
    this.#links ??= this.#allocate()
    if (this.#end - this.#first === CAPACITY) this.#dropFirst()
    const index = this.#end++ & MASK
    this.#numbers[index] = packetNumber
    this.#lostAt[index] = now
    this.#links[index] = link
  }

  /** Forgets what was lost before `time`, ms. */
  expire(time: number): void {
    while (!this.isEmpty && this.#lostAt[this.#first & MASK]! < time) this.#dropFirst()
  }

  /** Tells the links of the packets that `ack` covers; returns how many there were. */
  receivedAck(ack: AckFrame, now: number): number {
    const links = this.#links
    if (links === undefined) return 0
    let found = 0
    for (let at = this.#first; at < this.#end; at++) {
      const index = at & MASK
      const link = links[index]
      if (link === undefined || !covers(ack, this.#numbers[index]!)) continue
      links[index] = undefined
      link.foundAgain(this.#lostAt[index]!, now)
      found++
    }
    return found
  }

  clear(): void {
    this.#first = this.#end
    this.#links = undefined
    this.#numbers = NONE
    this.#lostAt = NONE
  }

  #allocate(): (LinkRecovery | undefined)[] {
    this.#numbers = new Float64Array(CAPACITY)
    this.#lostAt = new Float64Array(CAPACITY)
    return new Array<LinkRecovery | undefined>(CAPACITY).fill(undefined)
  }

  #dropFirst(): void {
    this.#links![this.#first++ & MASK] = undefined
  }
}
