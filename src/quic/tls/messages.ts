/**
 * The handshake messages after the hellos as values and as bytes: RFC 8446 §4.3, §4.4 and §4.6.1. What is in a certificate is not
 * looked into here. It checks form; the roles decide what is acceptable.
 */
import type { Role } from '../level.ts'
import { decodeAll, encodeMessage, HandshakeType, messageBody, readVector, writeVector } from './codec.ts'
import {
  decodeExtension,
  ED25519,
  type ExtensionList,
  type Extensions,
  ExtensionType,
  encodeU16List,
  readExtensions,
  readU16Values,
  writeExtensions,
} from './extensions.ts'

export function encodeEncryptedExtensions(extensions: ExtensionList): Uint8Array {
  return encodeMessage(HandshakeType.ENCRYPTED_EXTENSIONS, (writer) => writeExtensions(writer, extensions))
}

export function decodeEncryptedExtensions(message: Uint8Array): Extensions {
  return decodeAll('EncryptedExtensions', messageBody(message), readExtensions)
}

/** spec/quic.md §1.4: no context, Ed25519 and nothing else. */
export function encodeCertificateRequest(): Uint8Array {
  return encodeMessage(HandshakeType.CERTIFICATE_REQUEST, (writer) => {
    writer.u8(0)
    writeExtensions(writer, [[ExtensionType.SIGNATURE_ALGORITHMS, encodeU16List([ED25519])]])
  })
}

export interface CertificateRequest {
  readonly context: Uint8Array
  readonly extensions: Extensions
  /** Undefined: the extension was not there. */
  readonly signatureSchemes: readonly number[] | undefined
}

export function decodeCertificateRequest(message: Uint8Array): CertificateRequest {
  return decodeAll('the CertificateRequest', messageBody(message), (reader) => {
    const context = readVector(reader, 1)
    const extensions = readExtensions(reader)
    const signatureSchemes = decodeExtension(extensions, ExtensionType.SIGNATURE_ALGORITHMS, readU16Values)
    return { context, extensions, signatureSchemes }
  })
}

/** Entries without extensions, and no context. Without any certificate it says that there is none (RFC 8446 §4.4.2). */
export function encodeCertificate(...certificates: readonly Uint8Array[]): Uint8Array {
  return encodeMessage(HandshakeType.CERTIFICATE, (writer) => {
    writer.u8(0)
    writer.vector(3, () => {
      for (const certificate of certificates) {
        writeVector(writer, 3, certificate)
        writer.u16(0)
      }
    })
  })
}

export interface CertificateEntry {
  readonly data: Uint8Array
  readonly extensions: Extensions
}

export interface CertificateMessage {
  readonly context: Uint8Array
  readonly entries: readonly CertificateEntry[]
}

export function decodeCertificate(message: Uint8Array): CertificateMessage {
  return decodeAll('the Certificate', messageBody(message), (reader) => {
    const context = readVector(reader, 1)
    const list = readVector(reader, 3)
    const entries = decodeAll('the certificate list', list, (items) => {
      const found: CertificateEntry[] = []
      while (items.remaining > 0) found.push({ data: readVector(items, 3, 1), extensions: readExtensions(items) })
      return found
    })
    return { context, entries }
  })
}

const CONTEXTS: Readonly<Record<Role, string>> = {
  client: 'TLS 1.3, client CertificateVerify',
  server: 'TLS 1.3, server CertificateVerify',
}

/** What a CertificateVerify of `signer` signs, RFC 8446 §4.4.3. */
export function signedContent(signer: Role, transcriptHash: Uint8Array): Uint8Array {
  const context = new TextEncoder().encode(CONTEXTS[signer])
  const content = new Uint8Array(64 + context.length + 1 + transcriptHash.length)
  content.fill(0x20, 0, 64)
  content.set(context, 64)
  content.set(transcriptHash, 64 + context.length + 1)
  return content
}

export interface CertificateVerify {
  readonly scheme: number
  readonly signature: Uint8Array
}

export function encodeCertificateVerify(signature: Uint8Array, scheme = ED25519): Uint8Array {
  return encodeMessage(HandshakeType.CERTIFICATE_VERIFY, (writer) => {
    writer.u16(scheme)
    writeVector(writer, 2, signature)
  })
}

export function decodeCertificateVerify(message: Uint8Array): CertificateVerify {
  return decodeAll('the CertificateVerify', messageBody(message), (reader) => ({
    scheme: reader.u16(),
    signature: readVector(reader, 2),
  }))
}

export function encodeFinished(verifyData: Uint8Array): Uint8Array {
  return encodeMessage(HandshakeType.FINISHED, (writer) => writer.raw(verifyData))
}

/** `length` is the hash length of the suite. */
export function decodeFinished(message: Uint8Array, length: number): Uint8Array {
  return decodeAll('the Finished', messageBody(message), (reader) => reader.view(length))
}

export interface NewSessionTicket {
  /** Seconds. */
  readonly lifetime: number
  /** Undefined: no early data with this ticket. */
  readonly maxEarlyData: number | undefined
}

export function decodeNewSessionTicket(message: Uint8Array): NewSessionTicket {
  return decodeAll('the NewSessionTicket', messageBody(message), (reader) => {
    const lifetime = reader.u32()
    reader.u32() // age_add
    readVector(reader, 1) // nonce
    readVector(reader, 2, 1) // ticket
    const extensions = readExtensions(reader)
    const maxEarlyData = decodeExtension(extensions, ExtensionType.EARLY_DATA, (body) => body.u32())
    return { lifetime, maxEarlyData }
  })
}
