/**
 * A small set of peers in an order that only depends on what was done to it, with the random choices that the views need. Views hold a few dozen peers at most:
 * an array that is searched is faster than a map there (spec/gossip.md §6.1).
 */
import type { Dice } from './effects.ts'
import type { PeerKey } from './messages.ts'

export class PeerSet<P extends PeerKey> {
  readonly #peers: P[] = []
  /** A number that the owner keeps with each peer, at the same index. */
  readonly #notes: number[] = []

  /** The peers themselves, not a copy: it changes with the set. */
  get list(): readonly P[] {
    return this.#peers
  }

  get size(): number {
    return this.#peers.length
  }

  has(peer: P): boolean {
    return this.#peers.indexOf(peer) >= 0
  }

  /** -1 when it is not here. */
  indexOf(peer: P): number {
    return this.#peers.indexOf(peer)
  }

  /** `index` must be one of the set. */
  at(index: number): P {
    return this.#peers[index]!
  }

  noteAt(index: number): number {
    return this.#notes[index]!
  }

  setNote(index: number, note: number): void {
    this.#notes[index] = note
  }

  /** False when it was here already; its note stays then. */
  add(peer: P, note = 0): boolean {
    if (this.has(peer)) return false
    this.#peers.push(peer)
    this.#notes.push(note)
    return true
  }

  /** The last one takes its place. */
  remove(peer: P): boolean {
    const index = this.#peers.indexOf(peer)
    if (index < 0) return false
    this.removeAt(index)
    return true
  }

  /** The last one takes its place. */
  removeAt(index: number): P {
    const peer = this.#peers[index]!
    const last = this.#peers.length - 1
    this.#peers[index] = this.#peers[last]!
    this.#notes[index] = this.#notes[last]!
    this.#peers.length = last
    this.#notes.length = last
    return peer
  }

  /** The others keep their order. */
  removeRandom(dice: Dice): P {
    const index = dice.below(this.#peers.length)
    const peer = this.#peers[index]!
    this.#peers.splice(index, 1)
    this.#notes.splice(index, 1)
    return peer
  }

  clear(): void {
    this.#peers.length = 0
    this.#notes.length = 0
  }

  random(dice: Dice): P | undefined {
    return this.#peers.length === 0 ? undefined : this.#peers[dice.below(this.#peers.length)]
  }

  /** Any but these two, which may be equal or not in the set. */
  randomExcept(dice: Dice, one: P, other: P): P | undefined {
    let count = 0
    for (const peer of this.#peers) if (peer !== one && peer !== other) count++
    if (count === 0) return undefined
    let turn = dice.below(count)
    for (const peer of this.#peers) if (peer !== one && peer !== other && turn-- === 0) return peer
    return undefined
  }

  /** Appends up to `count` different peers in random order. */
  sample(dice: Dice, count: number, except: P | undefined, into: P[]): void {
    const start = into.length
    for (const peer of this.#peers) if (peer !== except) into.push(peer)
    const end = Math.min(start + count, into.length)
    for (let index = start; index < end; index++) {
      const other = index + dice.below(into.length - index)
      const peer = into[index]!
      into[index] = into[other]!
      into[other] = peer
    }
    into.length = end
  }
}
