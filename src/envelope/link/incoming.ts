/**
 * What comes in on one connection, dialled or accepted: a frame on each stream, read within bounds and handed over, whereupon the reverse direction is ended (spec/envelope.md §3.2, TRN-1,
 * TRN-4, TRN-6). Whoever never finishes a frame is given up after a time, and a peer that sends too much that is no frame loses the connection.
 */
import type { BiStream, Connection } from '../../endpoint/index.ts'
import { type FrameKind, frameKind, frameLength, LENGTH_BYTES } from './framing.ts'
import type { MemoryHolder, ReadingMemory } from './reading-memory.ts'
import type { LinkSettings } from './settings.ts'
import type { LinkCounters, RefusalReason } from './stats.ts'

/** One read, bytes. Before the length is known it brings 2,048 at most: the transport's first piece of a stream. */
const READ = 65_536
/** Memory for a frame grows with what came of it: this at first, bytes, then twice as much each time. */
const FIRST_BUFFER = 16_384
/** Application code of what we refuse. */
const REFUSED = 1

/** What reading needs of the links. */
export interface IncomingHost {
  readonly settings: LinkSettings
  readonly counters: LinkCounters
  readonly memory: ReadingMemory
  now(): number
  /** Sees to it that `expire` is called at `at`, ms. */
  wakeAt(at: number): void
  /** A frame, from now on the callee's own. Never throws. */
  received(frame: Uint8Array, kind: FrameKind): void
  refused(reason: RefusalReason): void
}

/** One stream of the peer. */
class Reading {
  readonly stream: BiStream
  /** Given up then, ms. */
  deadline: number
  /** Of the frame, bytes; -1 while not known. */
  length: number
  /** What came of the length, while it was not whole. */
  header: Uint8Array | undefined
  /** What came of the frame: the first `filled` bytes. */
  buffer: Uint8Array | undefined
  filled: number
  /** Has room among the frames that are being read. */
  isReserved: boolean
  /** Given up then, however steadily something comes, ms. */
  endsAt: number
  /** Handed over or refused. */
  isOver: boolean
  /** The place of its frame among those that wait for room. */
  grant: (() => void) | undefined

  constructor(stream: BiStream, deadline: number) {
    this.stream = stream
    this.deadline = deadline
    this.length = -1
    this.header = undefined
    this.buffer = undefined
    this.filled = 0
    this.isReserved = false
    this.endsAt = Number.POSITIVE_INFINITY
    this.isOver = false
    this.grant = undefined
  }
}

export class IncomingFrames implements MemoryHolder {
  /** Bytes of buffers of unfinished frames. */
  heldBytes = 0
  readonly #connection: Connection
  readonly #host: IncomingHost
  /** Streams whose frame was whole at once, or is not known yet; and those that wait for more of it. Each in the order of its deadlines. */
  readonly #short = new Set<Reading>()
  readonly #long = new Set<Reading>()
  /** Lengths of frames that are being read. */
  #reserved = 0
  /** Readings whose frames wait for room, first come, first served. */
  #waiting: Reading[] = []
  #hasRoom: (() => void) | undefined = undefined
  #refusalsLeft: number
  #refusedAt: number

  constructor(connection: Connection, host: IncomingHost) {
    this.#connection = connection
    this.#host = host
    this.#refusalsLeft = host.settings.refusals
    this.#refusedAt = host.now()
  }

  /** Streams that are being read. */
  get size(): number {
    return this.#short.size + this.#long.size + this.#waiting.length
  }

