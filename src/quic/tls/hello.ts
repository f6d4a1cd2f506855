/**
 * ClientHello, ServerHello and HelloRetryRequest as values and as bytes: RFC 8446 §4.1, with the extensions of a QUIC handshake, by
 * raw public keys or to a server with a certificate. It checks form; whether a hello is acceptable is decided by client.ts and server.ts.
 */
import { type Reader, sameBytes } from '../../bytes/index.ts'
import { Alert, fatal } from './alerts.ts'
import { decodeAll, encodeMessage, HandshakeType, messageBody, readU16List, readVector, writeVector } from './codec.ts'
import {
  checkEmpty,
  checkPreSharedKeys,
  decodeExtension,
  type ExtensionList,
  type Extensions,
  ExtensionType,
  encodeCertificateTypes,
  encodeCookie,
  encodeHostName,
  encodeKeyShares,
  encodeProtocols,
  encodeU16List,
  encodeVersions,
  type KeyShare,
  readCertificateTypes,
  readCookie,
  readExtensions,
  readHostName,
  readKeyShares,
  readProtocols,
  readU16Values,
  readVersions,
  writeExtensions,
} from './extensions.ts'

const LEGACY_VERSION = 0x0303
export const RANDOM_LENGTH = 32
const SESSION_ID_MAX = 32

/** RFC 8446 §4.1.3: the random of a ServerHello that is a HelloRetryRequest (SHA-256 of that name). */
// biome-ignore format: 32 bytes
export const RETRY_RANDOM = Uint8Array.of(
  0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
  0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
)

/** Undefined: the extension was not there. All arrays are views of the message. */
export interface ClientHello {
  readonly random: Uint8Array
  readonly sessionId: Uint8Array
  readonly suites: readonly number[]
  /** The host name of server_name, as it came. */
  readonly hostName: Uint8Array | undefined
  readonly versions: readonly number[] | undefined
  readonly groups: readonly number[] | undefined
  readonly signatureSchemes: readonly number[] | undefined
  /** Only where they differ from the former. */
  readonly certificateSchemes: readonly number[] | undefined
  readonly protocols: readonly Uint8Array[] | undefined
  readonly clientCertificateTypes: readonly number[] | undefined
  readonly serverCertificateTypes: readonly number[] | undefined
  readonly shares: readonly KeyShare[] | undefined
  readonly cookie: Uint8Array | undefined
  readonly transportParameters: Uint8Array | undefined
  readonly offersEarlyData: boolean
}

/** What a hello says by an extension. */
const EXTENSION_FIELDS: readonly (readonly [type: number, field: keyof ClientHello])[] = [
  [ExtensionType.SERVER_NAME, 'hostName'],
  [ExtensionType.SUPPORTED_VERSIONS, 'versions'],
  [ExtensionType.SUPPORTED_GROUPS, 'groups'],
  [ExtensionType.SIGNATURE_ALGORITHMS, 'signatureSchemes'],
  [ExtensionType.SIGNATURE_ALGORITHMS_CERT, 'certificateSchemes'],
  [ExtensionType.ALPN, 'protocols'],
  [ExtensionType.CLIENT_CERTIFICATE_TYPE, 'clientCertificateTypes'],
  [ExtensionType.SERVER_CERTIFICATE_TYPE, 'serverCertificateTypes'],
  [ExtensionType.KEY_SHARE, 'shares'],
  [ExtensionType.COOKIE, 'cookie'],
  [ExtensionType.QUIC_TRANSPORT_PARAMETERS, 'transportParameters'],
]

/** The extensions of a hello of ours; a server's answer holds nothing else (RFC 8446 §4.2). */
export function offeredExtensions(hello: ClientHello): number[] {
  return EXTENSION_FIELDS.filter(([, field]) => hello[field] !== undefined).map(([type]) => type)
}

/** The extensions of a hello, in the order in which we write them. */
function helloExtensions(hello: ClientHello): ExtensionList {
  const list: [number, Uint8Array][] = []
  const put = <T>(type: number, value: T | undefined, encode: (value: T) => Uint8Array) => {
    if (value !== undefined) list.push([type, encode(value)])
  }
  put(ExtensionType.SERVER_NAME, hello.hostName, encodeHostName)
  put(ExtensionType.SUPPORTED_VERSIONS, hello.versions, encodeVersions)
  put(ExtensionType.SUPPORTED_GROUPS, hello.groups, encodeU16List)
  put(ExtensionType.SIGNATURE_ALGORITHMS, hello.signatureSchemes, encodeU16List)
  put(ExtensionType.SIGNATURE_ALGORITHMS_CERT, hello.certificateSchemes, encodeU16List)
  put(ExtensionType.ALPN, hello.protocols, encodeProtocols)
  put(ExtensionType.CLIENT_CERTIFICATE_TYPE, hello.clientCertificateTypes, encodeCertificateTypes)
  put(ExtensionType.SERVER_CERTIFICATE_TYPE, hello.serverCertificateTypes, encodeCertificateTypes)
  put(ExtensionType.KEY_SHARE, hello.shares, encodeKeyShares)
  put(ExtensionType.COOKIE, hello.cookie, encodeCookie)
  put(ExtensionType.QUIC_TRANSPORT_PARAMETERS, hello.transportParameters, (bytes) => bytes)
  return list
}

