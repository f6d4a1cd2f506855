/** The one source of chance in a simulation: sfc32, seeded by a text, so that every draw can be repeated. Not for cryptography. */
import type { RandomSource } from '../../../src/platform/index.ts'

/** FNV-1a, 32 bits. */
export function hashText(text: string, basis = 0x811c9dc5): number {
  let hash = basis
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

export class SimRandom implements RandomSource {
  readonly #label: string
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(label: string) {
    this.#label = label
    this.#a = hashText(label)
    this.#b = hashText(label, 0x9e3779b9)
    this.#c = hashText(label, 0x243f6a88)
    for (let round = 0; round < 12; round++) this.u32()
  }

  /** An independent source: drawing from one never moves the other. */
  fork(label: string): SimRandom {
    return new SimRandom(`${this.#label}/${label}`)
  }

  u32(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return sum >>> 0
  }

  /** In [0, 1). */
  unit(): number {
    return this.u32() / 0x100000000
  }

  /** A number in [low, high). */
  between(low: number, high: number): number {
    return low + this.unit() * (high - low)
  }

  /** A whole number, both ends included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  pick<T>(options: readonly T[]): T {
    return options[this.int(0, options.length - 1)]!
  }

  fill(out: Uint8Array): void {
    for (let index = 0; index < out.length; index++) out[index] = this.u32()
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length)
    this.fill(out)
    return out
  }
}
