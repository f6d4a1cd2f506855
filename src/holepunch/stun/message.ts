/**
 * STUN messages (RFC 8489), the part that finds out one's own address: Binding requests, answers and errors, with the attributes of behaviour discovery (RFC 5780). Knows no
 * transactions and no sockets. Credentials are neither made nor verified: nobody asks for them in a Binding request.
 */
import {
  canonicalIp,
  EncodingError,
  encodeUtf8,
  GrowingWriter,
  Reader,
  type SocketAddress,
  TruncatedError,
} from '../../bytes/index.ts'
import { crc32 } from './crc32.ts'

/** RFC 8489 §5: class and method together, of Binding. */
export const StunType = { request: 0x0001, indication: 0x0011, success: 0x0101, error: 0x0111 } as const

/** Bytes. */
export const TRANSACTION_ID_LENGTH = 12

const HEADER_LENGTH = 20
const COOKIE = 0x2112a442
const FINGERPRINT_XOR = 0x5354554e
/** Type, length and checksum, bytes. */
const FINGERPRINT_LENGTH = 8
/** Type and length of the attribute. */
const FINGERPRINT_HEAD = 0x80280004
/** RFC 8489 §14: types below must be understood. */
const OPTIONAL_FROM = 0x8000
/** RFC 5780 §7.2. */
const CHANGE_IP = 0x4
const CHANGE_PORT = 0x2
/** RFC 8489 §14.8. */
const MAX_REASON_BYTES = 763

const Attribute = {
  mappedAddress: 0x0001,
  changeRequest: 0x0003,
  sourceAddress: 0x0004,
  changedAddress: 0x0005,
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  realm: 0x0014,
  nonce: 0x0015,
  messageIntegritySha256: 0x001c,
  passwordAlgorithm: 0x001d,
  userhash: 0x001e,
  xorMappedAddress: 0x0020,
  software: 0x8022,
  fingerprint: 0x8028,
  responseOrigin: 0x802b,
  otherAddress: 0x802c,
} as const

/** No reason to refuse a message: of no use without credentials, or of RFC 3489, which servers still speak (RFC 8489 §18.3). */
const SKIPPED: readonly number[] = [
  Attribute.sourceAddress,
  Attribute.changedAddress,
  Attribute.username,
  Attribute.messageIntegrity,
  Attribute.unknownAttributes,
  Attribute.realm,
  Attribute.nonce,
  Attribute.messageIntegritySha256,
  Attribute.passwordAlgorithm,
  Attribute.userhash,
]

/** From where a server shall answer, other than where it was asked. RFC 5780 §7.2. */
export interface ChangeRequest {
  readonly ip: boolean
  readonly port: boolean
}

export interface StunError {
  /** 300 … 699 */
  readonly code: number
  /** For people. */
  readonly reason: string
}

/** Of an attribute that comes more than once the first counts, RFC 8489 §14. */
export interface StunAttributes {
  /** XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS; IPv4-mapped IPv6 is IPv4. */
  readonly mapped?: SocketAddress
  readonly error?: StunError
  readonly changeRequest?: ChangeRequest
  readonly responseOrigin?: SocketAddress
  readonly otherAddress?: SocketAddress
  readonly software?: string
}

export interface StunMessage extends StunAttributes {
  /** One of `StunType`, or of a method that we do not know. */
  readonly type: number
  /** 12 bytes, a copy. */
  readonly transactionId: Uint8Array
  readonly hasFingerprint: boolean
  /** Types that must be understood and are not. A response that has one is unusable. */
  readonly unknownRequired: readonly number[]
}

type Found = { -readonly [Name in keyof StunAttributes]: StunAttributes[Name] } & { plainMapped?: SocketAddress }

/** Undefined for what is no STUN message: wrong length, wrong checksum, a value that its attribute cannot have. */
export function decodeStun(data: Uint8Array): StunMessage | undefined {
  try {
    // What sockets of Node deliver are Buffers, whose `slice` is no copy.
    return decode(new Uint8Array(data.buffer, data.byteOffset, data.length))
  } catch (error) {
    if (error instanceof TruncatedError || error instanceof EncodingError) return undefined
    throw error
  }
}

