/**
 * One direction of the simulated network between client and server: a transmitter of limited rate with a queue of packets before it, then a delay, then
 * loss or corruption by seeded chance. It says what becomes of each datagram and when; carrying it is `network.ts`'.
 */
import type { SimRandom } from '../../test/sim/support/random.ts'

export interface LinkSettings {
  /** One way, ms. */
  readonly delayMs: number
  /** Bits per ms; infinite = no transmitter. */
  readonly rate: number
  /** Packets that may wait for the transmitter; more are dropped. */
  readonly queue: number
  /** Share of packets that is lost, 0 to 1. */
  readonly loss: number
  /** Share of packets in which a byte is changed, 0 to 1. */
  readonly corruption: number
  /** So many in a row at most are lost, or corrupted. */
  readonly maxBurst: number
}

/** Quic-interop-runner's usual network: 15 ms each way, 10 Mbit/s, 25 packets of queue. */
export const USUAL_LINK: LinkSettings = {
  delayMs: 15,
  rate: 10_000,
  queue: 25,
  loss: 0,
  corruption: 0,
  maxBurst: 3,
}

/** Of an Ethernet: larger packets are dropped, IP headers included. */
const MTU = 1500
/** IPv4 and UDP headers, which take their share of the rate. */
const HEADER_BYTES = 28

export type Fate = 'delivered' | 'corrupted' | 'lost' | 'queue-full' | 'too-big' | 'black-hole' | 'stale-address'

export interface Passage {
  readonly fate: Fate
  /** When it arrives, ms; meaningless when it does not. */
  readonly at: number
}

export class Link {
  readonly #settings: LinkSettings
  readonly #random: SimRandom
  #freeAt = 0
  /** When the transmission of each waiting packet begins; older ones are dropped from the front. */
  readonly #begins: number[] = []
  #unlucky = 0

  constructor(settings: LinkSettings, random: SimRandom) {
    this.#settings = settings
    this.#random = random
  }

  /** A datagram of `length` bytes is handed in at `now`, which never goes back. */
  pass(length: number, now: number): Passage {
    const { delayMs, rate, queue, loss, corruption } = this.#settings
    if (length + HEADER_BYTES > MTU) return { fate: 'too-big', at: now }
    while (this.#begins.length > 0 && this.#begins[0]! <= now) this.#begins.shift()
    if (this.#begins.length >= queue) return { fate: 'queue-full', at: now }
    const begin = Math.max(now, this.#freeAt)
    this.#freeAt = begin + ((length + HEADER_BYTES) * 8) / rate
    this.#begins.push(begin)
    const at = this.#freeAt + delayMs
    const fate = this.#isUnlucky(loss + corruption) ? (loss > 0 ? 'lost' : 'corrupted') : 'delivered'
    return { fate, at }
  }

  /** A copy with one byte changed. */
  corrupt(data: Uint8Array): Uint8Array {
    const copy = Uint8Array.from(data)
    copy[this.#random.int(0, copy.length - 1)]! ^= this.#random.int(1, 255)
    return copy
  }

  #isUnlucky(share: number): boolean {
    if (share > 0 && this.#random.chance(share) && this.#unlucky < this.#settings.maxBurst) {
      this.#unlucky++
      return true
    }
    this.#unlucky = 0
    return false
  }
}
