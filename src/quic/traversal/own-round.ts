/** Client: the newest round of NAT traversal and the addresses told in it (spec/quic.md §5.8). Owns REACH_OUT frames. */
import type { AddressBytes } from '../../platform/index.ts'
import type { FrameOwner, PacketWriter, SentFrame } from '../recovery/frame-owner.ts'
import { writeReachOut } from '../wire/address-frames.ts'
import { distinctAddresses } from './addresses.ts'

/** Longest REACH_OUT, bytes. */
const LONGEST = 30

export class OwnRound implements FrameOwner {
  /** 0 before the first, which has number 1. */
  round = 0
  readonly #wake: () => void
  #addresses: readonly AddressBytes[] = []
  /** Places in `#addresses` of those to be told now. */
  #pending: number[] = []

  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** What of the last round was not yet told, or was lost, is of no use any more. The server holds `limit` addresses. */
  start(addresses: readonly AddressBytes[], limit: number): void {
    this.round++
    this.#addresses = [...distinctAddresses(addresses).values()].slice(0, limit)
    this.#pending = this.#addresses.map((_, index) => index)
    if (this.#pending.length > 0) this.#wake()
  }

  write(packet: PacketWriter): boolean {
    while (this.#pending.length > 0) {
      if (packet.room < LONGEST) return true
      const index = this.#pending.shift()!
      writeReachOut(packet, this.round, this.#addresses[index]!)
      packet.record(this, index, this.round)
    }
    return false
  }

  acked(_frame: SentFrame): void {}

  lost(frame: SentFrame): void {
    if (frame.b !== this.round || this.#pending.includes(frame.a)) return
    this.#pending.push(frame.a)
    this.#wake()
  }
}
