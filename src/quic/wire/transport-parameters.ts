/**
 * The quic_transport_parameters extension: one object, its defaults, and a codec that is strict in both directions. Comparing connection IDs and
 * negotiating extensions is the handshake's business. RFC 9000 §7.4, §18; RFC 9221 §3; RFC 9287 §3; spec/quic.md §3.
 */
import { GrowingWriter, Reader, TruncatedError, varintLength, type Writer } from '../../bytes/index.ts'
import type { AddressBytes, RandomSource } from '../../platform/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import type { Role } from '../level.ts'
import { MAX_CONNECTION_ID_LENGTH } from './header.ts'
import { RESET_TOKEN_LENGTH } from './id-frames.ts'
import { readStreamCount } from './limit-frames.ts'
import { HIGHEST_PATH_ID } from './path-frames.ts'

/** RFC 9000 §18.2: where a server would rather be reached. At least one address. */
export interface PreferredAddress {
  ipv4?: AddressBytes
  ipv6?: AddressBytes
  /** 1 to 20 bytes. */
  connectionId: Uint8Array
  /** 16 bytes. */
  statelessResetToken: Uint8Array
}

/** What one side declares. Numbers above 2^53 - 1 read as Number.MAX_SAFE_INTEGER; `VARINT_MAX` writes 2^62 - 1. */
export interface TransportParameters {
  /** Servers only, always. */
  originalDestinationConnectionId?: Uint8Array
  /** Milliseconds; 0: none. */
  maxIdleTimeout: number
  /** Servers only, 16 bytes. */
  statelessResetToken?: Uint8Array
  /** Bytes, 1200 or more. */
  maxUdpPayloadSize: number
  initialMaxData: number
  initialMaxStreamDataBidiLocal: number
  initialMaxStreamDataBidiRemote: number
  initialMaxStreamDataUni: number
  initialMaxStreamsBidi: number
  initialMaxStreamsUni: number
  /** 0 to 20. */
  ackDelayExponent: number
  /** Milliseconds, below 2^14. */
  maxAckDelay: number
  disableActiveMigration: boolean
  /** Servers only. */
  preferredAddress?: PreferredAddress
  /** 2 or more; with multipath it counts per path. */
  activeConnectionIdLimit: number
  /** 0 to 20 bytes; both sides must send it. */
  initialSourceConnectionId?: Uint8Array
  /** Servers only, after a Retry. */
  retrySourceConnectionId?: Uint8Array
  /** Bytes of a whole DATAGRAM frame; 0: none are accepted. */
  maxDatagramFrameSize: number
  greaseQuicBit: boolean
  /** Microseconds; present: ACK_FREQUENCY and IMMEDIATE_ACK are understood. */
  minAckDelay?: number
  /** Present on both sides: multipath. */
  initialMaxPathId?: number
  /** Addresses of the other side that the sender will hold, 1 to 255. */
  natTraversal?: number
  /** 0: sends reports, 1: wants them, 2: both. */
  observedAddressRole?: number
  /** Private: bit flags of what the sender can do beyond iroh. */
  tomCapabilities?: number
}

/** The values of RFC 9000 §18.2 for parameters that are not sent. */
export function defaultTransportParameters(): TransportParameters {
  return {
    maxIdleTimeout: 0,
    maxUdpPayloadSize: 65527,
    initialMaxData: 0,
    initialMaxStreamDataBidiLocal: 0,
    initialMaxStreamDataBidiRemote: 0,
    initialMaxStreamDataUni: 0,
    initialMaxStreamsBidi: 0,
    initialMaxStreamsUni: 0,
    ackDelayExponent: 3,
    maxAckDelay: 25,
    disableActiveMigration: false,
    activeConnectionIdLimit: 2,
    maxDatagramFrameSize: 0,
    greaseQuicBit: false,
  }
}

function malformed(name: string, what: string): TransportError {
  return new TransportError(ErrorCode.TRANSPORT_PARAMETER_ERROR, 0, `malformed ${name}: ${what}`)
}

