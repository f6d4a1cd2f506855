/**
 * What was seen, by id and author: exact, hard-bounded, the oldest goes first (spec/envelope.md §4.2, RTR-10). A hundred thousand are remembered for a day, so an entry is 17 words
 * in flat arrays, some 66 bytes, and no object; only ids that are no UUIDs cost a string besides.
 */
import type { PeerKey } from '../wire/envelope.ts'
import { ID_WORDS, KEY_WORDS, packKey } from './seen-key.ts'

const SMALLEST = 64
const NONE = -1
const LAST_SECOND = 0xffff_ffff
const MOST_TIMES = 255

export class SeenCache {
  readonly #capacity: number
  /** Entries in the order in which they came, in a ring: `#size` of them from `#first` on. */
  #slots: number
  #first = 0
  #size = 0
  #keys: Uint32Array
  /** Seconds since 1970. */
  #expiries: Uint32Array
  #touched: Uint32Array
  #times: Uint8Array
  /** Chains of entries whose keys hash alike. */
  #next: Int32Array
  #heads: Int32Array
  /** The keys in full of those that do not pack, by slot. */
  readonly #odd = new Map<number, string>()
  /** The key that is asked for. */
  readonly #key = new Uint32Array(KEY_WORDS)
  #oddKey: string | undefined
  #hash = 0

  /** `capacity`: entries at most. Memory is taken as it is needed. */
  constructor(capacity: number) {
    this.#capacity = Math.max(1, capacity)
    this.#slots = 0
    this.#keys = new Uint32Array(0)
    this.#expiries = this.#keys
    this.#touched = this.#keys
    this.#times = new Uint8Array(0)
    this.#next = new Int32Array(0)
    this.#heads = new Int32Array(1).fill(NONE)
    this.#resize(Math.min(SMALLEST, this.#capacity))
  }

  get size(): number {
    return this.#size
  }

  /** Bytes of the arrays. */
  get bytes(): number {
    const { byteLength } = this.#keys
    const small = this.#expiries.byteLength + this.#touched.byteLength + this.#times.byteLength
    return byteLength + small + this.#next.byteLength + this.#heads.byteLength
  }

  has(id: string, from: PeerKey): boolean {
    return this.find(id, from) !== NONE
  }

  /** Where the entry is until the next change, -1: nowhere. */
  find(id: string, from: PeerKey): number {
    this.#oddKey = packKey(id, from, this.#key)
    this.#hash = this.#hashOf(this.#key, 0)
    let slot = this.#heads[this.#hash]!
    while (slot !== NONE && !this.#isAt(slot)) slot = this.#next[slot]!
    return slot
  }

  /** Seen now (`wall`, ms since 1970), until the first `expire` from `expiresAt` on. What is known already keeps its place and expiry, and counts once more. Returns where it is. */
  add(id: string, from: PeerKey, expiresAt: number, wall: number): number {
    const known = this.find(id, from)
    if (known !== NONE) {
      this.touch(known, wall)
      return known
    }
    if (this.#size === this.#slots) {
      if (this.#slots < this.#capacity) this.#resize(Math.min(2 * this.#slots, this.#capacity))
      else this.#dropOldest()
      // either may have changed where the key belongs
      this.find(id, from)
    }
    let slot = this.#first + this.#size
    if (slot >= this.#slots) slot -= this.#slots
    this.#size++
    this.#keys.set(this.#key, slot * KEY_WORDS)
    if (this.#oddKey !== undefined) this.#odd.set(slot, this.#oddKey)
    this.#expiries[slot] = Math.min(Math.ceil(expiresAt / 1_000), LAST_SECOND)
    this.#times[slot] = 0
    this.touch(slot, wall)
    this.#next[slot] = this.#heads[this.#hash]!
    this.#heads[this.#hash] = slot
    return slot
  }

  /** Counts once more. */
  touch(at: number, wall: number): void {
    this.#touched[at] = Math.floor(wall / 1_000)
    const times = this.#times[at]!
    if (times < MOST_TIMES) this.#times[at] = times + 1
  }

  /** When it was seen or touched last, ms since 1970, whole seconds. */
  touchedAt(at: number): number {
    return this.#touched[at]! * 1_000
  }

  /** How often it was seen or touched, at most 255. */
  timesAt(at: number): number {
    return this.#times[at]!
  }

  /** Forgets, from the oldest on, what has expired: an entry may stay until those that came before it have gone. `wall`: ms since 1970. */
  expire(wall: number): void {
    const second = wall / 1_000
    while (this.#size > 0 && this.#expiries[this.#first]! <= second) this.#dropOldest()
    if (this.#slots > SMALLEST && this.#size * 4 <= this.#slots) this.#resize(Math.max(SMALLEST, this.#size * 2))
  }

  #isAt(slot: number): boolean {
    const key = this.#key
    const start = slot * KEY_WORDS
    for (let word = 0; word < KEY_WORDS; word++) if (this.#keys[start + word] !== key[word]) return false
    return this.#odd.get(slot) === this.#oddKey
  }

  /** The chain of a key. Ids are random where nobody cheats; who cheats lengthens one chain, and pays a delivered message for each entry of it. */
  #hashOf(keys: Uint32Array, start: number): number {
    let hash = 0
    for (let word = 0; word < ID_WORDS + 2; word++) {
      hash = Math.imul(hash ^ keys[start + word]!, 0x9e37_79b1)
      hash ^= hash >>> 15
    }
    return hash & (this.#heads.length - 1)
  }

  #dropOldest(): void {
    const slot = this.#first
    const hash = this.#hashOf(this.#keys, slot * KEY_WORDS)
    const next = this.#next
    if (this.#heads[hash] === slot) this.#heads[hash] = next[slot]!
    else {
      let before = this.#heads[hash]!
      while (next[before] !== slot) before = next[before]!
      next[before] = next[slot]!
    }
    if (this.#odd.size > 0) this.#odd.delete(slot)
    this.#first = slot + 1 === this.#slots ? 0 : slot + 1
    this.#size--
  }

  /** Moves all entries into arrays of another size. */
  #resize(slots: number): void {
    const [first, from, size] = [this.#first, this.#slots, this.#size]
    const [keys, expiries, touched, times] = [this.#keys, this.#expiries, this.#touched, this.#times]
    const odd = [...this.#odd]
    this.#slots = slots
    this.#first = 0
    this.#keys = new Uint32Array(slots * KEY_WORDS)
    this.#expiries = new Uint32Array(slots)
    this.#touched = new Uint32Array(slots)
    this.#times = new Uint8Array(slots)
    this.#next = new Int32Array(slots)
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(slots))).fill(NONE)
    for (let index = 0; index < size; index++) {
      const slot = first + index < from ? first + index : first + index - from
      this.#keys.set(keys.subarray(slot * KEY_WORDS, (slot + 1) * KEY_WORDS), index * KEY_WORDS)
      this.#expiries[index] = expiries[slot]!
      this.#touched[index] = touched[slot]!
      this.#times[index] = times[slot]!
      const hash = this.#hashOf(this.#keys, index * KEY_WORDS)
      this.#next[index] = this.#heads[hash]!
      this.#heads[hash] = index
    }
    this.#odd.clear()
    for (const [slot, key] of odd) this.#odd.set(slot >= first ? slot - first : slot - first + from, key)
  }
}
