/**
 * Server: the addresses that it has told the client about (spec/quic.md §5.8). Owns ADD_ADDRESS and REMOVE_ADDRESS frames: each lost one is said again
 * while it still holds.
 */
import type { AddressBytes } from '../../platform/index.ts'
import type { FrameOwner, PacketWriter, SentFrame } from '../recovery/frame-owner.ts'
import { writeAddAddress, writeRemoveAddress } from '../wire/address-frames.ts'
import { distinctAddresses } from './addresses.ts'

const ADD = 0
const REMOVE = 1
/** Longest of the frames, bytes. */
const LONGEST = 30

interface Announced {
  readonly key: string
  readonly address: AddressBytes
}

export class AnnouncedAddresses implements FrameOwner {
  readonly #wake: () => void
  /** As many as the client holds; 0 until that is known. */
  #limit = 0
  #wanted: ReadonlyMap<string, AddressBytes> = new Map()
  /** By sequence number. */
  readonly #live = new Map<number, Announced>()
  /** Of these, the ones whose ADD_ADDRESS was sent at least once. */
  readonly #said = new Set<number>()
  /** REMOVE_ADDRESS not acknowledged: in the client's books their addresses may still take up room. */
  readonly #removing = new Set<number>()
  #pendingAdds: number[] = []
  #pendingRemoves: number[] = []
  #nextSequence = 0

  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** The client holds `limit` addresses. */
  negotiate(limit: number): void {
    this.#limit = limit
    this.#update()
  }

  /** Most wanted first. */
  set(addresses: readonly AddressBytes[]): void {
    this.#wanted = distinctAddresses(addresses)
    this.#update()
  }

  #update(): void {
    if (this.#limit === 0) return
    const wanted = new Map([...this.#wanted].slice(0, this.#limit))
    for (const [sequence, { key }] of this.#live) if (!wanted.delete(key)) this.#remove(sequence)
    for (const [key, address] of wanted) {
      // the client ignores what goes beyond its limit, for good
      if (this.#live.size + this.#removing.size >= this.#limit) break
      this.#live.set(this.#nextSequence, { key, address })
      this.#pendingAdds.push(this.#nextSequence++)
    }
    if (this.#pendingAdds.length + this.#pendingRemoves.length > 0) this.#wake()
  }

  #remove(sequence: number): void {
    this.#live.delete(sequence)
    this.#pendingAdds = this.#pendingAdds.filter((other) => other !== sequence)
    if (!this.#said.delete(sequence)) return
    this.#removing.add(sequence)
    this.#pendingRemoves.push(sequence)
  }

  write(packet: PacketWriter): boolean {
    while (this.#pendingRemoves.length > 0) {
      if (packet.room < LONGEST) return true
      const sequence = this.#pendingRemoves.shift()!
      writeRemoveAddress(packet, sequence)
      packet.record(this, REMOVE, sequence)
    }
    while (this.#pendingAdds.length > 0) {
      if (packet.room < LONGEST) return true
      const sequence = this.#pendingAdds.shift()!
      writeAddAddress(packet, sequence, this.#live.get(sequence)!.address)
      packet.record(this, ADD, sequence)
      this.#said.add(sequence)
    }
    return false
  }

  acked(frame: SentFrame): void {
    // what had no room may have some now
    if (frame.a === REMOVE && this.#removing.delete(frame.b)) this.#update()
  }

  lost(frame: SentFrame): void {
    const { a: kind, b: sequence } = frame
    const isWanted = kind === ADD ? this.#live.has(sequence) : this.#removing.has(sequence)
    const pending = kind === ADD ? this.#pendingAdds : this.#pendingRemoves
    if (!isWanted || pending.includes(sequence)) return
    pending.push(sequence)
    this.#wake()
  }
}
