/**
 * Authentic packets that no honest peer would send: keys come from the sender's key log, so a test can put any frames into a packet that
 * the receiver will open.
 */
import { Writer } from '../../../src/bytes/writer.ts'
import { Level } from '../../../src/quic/level.ts'
import { deriveKeys, freeKeys, initialKeys } from '../../../src/quic/protection/packet-keys.ts'
import { PacketProtection } from '../../../src/quic/protection/packet-protection.ts'
import { cipherSuite } from '../../../src/quic/tls/cipher-suites.ts'
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
  keyPhase?: number
  suite?: number
  route?: number
}

/** Packet numbers of forged packets: far above what the honest side used, inside what a 4-byte field can express. */
let nextNumber = 100_000

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
  const packetNumber = options.packetNumber ?? nextNumber++
  const payload = frames instanceof Uint8Array ? frames : Uint8Array.from(frames)
  const { destination, source } = idsUsedBy(pair, from)
  const writer = new Writer(new Uint8Array(1500))
  let lengthAt = -1
  if (level === Level.OneRtt) writeShortHeader(writer, destination, false, options.keyPhase ?? 0, packetNumber, 4)
  else lengthAt = writeLongHeader(writer, level, QUIC_V1, destination, source, new Uint8Array(0), packetNumber, 4)
  writer.bytes[0] = writer.bytes[0]! | (options.firstByteBits ?? 0)
  const payloadStart = writer.position
  writer.raw(payload)
  const end = writer.position
  if (lengthAt !== -1) patchLength(writer.bytes, lengthAt, end + 16 - (payloadStart - 4))
  const keys = keysOf(pair, from, level, options.suite ?? 0x1301)
  const length = new PacketProtection().protect(
    keys.aead,
    keys.header,
    writer.bytes,
    0,
    payloadStart - 4,
    payloadStart,
    end,
    0,
    packetNumber,
  )
  freeKeys(keys)
  return writer.bytes.slice(0, length)
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

function keysOf(pair: Pair, from: 'client' | 'server', level: Level, suiteId: number) {
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
  return deriveKeys(pair.crypto, cipherSuite(suiteId)!, Uint8Array.from(Buffer.from(line.split(' ')[2]!, 'hex')))
}