  /** Reads until the connection ends; never rejects. */
  async run(): Promise<void> {
    this.#dropUni()
    this.#dropDatagrams()
    try {
      for (;;) {
        const stream = await this.#connection.acceptBi()
        this.#read(stream)
        if (this.size >= this.#host.settings.maxReading)
          await new Promise<void>((resolve) => {
            this.#hasRoom = resolve
          })
      }
    } catch {
      // the connection ended, which its `closed` tells
    }
  }

  /** Gives up those whose time is over; when to look again, ms. */
  expire(now: number): number {
    return Math.min(this.#expire(this.#short, now), this.#expire(this.#long, now))
  }

  dropLargest(): void {
    let largest: Reading | undefined
    for (const reading of this.#long)
      if (reading.buffer !== undefined && reading.buffer.length > (largest?.buffer?.length ?? 0)) largest = reading
    if (largest !== undefined) this.#refuse(largest, 'memory')
  }

  #expire(readings: Set<Reading>, now: number): number {
    for (const reading of readings) {
      if (reading.deadline > now) return reading.deadline
      readings.delete(reading)
      // what follows a frame is no business of ours
      if (reading.isOver) reading.stream.recv.stop(0)
      else this.#refuse(reading, 'timeout')
    }
    return Number.POSITIVE_INFINITY
  }

  async #read(stream: BiStream): Promise<void> {
    const { settings, now } = this.#setup()
    const reading = new Reading(stream, now + settings.headerTimeoutMs)
    this.#short.add(reading)
    this.#host.wakeAt(reading.deadline)
    try {
      for (;;) {
        const chunk = await stream.recv.read(READ)
        if (chunk === undefined) {
          if (!reading.isOver) this.#cutShort(reading)
          break
        }
        if (reading.isOver) {
          stream.recv.stop(0)
          break
        }
        const turn = this.#take(reading, chunk)
        if (turn !== undefined) await turn
      }
    } catch {
      // reset by the peer, stopped by us, or the connection ended
      if (!reading.isOver && this.#connection.closeReason === undefined) this.#countRefusal('cut-short')
    }
    this.#over(reading)
  }

  #setup(): { settings: LinkSettings; now: number } {
    return { settings: this.#host.settings, now: this.#host.now() }
  }

  /** A promise: the frame has to wait for its turn. */
  #take(reading: Reading, chunk: Uint8Array): Promise<void> | undefined {
    if (reading.length >= 0) {
      this.#await(reading)
      this.#append(reading, chunk, 0)
      return undefined
    }
    let start = LENGTH_BYTES
    if (reading.header === undefined && chunk.length >= LENGTH_BYTES) reading.length = frameLength(chunk)
    else {
      start = this.#takeHeader(reading, chunk)
      if (reading.length < 0) return undefined
    }
    const { length } = reading
    if (length === 0) this.#refuse(reading, 'empty')
    else if (length > this.#host.settings.maxFrameLength) this.#refuse(reading, 'too-long')
    else if (chunk.length - start >= length) this.#deliver(reading, chunk.subarray(start, start + length))
    else return this.#begin(reading, chunk, start)
    return undefined
  }

  /** Lengths that come in pieces. Returns how many bytes of the chunk belong to it. */
  #takeHeader(reading: Reading, chunk: Uint8Array): number {
    reading.header ??= new Uint8Array(LENGTH_BYTES)
    const count = Math.min(LENGTH_BYTES - reading.filled, chunk.length)
    reading.header.set(chunk.subarray(0, count), reading.filled)
    reading.filled += count
    if (reading.filled === LENGTH_BYTES) {
      reading.length = frameLength(reading.header)
      reading.header = undefined
      reading.filled = 0
    }
    return count
  }

  /** More of the frame is to come: it needs room, and more time. */
  #begin(reading: Reading, chunk: Uint8Array, start: number): Promise<void> | undefined {
    const { maxReadingBytesPerConnection } = this.#host.settings
    this.#short.delete(reading)
    if (this.#waiting.length === 0 && this.#reserved + reading.length <= maxReadingBytesPerConnection) {
      this.#reserve(reading)
      this.#append(reading, chunk, start)
      return undefined
    }
    // its time does not run: it is not its sender's fault
    this.#waiting.push(reading)
    return new Promise<void>((resolve) => {
      reading.grant = () => {
        reading.grant = undefined
        if (!reading.isOver) this.#append(reading, chunk, start)
        resolve()
      }
    })
  }

