/**
 * The system's random source, asked for a few thousand bytes at a time: a request costs microseconds whatever its size, and a handshake
 * makes a dozen small ones. Bytes leave the pool once and are wiped there.
 */
import { randomFillSync } from 'node:crypto'
import type { RandomSource } from '../platform.ts'

const POOL_SIZE = 4096

export class PooledRandom implements RandomSource {
  readonly #pool = new Uint8Array(POOL_SIZE)
  #next = POOL_SIZE

  fill(out: Uint8Array): void {
    const { length } = out
    if (length > POOL_SIZE / 8) {
      randomFillSync(out)
      return
    }
    if (length > POOL_SIZE - this.#next) {
      randomFillSync(this.#pool)
      this.#next = 0
    }
    const end = this.#next + length
    out.set(this.#pool.subarray(this.#next, end))
    this.#pool.fill(0, this.#next, end)
    this.#next = end
  }
}
