/**
 * From the datagrams that a network kept to connections and their opened packets: what quic-interop-runner has from a packet capture and the key log. Packets that
 * no key opens stay, as `opaque`, and those that belong to no connection as `stray`.
 */
import { Reader } from '../../../src/bytes/index.ts'
import type { Datagram } from '../network.ts'
import { type Frame, readFrames } from './frames.ts'
import { type DirectionKeys, initialKeys, type KeyLog, type Side } from './packet-keys.ts'
import { CryptoData } from './tls-messages.ts'

export type PacketType =
  | 'initial'
  | '0rtt'
  | 'handshake'
  | 'retry'
  | 'version-negotiation'
  | '1rtt'
  | 'opaque'
  | 'stray'

export interface Packet {
  /** The datagram it came in. */
  readonly datagram: Datagram
  readonly from: Side
  readonly type: PacketType
  /** Hex; the source id of long headers only. */
  readonly destinationId: string
  readonly sourceId: string
  /** -1 where it could not be opened, or has none. */
  readonly packetNumber: number
  /** 1-RTT: key updates of the sender before it. */
  readonly generation: number
  /** Hex: of an Initial packet, or the one that a Retry gives. */
  readonly token: string
  readonly frames: readonly Frame[]
}

/** Everything that two endpoints said to each other under one client hello. */
export class ConnectionTrace {
  readonly packets: Packet[] = []
  /** Ids by which packets to that side are known. */
  readonly ids: Readonly<Record<Side, Set<string>>> = { client: new Set(), server: new Set() }
  /** Ids from which Initial keys come: the client's first, and a Retry's. */
  readonly firstIds: string[] = []
  readonly crypto = {
    initial: { client: new CryptoData(), server: new CryptoData() },
    handshake: { client: new CryptoData(), server: new CryptoData() },
    '1rtt': { client: new CryptoData(), server: new CryptoData() },
  }
  readonly #initialKeys = new Map<string, DirectionKeys>()
  readonly #keys = new Map<string, DirectionKeys>()
  readonly #keyLog: KeyLog

  constructor(keyLog: KeyLog) {
    this.#keyLog = keyLog
  }

  initialKeys(firstId: string, side: Side): DirectionKeys {
    const name = `${side} ${firstId}`
    let keys = this.#initialKeys.get(name)
    if (keys === undefined) {
      keys = initialKeys(Buffer.from(firstId, 'hex'), side)
      this.#initialKeys.set(name, keys)
    }
    return keys
  }

  keys(level: 'handshake' | '1rtt', side: Side): DirectionKeys | undefined {
    const name = `${level} ${side}`
    let keys = this.#keys.get(name)
    const hello = this.crypto.initial.client.clientHello
    const suite = this.crypto.initial.server.chosenSuite
    if (keys === undefined && hello !== undefined && suite !== undefined) {
      keys = this.#keyLog.keys(level, side, hello.random, suite)
      if (keys !== undefined) this.#keys.set(name, keys)
    }
    return keys
  }
}

interface Header {
  readonly type: PacketType
  readonly destinationId: string
  readonly sourceId: string
  readonly token: string
  readonly start: number
  readonly numberAt: number
  readonly end: number
}

const LONG_TYPES: readonly PacketType[] = ['initial', '0rtt', 'handshake', 'retry']
const other = (side: Side): Side => (side === 'client' ? 'server' : 'client')
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** RFC 9000 §17.2. */
function readLongHeader(datagram: Uint8Array, start: number): Header {
  const reader = new Reader(datagram, start)
  const firstByte = reader.u8()
  const version = reader.u32()
  const destinationId = hex(reader.copy(reader.u8()))
  const sourceId = hex(reader.copy(reader.u8()))
  const type = version === 0 ? 'version-negotiation' : LONG_TYPES[(firstByte >> 4) & 3]!
  const rest = { start, destinationId, sourceId }
  if (type === 'version-negotiation')
    return { ...rest, type, token: '', numberAt: datagram.length, end: datagram.length }
  if (type === 'retry') {
    const token = hex(reader.copy(reader.remaining - 16))
    return { ...rest, type, token, numberAt: datagram.length, end: datagram.length }
  }
  const token = type === 'initial' ? hex(reader.copy(reader.varint())) : ''
  const length = reader.varint()
  const numberAt = reader.position
  return { ...rest, type, token, numberAt, end: Math.min(numberAt + length, datagram.length) }
}