function illegal(name: string, what: string): TransportError {
  return new TransportError(ErrorCode.TRANSPORT_PARAMETER_ERROR, 0, `illegal value for ${name}: ${what}`)
}

/** How one parameter is read from exactly its value bytes and, unless it has its default, written. */
interface ParameterCodec {
  readonly id: number
  readonly name: string
  readonly serverOnly: boolean
  read(value: Reader, into: TransportParameters): void
  /** Undefined: leave the parameter out. */
  value(from: TransportParameters): Uint8Array | undefined
}

type KeysOf<Type> = {
  [Key in keyof TransportParameters]-?: Required<TransportParameters>[Key] extends Type ? Key : never
}[keyof TransportParameters]

const DEFAULTS: Readonly<TransportParameters> = Object.freeze(defaultTransportParameters())

function written(write: (writer: Writer) => void): Uint8Array {
  const writer = new GrowingWriter(64)
  write(writer)
  return writer.finish()
}

interface IntegerRules {
  readonly min?: number
  readonly max?: number
  /** Above it the value is malformed, not illegal. */
  readonly widest?: number
  /** Reads the number; -1: above the largest. Default: a plain varint. */
  readonly take?: (value: Reader) => number
  /** A longer varint than needed is tolerated. */
  readonly loose?: boolean
}

function integer(id: number, name: string, key: KeysOf<number>, rules: IntegerRules = {}): ParameterCodec {
  const { min = 0, max = Infinity, widest = Infinity, take, loose = false } = rules
  return {
    id,
    name,
    serverOnly: false,
    read(value, into) {
      const declared = value.remaining
      const number = take === undefined ? value.varint() : take(value)
      if (number < 0) throw illegal(name, 'too large')
      // spec/quic.md §3.3: iroh refuses integers that are not as short as they can be, and so do we.
      if (!loose && declared !== varintLength(number)) throw malformed(name, 'not the shortest varint')
      if (number > widest) throw malformed(name, `${number} is above ${widest}`)
      if (number < min || number > max) throw illegal(name, String(number))
      into[key] = number
    },
    value(from) {
      const number = from[key]
      return number === undefined || number === DEFAULTS[key] ? undefined : written((writer) => writer.varint(number))
    },
  }
}

/** A parameter without a value: being there is what it says. */
function flag(id: number, name: string, key: KeysOf<boolean>): ParameterCodec {
  return {
    id,
    name,
    serverOnly: false,
    read(_value, into) {
      into[key] = true
    },
    value: (from) => (from[key] ? new Uint8Array(0) : undefined),
  }
}

function octets(
  id: number,
  name: string,
  key: KeysOf<Uint8Array>,
  serverOnly: boolean,
  minLength: number,
  maxLength: number,
): ParameterCodec {
  return {
    id,
    name,
    serverOnly,
    read(value, into) {
      const length = value.remaining
      if (length < minLength || length > maxLength) throw malformed(name, `${length} bytes`)
      into[key] = value.copy(length)
    },
    value: (from) => from[key],
  }
}

const connectionId = (id: number, name: string, key: KeysOf<Uint8Array>, serverOnly: boolean): ParameterCodec =>
  octets(id, name, key, serverOnly, 0, MAX_CONNECTION_ID_LENGTH)

/** RFC 9000 §18.2: all zeros, address and port, mean that this family is not offered. */
function readPreferred(reader: Reader, ipLength: number): AddressBytes | undefined {
  const ip = reader.copy(ipLength)
  const port = reader.u16()
  return port === 0 && ip.every((byte) => byte === 0) ? undefined : { ip, port }
}

function writePreferred(writer: Writer, address: AddressBytes | undefined, ipLength: number): void {
  if (address === undefined) {
    writer.fill(0, ipLength + 2)
  } else {
    writer.raw(address.ip)
    writer.u16(address.port)
  }
}

