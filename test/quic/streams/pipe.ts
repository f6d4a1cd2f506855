/**
 * Test harness: one side of a connection without packets protection, recovery or time (`Side`), and two sides joined by a bad network (`Pipe`).
 * Frames go through the real codecs.
 */
import { Reader } from '../../../src/bytes/reader.ts'
import { ErrorCode, TransportError } from '../../../src/quic/errors.ts'
import { Level, type Role } from '../../../src/quic/level.ts'
import { type FrameOwner, PacketWriter, type SentFrame, SentFramePool } from '../../../src/quic/recovery/frame-owner.ts'
import { Datagrams } from '../../../src/quic/streams/datagrams.ts'
import { DatagramError, StreamError } from '../../../src/quic/streams/stream-error.ts'
import { type StreamEvents, type StreamSettings, Streams } from '../../../src/quic/streams/streams.ts'
import { FrameType, frameName } from '../../../src/quic/wire/frame-types.ts'
import * as limits from '../../../src/quic/wire/limit-frames.ts'
import * as codec from '../../../src/quic/wire/stream-frames.ts'
import { defaultTransportParameters, type TransportParameters } from '../../../src/quic/wire/transport-parameters.ts'

export const DEFAULTS: StreamSettings = {
  initialMaxData: 10_000_000,
  streamReceiveWindow: 1_250_000,
  maxReceiveWindow: 8_000_000,
  maxStreamsBidi: 100,
  maxStreamsUni: 100,
  sendBuffer: 10_000_000,
  datagramReceiveBuffer: 1_250_000,
  datagramSendBuffer: 1_048_576,
}

/** What a side with these settings tells its peer. */
export function parametersOf(settings: StreamSettings): TransportParameters {
  return {
    ...defaultTransportParameters(),
    initialMaxData: settings.initialMaxData,
    initialMaxStreamDataBidiLocal: settings.streamReceiveWindow,
    initialMaxStreamDataBidiRemote: settings.streamReceiveWindow,
    initialMaxStreamDataUni: settings.streamReceiveWindow,
    initialMaxStreamsBidi: settings.maxStreamsBidi,
    initialMaxStreamsUni: settings.maxStreamsUni,
    maxDatagramFrameSize: settings.datagramReceiveBuffer > 0 ? 65_535 : 0,
  }
}

/** Notes every event as text. */
export class EventLog implements StreamEvents {
  log: string[] = []
  /** Returns what was noted, and forgets it. */
  take(): string[] {
    const log = this.log
    this.log = []
    return log
  }
  readable = (id: number) => void this.log.push(`readable ${id}`)
  writable = (id: number) => void this.log.push(`writable ${id}`)
  incoming = (bidirectional: boolean) => void this.log.push(`incoming ${bidirectional ? 'bidi' : 'uni'}`)
  available = (bidirectional: boolean) => void this.log.push(`available ${bidirectional ? 'bidi' : 'uni'}`)
  stopped = (id: number, code: number) => void this.log.push(`stopped ${id} ${code}`)
  finished = (id: number) => void this.log.push(`finished ${id}`)
  datagram = () => void this.log.push('datagram')
  datagramWritable = () => void this.log.push('datagram-writable')
}

export interface Packet {
  readonly bytes: Uint8Array
  readonly frames: SentFrame | undefined
}

export class Side {
  readonly events = new EventLog()
  readonly pool = new SentFramePool()
  readonly writer = new PacketWriter(this.pool)
  readonly streams: Streams
  readonly datagrams: Datagrams
  wakes = 0
  now = 0
  readonly #buffer = new Uint8Array(65_536)

  constructor(role: Role, settings: StreamSettings = DEFAULTS) {
    this.streams = new Streams(role, settings, this.events, () => void this.wakes++)
    this.datagrams = new Datagrams(settings, this.events, () => void this.wakes++)
  }

  connect(parameters: TransportParameters): this {
    this.streams.applyPeerParameters(parameters)
    this.datagrams.applyPeerParameters(parameters)
    return this
  }

