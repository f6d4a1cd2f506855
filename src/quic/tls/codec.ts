/**
 * The presentation language of RFC 8446 §3 over the shared reader and writer: length-prefixed vectors, whole-input decoding, the
 * handshake header. What stands in the vectors is the business of hello.ts, extensions.ts and messages.ts.
 */
import { GrowingWriter, Reader, TruncatedError } from '../../bytes/index.ts'
import { Alert, fatal } from './alerts.ts'

/** RFC 8446 §4 and §B.3; only those that can appear on a wire of ours. */
export const HandshakeType = {
  CLIENT_HELLO: 1,
  SERVER_HELLO: 2,
  NEW_SESSION_TICKET: 4,
  END_OF_EARLY_DATA: 5,
  ENCRYPTED_EXTENSIONS: 8,
  CERTIFICATE: 11,
  CERTIFICATE_REQUEST: 13,
  CERTIFICATE_VERIFY: 15,
  FINISHED: 20,
  KEY_UPDATE: 24,
  MESSAGE_HASH: 254,
} as const

/** The name of a handshake message, for error texts. */
export function messageName(type: number): string {
  const found = Object.entries(HandshakeType).find(([, value]) => value === type)
  return found === undefined ? `handshake message ${type}` : found[0].toLowerCase()
}

/** Bytes of the header of every handshake message: type, 24-bit length. */
export const HEADER_LENGTH = 4

/** Decodes all of `bytes`; an input that is too short or too long is a decode_error (RFC 8446 §6.2). */
export function decodeAll<T>(what: string, bytes: Uint8Array, decode: (reader: Reader) => T): T {
  const reader = new Reader(bytes)
  try {
    const value = decode(reader)
    if (reader.remaining > 0) throw fatal(Alert.DECODE_ERROR, `${what} has bytes left over`)
    return value
  } catch (error) {
    if (error instanceof TruncatedError) throw fatal(Alert.DECODE_ERROR, `${what} is too short`)
    throw error
  }
}

/** A vector with a length prefix of `width` bytes and at least `minimum` bytes in it; the result is a view. */
export function readVector(reader: Reader, width: 1 | 2 | 3, minimum = 0): Uint8Array {
  const length = width === 1 ? reader.u8() : width === 2 ? reader.u16() : reader.u24()
  if (length < minimum) throw fatal(Alert.DECODE_ERROR, `a vector of ${length} bytes, at least ${minimum} expected`)
  return reader.view(length)
}

/** A non-empty vector of elements that `element` reads. */
export function readList<T>(reader: Reader, width: 1 | 2 | 3, element: (reader: Reader) => T): T[] {
  const items = new Reader(readVector(reader, width, 1))
  const list: T[] = []
  while (items.remaining > 0) list.push(element(items))
  return list
}

/** A non-empty vector of 16-bit numbers. */
export function readU16List(reader: Reader, width: 1 | 2): number[] {
  return readList(reader, width, (items) => items.u16())
}

export function writeVector(writer: GrowingWriter, width: 1 | 2 | 3, data: Uint8Array): void {
  writer.vector(width, () => writer.raw(data))
}

/** A whole handshake message, header included. */
export function encodeMessage(type: number, body: (writer: GrowingWriter) => void): Uint8Array {
  const writer = new GrowingWriter()
  writer.u8(type)
  writer.vector(3, () => body(writer))
  return writer.finish()
}

/** The body of a whole handshake message; a view. */
export function messageBody(message: Uint8Array): Uint8Array {
  return message.subarray(HEADER_LENGTH)
}
