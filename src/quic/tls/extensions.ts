/**
 * The extensions block and the bodies of the extensions this stack reads or writes: RFC 8446 §4.2, RFC 6066 §3, RFC 7250 §3,
 * RFC 7301 §3.1, RFC 9001 §8.2. Which of them must be there, and what their values mean, is decided by the roles.
 */
import { GrowingWriter, type Reader } from '../../bytes/index.ts'
import type { GroupName } from '../../crypto/index.ts'
import { Alert, fatal } from './alerts.ts'
import { decodeAll, readList, readU16List, readVector, writeVector } from './codec.ts'

export const ExtensionType = {
  SERVER_NAME: 0,
  STATUS_REQUEST: 5,
  SUPPORTED_GROUPS: 10,
  SIGNATURE_ALGORITHMS: 13,
  ALPN: 16,
  CLIENT_CERTIFICATE_TYPE: 19,
  SERVER_CERTIFICATE_TYPE: 20,
  PRE_SHARED_KEY: 41,
  EARLY_DATA: 42,
  SUPPORTED_VERSIONS: 43,
  COOKIE: 44,
  PSK_KEY_EXCHANGE_MODES: 45,
  SIGNATURE_ALGORITHMS_CERT: 50,
  KEY_SHARE: 51,
  QUIC_TRANSPORT_PARAMETERS: 57,
} as const

export const TLS_1_3 = 0x0304
export const ED25519 = 0x0807
/** The only name type of server_name. */
const HOST_NAME = 0

const GROUP_IDS: Readonly<Record<GroupName, number>> = { x25519: 0x001d, p256: 0x0017 }

export function groupId(name: GroupName): number {
  return GROUP_IDS[name]
}

/** In the order of the wire; the bodies are views. */
export type Extensions = ReadonlyMap<number, Uint8Array>

/** RFC 8446 §4.2: each type at most once. */
export function readExtensions(reader: Reader): Extensions {
  const extensions = new Map<number, Uint8Array>()
  const block = readVector(reader, 2)
  decodeAll('the extensions block', block, (items) => {
    while (items.remaining > 0) {
      const type = items.u16()
      const body = readVector(items, 2)
      if (extensions.has(type)) throw fatal(Alert.ILLEGAL_PARAMETER, `extension ${type} appears twice`)
      extensions.set(type, body)
    }
  })
  return extensions
}

export type ExtensionList = readonly (readonly [type: number, body: Uint8Array])[]

export function writeExtensions(writer: GrowingWriter, extensions: ExtensionList): void {
  writer.vector(2, () => {
    for (const [type, body] of extensions) {
      writer.u16(type)
      writeVector(writer, 2, body)
    }
  })
}

/** RFC 8446 §4.2: an answer holds what we asked for, and only where it belongs. */
export function checkAnswer(extensions: Extensions, offered: readonly number[], allowed: readonly number[]): void {
  for (const type of extensions.keys()) {
    if (allowed.includes(type)) continue
    if (offered.includes(type)) throw fatal(Alert.ILLEGAL_PARAMETER, `extension ${type} in the wrong message`)
    throw fatal(Alert.UNSUPPORTED_EXTENSION, `extension ${type} was not asked for`)
  }
}

/** Decodes an extension's whole body; undefined when it is not there. */
export function decodeExtension<T>(extensions: Extensions, type: number, decode: (body: Reader) => T): T | undefined {
  const body = extensions.get(type)
  return body === undefined ? undefined : decodeAll(`extension ${type}`, body, decode)
}

function encodeBody(body: (writer: GrowingWriter) => void): Uint8Array {
  const writer = new GrowingWriter(64)
  body(writer)
  return writer.finish()
}

export function encodeU16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value)
}

/** supported_groups, signature_algorithms. */
export function encodeU16List(values: readonly number[]): Uint8Array {
  return encodeBody((writer) =>
    writer.vector(2, () => {
      for (const value of values) writer.u16(value)
    }),
  )
}

