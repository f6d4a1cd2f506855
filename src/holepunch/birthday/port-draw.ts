/** Ports in random order, none twice. */
import type { RandomSource } from '../../platform/index.ts'

/** RFC 6335 §6: below are the system ports, which no NAT gives to a client's mapping. */
const FIRST = 1_024
const COUNT = 65_536 - FIRST

export class PortDraw {
  readonly #random: RandomSource
  readonly #drawn = new Set<number>()
  readonly #bytes = new Uint8Array(128)
  #at = 128

  constructor(random: RandomSource) {
    this.#random = random
  }

  /** Undefined when all were drawn. */
  next(): number | undefined {
    if (this.#drawn.size === COUNT) return undefined
    for (;;) {
      const port = this.#u16()
      if (port < FIRST || this.#drawn.has(port)) continue
      this.#drawn.add(port)
      return port
    }
  }

  #u16(): number {
    if (this.#at === this.#bytes.length) {
      this.#random.fill(this.#bytes)
      this.#at = 0
    }
    return (this.#bytes[this.#at++]! << 8) | this.#bytes[this.#at++]!
  }
}
