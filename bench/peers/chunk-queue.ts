/** For stacks that push: what arrived and was not read yet. One reader at a time. */
export class ChunkQueue {
  readonly #chunks: Uint8Array[] = []
  #ended = false
  #wake: () => void = () => {}
  /** Bytes waiting. */
  length = 0

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.length += chunk.length
    this.#wake()
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  /** Undefined at the end. */
  async read(): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0 && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    const chunk = this.#chunks.shift()
    if (chunk !== undefined) this.length -= chunk.length
    return chunk
  }
}

/** Things that come one by one and are awaited one by one. */
export class Arrivals<T> {
  readonly #items: T[] = []
  #wake: () => void = () => {}

  push(item: T): void {
    this.#items.push(item)
    this.#wake()
  }

  async next(): Promise<T> {
    while (this.#items.length === 0)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    return this.#items.shift()!
  }
}
