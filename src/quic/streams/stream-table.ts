/**
 * The halves of streams by id. The one that was asked for last is remembered, since packets of a bulk transfer are all for the same, and
 * there is no map as long as there is no second stream: idle connections are many.
 */

export class StreamTable<T extends { readonly id: number }> {
  #last: T | undefined = undefined
  /** All of them, once there was more than one. */
  #byId: Map<number, T> | undefined = undefined

  get(id: number): T | undefined {
    const last = this.#last
    if (last !== undefined && last.id === id) return last
    const found = this.#byId?.get(id)
    if (found !== undefined) this.#last = found
    return found
  }

  has(id: number): boolean {
    return this.#last?.id === id || this.#byId?.has(id) === true
  }

  /** `item` has an id that is not in the table. */
  add(item: T): void {
    const last = this.#last
    if (this.#byId !== undefined) this.#byId.set(item.id, item)
    else if (last !== undefined) {
      this.#byId = new Map([
        [last.id, last],
        [item.id, item],
      ])
    }
    this.#last = item
  }

  /** False when it was not there. */
  delete(id: number): boolean {
    const isLast = this.#last?.id === id
    if (isLast) this.#last = undefined
    if (this.#byId === undefined) return isLast
    const isThere = this.#byId.delete(id)
    if (this.#byId.size === 0) this.#byId = undefined
    return isThere
  }

  /** Those that are there now: the table may change meanwhile. */
  all(): T[] {
    if (this.#byId !== undefined) return [...this.#byId.values()]
    return this.#last === undefined ? [] : [this.#last]
  }

  clear(): void {
    this.#last = undefined
    this.#byId = undefined
  }
}