export function readU16Values(body: Reader): number[] {
  return readU16List(body, 2)
}

/** supported_versions of a ClientHello. */
export function encodeVersions(versions: readonly number[]): Uint8Array {
  return encodeBody((writer) =>
    writer.vector(1, () => {
      for (const version of versions) writer.u16(version)
    }),
  )
}

export function readVersions(body: Reader): number[] {
  return readU16List(body, 1)
}

/** RFC 6066 §3: one host name. The server's answer is empty. */
export function encodeHostName(name: Uint8Array): Uint8Array {
  return encodeBody((writer) =>
    writer.vector(2, () => {
      writer.u8(HOST_NAME)
      writeVector(writer, 2, name)
    }),
  )
}

/** Undefined: names, but none of a host. */
export function readHostName(body: Reader): Uint8Array | undefined {
  const names = readList(body, 2, (items) => ({ type: items.u8(), name: readVector(items, 2, 1) }))
  const hosts = names.filter(({ type }) => type === HOST_NAME)
  if (hosts.length > 1) throw fatal(Alert.ILLEGAL_PARAMETER, 'more than one host name in server_name')
  return hosts[0]?.name
}

/** RFC 7301 §3.1. */
export function encodeProtocols(names: readonly Uint8Array[]): Uint8Array {
  return encodeBody((writer) =>
    writer.vector(2, () => {
      for (const name of names) writeVector(writer, 1, name)
    }),
  )
}

export function readProtocols(body: Reader): Uint8Array[] {
  return readList(body, 2, (items) => readVector(items, 1, 1))
}

/** The list of a ClientHello, RFC 7250 §3. The server's answer is a single byte. */
export function encodeCertificateTypes(types: readonly number[]): Uint8Array {
  return Uint8Array.of(types.length, ...types)
}

export function readCertificateTypes(body: Reader): number[] {
  return [...readVector(body, 1, 1)]
}

export interface KeyShare {
  readonly group: number
  readonly key: Uint8Array
}

/** The single entry of a ServerHello. */
export function encodeKeyShare(share: KeyShare): Uint8Array {
  return encodeBody((writer) => {
    writer.u16(share.group)
    writeVector(writer, 2, share.key)
  })
}

export function readKeyShare(body: Reader): KeyShare {
  return { group: body.u16(), key: readVector(body, 2, 1) }
}

/** The list of a ClientHello. */
export function encodeKeyShares(shares: readonly KeyShare[]): Uint8Array {
  return encodeBody((writer) =>
    writer.vector(2, () => {
      for (const share of shares) writer.raw(encodeKeyShare(share))
    }),
  )
}

/** RFC 8446 §4.2.8: an empty list asks for a HelloRetryRequest. */
export function readKeyShares(body: Reader): KeyShare[] {
  return decodeAll('the key share list', readVector(body, 2), (items) => {
    const shares: KeyShare[] = []
    while (items.remaining > 0) shares.push(readKeyShare(items))
    return shares
  })
}

export function encodeCookie(cookie: Uint8Array): Uint8Array {
  return encodeBody((writer) => writeVector(writer, 2, cookie))
}

export function readCookie(body: Reader): Uint8Array {
  return readVector(body, 2, 1)
}

/** We resume nothing, but what is offered must be well formed (RFC 8446 §4.2.11): as many binders as identities. */
export function checkPreSharedKeys(body: Reader): void {
  const identities = readList(body, 2, (items) => {
    readVector(items, 2, 1)
    return items.u32()
  })
  const binders = readList(body, 2, (items) => readVector(items, 1, 32))
  if (identities.length !== binders.length) {
    throw fatal(Alert.ILLEGAL_PARAMETER, `${identities.length} pre-shared keys with ${binders.length} binders`)
  }
}

/** For extensions without a body. */
export function checkEmpty(_body: Reader): void {}
