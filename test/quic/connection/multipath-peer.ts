/**
 * A peer that has the keys and keeps no rules: authentic 1-RTT packets on any path, from any route, with any frames. It watches what its
 * victim sends, so that it knows the victim's connection ids and can acknowledge as an honest peer would.
 */
import { Writer } from '../../../src/bytes/writer.ts'
import { Level, type QuicSettings } from '../../../src/quic/index.ts'
import { deriveKeys, type PacketKeys } from '../../../src/quic/protection/packet-keys.ts'
import { cipherSuite } from '../../../src/quic/tls/cipher-suites.ts'
import { writeAckFrame } from '../../../src/quic/wire/ack-frames.ts'
import { QUIC_V1, writeLongHeader, writeShortHeader } from '../../../src/quic/wire/header.ts'
import { writeNewConnectionId } from '../../../src/quic/wire/id-frames.ts'
import { sealed } from './forge.ts'
import { type Datagram, Pair, type PairOptions } from './pair.ts'

export type Side = 'client' | 'server'

export const otherSide = (side: Side): Side => (side === 'client' ? 'server' : 'client')

/** Bytes of frames, however they are given. */
export type Frames = Uint8Array | readonly number[] | ((writer: Writer) => void)

export function bytesOf(frames: Frames): Uint8Array {
  if (frames instanceof Uint8Array) return frames
  if (typeof frames !== 'function') return Uint8Array.from(frames)
  const writer = new Writer(new Uint8Array(16_000))
  frames(writer)
  return writer.bytes.slice(0, writer.position)
}

/** As many copies as `room` bytes hold, each by its number from `first` on; and how many that were. */
export function packed(room: number, first: number, write: (writer: Writer, index: number) => void) {
  const writer = new Writer(new Uint8Array(room + 100))
  let index = first
  let end = 0
  while (writer.position <= room) {
    end = writer.position
    write(writer, index++)
  }
  return { bytes: writer.bytes.slice(0, end), count: index - 1 - first }
}

/** PATH_NEW_CONNECTION_ID with an id of 8 bytes that no other path and sequence has; `pathId` -1 writes the plain form. */
export function writeFreshId(writer: Writer, pathId: number, sequence: number, retirePriorTo = 0): void {
  const id = new Uint8Array(8)
  const view = new DataView(id.buffer)
  view.setUint32(0, 0xa000_0000 + Math.max(pathId, 0))
  view.setUint32(4, sequence)
  writeNewConnectionId(writer, pathId, sequence, retirePriorTo, id, new Uint8Array(16).fill(sequence & 0xff, 8))
}

/** Two ends that agreed on multipath, at rest. Packet numbers have no deliberate gaps, so that all may be acknowledged. */
export function multipathPair(options: PairOptions = {}): Pair {
  const settings: Partial<QuicSettings> = { maxPathId: 7, skipPacketNumbers: false }
  const pair = new Pair({
    ...options,
    client: { ...settings, ...options.client },
    server: { ...settings, ...options.server },
  }).connect()
  pair.run(200)
  return pair
}

/** Has the client open `count` more paths, on routes 200, 300, and so on, validated on both sides. */
export function withPaths(count: number, options: PairOptions = {}): Pair {
  const pair = multipathPair(options)
  for (let path = 1; path <= count; path++) pair.client.connection!.openPath(100 + 100 * path, 'available', pair.now)
  pair.until(() => pair.client.of('path-validated').length >= count && pair.server.of('path-validated').length >= count)
  pair.run(200)
  return pair
}

export function framesOf(datagrams: readonly Datagram[], type: string): Record<string, unknown>[] {
  return datagrams
    .flatMap(({ packets }) => packets.flatMap(({ frames }) => frames))
    .filter((frame) => frame.frame_type === type)
}

export interface RogueOptions {
  /** Default 0. */
  path?: number
  /** Where the packet seems to come from. Default: 100 for path 0, 200 for path 1, and so on. */
  route?: number
  /** Sequence of the victim's connection id that it is sent to. Default: the newest for the path. */
  sequence?: number
  packetNumber?: number
}

/** How far rogue packet numbers lie above honest ones of the same path: those that follow can still be expanded. */
const AHEAD = 40

export class RoguePeer {
  readonly pair: Pair
  readonly role: Side
  readonly victim: Side
  readonly #keys: PacketKeys
  /** Connection ids of the victim by path id and sequence. */
  readonly #ids = new Map<number, Map<number, Uint8Array>>()
  /** Highest packet number of the victim by path id. */
  readonly #largest = new Map<number, number>()
  readonly #next = new Map<number, number>()
  #looked = 0

