/** The NAT Port Mapping Protocol's packets for a client that asks for UDP mappings (RFC 6886 §3). Pure. */
import { Reader, Writer } from '../../bytes/index.ts'

const VERSION = 0
const OP_ADDRESS = 0
const OP_MAP_UDP = 1
const RESPONSE_BIT = 0x80
const ADDRESS_BYTES = 12
const MAP_BYTES = 16

/** RFC 6886 §3.5. */
export const NatPmpResult = {
  Success: 0,
  UnsupportedVersion: 1,
  Refused: 2,
  NetworkFailure: 3,
  OutOfResources: 4,
  UnsupportedOpcode: 5,
} as const

export interface NatPmpMapRequest {
  readonly internalPort: number
  /** Wished, 0: any. */
  readonly externalPort: number
  /** Seconds; 0 deletes. */
  readonly lifetime: number
}

interface Head {
  /** `NatPmpResult`, or a code that is not known here. */
  readonly result: number
  /** Seconds since the router last lost its state. */
  readonly epoch: number
}

export interface NatPmpAddress extends Head {
  /** 4 bytes; absent when the router refused. */
  readonly externalIp?: Uint8Array
}

export interface NatPmpMapping extends Head {
  readonly internalPort: number
  readonly externalPort: number
  /** Seconds. */
  readonly lifetime: number
}

/** Asks for the external address, 2 bytes. */
export function encodeNatPmpAddress(): Uint8Array {
  return Uint8Array.of(VERSION, OP_ADDRESS)
}

/** 12 bytes. */
export function encodeNatPmpMap({ internalPort, externalPort, lifetime }: NatPmpMapRequest): Uint8Array {
  const out = new Writer(new Uint8Array(12))
  out.u8(VERSION)
  out.u8(OP_MAP_UDP)
  out.u16(0)
  out.u16(internalPort)
  out.u16(externalPort)
  out.u32(lifetime)
  return out.bytes
}

/** The answer to `encodeNatPmpAddress`; undefined for anything else. */
export function decodeNatPmpAddress(bytes: Uint8Array): NatPmpAddress | undefined {
  const reader = new Reader(bytes)
  const head = readHead(reader, OP_ADDRESS)
  if (head === undefined) return undefined
  if (head.result !== NatPmpResult.Success) return head
  return bytes.length === ADDRESS_BYTES ? { ...head, externalIp: reader.copy(4) } : undefined
}

/** The answer to `encodeNatPmpMap`; undefined for anything else. */
export function decodeNatPmpMap(bytes: Uint8Array): NatPmpMapping | undefined {
  const reader = new Reader(bytes)
  const head = readHead(reader, OP_MAP_UDP)
  if (head === undefined || bytes.length !== MAP_BYTES) return undefined
  return { ...head, internalPort: reader.u16(), externalPort: reader.u16(), lifetime: reader.u32() }
}

/**
 * RFC 6887 appendix A: who speaks NAT-PMP alone answers a PCP request with its own version and the result for a wrong one. The opcode may be
 * any, the request's or none.
 */
export function isNatPmpOnly(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && bytes[0] === VERSION && bytes[2] === 0 && bytes[3] === NatPmpResult.UnsupportedVersion
}

function readHead(reader: Reader, opcode: number): Head | undefined {
  if (reader.remaining < 8) return undefined
  if (reader.u8() !== VERSION || reader.u8() !== (opcode | RESPONSE_BIT)) return undefined
  return { result: reader.u16(), epoch: reader.u32() }
}
