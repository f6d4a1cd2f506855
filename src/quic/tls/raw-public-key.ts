/**
 * Ed25519 raw public keys as TLS certificates: the DER SubjectPublicKeyInfo around the 32 bytes. RFC 7250 §3, RFC 8410 §4,
 * spec/quic.md §1.2. Whose key it is, and whether we want to talk to it, is decided by the roles.
 */
import { Reader, TruncatedError } from '../../bytes/index.ts'
import { Alert, fatal } from './alerts.ts'

/** The certificate type of RFC 7250. */
export const RAW_PUBLIC_KEY = 2

/** SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING without unused bits }, up to the key. */
const PREFIX = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00)
const ED25519_OID = PREFIX.subarray(6, 9)
const KEY_LENGTH = 32

/** The 44-byte SubjectPublicKeyInfo of a 32-byte key. */
export function encodeRawPublicKey(key: Uint8Array): Uint8Array {
  const spki = new Uint8Array(PREFIX.length + KEY_LENGTH)
  spki.set(PREFIX)
  spki.set(key, PREFIX.length)
  return spki
}

/** The 32-byte key, a copy. Another algorithm is unsupported_certificate, anything else bad_certificate. */
export function decodeRawPublicKey(spki: Uint8Array): Uint8Array {
  if (spki.length === PREFIX.length + KEY_LENGTH && PREFIX.every((byte, index) => spki[index] === byte)) {
    return spki.slice(PREFIX.length)
  }
  const oid = algorithmOf(spki)
  if (oid !== undefined && (oid.length !== ED25519_OID.length || ED25519_OID.some((byte, i) => oid[i] !== byte))) {
    throw fatal(Alert.UNSUPPORTED_CERTIFICATE, 'the raw public key is not an Ed25519 key')
  }
  throw fatal(Alert.BAD_CERTIFICATE, 'the certificate is not a raw public key')
}

/** The algorithm's object identifier, when the bytes look like a SubjectPublicKeyInfo at all. */
function algorithmOf(spki: Uint8Array): Uint8Array | undefined {
  try {
    const outer = new Reader(spki)
    const info = new Reader(readElement(outer, 0x30))
    if (outer.remaining > 0) return undefined
    const algorithm = new Reader(readElement(info, 0x30))
    const oid = readElement(algorithm, 0x06)
    readElement(info, 0x03)
    return info.remaining === 0 ? oid : undefined
  } catch (error) {
    if (error instanceof TruncatedError) return undefined
    throw error
  }
}

/** The contents of a DER element with this tag; TruncatedError when it is another one. */
function readElement(reader: Reader, tag: number): Uint8Array {
  if (reader.u8() !== tag) throw new TruncatedError()
  const first = reader.u8()
  if (first < 0x80) return reader.view(first)
  if (first === 0x81) return reader.view(reader.u8())
  if (first === 0x82) return reader.view(reader.u16())
  throw new TruncatedError()
}
