/** The Port Control Protocol's packets for a client that asks for UDP mappings over IPv4 (RFC 6887 §7, §11, §14). Pure. */
import { canonicalIp, Reader, Writer } from '../../bytes/index.ts'

const VERSION = 2
const OP_ANNOUNCE = 0
const OP_MAP = 1
const RESPONSE_BIT = 0x80
const PROTOCOL_UDP = 17
const HEADER_BYTES = 24
const MAP_BYTES = 36
/** RFC 6887 §7: of any message, options included. */
const MAX_BYTES = 1100
export const PCP_NONCE_BYTES = 12

/** RFC 6887 §7.4. */
export const PcpResult = {
  Success: 0,
  UnsupportedVersion: 1,
  NotAuthorized: 2,
  MalformedRequest: 3,
  UnsupportedOpcode: 4,
  UnsupportedOption: 5,
  MalformedOption: 6,
  NetworkFailure: 7,
  NoResources: 8,
  UnsupportedProtocol: 9,
  UserExceededQuota: 10,
  CannotProvideExternal: 11,
  AddressMismatch: 12,
  ExcessiveRemotePeers: 13,
} as const

export interface PcpMapRequest {
  /** Our address, 4 bytes. */
  readonly client: Uint8Array
  /** Seconds; 0 deletes. */
  readonly lifetime: number
  /** 12 bytes; the same for as long as the mapping is meant. */
  readonly nonce: Uint8Array
  readonly internalPort: number
  /** Wished, 0: any. */
  readonly externalPort: number
  /** Wished, 4 bytes; undefined: any. */
  readonly externalIp?: Uint8Array | undefined
}

export interface PcpResponse {
  /** `PcpResult`, or a code that is not known here. */
  readonly result: number
  /** Seconds: of the mapping, or of the error. */
  readonly lifetime: number
  /** Seconds since the server last lost its state. */
  readonly epoch: number
  /** Absent in the answer to ANNOUNCE. */
  readonly map?: PcpMapping
}

export interface PcpMapping {
  /** 12 bytes. */
  readonly nonce: Uint8Array
  readonly internalPort: number
  readonly externalPort: number
  /** 4 bytes, or 16 of a mapping to IPv6. */
  readonly externalIp: Uint8Array
}

/** Asks whether anybody is there, 24 bytes. `client`: our address, 4 bytes. */
export function encodePcpAnnounce(client: Uint8Array): Uint8Array {
  const out = new Writer(new Uint8Array(HEADER_BYTES))
  writeHeader(out, OP_ANNOUNCE, 0, client)
  return out.bytes
}

/** 60 bytes. */
export function encodePcpMap(request: PcpMapRequest): Uint8Array {
  const out = new Writer(new Uint8Array(HEADER_BYTES + MAP_BYTES))
  writeHeader(out, OP_MAP, request.lifetime, request.client)
  out.raw(request.nonce)
  out.u8(PROTOCOL_UDP)
  out.fill(0, 3)
  out.u16(request.internalPort)
  out.u16(request.externalPort)
  writeMapped(out, request.externalIp ?? Uint8Array.of(0, 0, 0, 0))
  return out.bytes
}

function writeHeader(out: Writer, opcode: number, lifetime: number, client: Uint8Array): void {
  out.u8(VERSION)
  out.u8(opcode)
  out.u16(0)
  out.u32(lifetime)
  writeMapped(out, client)
}

/** RFC 6887 §5: IPv4 stands in 16 bytes as an IPv4-mapped address. */
function writeMapped(out: Writer, ip: Uint8Array): void {
  out.fill(0, 10)
  out.u16(0xffff)
  out.raw(ip)
}

/** An answer to ANNOUNCE or to MAP for UDP; undefined for anything else. Options are skipped unread. */
export function decodePcp(bytes: Uint8Array): PcpResponse | undefined {
  // RFC 6887 §8.3: too short, too long or not in words of four bytes is dropped
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_BYTES || bytes.length % 4 !== 0) return undefined
  const reader = new Reader(bytes)
  if (reader.u8() !== VERSION) return undefined
  const opcode = reader.u8() ^ RESPONSE_BIT
  reader.skip(1)
  const result = reader.u8()
  const lifetime = reader.u32()
  const epoch = reader.u32()
  reader.skip(12)
  if (opcode === OP_ANNOUNCE) return { result, lifetime, epoch }
  if (opcode !== OP_MAP || reader.remaining < MAP_BYTES) return undefined
  const nonce = reader.copy(PCP_NONCE_BYTES)
  if (reader.u8() !== PROTOCOL_UDP) return undefined
  reader.skip(3)
  const internalPort = reader.u16()
  const externalPort = reader.u16()
  const externalIp = canonicalIp(reader.copy(16))
  return { result, lifetime, epoch, map: { nonce, internalPort, externalPort, externalIp } }
}