function decode(data: Uint8Array): StunMessage | undefined {
  const reader = new Reader(data)
  const type = reader.u16()
  const length = reader.u16()
  if (type >= 0x4000 || reader.u32() !== COOKIE || length % 4 !== 0 || length !== data.length - HEADER_LENGTH)
    return undefined
  const transactionId = reader.copy(TRANSACTION_ID_LENGTH)
  const found: Found = {}
  const unknownRequired: number[] = []
  let isSealed = false
  let hasFingerprint = false
  while (reader.remaining > 0) {
    // RFC 8489 §14.7: it is the last one
    if (hasFingerprint) return undefined
    const attribute = reader.u16()
    const value = reader.view(reader.u16())
    reader.skip(-value.length & 3)
    if (attribute === Attribute.fingerprint) {
      if (value.length !== 4 || !endsInFingerprint(data)) return undefined
      hasFingerprint = true
    } else if (isSealed) {
      // RFC 8489 §14.5: what follows the integrity check is not covered by it
    } else if (attribute === Attribute.messageIntegrity || attribute === Attribute.messageIntegritySha256) {
      isSealed = true
    } else if (!take(found, attribute, value, data) && attribute < OPTIONAL_FROM && !SKIPPED.includes(attribute)) {
      unknownRequired.push(attribute)
    }
  }
  if (!hasFingerprint && hadFingerprint(data)) return undefined
  const { plainMapped, mapped = plainMapped, ...rest } = found
  return {
    type,
    transactionId,
    ...rest,
    ...(mapped === undefined ? {} : { mapped }),
    hasFingerprint,
    unknownRequired,
  }
}

/** False: none of ours. */
function take(found: Found, attribute: number, value: Uint8Array, data: Uint8Array): boolean {
  switch (attribute) {
    case Attribute.mappedAddress:
      found.plainMapped ??= readAddress(value)
      return true
    case Attribute.xorMappedAddress:
      found.mapped ??= readAddress(value, data.subarray(4, HEADER_LENGTH))
      return true
    case Attribute.responseOrigin:
      found.responseOrigin ??= readAddress(value)
      return true
    case Attribute.otherAddress:
      found.otherAddress ??= readAddress(value)
      return true
    case Attribute.changeRequest:
      found.changeRequest ??= readChangeRequest(value)
      return true
    case Attribute.errorCode:
      found.error ??= readError(value)
      return true
    case Attribute.software:
      found.software ??= lenientText(value)
      return true
    default:
      return false
  }
}

/** `mask`: cookie and transaction id, 16 bytes, RFC 8489 §14.2. */
function readAddress(value: Uint8Array, mask?: Uint8Array): SocketAddress {
  const reader = new Reader(value)
  reader.skip(1)
  const family = reader.u8()
  if (family !== 1 && family !== 2) throw new EncodingError(`${family} is no family of addresses`)
  const port = reader.u16()
  const ip = reader.copy(family === 1 ? 4 : 16)
  if (reader.remaining > 0) throw new EncodingError('an address is followed by more')
  if (mask === undefined) return { ip: canonicalIp(ip), port }
  return { ip: canonicalIp(masked(ip, mask)), port: port ^ (COOKIE >>> 16) }
}

function masked(ip: Uint8Array, mask: Uint8Array): Uint8Array {
  return ip.map((byte, index) => byte ^ mask[index]!)
}

function readChangeRequest(value: Uint8Array): ChangeRequest {
  if (value.length !== 4) throw new EncodingError('CHANGE-REQUEST has 4 bytes')
  return { ip: (value[3]! & CHANGE_IP) !== 0, port: (value[3]! & CHANGE_PORT) !== 0 }
}

/** RFC 8489 §14.8. */
function readError(value: Uint8Array): StunError {
  const reader = new Reader(value)
  reader.skip(2)
  const hundreds = reader.u8() & 0x7
  const number = reader.u8()
  if (hundreds < 3 || hundreds > 6 || number > 99) throw new EncodingError('that is no error code')
  return { code: hundreds * 100 + number, reason: lenientText(reader.view(reader.remaining)) }
}

