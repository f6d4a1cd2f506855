/**
 * `EndpointTicket`: an EndpointAddr as one copyable word, binary and text (spec/endpoint.md §1.3 to §1.5, after iroh-tickets). Custom
 * addresses are read in iroh's current form and never written, for iroh 1.0.3 and older cannot read it.
 */
import {
  decodeBase32,
  encodeBase32,
  GrowingWriter,
  messageOf,
  Reader,
  readPostcardBytes,
  readPostcardString,
  readPostcardU64,
  readPostcardVarint,
  TruncatedError,
  writePostcardList,
  writePostcardString,
  writePostcardVarint,
} from '../bytes/index.ts'
import { EndpointAddr } from './endpoint-addr.ts'
import { EndpointId } from './endpoint-id.ts'
import { IdentityError } from './errors.ts'
import { customAddr, ipAddr, relayAddr, type TransportAddr } from './transport-addr.ts'

/** Every ticket begins with it, in lower case. */
export const TICKET_PREFIX = 'endpoint'

/** Indices on the wire. */
const FORMAT_1 = 0
const KIND_RELAY = 0
const KIND_IP = 1
const KIND_CUSTOM = 2
const FAMILY_V4 = 0
const FAMILY_V6 = 1

/** Immutable. */
export class EndpointTicket {
  readonly addr: EndpointAddr

  constructor(addr: EndpointAddr) {
    this.addr = addr
  }

  /**
   * Reads the text form: `endpoint` and base32 in any case, no padding. Bytes after the structure are
   * ignored (not where there is a custom address), addresses may come in any order; any
   * address that cannot be read fails the whole ticket. Throws IdentityError INVALID_TICKET.
   */
  static parse(text: string): EndpointTicket {
    if (!text.startsWith(TICKET_PREFIX)) {
      const old = text.startsWith('node') ? '; "node…" tickets are from iroh before 1.0 and not supported' : ''
      throw invalid(`a ticket begins with "${TICKET_PREFIX}" in lower case${old}`)
    }
    let bytes: Uint8Array
    try {
      bytes = decodeBase32(text.slice(TICKET_PREFIX.length))
    } catch (error) {
      throw invalid(`what follows "${TICKET_PREFIX}" in a ticket must be base32: ${messageOf(error)}`)
    }
    return EndpointTicket.fromBytes(bytes)
  }

  /** Reads the binary form. Throws IdentityError INVALID_TICKET. */
  static fromBytes(bytes: Uint8Array): EndpointTicket {
    const reader = new Reader(bytes)
    const addrs: TransportAddr[] = []
    try {
      const format = readPostcardVarint(reader, 32)
      if (format !== FORMAT_1) throw new Error(`ticket format ${format} is unknown, expected ${FORMAT_1}`)
      const id = EndpointId.fromBytes(reader.view(32))
      // each address takes bytes, so a false count ends in TruncatedError
      const count = readPostcardVarint(reader, 64)
      for (let index = 0; index < count; index++) addrs.push(readAddr(reader))
      // an old custom address can pass for a current one; then bytes are left over
      if (addrs.some(isCustom) && reader.remaining > 0) throw new Error(`${reader.remaining} bytes are left over`)
      return new EndpointTicket(new EndpointAddr(id, addrs))
    } catch (error) {
      const reason = error instanceof TruncatedError ? 'it ends too early' : messageOf(error)
      const custom = addrs.some(isCustom)
        ? ' (it has a custom address, perhaps in the form of iroh 1.0.3 or older, which is not supported)'
        : ''
      throw invalid(`not a valid ticket: ${reason}${custom}`)
    }
  }

  /** The binary form, without custom addresses. */
  toBytes(): Uint8Array {
    const writer = new GrowingWriter()
    writePostcardVarint(writer, FORMAT_1)
    writer.raw(this.addr.id.toBytes())
    const written = this.addr.addrs.filter((addr) => !isCustom(addr))
    writePostcardList(writer, written, (addr) => writeAddr(writer, addr))
    return writer.finish()
  }

  /** The text form, lower case. */
  toString(): string {
    return TICKET_PREFIX + encodeBase32(this.toBytes())
  }

  toJSON(): string {
    return this.toString()
  }

  equals(other: EndpointTicket): boolean {
    return this.addr.equals(other.addr)
  }
}

function isCustom(addr: TransportAddr): boolean {
  return addr.kind === 'custom'
}

function readAddr(reader: Reader): TransportAddr {
  const kind = readPostcardVarint(reader, 32)
  if (kind === KIND_RELAY) return relayAddr(readPostcardString(reader))
  if (kind === KIND_CUSTOM) return customAddr(readPostcardU64(reader), readPostcardBytes(reader))
  if (kind !== KIND_IP) throw new Error(`address kind ${kind} is unknown`)
  const family = readPostcardVarint(reader, 32)
  if (family !== FAMILY_V4 && family !== FAMILY_V6) throw new Error(`IP address family ${family} is unknown`)
  const ip = reader.view(family === FAMILY_V4 ? 4 : 16)
  return ipAddr({ ip, port: readPostcardVarint(reader, 16) })
}

function writeAddr(writer: GrowingWriter, addr: TransportAddr): void {
  if (addr.kind === 'relay') {
    writePostcardVarint(writer, KIND_RELAY)
    writePostcardString(writer, addr.url.href)
  } else if (addr.kind === 'ip') {
    const { ip, port } = addr.address
    writePostcardVarint(writer, KIND_IP)
    writePostcardVarint(writer, ip.length === 4 ? FAMILY_V4 : FAMILY_V6)
    writer.raw(ip)
    writePostcardVarint(writer, port)
  }
}

function invalid(message: string): IdentityError {
  return new IdentityError('INVALID_TICKET', message)
}