  constructor(pair: Pair, role: Side) {
    this.pair = pair
    this.role = role
    this.victim = otherSide(role)
    const label = `${role.toUpperCase()}_TRAFFIC_SECRET_0 `
    const line = pair[role].keyLog.findLast((entry) => entry.startsWith(label))!
    const suite = cipherSuite(pair[role].connection!.stats().cipherSuite)!
    this.#keys = deriveKeys(pair.crypto, suite, Uint8Array.from(Buffer.from(line.split(' ')[2]!, 'hex')))
    // what the rogue says it knows itself, and taking it apart again would be most of the work
    pair[this.victim].tap.packetReceived = () => {}
    this.look()
  }

  /** Reads what the victim has sent since. */
  look(): void {
    const { sent } = this.pair[this.victim].tap
    for (; this.#looked < sent.length; this.#looked++) {
      const packet = sent[this.#looked]!
      if (packet.level !== Level.OneRtt) continue
      this.#largest.set(packet.pathId, packet.packetNumber)
      for (const frame of packet.frames) {
        if (frame.frame_type !== 'path_new_connection_id') continue
        const ids = this.#ids.get(frame.path_id as number) ?? new Map<number, Uint8Array>()
        ids.set(frame.sequence_number as number, Uint8Array.from(Buffer.from(frame.connection_id as string, 'hex')))
        this.#ids.set(frame.path_id as number, ids)
      }
    }
  }

  /** Forgets the records of traffic, which a flood would make long. */
  trim(): void {
    this.look()
    // the numbers of honest packets stay known
    for (const path of this.pair[this.role].connection!.paths()) this.#next.set(path.id, this.#number(path.id))
    for (const side of ['client', 'server'] as const) {
      const { tap } = this.pair[side]
      tap.sent.length = 0
      tap.received.length = 0
    }
    this.pair.log.length = 0
    this.#looked = 0
  }

  /** The victim's id for a path; the newest, unless told which. */
  id(path: number, sequence?: number): Uint8Array {
    const ids = this.#ids.get(path)
    const id = sequence === undefined ? [...(ids?.values() ?? [])].at(-1) : ids?.get(sequence)
    if (id === undefined) throw new Error(`no id ${sequence ?? ''} of the ${this.victim} for path ${path} was seen`)
    return id
  }

  #number(path: number): number {
    const honest = this.pair[this.role].tap.sent.findLast(
      (packet) => packet.level === Level.OneRtt && packet.pathId === path,
    )
    const number = Math.max(honest === undefined ? 0 : honest.packetNumber + AHEAD, this.#next.get(path) ?? AHEAD)
    this.#next.set(path, number + 1)
    return number
  }

  /** A packet with `frames` reaches the victim at once, and what the victim says to it is on its way. */
  send(frames: Frames, options: RogueOptions = {}): void {
    this.deliver(this.packet(frames, options), options.route ?? 100 + 100 * (options.path ?? 0))
  }

  deliver(bytes: Uint8Array, route: number): void {
    this.pair.deliver(this.victim, bytes, route)
    this.pair.flush()
    this.look()
  }

  packet(frames: Frames, options: RogueOptions = {}): Uint8Array {
    const path = options.path ?? 0
    const number = options.packetNumber ?? this.#number(path)
    const payload = bytesOf(frames)
    const writer = new Writer(new Uint8Array(payload.length + 64))
    writeShortHeader(writer, this.id(path, options.sequence), false, 0, number, 4)
    return sealed(writer, payload, this.#keys, path, number)
  }

  /** A Handshake packet to the victim's id for `path`. */
  handshakePacket(frames: Frames, path: number): Uint8Array {
    const { pair, role } = this
    const label = `${role.toUpperCase()}_HANDSHAKE_TRAFFIC_SECRET `
    const line = pair[role].keyLog.findLast((entry) => entry.startsWith(label))!
    const suite = cipherSuite(pair[role].connection!.stats().cipherSuite)!
    const keys = deriveKeys(pair.crypto, suite, Uint8Array.from(Buffer.from(line.split(' ')[2]!, 'hex')))
    const payload = bytesOf(frames)
    const writer = new Writer(new Uint8Array(payload.length + 64))
    const number = 500
    const lengthAt = writeLongHeader(writer, 2, QUIC_V1, this.id(path), this.sourceId, new Uint8Array(0), number, 4)
    return sealed(writer, payload, keys, 0, number, lengthAt)
  }

  /** The rogue's connection id in the handshake. */
  get sourceId(): Uint8Array {
    const first = this.pair.log.find(({ from, bytes }) => from === this.role && (bytes[0]! & 0x80) !== 0)!.bytes
    const at = 6 + first[5]!
    return first.slice(at + 1, at + 1 + first[at]!)
  }

  /** PATH_ACK of everything that the victim has sent on `path`. */
  acknowledge(path: number, options: RogueOptions = {}): void {
    const largest = this.#largest.get(path)
    if (largest === undefined) return
    this.send((writer) => writeAckFrame(writer, path, 0, 1, [largest], [0]), options)
  }
}
