/** Bytes of frames that are not complete, over all connections: beyond the bound, whoever holds most loses his largest frame, so that a flood costs the flooder and nobody else. */

/** Somebody who holds such bytes: a connection. */
export interface MemoryHolder {
  readonly heldBytes: number
  /** Lets go of the largest frame; it must hold fewer bytes afterwards. */
  dropLargest(): void
}

export class ReadingMemory {
  readonly #limit: number
  readonly #holders = new Set<MemoryHolder>()
  #bytes = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get bytes(): number {
    return this.#bytes
  }

  /** `holder` holds `count` bytes more, already counted in its `heldBytes`. */
  take(holder: MemoryHolder, count: number): void {
    this.#bytes += count
    this.#holders.add(holder)
    while (this.#bytes > this.#limit) {
      const largest = this.#largest()
      if (largest === undefined) return
      largest.dropLargest()
    }
  }

  give(holder: MemoryHolder, count: number): void {
    this.#bytes -= count
    if (holder.heldBytes === 0) this.#holders.delete(holder)
  }

  #largest(): MemoryHolder | undefined {
    let largest: MemoryHolder | undefined
    for (const holder of this.#holders)
      if (largest === undefined || holder.heldBytes > largest.heldBytes) largest = holder
    return largest
  }
}
