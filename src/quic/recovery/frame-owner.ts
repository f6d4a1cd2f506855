/**
 * The contract between the parts of a connection and its packets. A part that sends frames is a `FrameOwner`: it writes them into a
 * `PacketWriter`, and each frame that must arrive is remembered as a `SentFrame` (owner and four numbers) until it is acked or lost.
 * Nothing else needs to know a frame type: an extension is one owner, one codec file and one row in the frame dispatch.
 */
import { Writer } from '../../bytes/index.ts'
import type { Level } from '../level.ts'

export interface FrameOwner {
  /**
   * Writes what fits and is due, recording each frame that must be told about with `packet.record`. Returns true while more waits
   * to be sent (the owner's bit in the pending mask stays set). Must never write past `packet.limit`: check `packet.room` first.
   */
  write(packet: PacketWriter): boolean
  /** The frame arrived. `frame` is reused after the call: take the numbers, keep no reference. */
  acked(frame: SentFrame): void
  /** The frame is deemed lost: what the peer must know now is pending again. May be called for a frame whose content was since superseded. */
  lost(frame: SentFrame): void
}

/** Pooled. `a` to `d` mean what the owner chose (a STREAM frame: id, start, end, fin). */
export class SentFrame {
  owner: FrameOwner | undefined = undefined
  a = 0
  b = 0
  c = 0
  d = 0
  /** Next frame of the same packet, or next free one in the pool. */
  next: SentFrame | undefined = undefined
}

/** Frames kept for reuse: a few packets' worth. What a burst needed beyond that goes. */
const MAX_FREE = 16

/** Free list of `SentFrame`, one per connection. */
export class SentFramePool {
  #free: SentFrame | undefined = undefined
  #freeCount = 0
  /** Frames handed out and not yet back; 0 after a connection ended. */
  live = 0

  take(owner: FrameOwner, a: number, b: number, c: number, d: number, next: SentFrame | undefined): SentFrame {
    let frame = this.#free
    if (frame === undefined) frame = new SentFrame()
    else {
      this.#free = frame.next
      this.#freeCount--
    }
    frame.owner = owner
    frame.a = a
    frame.b = b
    frame.c = c
    frame.d = d
    frame.next = next
    this.live++
    return frame
  }

  /** Tells every owner in the list, then takes the frames back. */
  settle(first: SentFrame | undefined, acked: boolean): void {
    let frame = first
    while (frame !== undefined) {
      const next = frame.next
      const owner = frame.owner!
      if (acked) owner.acked(frame)
      else owner.lost(frame)
      this.#recycle(frame)
      frame = next
    }
  }

  /** Takes the frames back without telling anybody: the packet number space was discarded. */
  drop(first: SentFrame | undefined): void {
    let frame = first
    while (frame !== undefined) {
      const next = frame.next
      this.#recycle(frame)
      frame = next
    }
  }

  #recycle(frame: SentFrame): void {
    frame.owner = undefined
    this.live--
    if (this.#freeCount >= Math.max(MAX_FREE, this.live)) {
      frame.next = undefined
      return
    }
    frame.next = this.#free
    this.#free = frame
    this.#freeCount++
  }
}

/** The packet being built: a cursor over its payload in the datagram slot, and what goes into its sent record. Reused for every packet. */
export class PacketWriter extends Writer {
  level: Level = 0
  pathId = 0
  /** This side advertised and the peer accepts multipath: ACK or PATH_ACK, and so on. */
  multipath = false
  /** Frames to settle, newest first. */
  frames: SentFrame | undefined = undefined
  /** RFC 9002 §2: anything but ACK, PADDING and CONNECTION_CLOSE. */
  ackEliciting = false
  /** RFC 9002 §2: counts towards bytes in flight (ack-eliciting, or holds PADDING). */
  inFlight = false
  /** RFC 9000 §9.1: holds a frame that is not a probing frame. */
  nonProbing = false
  /** A DATAGRAM or STREAM frame in here: congestion control asks whether the application is the limit. */
  hasApplicationData = false
  /** Of the connection whose packet it is. */
  pool: SentFramePool

  constructor(pool: SentFramePool) {
    super(new Uint8Array(0))
    this.pool = pool
  }

  /** Starts a new packet payload. */
  begin(bytes: Uint8Array, position: number, limit: number, level: Level, pathId: number, multipath: boolean): void {
    this.reset(bytes, position, limit)
    this.level = level
    this.pathId = pathId
    this.multipath = multipath
    this.frames = undefined
    this.ackEliciting = false
    this.inFlight = false
    this.nonProbing = false
    this.hasApplicationData = false
  }

  /** A retransmittable, ack-eliciting frame was written. */
  record(owner: FrameOwner, a = 0, b = 0, c = 0, d = 0): void {
    this.frames = this.pool.take(owner, a, b, c, d, this.frames)
    this.ackEliciting = true
    this.inFlight = true
    this.nonProbing = true
  }

  /** An ack-eliciting frame that nobody needs to hear of again was written (PING, DATAGRAM). */
  eliciting(): void {
    this.ackEliciting = true
    this.inFlight = true
    this.nonProbing = true
  }
}
