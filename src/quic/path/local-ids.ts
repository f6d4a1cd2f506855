/**
 * Connection ids that we issue for one path id (RFC 9000 §5.1.1; spec/quic.md §4.6): kept filled up to what the peer stores, replaced when
 * it retires one. They are there before the path is. Owns NEW_CONNECTION_ID and PATH_NEW_CONNECTION_ID frames.
 */
import { ErrorCode, TransportError } from '../errors.ts'
import type { FrameOwner, PacketWriter, SentFrame } from '../recovery/frame-owner.ts'
import { FrameType } from '../wire/frame-types.ts'
import { newConnectionIdLength, writeNewConnectionId } from '../wire/id-frames.ts'
import type { IdRegistry } from './id-registry.ts'

/** Spare ids are worth little beyond this, whatever the peer offers to store (noq stops at 12). */
const MAX_ISSUED = 8

export class LocalIds implements FrameOwner {
  readonly #registry: IdRegistry
  readonly #pathId: number
  readonly #wake: () => void
  /**
   * Live ids and their sequence numbers, side by side. The arrays are replaced, not grown: there are many of these objects, and an array that
   * grows takes room for 17 entries at once.
   */
  #ids: readonly Uint8Array[] = []
  #sequences: readonly number[] = []
  /** Sequences whose NEW_CONNECTION_ID must be (re)sent. */
  #pending: readonly number[] = []
  #nextSequence = 0
  #target = 0

  constructor(registry: IdRegistry, pathId: number, wake: () => void) {
    this.#registry = registry
    this.#pathId = pathId
    this.#wake = wake
  }

  /** The handshake's source connection id, sequence 0. */
  first(): Uint8Array {
    this.#issue()
    return this.#ids[0]!
  }

  #issue(): number {
    const sequence = this.#nextSequence++
    // `concat` makes an array of exactly this length, unlike spreading
    this.#ids = this.#ids.concat(this.#registry.issue(this.#pathId, sequence))
    this.#sequences = this.#sequences.concat(sequence)
    return sequence
  }

  #find(sequence: number): Uint8Array | undefined {
    return this.#ids[this.#sequences.indexOf(sequence)]
  }

  /** Keeps `count` ids alive from now on, or as many as are worth it; after the handshake. `count` must not exceed the peer's active_connection_id_limit. */
  fill(count: number): void {
    this.#target = Math.max(this.#target, Math.min(count, MAX_ISSUED))
    this.#top()
  }

  /** The sequence number that the next id would get: what PATH_CIDS_BLOCKED may name at most. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** Ids that lead here. */
  get count(): number {
    return this.#ids.length
  }

  /** NEW_CONNECTION_ID frames that wait. */
  get pendingCount(): number {
    return this.#pending.length
  }

  get hasPending(): boolean {
    return this.#pending.length > 0
  }

  #top(): void {
    while (this.#ids.length < this.#target) this.#pending = this.#pending.concat(this.#issue())
    if (this.#pending.length > 0) this.#wake()
  }

  /** RFC 9000 §19.16. `usedSequence` is the id of this path that the frame's packet came in on, which it may not retire; -1 when it came in on another path. */
  receiveRetire(sequence: number, usedSequence: number): void {
    if (sequence >= this.#nextSequence)
      throw new TransportError(
        ErrorCode.PROTOCOL_VIOLATION,
        FrameType.RETIRE_CONNECTION_ID,
        `connection id ${sequence} was never issued`,
      )
    if (sequence === usedSequence)
      throw new TransportError(
        ErrorCode.PROTOCOL_VIOLATION,
        FrameType.RETIRE_CONNECTION_ID,
        'a packet retires the connection id it was sent to',
      )
    const index = this.#sequences.indexOf(sequence)
    if (index === -1) return
    this.#registry.retire(this.#ids[index]!)
    this.#ids = this.#ids.toSpliced(index, 1)
    this.#sequences = this.#sequences.toSpliced(index, 1)
    // who retires ids without reading of them does not make this grow
    const waiting = this.#pending.indexOf(sequence)
    if (waiting !== -1) this.#pending = this.#pending.toSpliced(waiting, 1)
    this.#top()
  }

  write(packet: PacketWriter): boolean {
    while (this.#pending.length > 0) {
      const sequence = this.#pending[0]!
      const id = this.#find(sequence)
      if (id !== undefined) {
        const pathId = packet.multipath ? this.#pathId : -1
        if (packet.room < newConnectionIdLength(pathId, sequence, 0, id.length)) return true
        writeNewConnectionId(packet, pathId, sequence, 0, id, this.#registry.resetToken(id))
        packet.record(this, sequence)
      }
      this.#pending = this.#pending.slice(1)
    }
    return false
  }

  acked(_frame: SentFrame): void {}

  lost(frame: SentFrame): void {
    if (this.#find(frame.a) === undefined) return
    this.#pending = this.#pending.concat(frame.a)
    this.#wake()
  }

  /** All ids lead nowhere any more. */
  release(): void {
    for (const id of this.#ids) this.#registry.retire(id)
    this.#ids = []
    this.#sequences = []
    this.#pending = []
    this.#target = 0
  }
}
