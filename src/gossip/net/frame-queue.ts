/** Frames that wait for one stream, first in, first out, and what they weigh. */
import type { Frame } from './frame.ts'

/** Places at the front that were taken before the queue is moved up. */
const MAX_GAP = 256

export class FrameQueue {
  readonly #frames: (Frame | undefined)[] = []
  #first = 0
  /** Bytes of all frames. */
  bytes = 0

  get length(): number {
    return this.#frames.length - this.#first
  }

  push(frame: Frame): void {
    this.#frames.push(frame)
    this.bytes += frame.bytes.length
  }

  clear(): void {
    this.#frames.length = 0
    this.#first = 0
    this.bytes = 0
  }

  /**
   * Takes whole frames of `limit` bytes together, at least one, up to and with the first that is the last of its stream. `head` goes in front; where there is
   * nothing to join, the bytes are the frame's own.
   */
  take(head: Uint8Array | undefined, limit: number): { bytes: Uint8Array; payload: number; isLast: boolean } {
    let end = this.#first
    let payload = 0
    let isLast = false
    while (end < this.#frames.length && !isLast) {
      const frame = this.#frames[end]!
      if (payload > 0 && payload + frame.bytes.length > limit) break
      payload += frame.bytes.length
      isLast = frame.isLast
      end++
    }
    const bytes = this.#join(head, end, payload)
    this.#drop(end, payload)
    return { bytes, payload, isLast }
  }

  #join(head: Uint8Array | undefined, end: number, payload: number): Uint8Array {
    const only = this.#frames[this.#first]
    if (head === undefined && only !== undefined && end === this.#first + 1) return only.bytes
    const bytes = new Uint8Array((head?.length ?? 0) + payload)
    if (head !== undefined) bytes.set(head)
    let at = head?.length ?? 0
    for (let index = this.#first; index < end; index++) {
      const frame = this.#frames[index]!.bytes
      bytes.set(frame, at)
      at += frame.length
    }
    return bytes
  }

  #drop(end: number, payload: number): void {
    this.bytes -= payload
    if (end === this.#frames.length) {
      this.#frames.length = 0
      this.#first = 0
      return
    }
    this.#frames.fill(undefined, this.#first, end)
    this.#first = end
    if (end > MAX_GAP && end > this.#frames.length / 2) {
      this.#frames.splice(0, end)
      this.#first = 0
    }
  }
}
