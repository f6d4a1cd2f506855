/**
 * The handshake of a connection: drives TLS, owns the Initial and Handshake packet spaces, the keys of every level, Retry and the
 * checks that bind transport parameters to connection ids (RFC 9000 §7, RFC 9001 §4). It stands on path 0's link.
 */
import { sameBytes } from '../../bytes/index.ts'
import type { Signer } from '../../crypto/index.ts'
import { localParameters, MAX_ACK_DELAY_MS, type QuicSettings } from '../config.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { Level } from '../level.ts'
import { OneRttKeys } from '../protection/key-update.ts'
import { deriveKeys, freeKeys, initialKeys, type PacketKeys } from '../protection/packet-keys.ts'
import type { PacketWriter, SentFramePool } from '../recovery/frame-owner.ts'
import { PacketSpace } from '../recovery/packet-space.ts'
import type { Resources } from '../resources.ts'
import type { CipherSuite } from '../tls/cipher-suites.ts'
import { TlsClient } from '../tls/client.ts'
import { type Credential, rawPublicKeyCredential } from '../tls/credentials.ts'
import { TlsServer } from '../tls/server.ts'
import type { TlsHost, TlsSession, X509Authentication } from '../tls/session.ts'
import {
  decodeTransportParameters,
  encodeTransportParameters,
  type TransportParameters,
} from '../wire/transport-parameters.ts'
import { CryptoStream } from './crypto-stream.ts'

export interface HandshakeHost {
  /** The peer's transport parameters passed all checks. */
  peerParameters(parameters: TransportParameters): void
  /** RFC 9001 §4.1.1. */
  handshakeComplete(): void
}

export interface HandshakeOptions {
  readonly signer: Signer
  readonly alpns: readonly Uint8Array[]
  /** Our handshake connection id. */
  readonly sourceId: Uint8Array
  /** Client: its random first destination id. Server: what the client chose, before any Retry. */
  readonly originalDestinationId: Uint8Array
  /** Server after a Retry of ours: the id that the Retry carried. */
  readonly retrySourceId?: Uint8Array | undefined
  /** Client: the key that was dialled. */
  readonly expectedPeer?: Uint8Array | undefined
  /** Client: the server is dialled by its name, and not by a key. */
  readonly authentication?: X509Authentication | undefined
  /** Server: for clients that do not offer raw public keys. */
  readonly certificate?: Credential | undefined
  /** Client: an address token for the first Initial. */
  readonly token?: Uint8Array | undefined
  /** Server: Initial keys already derived by the engine. */
  readonly keys?: { send: PacketKeys; receive: PacketKeys } | undefined
  /** Server: reset token of `sourceId`. */
  readonly resetToken?: Uint8Array | undefined
}

const EMPTY = new Uint8Array(0)

function same(left: Uint8Array | undefined, right: Uint8Array | undefined): boolean {
  if (left === undefined || right === undefined) return left === right
  return sameBytes(left, right)
}

export class Handshake implements TlsHost {
  /** Until the keys of the level are discarded. */
  initialSpace: PacketSpace | undefined
  handshakeSpace: PacketSpace | undefined
  /** CRYPTO streams by level, likewise; the 0-RTT entry is never used. */
  readonly #streams: (CryptoStream | undefined)[]
  readonly tls: TlsSession
  initialKeys: { send: PacketKeys; receive: PacketKeys } | undefined
  handshakeSend: PacketKeys | undefined = undefined
  handshakeReceive: PacketKeys | undefined = undefined
  oneRtt: OneRttKeys | undefined = undefined
  isComplete = false
  isConfirmed = false
  peerParameters: TransportParameters | undefined = undefined
  /** Client: sent in every Initial (RFC 9000 §8.1.2). */
  token: Uint8Array
  /** The source id of the peer's Initial packets; later ones must carry the same (RFC 9000 §7.2). */
  peerSourceId: Uint8Array | undefined = undefined
  /** An authenticated Handshake packet arrived: the peer's address no longer moves (spec/quic.md §5.2). */
  receivedHandshakePacket = false
  readonly sourceId: Uint8Array
  readonly originalDestinationId: Uint8Array
  /** Present only when somebody asked for a key log. */
  readonly keyLog?: (line: string) => void
  readonly #resources: Resources
  readonly #host: HandshakeHost
  #retrySourceId: Uint8Array | undefined
  #sendSecret: Uint8Array | undefined = undefined
  #receiveSecret: Uint8Array | undefined = undefined

  constructor(resources: Resources, pool: SentFramePool, host: HandshakeHost, options: HandshakeOptions) {
    this.#resources = resources
    this.#host = host
    this.sourceId = options.sourceId
    this.originalDestinationId = options.originalDestinationId
    this.#retrySourceId = options.retrySourceId
    this.token = options.token ?? EMPTY
    if (resources.keyLog !== undefined) this.keyLog = resources.keyLog
    const immediate = { immediate: true, maxAckDelayMs: MAX_ACK_DELAY_MS, elicitingThreshold: 1 }
    this.initialSpace = new PacketSpace(Level.Initial, 0, pool, immediate)
    this.handshakeSpace = new PacketSpace(Level.Handshake, 0, pool, immediate)
    this.#streams = [new CryptoStream(), undefined, new CryptoStream(), undefined]
    this.initialKeys =
      options.keys ??
      initialKeys(resources.crypto, options.retrySourceId ?? options.originalDestinationId, resources.role)
    const config = <Authentication>(authentication: Authentication) => ({
      crypto: resources.crypto,
      random: resources.random,
      alpns: options.alpns,
      transportParameters: this.#encodeParameters(resources.settings, options),
      suites: resources.settings.suites,
      groups: resources.settings.groups,
      authentication,
    })
    const { signer, expectedPeer, certificate } = options
    this.tls =
      resources.role === 'client'
        ? new TlsClient(config(options.authentication ?? { kind: 'raw-public-key', signer, expectedPeer }), this)
        : new TlsServer(config({ rawPublicKey: rawPublicKeyCredential(signer), x509: certificate }), this)
  }

