/** A set of small integers from which random ones are drawn without looking at all of them. */
import { type RandomSource, uniform } from '../../platform/index.ts'

const ABSENT = -1

export class SlotSet {
  readonly #members: number[] = []
  #positions = new Int32Array(0)

  get size(): number {
    return this.#members.length
  }

  /** Members go up to `capacity`, not included. */
  grow(capacity: number): void {
    const positions = new Int32Array(capacity).fill(ABSENT)
    positions.set(this.#positions)
    this.#positions = positions
  }

  has(slot: number): boolean {
    return this.#positions[slot] !== ABSENT
  }

  add(slot: number): void {
    if (this.has(slot)) return
    this.#positions[slot] = this.#members.length
    this.#members.push(slot)
  }

  remove(slot: number): void {
    const position = this.#positions[slot]!
    if (position === ABSENT) return
    this.#swap(position, this.#members.length - 1)
    this.#members.pop()
    this.#positions[slot] = ABSENT
  }

  /** Up to `count` different members that `isWanted`, each equally likely. Looks at as many as it must. */
  draw(random: RandomSource, count: number, isWanted: (slot: number) => boolean): number[] {
    const drawn: number[] = []
    const size = this.#members.length
    for (let index = 0; index < size && drawn.length < count; index++) {
      this.#swap(index, index + Math.floor(uniform(random) * (size - index)))
      const slot = this.#members[index]!
      if (isWanted(slot)) drawn.push(slot)
    }
    return drawn
  }

  #swap(one: number, other: number): void {
    const first = this.#members[one]!
    const second = this.#members[other]!
    this.#members[one] = second
    this.#members[other] = first
    this.#positions[second] = one
    this.#positions[first] = other
  }
}
