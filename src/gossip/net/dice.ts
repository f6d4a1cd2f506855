/** The machines' random numbers, from the platform's generator: drawn in blocks, for asking the system for one costs microseconds. */
import type { RandomSource } from '../../platform/index.ts'
import type { Dice } from '../proto/effects.ts'

/** Bytes. */
const BLOCK = 256
const RANGE = 0x1_0000_0000

export class PlatformDice implements Dice {
  readonly #random: RandomSource
  readonly #bytes = new Uint8Array(BLOCK)
  readonly #view = new DataView(this.#bytes.buffer)
  #at = BLOCK

  constructor(random: RandomSource) {
    this.#random = random
  }

  below(limit: number): number {
    // what is left over at the top would make some numbers come up more often
    const fair = RANGE - (RANGE % limit)
    for (;;) {
      const drawn = this.#draw()
      if (drawn < fair) return drawn % limit
    }
  }

  #draw(): number {
    if (this.#at === BLOCK) {
      this.#random.fill(this.#bytes)
      this.#at = 0
    }
    const drawn = this.#view.getUint32(this.#at)
    this.#at += 4
    return drawn
  }
}