/** The connections of a run, in the order of their beginning. */
export function dissect(datagrams: readonly Datagram[], keyLog: KeyLog): ConnectionTrace[] {
  const connections: ConnectionTrace[] = []
  for (const datagram of datagrams) dissectDatagram(datagram, connections, keyLog)
  return connections
}

function dissectDatagram(datagram: Datagram, connections: ConnectionTrace[], keyLog: KeyLog): void {
  const { bytes, from } = datagram
  for (let start = 0; start < bytes.length; ) {
    if ((bytes[start]! & 0x80) === 0) {
      // Without the fixed bit (RFC 9000 §17.3) it is what aioquic fills up its Initial datagrams with.
      if ((bytes[start]! & 0x40) !== 0) dissectShort(datagram, start, connections)
      return
    }
    const header = readLongHeader(bytes, start)
    const to = other(from)
    const known = connections.findLast(({ ids }) => {
      return ids.client.has(from === 'client' ? header.sourceId : header.destinationId)
    })
    let connection = known
    if (connection === undefined) {
      // An answer to a client hello whose source id was damaged on the way.
      if (from === 'server') return
      connection = new ConnectionTrace(keyLog)
      connections.push(connection)
    }
    if (header.type !== 'version-negotiation') connection.ids[from].add(header.sourceId)
    if (from === 'client' && header.type === 'initial' && !connection.ids[to].has(header.destinationId))
      addFirstId(connection, header.destinationId)
    if (header.type === 'retry') {
      addFirstId(connection, header.sourceId)
      // aioquic makes a new client hello after it, against RFC 9000 §17.2.5.3: the last one counts.
      connection.crypto.initial.client = new CryptoData()
    }
    dissectPacket(datagram, header, connection)
    start = header.end
  }
}

function addFirstId(connection: ConnectionTrace, id: string): void {
  if (!connection.firstIds.includes(id)) connection.firstIds.push(id)
}

/** The destination id has no length on the wire: it is one of those that the receiver gave out. */
function dissectShort(datagram: Datagram, start: number, connections: readonly ConnectionTrace[]): void {
  const { bytes, from } = datagram
  const to = other(from)
  for (let index = connections.length - 1; index >= 0; index--) {
    const connection = connections[index]!
    for (const id of connection.ids[to]) {
      const length = id.length / 2
      if (hex(bytes.subarray(start + 1, start + 1 + length)) !== id) continue
      const numberAt = start + 1 + length
      const header = {
        type: '1rtt',
        destinationId: id,
        sourceId: '',
        token: '',
        start,
        numberAt,
        end: bytes.length,
      } as const
      dissectPacket(datagram, header, connection)
      return
    }
  }
  // A stateless reset, or of a connection that nobody began here: it is put down with the last one.
  const packet = {
    datagram,
    from,
    destinationId: '',
    sourceId: '',
    packetNumber: -1,
    generation: 0,
    token: '',
    frames: [],
  }
  connections[connections.length - 1]?.packets.push({ ...packet, type: 'stray' })
}

function dissectPacket(datagram: Datagram, header: Header, connection: ConnectionTrace): void {
  const { from } = datagram
  const { type, destinationId, sourceId, token } = header
  const base = { datagram, from, destinationId, sourceId, token }
  const unopened = { ...base, packetNumber: -1, generation: 0, frames: [] }
  if (type === 'retry' || type === 'version-negotiation') {
    connection.packets.push({ ...unopened, type })
    return
  }
  const candidates =
    type === 'initial'
      ? connection.firstIds.map((id) => connection.initialKeys(id, from)).reverse()
      : type === 'handshake' || type === '1rtt'
        ? [connection.keys(type, from)]
        : []
  const crypto =
    type === 'initial' || type === 'handshake' || type === '1rtt' ? connection.crypto[type][from] : undefined
  for (const keys of candidates) {
    const opened = keys?.open(datagram.bytes, header.start, header.numberAt, header.end)
    if (keys === undefined || opened === undefined) continue
    const frames = readFrames(opened.payload)
    connection.packets.push({ ...base, type, packetNumber: opened.packetNumber, generation: keys.generation, frames })
    for (const frame of frames) {
      if (frame.type === 'crypto') crypto?.add(frame.offset, frame.data)
      if (frame.type === 'new_connection_id') connection.ids[from].add(frame.id)
    }
    return
  }
  connection.packets.push({ ...unopened, type: 'opaque' })
}
