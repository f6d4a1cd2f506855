/**
 * Gathers datagrams for relays into frames: those of equal size to the same peer that follow each other become one batch frame, a lone one a single frame
 * (spec/relay.md §3.1). One buffer for all relays of a transport, and nothing is made per datagram.
 */
import {
  BATCH_HEADER,
  DATAGRAM_HEADER,
  FrameType,
  ID_LENGTH,
  MAX_RELAY_FRAME,
  writeBatchHeader,
  writeDatagramHeader,
} from '../protocol/index.ts'

/** Contents of a batch, bytes: enough for a round of full datagrams, little enough to delay nobody. */
export const MAX_BATCH_BYTES = 16_384
/** Datagrams in a batch: a receiver takes them in one go. */
export const MAX_BATCH_SEGMENTS = 16
/** What we say about congestion marks: a relay connection has none (spec/relay.md §3.1). */
const NO_ECN = 0

/** Where finished frames go; also one that is gone takes them, and drops them. */
export interface FrameSink {
  /** The frame `bytes[start, end)`, valid during the call, holds `count` datagrams of `length` bytes together. */
  sendFrame(bytes: Uint8Array, start: number, end: number, count: number, length: number): void
}

export class BatchWriter {
  /** Contents begin behind the longer header; the shorter one is written right before them. Made when it is needed. */
  #buffer: Uint8Array | undefined
  readonly #peer: Uint8Array
  /** Of the open batch; undefined: none is open. */
  #sink: FrameSink | undefined
  #segmentSize: number
  #count: number
  #end: number

  constructor() {
    this.#buffer = undefined
    this.#peer = new Uint8Array(ID_LENGTH)
    this.#sink = undefined
    this.#segmentSize = 0
    this.#count = 0
    this.#end = 0
  }

  /** Copies `data` (1…65,502 bytes) for `peer` (32 bytes) behind what is open, or into a new frame. */
  add(sink: FrameSink, peer: Uint8Array, data: Uint8Array): void {
    const { length } = data
    if (this.#sink !== undefined && !this.#fits(sink, peer, length)) this.flush()
    this.#buffer ??= new Uint8Array(MAX_RELAY_FRAME + BATCH_HEADER - DATAGRAM_HEADER)
    if (this.#sink === undefined) {
      for (let i = 0; i < ID_LENGTH; i++) this.#peer[i] = peer[i]!
      this.#sink = sink
      this.#segmentSize = length
      this.#count = 0
      this.#end = BATCH_HEADER
    }
    this.#buffer.set(data, this.#end)
    this.#end += length
    this.#count++
    // a shorter one can only be the last; nothing fits behind a large one
    if (length < this.#segmentSize || length >= MAX_BATCH_BYTES) this.flush()
  }

  /** Hands out the open frame. */
  flush(): void {
    const sink = this.#sink
    if (sink === undefined) return
    this.#sink = undefined
    const buffer = this.#buffer!
    const end = this.#end
    const count = this.#count
    let start = 0
    if (count > 1) {
      writeBatchHeader(buffer, 0, FrameType.ClientToRelayDatagramBatch, this.#peer, NO_ECN, this.#segmentSize)
    } else {
      start = BATCH_HEADER - DATAGRAM_HEADER
      writeDatagramHeader(buffer, start, FrameType.ClientToRelayDatagram, this.#peer, NO_ECN)
    }
    sink.sendFrame(buffer, start, end, count, end - BATCH_HEADER)
  }

  #fits(sink: FrameSink, peer: Uint8Array, length: number): boolean {
    if (sink !== this.#sink || length > this.#segmentSize || this.#count >= MAX_BATCH_SEGMENTS) return false
    if (this.#end - BATCH_HEADER + length > MAX_BATCH_BYTES) return false
    const own = this.#peer
    for (let i = 0; i < ID_LENGTH; i++) if (own[i] !== peer[i]) return false
    return true
  }
}
