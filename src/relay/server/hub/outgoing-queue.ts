/**
 * Frames that wait for one client that reads slowly: a pong ahead of all, then datagrams, then the rest; bounded in frames and bytes (spec/relay.md §3.6,
 * §4.1). It exists only while something waits. When it is full, what is dropped is of the sender that has most in it, so that one that floods
 * cannot push out the others.
 */
import { PING_LENGTH } from '../../protocol/index.ts'
import type { RelayCounters } from './counters.ts'
import type { RelayLimits } from './limits.ts'

interface QueuedDatagram {
  readonly frame: Uint8Array
  /** Compared, never looked into. */
  readonly sender: object
}

export class OutgoingQueue {
  /** When the client is given up if none of its bytes is taken until then, ms. The connection's. */
  stallAt: number
  /** Bytes that stood in the link when that was set. The connection's. */
  stallMark: number
  readonly #limits: RelayLimits
  readonly #counters: RelayCounters
  readonly #datagrams: QueuedDatagram[]
  readonly #messages: Uint8Array[]
  /** Only the pong for the newest ping: no other is waited for (spec/relay.md §3.5). */
  #pong: Uint8Array | undefined
  #bytes: number
  /** Weight of the datagrams of each sender, and of all. */
  readonly #shares: Map<object, number>
  #weight: number

  constructor(limits: RelayLimits, counters: RelayCounters) {
    this.stallAt = 0
    this.stallMark = 0
    this.#limits = limits
    this.#counters = counters
    this.#datagrams = []
    this.#messages = []
    this.#pong = undefined
    this.#bytes = 0
    this.#shares = new Map()
    this.#weight = 0
  }

  get isEmpty(): boolean {
    return this.#datagrams.length === 0 && this.#messages.length === 0 && this.#pong === undefined
  }

  /** Datagram frames that wait. */
  get datagramCount(): number {
    return this.#datagrams.length
  }

  /** Other frames that wait, without the pong. */
  get messageCount(): number {
    return this.#messages.length
  }

  /** Bytes of the datagram frames that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** Queues a copy of `message[start, end)`. False when it was dropped instead, and counted. */
  pushDatagram(message: Uint8Array, start: number, end: number, sender: object): boolean {
    const length = end - start
    if (!this.#fits(length) && !this.#makeRoom(length, sender)) {
      this.#counters.tom_queue_full_frames++
      return false
    }
    this.#datagrams.push({ frame: copyOf(message, start, end), sender })
    this.#account(sender, length, 1)
    return true
  }

  /** Queues a copy of `frame`. False when it was dropped instead, and counted. */
  pushMessage(frame: Uint8Array): boolean {
    if (this.#messages.length >= this.#limits.queueMessages) {
      this.#counters.tom_queue_full_messages++
      return false
    }
    this.#messages.push(copyOf(frame, 0, frame.length))
    return true
  }

  /** The pong `message[start, start + 9)` goes next; it replaces one that waits. */
  setPong(message: Uint8Array, start: number): void {
    this.#pong = copyOf(message, start, start + PING_LENGTH)
  }

  takePong(): Uint8Array | undefined {
    const pong = this.#pong
    this.#pong = undefined
    return pong
  }

  takeDatagram(): Uint8Array | undefined {
    const first = this.#datagrams.shift()
    if (first === undefined) return undefined
    this.#account(first.sender, first.frame.length, -1)
    return first.frame
  }

  takeMessage(): Uint8Array | undefined {
    return this.#messages.shift()
  }

  #fits(length: number): boolean {
    return this.#datagrams.length < this.#limits.queueDatagrams && this.#bytes + length <= this.#limits.queueBytes
  }

  /** What a frame takes of the queue: its bytes, and its place in bytes. */
  #weightOf(length: number): number {
    return length + this.#limits.queueBytes / Math.max(1, this.#limits.queueDatagrams)
  }

  #account(sender: object, length: number, sign: 1 | -1): void {
    const weight = sign * this.#weightOf(length)
    const share = (this.#shares.get(sender) ?? 0) + weight
    this.#bytes += sign * length
    this.#weight += weight
    // a place may be a fraction of a byte off
    if (share > 0.5) this.#shares.set(sender, share)
    else this.#shares.delete(sender)
  }

  /** Drops the newest frames of those that have more in the queue than `sender` would have. False when that does not make room for `length` bytes. */
  #makeRoom(length: number, sender: object): boolean {
    const wanted = (this.#shares.get(sender) ?? 0) + this.#weightOf(length)
    // who has half of it has most of it: a flood is dropped without a search, and so is what is larger than the queue
    if (2 * wanted > this.#weight) return false
    while (!this.#fits(length)) {
      const heaviest = this.#heaviest()
      if (heaviest === undefined || this.#shares.get(heaviest)! <= wanted) return false
      this.#dropNewestOf(heaviest)
    }
    return true
  }

  #heaviest(): object | undefined {
    let heaviest: object | undefined
    let most = 0
    for (const [sender, share] of this.#shares) {
      if (share <= most) continue
      heaviest = sender
      most = share
    }
    return heaviest
  }

  #dropNewestOf(sender: object): void {
    const at = this.#datagrams.findLastIndex((datagram) => datagram.sender === sender)
    const [dropped] = this.#datagrams.splice(at, 1)
    this.#account(sender, dropped!.frame.length, -1)
    this.#counters.tom_queue_full_frames++
  }
}

// `slice` of a Buffer would be a view
function copyOf(message: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start)
  copy.set(message.subarray(start, end))
  return copy
}
