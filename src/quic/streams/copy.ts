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