const PREFERRED_ADDRESS: ParameterCodec = {
  id: 0x0d,
  name: 'preferred_address',
  serverOnly: true,
  read(value, into) {
    const ipv4 = readPreferred(value, 4)
    const ipv6 = readPreferred(value, 16)
    const idLength = value.u8()
    if (idLength === 0) throw illegal(this.name, 'empty connection id')
    if (idLength > MAX_CONNECTION_ID_LENGTH) throw malformed(this.name, `connection id of ${idLength} bytes`)
    const id = value.copy(idLength)
    const statelessResetToken = value.copy(RESET_TOKEN_LENGTH)
    if (ipv4 === undefined && ipv6 === undefined) throw illegal(this.name, 'no address')
    into.preferredAddress = {
      ...(ipv4 && { ipv4 }),
      ...(ipv6 && { ipv6 }),
      connectionId: id,
      statelessResetToken,
    }
  },
  value(from) {
    const preferred = from.preferredAddress
    if (preferred === undefined) return undefined
    return written((writer) => {
      writePreferred(writer, preferred.ipv4, 4)
      writePreferred(writer, preferred.ipv6, 16)
      writer.u8(preferred.connectionId.length)
      writer.raw(preferred.connectionId)
      writer.raw(preferred.statelessResetToken)
    })
  },
}

const NAT_TRAVERSAL: ParameterCodec = {
  id: 0x3d7f91120401,
  name: 'n0_nat_traversal',
  serverOnly: false,
  read(value, into) {
    // spec/quic.md §3.2: one raw byte, not a varint.
    if (value.remaining !== 1) throw malformed(this.name, `${value.remaining} bytes`)
    const count = value.u8()
    if (count === 0) throw illegal(this.name, '0')
    into.natTraversal = count
  },
  value: (from) => (from.natTraversal === undefined ? undefined : Uint8Array.of(from.natTraversal)),
}

const MAX_ACK_DELAY = 2 ** 14 - 1

/** Every parameter we know, in the order in which an encoder without randomness writes them. */
const PARAMETERS: readonly ParameterCodec[] = [
  integer(0x01, 'max_idle_timeout', 'maxIdleTimeout'),
  integer(0x03, 'max_udp_payload_size', 'maxUdpPayloadSize', { min: 1200 }),
  integer(0x04, 'initial_max_data', 'initialMaxData'),
  integer(0x05, 'initial_max_stream_data_bidi_local', 'initialMaxStreamDataBidiLocal'),
  integer(0x06, 'initial_max_stream_data_bidi_remote', 'initialMaxStreamDataBidiRemote'),
  integer(0x07, 'initial_max_stream_data_uni', 'initialMaxStreamDataUni'),
  integer(0x08, 'initial_max_streams_bidi', 'initialMaxStreamsBidi', { take: readStreamCount }),
  integer(0x09, 'initial_max_streams_uni', 'initialMaxStreamsUni', { take: readStreamCount }),
  integer(0x0a, 'ack_delay_exponent', 'ackDelayExponent', { max: 20 }),
  integer(0x0b, 'max_ack_delay', 'maxAckDelay', { max: MAX_ACK_DELAY }),
  flag(0x0c, 'disable_active_migration', 'disableActiveMigration'),
  integer(0x0e, 'active_connection_id_limit', 'activeConnectionIdLimit', { min: 2 }),
  connectionId(0x00, 'original_destination_connection_id', 'originalDestinationConnectionId', true),
  octets(0x02, 'stateless_reset_token', 'statelessResetToken', true, RESET_TOKEN_LENGTH, RESET_TOKEN_LENGTH),
  PREFERRED_ADDRESS,
  connectionId(0x0f, 'initial_source_connection_id', 'initialSourceConnectionId', false),
  connectionId(0x10, 'retry_source_connection_id', 'retrySourceConnectionId', true),
  // spec/quic.md §3.3: in this one and min_ack_delay iroh takes longer varints too.
  integer(0x20, 'max_datagram_frame_size', 'maxDatagramFrameSize', { loose: true }),
  flag(0x2ab2, 'grease_quic_bit', 'greaseQuicBit'),
  integer(0xff04de1b, 'min_ack_delay', 'minAckDelay', { loose: true }),
  integer(0x9f81a176, 'observed_address', 'observedAddressRole', { max: 2 }),
  integer(0x3e, 'initial_max_path_id', 'initialMaxPathId', { widest: HIGHEST_PATH_ID }),
  NAT_TRAVERSAL,
  integer(0x746f6d, 'tom_capabilities', 'tomCapabilities'),
]