  #reserve(reading: Reading): void {
    reading.isReserved = true
    this.#reserved += reading.length
    reading.endsAt = this.#host.now() + this.#host.settings.maxFrameMs
    this.#await(reading)
  }

  /** Something came: it may go on for a while. */
  #await(reading: Reading): void {
    reading.deadline = Math.min(this.#host.now() + this.#host.settings.frameTimeoutMs, reading.endsAt)
    // behind those that wait
    this.#long.delete(reading)
    this.#long.add(reading)
    this.#host.wakeAt(reading.deadline)
  }

  #append(reading: Reading, chunk: Uint8Array, start: number): void {
    const { length, filled } = reading
    const count = Math.min(chunk.length - start, length - filled)
    const buffer = this.#bufferFor(reading, filled + count)
    // dropped a moment ago, because all peers together sent too much
    if (reading.isOver) return
    buffer.set(count === chunk.length ? chunk : chunk.subarray(start, start + count), filled)
    reading.filled = filled + count
    if (reading.filled === length) this.#deliver(reading, buffer)
  }

  /** Memory for `wanted` bytes of the frame, with what was there. */
  #bufferFor(reading: Reading, wanted: number): Uint8Array {
    const { buffer: old, length } = reading
    if (old !== undefined && old.length >= wanted) return old
    const size = Math.min(length, Math.max(FIRST_BUFFER, wanted, old === undefined ? 0 : old.length * 2))
    const buffer = new Uint8Array(size)
    if (old !== undefined) buffer.set(old)
    reading.buffer = buffer
    const growth = size - (old?.length ?? 0)
    this.heldBytes += growth
    this.#host.memory.take(this, growth)
    return buffer
  }

  #deliver(reading: Reading, frame: Uint8Array): void {
    const kind = frameKind(frame[0]!)
    if (kind === undefined) {
      this.#refuse(reading, 'first-byte')
      return
    }
    reading.isOver = true
    this.#release(reading)
    this.#host.received(frame, kind)
    // TRN-4; TRN-6: a Rust sender has stopped this direction already
    reading.stream.send.finish().catch(ignore)
  }

  #cutShort(reading: Reading): void {
    // opened and given up by its sender: that is no offence
    if (reading.length < 0 && reading.filled === 0) {
      reading.isOver = true
      this.#countRefusal('cut-short')
      reading.stream.send.finish().catch(ignore)
    } else this.#refuse(reading, 'cut-short')
  }

  #refuse(reading: Reading, reason: RefusalReason): void {
    reading.isOver = true
    this.#release(reading)
    reading.stream.recv.stop(REFUSED)
    reading.stream.send.reset(REFUSED)
    // that may happen to anybody
    if (reason === 'memory') this.#countRefusal(reason)
    else this.#offence(reason)
  }

  #countRefusal(reason: RefusalReason): void {
    this.#host.counters.refused[reason]++
    this.#host.refused(reason)
  }

  #offence(reason: RefusalReason): void {
    this.#countRefusal(reason)
    const { settings, now } = this.#setup()
    const { refusals, refusalsPerSecond } = settings
    const regained = ((now - this.#refusedAt) * refusalsPerSecond) / 1_000
    this.#refusedAt = now
    this.#refusalsLeft = Math.min(refusals, this.#refusalsLeft + regained) - 1
    if (this.#refusalsLeft >= 0 || this.#connection.closeReason !== undefined) return
    this.#host.counters.floods++
    this.#connection.close(0, 'too many bad frames')
  }

  #release(reading: Reading): void {
    const { buffer } = reading
    if (buffer !== undefined) {
      reading.buffer = undefined
      this.heldBytes -= buffer.length
      this.#host.memory.give(this, buffer.length)
    }
    if (reading.grant !== undefined) {
      // its turn never comes: it must not wait for it
      this.#waiting = this.#waiting.filter((other) => other !== reading)
      reading.grant()
    }
    if (!reading.isReserved) return
    reading.isReserved = false
    this.#reserved -= reading.length
    this.#grant()
  }

  #grant(): void {
    const { maxReadingBytesPerConnection } = this.#host.settings
    for (;;) {
      const next = this.#waiting[0]
      if (next === undefined || this.#reserved + next.length > maxReadingBytesPerConnection) return
      this.#waiting.shift()
      this.#reserve(next)
      next.grant?.()
    }
  }

  #over(reading: Reading): void {
    reading.isOver = true
    this.#release(reading)
    this.#short.delete(reading)
    this.#long.delete(reading)
    if (this.#hasRoom === undefined || this.size >= this.#host.settings.maxReading) return
    this.#hasRoom()
    this.#hasRoom = undefined
  }

  /** This protocol has none, and what nobody reads would lie in memory. */
  async #dropUni(): Promise<void> {
    try {
      for (;;) {
        const stream = await this.#connection.acceptUni()
        stream.stop(REFUSED)
        this.#offence('not-a-frame')
      }
    } catch {
      // the connection ended
    }
  }

  async #dropDatagrams(): Promise<void> {
    try {
      for (;;) {
        await this.#connection.readDatagram()
        this.#offence('not-a-frame')
      }
    } catch {
      // the connection ended
    }
  }
}

function ignore(): void {}
