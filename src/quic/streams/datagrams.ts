/**
 * DATAGRAM frames: a bounded queue each way, the oldest gives way. They are never sent again, and congestion control and packets are elsewhere.
 * RFC 9221.
 */
import { varintLength } from '../../bytes/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import type { FrameOwner, PacketWriter } from '../recovery/frame-owner.ts'
import { FrameType } from '../wire/frame-types.ts'
import { writeDatagramHeader } from '../wire/stream-frames.ts'
import type { TransportParameters } from '../wire/transport-parameters.ts'
import { copyBytes } from './copy.ts'
import { SLAB_SIZE } from './send-budget.ts'
import { DatagramError } from './stream-error.ts'
import type { StreamEvents, StreamSettings } from './stream-events.ts'
import { WriteOnlyOwner } from './write-only-owner.ts'

/** Bytes of bookkeeping counted for each queued datagram, so that empty ones are bounded too. */
const ENTRY_COST = 64
/** A path of the smallest allowed MTU (RFC 9000 §14) holds this much payload, whatever the connection ids. */
const SMALLEST_ROOM = 1150

/** Copies in slabs, first in first out, bounded in bytes. */
class DatagramQueue {
  readonly #limit: number
  /** Oldest at `#head`; undefined while nothing was ever queued. */
  #items: (Uint8Array | undefined)[] | undefined
  #head: number
  #slab: Uint8Array | undefined
  #slabUsed: number
  /** Bytes queued, bookkeeping included. */
  used: number

  constructor(limit: number) {
    this.#limit = limit
    this.#items = undefined
    this.#head = 0
    this.#slab = undefined
    this.#slabUsed = 0
    this.used = 0
  }

  get count(): number {
    return this.#items === undefined ? 0 : this.#items.length - this.#head
  }

  get first(): Uint8Array | undefined {
    return this.#items?.[this.#head]
  }

  hasRoom(length: number): boolean {
    return this.used + length + ENTRY_COST <= this.#limit
  }

  get isHalfEmpty(): boolean {
    return this.used <= this.#limit / 2
  }

