/**
 * Copying between two memories. It owns the choice of how, nothing else: a view costs more than a short loop
 * (spec/fast-path.md section 5).
 */

const LOOP_MAX = 24

/** Copies `length` bytes; the caller made sure that both sides hold them. */
export function copyBytes(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
  if (length <= LOOP_MAX) {
    for (let index = 0; index < length; index++) to[at + index] = from[start + index]!
    return
  }
  to.set(start === 0 && length === from.length ? from : from.subarray(start, start + length), at)
}

/**
 * A source of copies that come from the same place again and again: full packets are received into one slot, and their data begins and ends
 * where that of the last one did. The view is kept, not the bytes.
 */
export class RepeatedSource {
  #view: Uint8Array | undefined = undefined
  #bytes: Uint8Array | undefined = undefined
  #start = 0

  /** As `copyBytes`. */
  copy(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
    if (length <= LOOP_MAX) {
      copyBytes(from, start, length, to, at)
      return
    }
    let view = this.#view
    if (view === undefined || this.#bytes !== from || this.#start !== start || view.length !== length) {
      view = from.subarray(start, start + length)
      this.#view = view
      this.#bytes = from
      this.#start = start
    }
    to.set(view, at)
  }
}
