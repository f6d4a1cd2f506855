/**
 * Received bytes of one stream until the application takes them: each copied once, to its final place in a slab, in whatever order they
 * come. Windows and states are not known here. RFC 9000 §2.2.
 *
 * Memory: slabs only where bytes came, so at most about twice the receive window (the first slabs are small and double), and the
 * number of gaps is bounded by `MAX_RANGES` plus one per KiB held.
 */
import { ErrorCode, TransportError } from '../errors.ts'
import { FrameType } from '../wire/frame-types.ts'
import { RepeatedSource } from './copy.ts'
import { RangeSet } from './range-set.ts'

/** Bytes of the first slab; each next one is twice as long, up to the largest. */
const FIRST_SLAB = 2048
const DOUBLINGS = 5
const LARGEST_SLAB = FIRST_SLAB << DOUBLINGS
/** Stream offset where the slabs of the largest size begin. */
const LARGEST_FROM = FIRST_SLAB * ((1 << DOUBLINGS) - 1)
/** Ranges beyond gaps that are always allowed. */
const MAX_RANGES = 1000
/** And one more per this many bytes held beyond gaps: real packets hold more, so only tiny frames reach the bound. */
const BYTES_PER_RANGE = 1024

function slabIndex(offset: number): number {
  if (offset >= LARGEST_FROM) return DOUBLINGS + Math.floor((offset - LARGEST_FROM) / LARGEST_SLAB)
  return 31 - Math.clz32(Math.floor(offset / FIRST_SLAB) + 1)
}

function slabStart(index: number): number {
  if (index >= DOUBLINGS) return LARGEST_FROM + (index - DOUBLINGS) * LARGEST_SLAB
  return FIRST_SLAB * ((1 << index) - 1)
}

export class Reassembly {
  /** Slabs with bytes that were not read, by index. */
  readonly #slabs: Map<number, Uint8Array>
  readonly #source: RepeatedSource
  /** What was received beyond the first gap. */
  readonly #ranges: RangeSet
  /** The slab of the last copy, and where it lies. */
  #slab: Uint8Array | undefined
  #slabStart: number
  #slabEnd: number
  #heldBeyondGaps: number
  /** Stream offset of the next byte for the application. */
  readOffset: number
  /** Everything before was received. */
  contiguous: number

  /** `source`: shared by all streams of a connection, whose datagrams come to one slot. */
  constructor(source: RepeatedSource = new RepeatedSource()) {
    this.#source = source
    this.#slabs = new Map()
    this.#ranges = new RangeSet()
    this.#slab = undefined
    this.#slabStart = 0
    this.#slabEnd = 0
    this.#heldBeyondGaps = 0
    this.readOffset = 0
    this.contiguous = 0
  }

  /** Bytes the application can have now. */
  get available(): number {
    return this.contiguous - this.readOffset
  }

  /** Ranges waiting beyond a gap. */
  get rangeCount(): number {
    return this.#ranges.count
  }

  /**
   * Takes `length` bytes from `bytes[start]`, of stream offset `offset`; what was received before is never overwritten. Returns how
   * many were new. PROTOCOL_VIOLATION when the peer leaves too many gaps.
   */
  insert(offset: number, bytes: Uint8Array, start: number, length: number): number {
    const end = offset + length
    if (end <= this.contiguous) return 0
    const from = Math.max(offset, this.contiguous)
    const ranges = this.#ranges
    if (ranges.count === 0 && from === this.contiguous) {
      this.#copy(from, end, bytes, start + from - offset)
      this.contiguous = end
      return end - from
    }
    let count = 0
    let position = from
    for (let index = ranges.after(from); position < end; index++) {
      const known = index < ranges.count && ranges.start(index) < end
      const stop = known ? ranges.start(index) : end
      if (stop > position) {
        this.#copy(position, stop, bytes, start + position - offset)
        count += stop - position
      }
      position = known ? ranges.end(index) : end
    }
    if (count === 0) return 0
    if (from > this.contiguous) {
      ranges.add(from, end)
      this.#heldBeyondGaps += count
      if (ranges.count > MAX_RANGES + this.#heldBeyondGaps / BYTES_PER_RANGE) {
        throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, FrameType.STREAM, `${ranges.count} gaps in one stream`)
      }
    } else this.#closeGap(end, count)
    return count
  }

  /** The first gap was filled up to `end`, `count` bytes of it new. */
  #closeGap(end: number, count: number): void {
    const before = this.contiguous
    const ranges = this.#ranges
    ranges.add(before, end)
    this.contiguous = ranges.end(0)
    ranges.remove(before, this.contiguous)
    this.#heldBeyondGaps -= this.contiguous - before - count
  }

  #copy(from: number, end: number, bytes: Uint8Array, start: number): void {
    let position = from
    while (position < end) {
      if (this.#slab === undefined || position < this.#slabStart || position >= this.#slabEnd) this.#enter(position)
      const piece = Math.min(end, this.#slabEnd) - position
      this.#source.copy(bytes, start + position - from, piece, this.#slab!, position - this.#slabStart)
      position += piece
    }
  }

  #enter(offset: number): void {
    const index = slabIndex(offset)
    this.#slabStart = slabStart(index)
    this.#slabEnd = slabStart(index + 1)
    let slab = this.#slabs.get(index)
    if (slab === undefined) {
      slab = new Uint8Array(this.#slabEnd - this.#slabStart)
      this.#slabs.set(index, slab)
    }
    this.#slab = slab
  }

  /** A view of the next bytes, at most `max` and not beyond their slab; undefined when there are none. */
  read(max: number): Uint8Array | undefined {
    const offset = this.readOffset
    if (offset === this.contiguous) return undefined
    const index = slabIndex(offset)
    const start = slabStart(index)
    const end = slabStart(index + 1)
    const stop = Math.min(offset + max, this.contiguous, end)
    const view = this.#slabs.get(index)!.subarray(offset - start, stop - start)
    this.readOffset = stop
    if (stop === end) {
      this.#slabs.delete(index)
      if (this.#slabStart === start) this.#slab = undefined
    }
    return view
  }

  /** Lets everything go. */
  clear(): void {
    this.#slabs.clear()
    this.#ranges.clear()
    this.#slab = undefined
    this.#heldBeyondGaps = 0
    this.readOffset = this.contiguous
  }
}