/** The whole message. `offersEarlyData` is not encoded: we offer none. */
export function encodeClientHello(hello: ClientHello): Uint8Array {
  return encodeMessage(HandshakeType.CLIENT_HELLO, (writer) => {
    writer.u16(LEGACY_VERSION)
    writer.raw(hello.random)
    writeVector(writer, 1, hello.sessionId)
    writer.vector(2, () => {
      for (const suite of hello.suites) writer.u16(suite)
    })
    writer.raw(Uint8Array.of(1, 0)) // the null compression method
    writeExtensions(writer, helloExtensions(hello))
  })
}

function readSessionId(reader: Reader): Uint8Array {
  const sessionId = readVector(reader, 1)
  if (sessionId.length > SESSION_ID_MAX) {
    throw fatal(Alert.DECODE_ERROR, `a session id of ${sessionId.length} bytes`)
  }
  return sessionId
}

export function decodeClientHello(message: Uint8Array): ClientHello {
  return decodeAll('the ClientHello', messageBody(message), (reader) => {
    reader.skip(2) // RFC 8446 §4.2.1: the version is in supported_versions, and only there
    const random = reader.view(RANDOM_LENGTH)
    const sessionId = readSessionId(reader)
    const suites = readU16List(reader, 2)
    const compressions = readVector(reader, 1, 1)
    // A hello from before TLS 1.2 ends here; the server will miss supported_versions in it.
    const extensions: Extensions = reader.remaining === 0 ? new Map() : readExtensions(reader)
    const hello = {
      random,
      sessionId,
      suites,
      hostName: decodeExtension(extensions, ExtensionType.SERVER_NAME, readHostName),
      versions: decodeExtension(extensions, ExtensionType.SUPPORTED_VERSIONS, readVersions),
      groups: decodeExtension(extensions, ExtensionType.SUPPORTED_GROUPS, readU16Values),
      signatureSchemes: decodeExtension(extensions, ExtensionType.SIGNATURE_ALGORITHMS, readU16Values),
      certificateSchemes: decodeExtension(extensions, ExtensionType.SIGNATURE_ALGORITHMS_CERT, readU16Values),
      protocols: decodeExtension(extensions, ExtensionType.ALPN, readProtocols),
      clientCertificateTypes: decodeExtension(extensions, ExtensionType.CLIENT_CERTIFICATE_TYPE, readCertificateTypes),
      serverCertificateTypes: decodeExtension(extensions, ExtensionType.SERVER_CERTIFICATE_TYPE, readCertificateTypes),
      shares: decodeExtension(extensions, ExtensionType.KEY_SHARE, readKeyShares),
      cookie: decodeExtension(extensions, ExtensionType.COOKIE, readCookie),
      transportParameters: extensions.get(ExtensionType.QUIC_TRANSPORT_PARAMETERS),
      offersEarlyData: extensions.has(ExtensionType.EARLY_DATA),
    }
    // A hello without TLS 1.3 is answered with protocol_version, whatever else is odd about it.
    if (hello.versions === undefined) return hello
    // RFC 8446 §4.1.2: the null method, alone.
    if (compressions.length !== 1 || compressions[0] !== 0) {
      throw fatal(Alert.ILLEGAL_PARAMETER, 'the client offers compression')
    }
    checkResumptionOffer(extensions)
    return hello
  })
}

/** Resumption and early data are declined in silence, but not when they are malformed. RFC 8446 §4.2.9 to §4.2.11. */
function checkResumptionOffer(extensions: Extensions): void {
  decodeExtension(extensions, ExtensionType.EARLY_DATA, checkEmpty)
  decodeExtension(extensions, ExtensionType.PRE_SHARED_KEY, checkPreSharedKeys)
  if (!extensions.has(ExtensionType.PRE_SHARED_KEY)) return
  if ([...extensions.keys()].at(-1) !== ExtensionType.PRE_SHARED_KEY) {
    throw fatal(Alert.ILLEGAL_PARAMETER, 'pre_shared_key is not the last extension')
  }
  if (!extensions.has(ExtensionType.PSK_KEY_EXCHANGE_MODES)) {
    throw fatal(Alert.MISSING_EXTENSION, 'pre_shared_key without psk_key_exchange_modes')
  }
}

/** A HelloRetryRequest when `random` is RETRY_RANDOM. */
export interface ServerHello {
  readonly random: Uint8Array
  readonly sessionId: Uint8Array
  readonly suite: number
  readonly extensions: Extensions
}

export function isRetryRequest(hello: ServerHello): boolean {
  return sameBytes(hello.random, RETRY_RANDOM)
}

export function encodeServerHello(
  random: Uint8Array,
  sessionId: Uint8Array,
  suite: number,
  extensions: ExtensionList,
): Uint8Array {
  return encodeMessage(HandshakeType.SERVER_HELLO, (writer) => {
    writer.u16(LEGACY_VERSION)
    writer.raw(random)
    writeVector(writer, 1, sessionId)
    writer.u16(suite)
    writer.u8(0)
    writeExtensions(writer, extensions)
  })
}

export function decodeServerHello(message: Uint8Array): ServerHello {
  return decodeAll('the ServerHello', messageBody(message), (reader) => {
    reader.skip(2) // RFC 8446 §4.2.1: ignored when supported_versions is there, and without it the client gives up
    const random = reader.view(RANDOM_LENGTH)
    const sessionId = readSessionId(reader)
    const suite = reader.u16()
    const compression = reader.u8()
    const extensions: Extensions = reader.remaining === 0 ? new Map() : readExtensions(reader)
    if (extensions.has(ExtensionType.SUPPORTED_VERSIONS) && compression !== 0) {
      throw fatal(Alert.ILLEGAL_PARAMETER, 'the server chose a compression method')
    }
    return { random, sessionId, suite, extensions }
  })
}
