/**
 * Frames that carry socket addresses: OBSERVED_ADDRESS (draft-seemann-quic-address-discovery) and n0's NAT traversal frames ADD_ADDRESS,
 * REACH_OUT and REMOVE_ADDRESS (spec/quic.md §4.1). Addresses pass as they are: making IPv4-mapped ones plain is the caller's business.
 */
import type { Reader, Writer } from '../../bytes/index.ts'
import type { AddressBytes } from '../../platform/index.ts'
import { FrameType } from './frame-types.ts'

/** OBSERVED_ADDRESS and ADD_ADDRESS. */
export interface AddressFrame {
  readonly sequence: number
  readonly address: AddressBytes
}

export interface ReachOutFrame {
  readonly round: number
  readonly address: AddressBytes
}

/** 4 or 16 address bytes (a copy) and the port. */
function readAddress(reader: Reader, isIpv4: boolean): AddressBytes {
  return { ip: reader.copy(isIpv4 ? 4 : 16), port: reader.u16() }
}

function writeAddressFrame(
  writer: Writer,
  ipv4Type: number,
  ipv6Type: number,
  number: number,
  address: AddressBytes,
): void {
  writer.varint(address.ip.length === 4 ? ipv4Type : ipv6Type)
  writer.varint(number)
  writer.raw(address.ip)
  writer.u16(address.port)
}

/** Our address as the peer saw it; may be an IPv4-mapped IPv6 address. */
export function readObservedAddress(reader: Reader, type: number): AddressFrame {
  return { sequence: reader.varint(), address: readAddress(reader, type === FrameType.OBSERVED_ADDRESS_V4) }
}

/** At most 30 bytes. */
export function writeObservedAddress(writer: Writer, sequence: number, address: AddressBytes): void {
  writeAddressFrame(writer, FrameType.OBSERVED_ADDRESS_V4, FrameType.OBSERVED_ADDRESS_V6, sequence, address)
}

/** An address where the server may be reached. */
export function readAddAddress(reader: Reader, type: number): AddressFrame {
  return { sequence: reader.varint(), address: readAddress(reader, type === FrameType.ADD_ADDRESS_V4) }
}

/** At most 30 bytes. */
export function writeAddAddress(writer: Writer, sequence: number, address: AddressBytes): void {
  writeAddressFrame(writer, FrameType.ADD_ADDRESS_V4, FrameType.ADD_ADDRESS_V6, sequence, address)
}

/** An address of the client that the server shall probe in this round. */
export function readReachOut(reader: Reader, type: number): ReachOutFrame {
  return { round: reader.varint(), address: readAddress(reader, type === FrameType.REACH_OUT_V4) }
}

/** At most 30 bytes. */
export function writeReachOut(writer: Writer, round: number, address: AddressBytes): void {
  writeAddressFrame(writer, FrameType.REACH_OUT_V4, FrameType.REACH_OUT_V6, round, address)
}

/** Sequence number of the ADD_ADDRESS that no longer holds. */
export function readRemoveAddress(reader: Reader): number {
  return reader.varint()
}

export function writeRemoveAddress(writer: Writer, sequence: number): void {
  writer.varint(FrameType.REMOVE_ADDRESS)
  writer.varint(sequence)
}
