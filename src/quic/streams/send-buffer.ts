/**
 * The bytes of one sending half from `write` until they are acknowledged: copied once into chunks, copied once more into each packet, and
 * which ranges are acknowledged or lost. It knows no frames, limits or states. RFC 9000 §2.2, §3.1, §13.3.
 */
import { copyBytes } from './copy.ts'
import { RangeSet } from './range-set.ts'
import { type SendBudget, SLAB_SIZE } from './send-budget.ts'

/** First chunk of a stream, bytes; the next are twice the last, up to SLAB_SIZE. Thousands of small streams stay small. */
const FIRST_CHUNK = 2048

class Chunk {
  readonly bytes: Uint8Array
  /** Stream offset of the first byte. */
  start: number
  /** Stream offset after the last byte written. */
  end: number
  next: Chunk | undefined

  constructor(bytes: Uint8Array, start: number) {
    this.bytes = bytes
    this.start = start
    this.end = start
    this.next = undefined
  }
}

export class SendBuffer {
  readonly #budget: SendBudget
  readonly #acked: RangeSet
  readonly #lost: RangeSet
  #head: Chunk | undefined
  #tail: Chunk | undefined
  /** Where the last copy ended: the next one mostly begins there. */
  #cursor: Chunk | undefined
  /** Everything before is acknowledged and gone. */
  #base: number
  /** Stream offset after the last byte written. */
  end: number
  /** Stream offset after the last byte sent. */
  sent: number

  constructor(budget: SendBudget) {
    this.#budget = budget
    this.#acked = new RangeSet()
    this.#lost = new RangeSet()
    this.#head = undefined
    this.#tail = undefined
    this.#cursor = undefined
    this.#base = 0
    this.end = 0
    this.sent = 0
  }

  /** Bytes held. */
  get held(): number {
    return this.end - this.#base
  }

  get unsent(): number {
    return this.end - this.sent
  }

  get hasLost(): boolean {
    return this.#lost.count > 0
  }

  /** First lost range; only when `hasLost`. */
  get lostStart(): number {
    return this.#lost.start(0)
  }

  get lostEnd(): number {
    return this.#lost.end(0)
  }

  /** Copies what the budget allows of `data[start, end)`; returns how many bytes that was. */
  write(data: Uint8Array, start: number, end: number): number {
    const count = Math.min(end - start, this.#budget.allowance(this.held))
    let done = 0
    while (done < count) {
      let chunk = this.#tail
      if (chunk === undefined || chunk.end - chunk.start === chunk.bytes.length) chunk = this.#grow(count - done)
      const used = chunk.end - chunk.start
      const length = Math.min(count - done, chunk.bytes.length - used)
      copyBytes(data, start + done, length, chunk.bytes, used)
      chunk.end += length
      done += length
    }
    this.end += count
    this.#budget.used += count
    return count
  }

  #grow(wanted: number): Chunk {
    const last = this.#tail === undefined ? 0 : this.#tail.bytes.length
    const size = Math.min(SLAB_SIZE, Math.max(FIRST_CHUNK, wanted, last * 2))
    const chunk = new Chunk(this.#budget.take(size), this.#tail === undefined ? this.end : this.#tail.end)
    if (this.#tail === undefined) this.#head = chunk
    else this.#tail.next = chunk
    this.#tail = chunk
    return chunk
  }

  /** Copies bytes that are held, `length` of them from stream offset `offset`, to `to[at]`. */
  copyOut(offset: number, length: number, to: Uint8Array, at: number): void {
    let chunk = this.#cursor
    if (chunk === undefined || chunk.start > offset) chunk = this.#head
    while (chunk !== undefined && chunk.end <= offset) chunk = chunk.next
    let position = offset
    let left = length
    while (left > 0) {
      if (chunk === undefined) throw new RangeError(`no bytes at stream offset ${position}`)
      const piece = Math.min(left, chunk.end - position)
      copyBytes(chunk.bytes, position - chunk.start, piece, to, at + position - offset)
      position += piece
      left -= piece
      this.#cursor = chunk
      chunk = chunk.next
    }
  }

  /** [start, end) of a lost range is under way again. */
  repaired(start: number, end: number): void {
    this.#lost.remove(start, end)
  }

  /** Returns how many bytes the buffer let go. */
  acked(start: number, end: number): number {
    const from = Math.max(start, this.#base)
    if (end <= from) return 0
    if (this.#lost.count > 0) this.#lost.remove(from, end)
    if (from > this.#base) {
      this.#acked.add(from, end)
      return 0
    }
    let base = end
    const acked = this.#acked
    if (acked.count > 0 && acked.start(0) <= base) {
      const reach = acked.after(base)
      if (reach < acked.count && acked.start(reach) <= base) base = acked.end(reach)
      acked.remove(0, base)
    }
    return this.#release(base)
  }

  /** What is not acknowledged of [start, end) must be sent again. */
  lost(start: number, end: number): void {
    let from = Math.max(start, this.#base)
    const acked = this.#acked
    for (let index = acked.after(from); from < end && index < acked.count && acked.start(index) < end; index++) {
      this.#lost.add(from, acked.start(index))
      from = acked.end(index)
    }
    this.#lost.add(from, end)
  }

  #release(base: number): number {
    const freed = base - this.#base
    this.#base = base
    this.#budget.used -= freed
    let chunk = this.#head
    while (chunk !== undefined && chunk.end <= base && chunk !== this.#tail) {
      if (this.#cursor === chunk) this.#cursor = undefined
      this.#budget.give(chunk.bytes)
      chunk = chunk.next
    }
    this.#head = chunk
    if (chunk !== undefined && base === this.end) this.#rest(chunk)
    return freed
  }

  /** Nothing is held: a small chunk is used again from its start, a big one goes back. */
  #rest(chunk: Chunk): void {
    if (chunk.bytes.length <= FIRST_CHUNK * 2) {
      chunk.start = this.end
      chunk.end = this.end
      return
    }
    this.#budget.give(chunk.bytes)
    this.#head = undefined
    this.#tail = undefined
    this.#cursor = undefined
  }

  /** Lets everything go. */
  clear(): void {
    this.#budget.used -= this.held
    for (let chunk = this.#head; chunk !== undefined; chunk = chunk.next) this.#budget.give(chunk.bytes)
    this.#head = undefined
    this.#tail = undefined
    this.#cursor = undefined
    this.#acked.clear()
    this.#lost.clear()
    this.#base = this.end
  }
}