  /** The next packet of at most `size` bytes, or undefined: nothing to send. Fails when something pends and a fresh packet cannot take it. */
  packet(size = 1200): Packet | undefined {
    const { writer, streams, datagrams } = this
    writer.begin(this.#buffer, 0, size, Level.OneRtt, 0, false)
    const pends = streams.hasPending || datagrams.hasPending
    writeOwner(streams.frames, writer, () => streams.hasPending)
    if (writer.room > 0) writeOwner(datagrams.frames, writer, () => datagrams.hasPending)
    if (writer.position > size) throw new Error('wrote beyond the limit')
    if (writer.position === 0) {
      if (pends && (streams.hasPending || datagrams.hasPending)) throw new Error('it pends, but nothing was written')
      return undefined
    }
    return { bytes: this.#buffer.slice(0, writer.position), frames: writer.frames }
  }

  /** All packets until nothing pends. */
  flush(size = 1200): Packet[] {
    const packets: Packet[] = []
    for (let packet = this.packet(size); packet !== undefined; packet = this.packet(size)) packets.push(packet)
    return packets
  }

  /** What would be sent now, as text. */
  sent(size = 1200): string[] {
    return this.flush(size).flatMap((packet) => describe(packet.bytes))
  }

  settle(packets: Packet | readonly Packet[], acked: boolean): void {
    for (const packet of [packets].flat() as Packet[]) this.pool.settle(packet.frames, acked)
  }

  receive(bytes: Uint8Array): void {
    dispatch(this, bytes)
  }

  /** Everything readable now, joined. */
  readAll(id: number): { bytes: Uint8Array; end: string } {
    const chunks: Uint8Array[] = []
    for (;;) {
      const result = this.streams.read(id, 65_536)
      if (result === 'empty' || result === 'fin') return { bytes: join(chunks), end: result }
      if (result.kind === 'reset') return { bytes: join(chunks), end: `reset ${result.code}` }
      chunks.push(result.bytes)
    }
  }

  /** A STREAM frame of the peer. */
  data(id: number, offset: number, length: number, fin = false): void {
    const bytes = pattern(offset, length)
    this.streams.receiveStream(id, offset, bytes, 0, length, fin, this.now)
  }
}

function writeOwner(owner: FrameOwner, writer: PacketWriter, pends: () => boolean): void {
  if (owner.write(writer) !== pends()) throw new Error('write() and hasPending disagree')
}

export function connectedSides(left: StreamSettings = DEFAULTS, right: StreamSettings = DEFAULTS): [Side, Side] {
  return [new Side('client', left).connect(parametersOf(right)), new Side('server', right).connect(parametersOf(left))]
}

/** Byte at a stream offset, the same for every stream. */
export function pattern(offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index++) bytes[index] = (offset + index) * 31 + ((offset + index) >>> 8)
  return bytes
}

/** `bytes` are those of the pattern; quicker than `toEqual`. */
export function isPattern(bytes: Uint8Array, offset: number): boolean {
  return Buffer.compare(bytes, pattern(offset, bytes.length)) === 0
}

export function join(chunks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(chunks))
}

/** The transport or application error code that a call ends in; 'ok' for none. */
export function outcome(call: () => unknown): string {
  try {
    call()
    return 'ok'
  } catch (error) {
    if (error instanceof TransportError) {
      return Object.entries(ErrorCode).find(([, code]) => code === error.code)?.[0] ?? String(error.code)
    }
    if (error instanceof StreamError || error instanceof DatagramError) return error.code
    throw error
  }
}

/** Hands each frame to its owner; as `frame-dispatch` does, without its checks. */
export function dispatch(side: Side, bytes: Uint8Array): void {
  const { streams, datagrams } = side
  const frame = new codec.StreamFrame()
  for (const reader = new Reader(bytes); reader.remaining > 0; ) {
    const type = reader.varint()
    if (type >= FrameType.STREAM && type <= FrameType.STREAM_LAST) {
      codec.readStreamFrame(reader, type, frame)
      streams.receiveStream(frame.streamId, frame.offset, bytes, frame.start, frame.length, frame.fin, side.now)
    } else if (type === FrameType.DATAGRAM_LEN) {
      codec.readDatagram(reader, type, frame)
      datagrams.receive(bytes, frame.start, frame.length)
    } else if (type === FrameType.RESET_STREAM) {
      const { streamId, errorCode, finalSize } = codec.readResetStream(reader)
      streams.receiveReset(streamId, errorCode, finalSize)
    } else if (type === FrameType.STOP_SENDING) {
      const { streamId, errorCode } = codec.readStopSending(reader)
      streams.receiveStopSending(streamId, errorCode)
    } else if (type === FrameType.MAX_DATA) streams.receiveMaxData(limits.readMaxData(reader))
    else if (type === FrameType.MAX_STREAM_DATA) {
      const { streamId, limit } = limits.readMaxStreamData(reader)
      streams.receiveMaxStreamData(streamId, limit)
    } else if (type === FrameType.MAX_STREAMS_BIDI || type === FrameType.MAX_STREAMS_UNI) {
      streams.receiveMaxStreams(type === FrameType.MAX_STREAMS_BIDI, limits.readMaxStreams(reader, type))
    } else if (type === FrameType.DATA_BLOCKED) streams.receiveDataBlocked(limits.readDataBlocked(reader))
    else if (type === FrameType.STREAM_DATA_BLOCKED) {
      const { streamId, limit } = limits.readStreamDataBlocked(reader)
      streams.receiveStreamDataBlocked(streamId, limit)
    } else if (type === FrameType.STREAMS_BLOCKED_BIDI || type === FrameType.STREAMS_BLOCKED_UNI) {
      streams.receiveStreamsBlocked(type === FrameType.STREAMS_BLOCKED_BIDI, limits.readStreamsBlocked(reader, type))
    } else throw new Error(`unexpected frame ${type}`)
  }
}