  #encodeParameters(settings: QuicSettings, options: HandshakeOptions): Uint8Array {
    const parameters = localParameters(settings)
    parameters.initialSourceConnectionId = options.sourceId
    if (this.#resources.role === 'server') {
      parameters.originalDestinationConnectionId = options.originalDestinationId
      if (options.retrySourceId !== undefined) parameters.retrySourceConnectionId = options.retrySourceId
      if (options.resetToken !== undefined) parameters.statelessResetToken = options.resetToken
    }
    return encodeTransportParameters(parameters, this.#resources.random)
  }

  #stream(level: Level): CryptoStream {
    let stream = this.#streams[level]
    if (stream === undefined) {
      stream = new CryptoStream()
      this.#streams[level] = stream
    }
    return stream
  }

  /** TLS has bytes for the peer at this level, new or lost. */
  hasCrypto(level: Level): boolean {
    return this.#streams[level]?.hasPending === true
  }

  /** CRYPTO frames of the level, as many as fit. */
  writeCrypto(level: Level, packet: PacketWriter): void {
    this.#streams[level]?.write(packet)
  }

  /** Next bytes of a CRYPTO frame. */
  receiveCrypto(level: Level, bytes: Uint8Array, start: number, length: number, offset: number): void {
    const ready = this.#stream(level).receive(bytes, start, length, offset)
    if (ready !== undefined && ready.length > 0) this.tls.receive(level, ready)
  }

  // TlsHost

  sendCrypto(level: Level, data: Uint8Array): void {
    this.#stream(level).send(data)
  }

  installSecret(level: Level, direction: 'send' | 'receive', suite: CipherSuite, secret: Uint8Array): void {
    const { crypto } = this.#resources
    if (level === Level.Handshake) {
      if (direction === 'send') this.handshakeSend = deriveKeys(crypto, suite, secret)
      else this.handshakeReceive = deriveKeys(crypto, suite, secret)
      return
    }
    if (direction === 'send') this.#sendSecret = secret.slice()
    else this.#receiveSecret = secret.slice()
    if (this.#sendSecret !== undefined && this.#receiveSecret !== undefined)
      this.oneRtt = new OneRttKeys(crypto, suite, this.#sendSecret, this.#receiveSecret)
  }

  receivedTransportParameters(data: Uint8Array): void {
    const client = this.#resources.role === 'client'
    const parameters = decodeTransportParameters(data, client ? 'server' : 'client')
    // RFC 9000 §7.3: the ids seen on the wire must be the ones the peer vouches for
    if (!same(parameters.initialSourceConnectionId, this.peerSourceId))
      throw new TransportError(ErrorCode.TRANSPORT_PARAMETER_ERROR, 0, 'initial_source_connection_id does not match')
    if (client) {
      if (!same(parameters.originalDestinationConnectionId, this.originalDestinationId))
        throw new TransportError(
          ErrorCode.TRANSPORT_PARAMETER_ERROR,
          0,
          'original_destination_connection_id does not match',
        )
      if (!same(parameters.retrySourceConnectionId, this.#retrySourceId))
        throw new TransportError(ErrorCode.TRANSPORT_PARAMETER_ERROR, 0, 'retry_source_connection_id does not match')
    }
    this.peerParameters = parameters
    this.#host.peerParameters(parameters)
  }

  handshakeComplete(): void {
    this.isComplete = true
    this.#host.handshakeComplete()
  }

  /**
   * Client: a Retry whose integrity tag was verified (RFC 9000 §17.2.5). Initial keys change with the new destination id; the
   * ClientHello goes again with the token. Returns false when it must be ignored.
   */
  receiveRetry(sourceId: Uint8Array, token: Uint8Array): boolean {
    if (this.#retrySourceId !== undefined || this.peerSourceId !== undefined || token.length === 0) return false
    this.#retrySourceId = sourceId
    this.token = token
    this.#freeInitialKeys()
    this.initialKeys = initialKeys(this.#resources.crypto, sourceId, 'client')
    return true
  }

  /** True after a Retry was followed. */
  get wasRetried(): boolean {
    return this.#retrySourceId !== undefined
  }

  /** RFC 9001 §4.9.1. */
  discardInitial(): void {
    this.#freeInitialKeys()
    this.#streams[Level.Initial] = undefined
    this.initialSpace = undefined
  }

  /** RFC 9001 §4.9.2. */
  discardHandshake(): void {
    freeKeys(this.handshakeSend)
    freeKeys(this.handshakeReceive)
    this.handshakeSend = undefined
    this.handshakeReceive = undefined
    this.#streams[Level.Handshake] = undefined
    this.handshakeSpace = undefined
  }

  #freeInitialKeys(): void {
    freeKeys(this.initialKeys?.send)
    freeKeys(this.initialKeys?.receive)
    this.initialKeys = undefined
  }

  /** Every key and buffer goes. */
  release(): void {
    this.discardInitial()
    this.discardHandshake()
    this.#streams[Level.OneRtt] = undefined
    this.oneRtt?.free()
    this.oneRtt = undefined
    this.#sendSecret?.fill(0)
    this.#receiveSecret?.fill(0)
    this.tls.free()
  }
}
