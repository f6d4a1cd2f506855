/**
 * A sorted set of disjoint, non-touching ranges of stream offsets, half open. It serves acknowledged, lost and received ranges; bounds
 * on the number of ranges are its users' business.
 */
export class RangeSet {
  readonly #starts: number[] = []
  readonly #ends: number[] = []

  /** Number of ranges. */
  get count(): number {
    return this.#starts.length
  }

  /** Start of range `index`, ascending. */
  start(index: number): number {
    return this.#starts[index]!
  }

  end(index: number): number {
    return this.#ends[index]!
  }

  clear(): void {
    this.#starts.length = 0
    this.#ends.length = 0
  }

  /** Index of the first range that ends after `offset`; `count` when there is none. */
  after(offset: number): number {
    const ends = this.#ends
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ends[middle]! > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  /** Adds [start, end), joining what it touches. */
  add(start: number, end: number): void {
    if (end <= start) return
    const starts = this.#starts
    const ends = this.#ends
    const last = starts.length - 1
    // Almost always the new range lies at the end.
    if (last < 0 || start > ends[last]!) {
      starts.push(start)
      ends.push(end)
      return
    }
    // `start - 1`: a range that ends exactly at `start` is joined too.
    const first = this.after(start - 1)
    if (end < starts[first]!) {
      starts.splice(first, 0, start)
      ends.splice(first, 0, end)
      return
    }
    let stop = first
    while (stop < starts.length && starts[stop]! <= end) stop++
    if (start < starts[first]!) starts[first] = start
    ends[first] = Math.max(end, ends[stop - 1]!)
    if (stop - first > 1) {
      starts.splice(first + 1, stop - first - 1)
      ends.splice(first + 1, stop - first - 1)
    }
  }

  /** Takes [start, end) out. */
  remove(start: number, end: number): void {
    if (end <= start) return
    const starts = this.#starts
    const ends = this.#ends
    let index = this.after(start)
    if (index === starts.length || starts[index]! >= end) return
    if (starts[index]! < start) {
      const oldEnd = ends[index]!
      ends[index] = start
      index++
      if (oldEnd > end) {
        starts.splice(index, 0, end)
        ends.splice(index, 0, oldEnd)
        return
      }
    }
    let stop = index
    while (stop < starts.length && ends[stop]! <= end) stop++
    if (stop < starts.length && starts[stop]! < end) starts[stop] = end
    if (stop > index) {
      starts.splice(index, stop - index)
      ends.splice(index, stop - index)
    }
  }
}