  /** Makes room by dropping the oldest, then appends a copy; returns how many were dropped. One larger than the queue is itself dropped. */
  push(bytes: Uint8Array, start: number, length: number): number {
    if (length + ENTRY_COST > this.#limit) return 1
    let dropped = 0
    for (; !this.hasRoom(length); dropped++) this.shift()
    this.#items ??= []
    this.#items.push(this.#copy(bytes, start, length))
    this.used += length + ENTRY_COST
    return dropped
  }

  shift(): Uint8Array | undefined {
    const items = this.#items
    const bytes = items?.[this.#head]
    if (items === undefined || bytes === undefined) return undefined
    items[this.#head++] = undefined
    this.used -= bytes.length + ENTRY_COST
    if (this.#head === items.length) items.length = 0
    else if (this.#head < 1024 || this.#head * 2 < items.length) return bytes
    else items.splice(0, this.#head)
    this.#head = 0
    return bytes
  }

  clear(): void {
    this.#items = undefined
    this.#head = 0
    this.#slab = undefined
    this.#slabUsed = 0
    this.used = 0
  }

  #copy(bytes: Uint8Array, start: number, length: number): Uint8Array {
    if (length > SLAB_SIZE / 4) return bytes.slice(start, start + length)
    if (this.#slab === undefined || this.#slabUsed + length > this.#slab.length) {
      // Few datagrams, small slab.
      this.#slab = new Uint8Array(this.count < 4 ? SLAB_SIZE / 4 : SLAB_SIZE)
      this.#slabUsed = 0
    }
    const at = this.#slabUsed
    copyBytes(bytes, start, length, this.#slab, at)
    this.#slabUsed += length
    return this.#slab.subarray(at, at + length)
  }
}

export class DatagramStats {
  /** Put into a packet. */
  sent = 0
  received = 0
  /** Given up before they were sent: the queue was full, or the path's packets became too small. */
  droppedSend = 0
  /** Received but not read in time. */
  droppedReceive = 0
}

export class Datagrams {
  readonly frames: FrameOwner
  readonly stats: DatagramStats
  /** Payload room of a full-size empty packet, bytes; the connection sets it as the path's MTU moves. Larger datagrams are refused or dropped. */
  packetRoom: number
  readonly #events: StreamEvents
  readonly #wake: () => void
  readonly #isAdvertised: boolean
  readonly #sends: DatagramQueue
  readonly #receives: DatagramQueue
  /** The peer's limit for a whole frame. */
  #maxFrameSize: number
  #wantsDatagram: boolean
  #wantsWritable: boolean
  #closed: boolean

  constructor(settings: StreamSettings, events: StreamEvents, wake: () => void) {
    this.frames = new WriteOnlyOwner((packet) => this.#write(packet))
    this.stats = new DatagramStats()
    this.packetRoom = SMALLEST_ROOM
    this.#events = events
    this.#wake = wake
    this.#isAdvertised = settings.datagramReceiveBuffer > 0
    this.#sends = new DatagramQueue(settings.datagramSendBuffer)
    this.#receives = new DatagramQueue(settings.datagramReceiveBuffer)
    this.#maxFrameSize = 0
    this.#wantsDatagram = true
    this.#wantsWritable = false
    this.#closed = false
  }

  get hasPending(): boolean {
    return this.#sends.count > 0
  }

  applyPeerParameters(parameters: TransportParameters): void {
    this.#maxFrameSize = parameters.maxDatagramFrameSize
  }

  /** Largest datagram for a packet with `packetRoom` bytes of payload; 0 when the peer takes none. */
  maxSize(packetRoom: number): number {
    const room = Math.min(packetRoom, this.#maxFrameSize)
    // Type, and a Length of 1, 2 or 4 bytes with what each can say.
    return Math.max(Math.min(room - 2, 63), Math.min(room - 3, 16_383), room - 5, 0)
  }

  /**
   * Queues a copy. With a full queue the oldest ones are dropped, or with `dropOldest` false nothing is queued ('full'); either way
   * `datagramWritable` comes when half of the queue is free. DatagramError when it cannot be sent at all.
   */
  send(bytes: Uint8Array, dropOldest = true): 'sent' | 'dropped-oldest' | 'full' {
    if (this.#closed) throw new DatagramError('CONNECTION_CLOSED', 'the connection ended')
    if (this.#maxFrameSize === 0) {
      throw new DatagramError('DATAGRAM_UNSUPPORTED', 'the peer takes no datagrams; use a stream')
    }
    const max = this.maxSize(this.packetRoom)
    if (bytes.length > max) {
      throw new DatagramError(
        'DATAGRAM_TOO_LARGE',
        `${bytes.length} bytes, at most ${max} fit; split it or use a stream`,
      )
    }
    const isFull = !this.#sends.hasRoom(bytes.length)
    if (isFull) this.#wantsWritable = true
    if (isFull && !dropOldest) return 'full'
    this.stats.droppedSend += this.#sends.push(bytes, 0, bytes.length)
    this.#wake()
    return isFull ? 'dropped-oldest' : 'sent'
  }

  /** PROTOCOL_VIOLATION when we never said that we take datagrams. The bytes are copied. */
  receive(bytes: Uint8Array, start: number, length: number): void {
    // RFC 9221 §3. We advertise 65535, which no packet exceeds, so there is no size to check.
    if (!this.#isAdvertised) {
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, FrameType.DATAGRAM, 'datagrams were not advertised')
    }
    if (this.#closed) return
    this.stats.received++
    this.stats.droppedReceive += this.#receives.push(bytes, start, length)
    if (!this.#wantsDatagram || this.#receives.count === 0) return
    this.#wantsDatagram = false
    this.#events.datagram()
  }

  /** The oldest received datagram, or undefined: `datagram` comes with the next. What had arrived stays readable after `close`. */
  read(): Uint8Array | undefined {
    const bytes = this.#receives.shift()
    if (bytes === undefined) this.#wantsDatagram = true
    return bytes
  }

  /** The connection ended. */
  close(): void {
    this.#closed = true
    this.#sends.clear()
  }

  #write(packet: PacketWriter): boolean {
    for (let bytes = this.#sends.first; bytes !== undefined; bytes = this.#sends.first) {
      const need = 1 + varintLength(bytes.length) + bytes.length
      if (need > packet.room) {
        // RFC 9221 §5: never split. It waits for an emptier packet, unless no packet of the path could hold it.
        if (need <= this.packetRoom) return true
        this.stats.droppedSend++
        this.#shiftSent()
        continue
      }
      writeDatagramHeader(packet, bytes.length)
      copyBytes(bytes, 0, bytes.length, packet.bytes, packet.position)
      packet.position += bytes.length
      packet.eliciting()
      packet.hasApplicationData = true
      this.stats.sent++
      this.#shiftSent()
    }
    return false
  }

  #shiftSent(): void {
    this.#sends.shift()
    if (!this.#wantsWritable || !this.#sends.isHalfEmpty) return
    this.#wantsWritable = false
    this.#events.datagramWritable()
  }
}