/** For people: what is no UTF-8 becomes U+FFFD. */
function lenientText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/** Whether the last 4 bytes are the checksum that this message must have. */
function endsInFingerprint(data: Uint8Array): boolean {
  const start = data.length - FINGERPRINT_LENGTH
  return start >= HEADER_LENGTH && new Reader(data, start + 4).u32() === fingerprint(data, start)
}

/** Of a message in which none was found: the checksum is there and its type is damaged, or its head is there inside another attribute, whose length is. */
function hadFingerprint(data: Uint8Array): boolean {
  const start = data.length - FINGERPRINT_LENGTH
  if (start < HEADER_LENGTH) return false
  return endsInFingerprint(data) || new Reader(data, start).u32() === FINGERPRINT_HEAD
}

/** The header's length counts the attribute already. */
function fingerprint(bytes: Uint8Array, end: number): number {
  return (crc32(bytes, 0, end) ^ FINGERPRINT_XOR) >>> 0
}

export interface StunEncoding extends StunAttributes {
  /** One of `StunType`. */
  readonly type: number
  /** 12 bytes. */
  readonly transactionId: Uint8Array
  /** Attribute types, for an error 420. RFC 8489 §14.9. */
  readonly unknownAttributes?: readonly number[]
  /** Default true. */
  readonly withFingerprint?: boolean
}

/** The address goes out as XOR-MAPPED-ADDRESS. */
export function encodeStun(message: StunEncoding): Uint8Array {
  const { transactionId, mapped, error, changeRequest, unknownAttributes, withFingerprint = true } = message
  if (transactionId.length !== TRANSACTION_ID_LENGTH) throw new RangeError('a transaction id has 12 bytes')
  const writer = new GrowingWriter(64)
  writer.u16(message.type)
  writer.u16(0)
  writer.u32(COOKIE)
  writer.raw(transactionId)
  if (changeRequest !== undefined)
    attribute(writer, Attribute.changeRequest, () =>
      writer.u32((changeRequest.ip ? CHANGE_IP : 0) | (changeRequest.port ? CHANGE_PORT : 0)),
    )
  if (error !== undefined) attribute(writer, Attribute.errorCode, () => writeError(writer, error))
  if (unknownAttributes !== undefined)
    attribute(writer, Attribute.unknownAttributes, () => {
      for (const type of unknownAttributes) writer.u16(type)
    })
  if (mapped !== undefined)
    attribute(writer, Attribute.xorMappedAddress, () => {
      const mask = writer.bytes.slice(4, HEADER_LENGTH)
      writeAddress(writer, { ip: masked(mapped.ip, mask), port: mapped.port ^ (COOKIE >>> 16) })
    })
  for (const [type, address] of [
    [Attribute.responseOrigin, message.responseOrigin],
    [Attribute.otherAddress, message.otherAddress],
  ] as const)
    if (address !== undefined) attribute(writer, type, () => writeAddress(writer, address))
  const { software } = message
  if (software !== undefined) attribute(writer, Attribute.software, () => writer.raw(encodeUtf8(software)))
  setLength(writer, withFingerprint ? FINGERPRINT_LENGTH : 0)
  if (withFingerprint)
    attribute(writer, Attribute.fingerprint, () => writer.u32(fingerprint(writer.bytes, writer.position - 4)))
  return writer.finish()
}

/** Type, length, what `body` writes, and zeros to a multiple of 4. */
function attribute(writer: GrowingWriter, type: number, body: () => void): void {
  writer.u16(type)
  writer.vector(2, body)
  writer.fill(0, -writer.position & 3)
}

function setLength(writer: GrowingWriter, more: number): void {
  const length = writer.position - HEADER_LENGTH + more
  writer.bytes[2] = length >>> 8
  writer.bytes[3] = length
}

function writeAddress(writer: GrowingWriter, { ip, port }: SocketAddress): void {
  writer.u8(0)
  writer.u8(ip.length === 4 ? 1 : 2)
  writer.u16(port)
  writer.raw(ip)
}

function writeError(writer: GrowingWriter, { code, reason }: StunError): void {
  writer.u16(0)
  writer.u8(Math.floor(code / 100))
  writer.u8(code % 100)
  writer.raw(encodeUtf8(reason).subarray(0, MAX_REASON_BYTES))
}
