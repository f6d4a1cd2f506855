/**
 * What QUIC sees of TLS 1.3 (RFC 9001 §4): handshake bytes and secrets in and out, per encryption level. Sessions know no packets,
 * read no clock, and are driven synchronously. Failures are `TransportError`s with code 0x100 + alert.
 */
import type { CryptoProvider, Signer } from '../../crypto/index.ts'
import type { RandomSource } from '../../platform/index.ts'
import type { Level } from '../level.ts'
import type { CipherSuite } from './cipher-suites.ts'
import type { Credential } from './credentials.ts'
import type { TrustedRoots } from './trusted-roots.ts'
import { parseServerName, type ServerName } from './x509-names.ts'

/** Implemented by the connection's handshake; called from inside `start` and `receive`. */
export interface TlsHost {
  /** Handshake bytes to send in CRYPTO frames at this level. The array may be kept. */
  sendCrypto(level: Level, data: Uint8Array): void
  /** A traffic secret for packet protection. The array is the callee's: it derives its keys and keeps it only for key updates. */
  installSecret(level: Level, direction: 'send' | 'receive', suite: CipherSuite, secret: Uint8Array): void
  /** The peer's quic_transport_parameters extension, raw. Throws TransportError when they are not acceptable. */
  receivedTransportParameters(data: Uint8Array): void
  /** RFC 9001 §4.1.1: the handshake is complete on this side (peer's Finished verified and, for a client, its own sent). */
  handshakeComplete(): void
  /** A line of an SSLKEYLOGFILE (label, client random, secret), when a key log was asked for. */
  keyLog?(line: string): void
}

export interface TlsConfig {
  readonly crypto: CryptoProvider
  readonly random: RandomSource
  /** ALPN protocol ids, most wanted first; at least one, each 1 to 255 bytes. */
  readonly alpns: readonly Uint8Array[]
  /** Encoded transport parameters. */
  readonly transportParameters: Uint8Array
  /** Suite ids, most wanted first; a server chooses by its own order (RFC 8446 §4.1.1). Default: by `crypto.aeadPreference`, the fastest first. */
  readonly suites?: readonly number[] | undefined
  /** Groups, most wanted first. Default x25519, p256. A client sends one key share, for the first. */
  readonly groups?: readonly ('x25519' | 'p256')[]
}

/** Both sides show the public key that is their identity, RFC 7250. */
export interface RawPublicKeyAuthentication {
  readonly kind: 'raw-public-key'
  /** Our Ed25519 identity, shown when the server asks for it. */
  readonly signer: Signer
  /** The 32-byte key that was dialled; a server that presents another is refused with unknown_ca (0x130). Undefined accepts any key. */
  readonly expectedPeer?: Uint8Array | undefined
}

/** The server shows a certificate for its name; we stay anonymous. RFC 8446 §4.4.2, RFC 9525. */
export interface X509Authentication {
  readonly kind: 'x509'
  /** A host name (internationalised ones as A-labels), sent as SNI; or an IP address, which is matched and not sent. */
  readonly serverName: string
  /** Authorities, or the self-signed certificate of that very server. */
  readonly roots: TrustedRoots
  /** The time by which certificates are valid or not, seconds since 1970. */
  readonly nowUnixSeconds: number
}

export type ClientAuthentication = RawPublicKeyAuthentication | X509Authentication

/** The name that is dialled, if it is one. Throws RangeError when nobody could be dialled like this. */
export function checkAuthentication(authentication: ClientAuthentication): ServerName | undefined {
  if (authentication.kind === 'x509') {
    if (!Number.isFinite(authentication.nowUnixSeconds)) throw new RangeError('nowUnixSeconds is not a time')
    return parseServerName(authentication.serverName)
  }
  const { expectedPeer } = authentication
  if (expectedPeer !== undefined && expectedPeer.length !== 32) {
    throw new RangeError('the expected peer is a key of 32 bytes')
  }
  return undefined
}

export interface TlsClientConfig extends TlsConfig {
  readonly authentication: ClientAuthentication
}

/** Clients that offer raw public keys get `rawPublicKey` and must show theirs; others get `x509`, and stay anonymous. At least one is there. */
export interface ServerAuthentication {
  readonly rawPublicKey?: Credential | undefined
  readonly x509?: Credential | undefined
}

export interface TlsServerConfig extends TlsConfig {
  readonly authentication: ServerAuthentication
}

export interface TlsSession {
  /** Client: writes the ClientHello. Server: nothing. */
  start(): void
  /**
   * The next bytes of the level's CRYPTO stream, in order. Throws TransportError when the handshake fails; the session has freed itself
   * then, and drops what comes later. At most one unfinished message of 64 kB is held.
   */
  receive(level: Level, data: Uint8Array): void
  readonly complete: boolean
  /** Known once negotiated. */
  readonly alpn: Uint8Array | undefined
  /** The peer's 32-byte Ed25519 key; set only after its CertificateVerify was checked. */
  readonly peerKey: Uint8Array | undefined
  /** The server's certificates in DER, its own first; set only after chain, name and CertificateVerify were checked. */
  readonly peerCertificates: readonly Uint8Array[] | undefined
  /** Client: the name that was dialled by X.509. Server: the SNI, lower case, when the client sent a host name. */
  readonly serverName: string | undefined
  readonly suite: CipherSuite | undefined
  /** RFC 8446 §7.5; after completion. */
  exportKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array
  /** Drops ephemeral keys; the session is unusable afterwards. */
  free(): void
}