const BY_ID: ReadonlyMap<number, ParameterCodec> = new Map(PARAMETERS.map((codec) => [codec.id, codec]))

function writeParameter(writer: Writer, id: number, value: Uint8Array): void {
  writer.varint(id)
  writer.varint(value.length)
  writer.raw(value)
}

/**
 * Encodes what differs from the RFC's defaults, integers as short as possible. With `random` the order is shuffled and one reserved
 * parameter is added (RFC 9000 §18.1), so that peers stay used to both.
 */
export function encodeTransportParameters(p: TransportParameters, random?: RandomSource): Uint8Array {
  const entries: { id: number; value: Uint8Array }[] = []
  for (const codec of PARAMETERS) {
    const value = codec.value(p)
    if (value !== undefined) entries.push({ id: codec.id, value })
  }
  if (random !== undefined) {
    const dice = new Uint8Array(20 + 2 * (entries.length + 1))
    random.fill(dice)
    const roll = new Reader(dice)
    const id = 31 * roll.u32() + 27
    const length = roll.u8() & 0x0f
    entries.push({ id, value: roll.copy(15).subarray(0, length) })
    for (let index = entries.length - 1; index > 0; index--) {
      const other = roll.u16() % (index + 1)
      const moved = entries[index]!
      entries[index] = entries[other]!
      entries[other] = moved
    }
  }
  return written((writer) => {
    for (const { id, value } of entries) writeParameter(writer, id, value)
  })
}

function readParameter(reader: Reader, sender: Role, seen: Set<number>, into: TransportParameters): void {
  const id = reader.varint()
  const length = reader.varint()
  const start = reader.skip(length)
  // RFC 9000 §7.4.2: what we do not know is skipped, as often as it comes.
  const codec = BY_ID.get(id)
  if (codec === undefined) return
  if (seen.has(id)) throw malformed(codec.name, 'sent twice')
  seen.add(id)
  // RFC 9000 §18.2: a client must not send these.
  if (codec.serverOnly && sender === 'client') throw illegal(codec.name, 'sent by a client')
  const value = new Reader(reader.bytes, start, start + length)
  try {
    codec.read(value, into)
  } catch (error) {
    if (error instanceof TruncatedError) throw malformed(codec.name, 'the value ends too early')
    throw error
  }
  if (value.remaining > 0) throw malformed(codec.name, `${value.remaining} bytes too many`)
}

/**
 * Decodes what `sender` sent; anything not sent has its default. Throws TRANSPORT_PARAMETER_ERROR for whatever RFC 9000 §18.2 and spec/quic.md
 * §3.3 forbid, except for the comparison of connection IDs, which needs the handshake. Keeps nothing of unknown parameters.
 */
export function decodeTransportParameters(bytes: Uint8Array, sender: Role): TransportParameters {
  const parameters = defaultTransportParameters()
  const reader = new Reader(bytes)
  const seen = new Set<number>()
  try {
    while (reader.remaining > 0) readParameter(reader, sender, seen, parameters)
  } catch (error) {
    if (error instanceof TruncatedError) throw malformed('transport parameters', 'the list ends inside a parameter')
    throw error
  }
  const { minAckDelay, maxAckDelay } = parameters
  // draft-ietf-quic-ack-frequency: one is in microseconds, the other in milliseconds.
  if (minAckDelay !== undefined && minAckDelay > maxAckDelay * 1000) {
    throw illegal('min_ack_delay', `${minAckDelay} µs is above max_ack_delay`)
  }
  return parameters
}