/** Frames as text: `STREAM 0 0..10 fin`, `RESET_STREAM 0 7 10`, `MAX_DATA 100`. */
export function describe(bytes: Uint8Array): string[] {
  const out: string[] = []
  const frame = new codec.StreamFrame()
  for (const reader = new Reader(bytes); reader.remaining > 0; ) {
    const type = reader.varint()
    if (type >= FrameType.STREAM && type <= FrameType.STREAM_LAST) {
      codec.readStreamFrame(reader, type, frame)
      const { streamId, offset, length, fin } = frame
      out.push(`STREAM ${streamId} ${offset}..${offset + length}${fin ? ' fin' : ''}`)
    } else if (type === FrameType.DATAGRAM_LEN) {
      codec.readDatagram(reader, type, frame)
      out.push(`DATAGRAM ${frame.length}`)
    } else {
      const fields = type === FrameType.RESET_STREAM ? 3 : type === 0x05 || type === 0x11 || type === 0x15 ? 2 : 1
      const values = Array.from({ length: fields }, () => reader.varint())
      out.push([frameName(type), ...values].join(' '))
    }
  }
  return out
}

/** Seeded generator, 0 <= x < 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

interface Flight {
  readonly from: Side
  readonly to: Side
  readonly packet: Packet
  /** Round of arrival, Infinity: lost on the way. */
  arrival: number
  /** Round in which the sender decides. */
  readonly verdict: number
  acked: boolean
}

export interface PipeOptions {
  readonly seed: number
  /** Chance that a packet, or its acknowledgement, is lost. */
  readonly loss: number
  /** Packets arrive 1 to this many rounds later, in any order. */
  readonly jitter: number
  /** Packets a side may send in a round. */
  readonly perRound?: number
  readonly packetSize?: number
}

/** Two sides and a network. A packet whose acknowledgement is lost is deemed lost although it arrived. */
export class Pipe {
  readonly sides: readonly [Side, Side]
  readonly random: () => number
  round = 0
  readonly #options: PipeOptions
  #flights: Flight[] = []

  constructor(sides: readonly [Side, Side], options: PipeOptions) {
    this.sides = sides
    this.random = seeded(options.seed)
    this.#options = options
  }

  get isIdle(): boolean {
    return (
      this.#flights.length === 0 && !this.sides.some((side) => side.streams.hasPending || side.datagrams.hasPending)
    )
  }

  step(): void {
    this.round++
    for (const side of this.sides) {
      side.now = this.round * 10
      side.streams.rttMs = 20
    }
    const due = this.#flights.filter((flight) => flight.arrival === this.round)
    for (const flight of due) {
      flight.to.receive(flight.packet.bytes)
      flight.acked = this.random() >= this.#options.loss
    }
    const decided = this.#flights.filter((flight) => flight.verdict <= this.round || flight.acked)
    this.#flights = this.#flights.filter((flight) => !decided.includes(flight))
    for (const flight of decided) flight.from.settle(flight.packet, flight.acked)
    this.#send(this.sides[0], this.sides[1])
    this.#send(this.sides[1], this.sides[0])
  }

  #send(from: Side, to: Side): void {
    const { loss, jitter, perRound = 20, packetSize = 1200 } = this.#options
    for (let count = 0; count < perRound; count++) {
      const packet = from.packet(packetSize)
      if (packet === undefined) return
      const delay = 1 + Math.floor(this.random() * jitter)
      const arrival = this.random() < loss ? Number.POSITIVE_INFINITY : this.round + delay
      this.#flights.push({ from, to, packet, arrival, verdict: this.round + jitter + 2, acked: false })
    }
  }
}
