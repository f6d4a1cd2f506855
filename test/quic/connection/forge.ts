/**
 * Authentic packets that no honest peer would send: keys come from the sender's key log, so a test can put any frames into a packet that
 * the receiver will open.
 */
import { Writer } from '../../../src/bytes/writer.ts'
import { Level } from '../../../src/quic/level.ts'
import {
  deriveAead,
  deriveKeys,
  freeKeys,
  initialKeys,
  nextSecret,
  type PacketKeys,
} from '../../../src/quic/protection/packet-keys.ts'
import { PacketProtection, TAG_LENGTH } from '../../../src/quic/protection/packet-protection.ts'
import { cipherSuite, suitesInOrder } from '../../../src/quic/tls/cipher-suites.ts'
import {
  PacketHeader,
  parseHeader,
  patchLength,
  QUIC_V1,
  writeLongHeader,
  writeShortHeader,
} from '../../../src/quic/wire/header.ts'
import type { Pair } from './pair.ts'

const LABELS = {
  client: { [Level.Handshake]: 'CLIENT_HANDSHAKE_TRAFFIC_SECRET', [Level.OneRtt]: 'CLIENT_TRAFFIC_SECRET_0' },
  server: { [Level.Handshake]: 'SERVER_HANDSHAKE_TRAFFIC_SECRET', [Level.OneRtt]: 'SERVER_TRAFFIC_SECRET_0' },
} as const

export interface ForgeOptions {
  level?: Level
  packetNumber?: number
  /** Bits to set in the first byte before header protection. */
  firstByteBits?: number
  /** Key updates since the handshake; the key phase bit follows from it. Default 0. */
  generation?: number
  /** Default: of `generation`. */
  keyPhase?: number
  suite?: number
  route?: number
  /** Default: the id of the receiver's long headers. */
  destination?: Uint8Array
  /** Default: the id of the sender's long headers. */
  source?: Uint8Array
  token?: Uint8Array
}

/** How far forged packet numbers lie above honest ones: those that follow can still be expanded. */
const AHEAD = 40
const lastForged = new WeakMap<Pair, number>()

/** A packet number that the honest side has not used, above those forged before. */
function freshNumber(pair: Pair, from: 'client' | 'server', level: Level): number {
  const honest = pair[from].tap.sent.filter((packet) => packet.level === level).at(-1)?.packetNumber ?? -1
  const number = Math.max(honest + AHEAD, (lastForged.get(pair) ?? 0) + 1)
  lastForged.set(pair, number)
  return number
}

/** Delivers an authentic packet from `from` holding `frames`. */
export function forge(
  pair: Pair,
  from: 'client' | 'server',
  frames: number[] | Uint8Array,
  options: ForgeOptions = {},
): void {
  pair.deliver(from === 'client' ? 'server' : 'client', forged(pair, from, frames, options), options.route ?? 100)
  pair.flush()
}

/** The bytes of such a packet. */
export function forged(
  pair: Pair,
  from: 'client' | 'server',
  frames: number[] | Uint8Array,
  options: ForgeOptions = {},
): Uint8Array {
  const level = options.level ?? Level.OneRtt
  const packetNumber = options.packetNumber ?? freshNumber(pair, from, level)
  const generation = options.generation ?? 0
  const payload = frames instanceof Uint8Array ? frames : Uint8Array.from(frames)
  const ids = options.destination === undefined || options.source === undefined ? idsUsedBy(pair, from) : undefined
  const destination = options.destination ?? ids!.destination
  const source = options.source ?? ids!.source
  const writer = new Writer(new Uint8Array(1500))
  let lengthAt = -1
  if (level === Level.OneRtt)
    writeShortHeader(writer, destination, false, options.keyPhase ?? generation & 1, packetNumber, 4)
  else
    lengthAt = writeLongHeader(
      writer,
      level,
      QUIC_V1,
      destination,
      source,
      options.token ?? new Uint8Array(0),
      packetNumber,
      4,
    )
  writer.bytes[0] = writer.bytes[0]! | (options.firstByteBits ?? 0)
  const keys = keysOf(pair, from, level, options.suite ?? suitesInOrder(pair.crypto.aeadPreference)[0]!, generation)
  const packet = sealed(writer, payload, keys, 0, packetNumber, lengthAt)
  freeKeys(keys)
  return packet
}

/** `writer` holds a header with a packet number of 4 bytes and, in a long one, a length field at `lengthAt`. Returns header and payload, sealed. */
export function sealed(
  writer: Writer,
  payload: Uint8Array,
  keys: PacketKeys,
  pathId: number,
  packetNumber: number,
  lengthAt = -1,
): Uint8Array {
  const payloadStart = writer.position
  writer.raw(payload)
  const end = writer.position
  const numberStart = payloadStart - 4
  if (lengthAt !== -1) patchLength(writer.bytes, lengthAt, end + TAG_LENGTH - numberStart)
  const { aead, header } = keys
  const { bytes } = writer
  const length = new PacketProtection().protect(
    aead,
    header,
    bytes,
    0,
    numberStart,
    payloadStart,
    end,
    pathId,
    packetNumber,
  )
  return bytes.slice(0, length)
}

/** Zero bytes around frames: PADDING up to `length` bytes of payload. */
export function padded(frames: number[], length: number): Uint8Array {
  const payload = new Uint8Array(length)
  payload.set(frames)
  return payload
}

/** The connection ids in the last long-header packet of `from`, whose destination the peer still answers to. */
function idsUsedBy(pair: Pair, from: 'client' | 'server') {
  const header = new PacketHeader()
  const read = (sender: 'client' | 'server') => {
    for (let index = pair.log.length - 1; index >= 0; index--) {
      const { bytes, from: by } = pair.log[index]!
      if (by !== sender || !parseHeader(bytes, 0, bytes.length, 8, header) || header.kind === 3) continue
      return bytes.slice(header.sourceStart, header.sourceStart + header.sourceLength)
    }
    throw new Error(`${sender} has sent no long-header packet`)
  }
  return { destination: read(from === 'client' ? 'server' : 'client'), source: read(from) }
}

function keysOf(pair: Pair, from: 'client' | 'server', level: Level, suiteId: number, generation: number) {
  if (level === Level.Initial) {
    const header = new PacketHeader()
    const first = pair.log.find(({ from: by }) => by === 'client')!.bytes
    parseHeader(first, 0, first.length, 8, header)
    const id = first.slice(header.destinationStart, header.destinationStart + header.destinationLength)
    const keys = initialKeys(pair.crypto, id, from)
    freeKeys(keys.receive)
    return keys.send
  }
  const label = LABELS[from][level as typeof Level.Handshake | typeof Level.OneRtt]
  const line = [...pair.client.keyLog, ...pair.server.keyLog].find((entry) => entry.startsWith(`${label} `))
  if (line === undefined) throw new Error(`no ${label} yet`)
  const suite = cipherSuite(suiteId)!
  let secret: Uint8Array = Uint8Array.from(Buffer.from(line.split(' ')[2]!, 'hex'))
  const keys = deriveKeys(pair.crypto, suite, secret)
  if (generation === 0) return keys
  // RFC 9001 §6.1: the header protection key stays
  for (let update = 0; update < generation; update++) secret = nextSecret(pair.crypto, suite, secret)
  keys.aead.free()
  return { aead: deriveAead(pair.crypto, suite, secret), header: keys.header }
}
