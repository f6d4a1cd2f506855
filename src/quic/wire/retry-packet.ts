/**
 * Retry packets and their integrity tag. What is in a token, and when a Retry is sent or believed, is not known here.
 * RFC 9000 §17.2.5, RFC 9001 §5.8.
 */
import { Writer } from '../../bytes/index.ts'
import type { CryptoProvider } from '../../crypto/index.ts'
import { PacketHeader, PacketKind, parseHeader, QUIC_V1 } from './header.ts'

const TAG_LENGTH = 16

/** RFC 9001 §5.8: the fixed key and nonce of QUIC v1; the tag proves that the sender saw the Initial, nothing more. */
const INTEGRITY_KEY = [0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e]
const INTEGRITY_NONCE = [0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb]

/** Tag over the original destination id and the Retry packet `bytes[start, end)` without its tag. */
function integrityTag(
  crypto: CryptoProvider,
  bytes: Uint8Array,
  start: number,
  end: number,
  originalDestinationId: Uint8Array,
): Uint8Array {
  const pseudo = new Writer(new Uint8Array(1 + originalDestinationId.length + (end - start) + TAG_LENGTH))
  pseudo.u8(originalDestinationId.length)
  pseudo.raw(originalDestinationId)
  pseudo.raw(bytes.subarray(start, end))
  const key = crypto.aeadKey('aes-128-gcm', Uint8Array.from(INTEGRITY_KEY), Uint8Array.from(INTEGRITY_NONCE))
  try {
    // Path 0 and packet number 0 leave the nonce as it is; the payload is empty, so all that is made is the tag.
    key.seal(pseudo.bytes, 0, pseudo.position, pseudo.position, 0, 0)
  } finally {
    key.free()
  }
  return pseudo.bytes.subarray(pseudo.position)
}

/**
 * Writes a whole Retry packet, 23 bytes and the ids and token. `destinationId` is the client's source id, `sourceId` the id the client shall
 * use from now on, `originalDestinationId` the one its Initial had. `token` is not empty.
 */
export function writeRetry(
  crypto: CryptoProvider,
  writer: Writer,
  destinationId: Uint8Array,
  sourceId: Uint8Array,
  originalDestinationId: Uint8Array,
  token: Uint8Array,
): void {
  const start = writer.position
  // Long header, fixed bit, type 3; the four unused bits may be anything.
  writer.u8(0xff)
  writer.u32(QUIC_V1)
  writer.u8(destinationId.length)
  writer.raw(destinationId)
  writer.u8(sourceId.length)
  writer.raw(sourceId)
  writer.raw(token)
  writer.raw(integrityTag(crypto, writer.bytes, start, writer.position, originalDestinationId))
}

/**
 * Is `bytes[start, end)` a Retry that answers an Initial sent to `originalDestinationId`? False also for an empty token, which a client must
 * discard (RFC 9000 §17.2.5.2).
 */
export function verifyRetry(
  crypto: CryptoProvider,
  bytes: Uint8Array,
  start: number,
  end: number,
  originalDestinationId: Uint8Array,
): boolean {
  const header = new PacketHeader()
  if (!parseHeader(bytes, start, end, 0, header)) return false
  if (header.kind !== PacketKind.Retry || header.tokenLength === 0) return false
  const expected = integrityTag(crypto, bytes, start, end - TAG_LENGTH, originalDestinationId)
  return crypto.equal(expected, bytes.subarray(end - TAG_LENGTH, end))
}
