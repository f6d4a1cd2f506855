/**
 * What client and server do alike: reassembly per level, transcript, secrets, the certificate with its proof, Finished, the exporter. The
 * order of messages and what they must say is in client.ts and server.ts. RFC 8446 §4.4, §7; RFC 9001 §4.1.
 */
import { CryptoError, type CryptoProvider, type GroupName, type KeyExchange } from '../../crypto/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { Level, type Role } from '../level.ts'
import { Alert, fatal } from './alerts.ts'
import { type CipherSuite, cipherSuite, suitesInOrder } from './cipher-suites.ts'
import { messageName } from './codec.ts'
import { type ClaimedKey, type Credential, claimRawPublicKey } from './credentials.ts'
import { logSecret } from './key-log.ts'
import { KeySchedule } from './key-schedule.ts'
import { MessageBuffer } from './message-buffer.ts'
import {
  type CertificateMessage,
  decodeCertificateVerify,
  decodeFinished,
  encodeCertificateVerify,
  encodeFinished,
  signedContent,
} from './messages.ts'
import type { TlsConfig, TlsHost } from './session.ts'
import { Transcript } from './transcript.ts'

const CRYPTO_FRAME = 0x06
const EMPTY = new Uint8Array(0)
const DEFAULT_GROUPS: readonly GroupName[] = ['x25519', 'p256']

/** The part that differs by role. */
export interface HandshakeMachine {
  /** May a message of this type come now? */
  expects(type: number): boolean
  /** A whole message of an expected type, header included. The array may be kept. */
  handle(type: number, message: Uint8Array): void
}

export class HandshakeCore {
  readonly role: Role
  readonly config: TlsConfig
  readonly host: TlsHost
  readonly crypto: CryptoProvider
  /** In our order. */
  readonly suites: readonly CipherSuite[]
  readonly groups: readonly GroupName[]
  readonly transcript: Transcript
  complete: boolean
  alpn: Uint8Array | undefined
  peerKey: Uint8Array | undefined
  peerCertificates: readonly Uint8Array[] | undefined
  serverName: string | undefined
  suite: CipherSuite | undefined
  clientRandom: Uint8Array
  /** From the peer's Certificate; it is the peer's when its CertificateVerify holds. */
  #claimed: ClaimedKey | undefined
  #schedule: KeySchedule | undefined
  #exchange: KeyExchange | undefined
  #shared: Uint8Array | undefined
  #sendFinishedKey: Uint8Array | undefined
  #receiveFinishedKey: Uint8Array | undefined
  /** Not installed yet. */
  #applicationSend: Uint8Array | undefined
  #applicationReceive: Uint8Array | undefined
  /** Where the peer's next bytes must come from. */
  #level: Level
  readonly #buffer: MessageBuffer
  /** Messages written since the last `flush`. */
  #flight: Uint8Array[]
  #ended: boolean

  constructor(role: Role, config: TlsConfig, host: TlsHost) {
    this.role = role
    this.config = config
    this.host = host
    this.crypto = config.crypto
    this.suites = (config.suites ?? suitesInOrder(config.crypto.aeadPreference)).map((id) => {
      const suite = cipherSuite(id)
      if (suite === undefined) throw new RangeError(`cipher suite 0x${id.toString(16)} is not supported`)
      return suite
    })
    this.groups = config.groups ?? DEFAULT_GROUPS
    if (this.suites.length === 0 || this.groups.length === 0) throw new RangeError('suites or groups are empty')
    if (config.alpns.some((alpn) => alpn.length < 1 || alpn.length > 255)) {
      throw new RangeError('an ALPN protocol id has 1 to 255 bytes')
    }
    this.transcript = new Transcript(config.crypto)
    this.complete = false
    this.alpn = undefined
    this.peerKey = undefined
    this.peerCertificates = undefined
    this.serverName = undefined
    this.suite = undefined
    this.clientRandom = EMPTY
    this.#claimed = undefined
    this.#schedule = undefined
    this.#exchange = undefined
    this.#shared = undefined
    this.#sendFinishedKey = undefined
    this.#receiveFinishedKey = undefined
    this.#applicationSend = undefined
    this.#applicationReceive = undefined
    this.#level = Level.Initial
    this.#buffer = new MessageBuffer()
    this.#flight = []
    this.#ended = false
  }

  get #peerRole(): Role {
    return this.role === 'client' ? 'server' : 'client'
  }

  /** Bytes of the peer's CRYPTO stream. After a failure or `free` they are dropped. */
  receive(level: Level, data: Uint8Array, machine: HandshakeMachine): void {
    if (this.#ended || data.length === 0) return
    try {
      this.#checkLevel(level)
      this.#buffer.append(data)
      for (;;) {
        const type = this.#buffer.nextType
        if (type === undefined) return
        // Also before the rest of the message has come: nobody makes us wait for, and keep, what we would refuse.
        if (!machine.expects(type)) throw fatal(Alert.UNEXPECTED_MESSAGE, messageName(type))
        const message = this.#buffer.next()
        if (message === undefined) return
        machine.handle(type, message)
        if (this.#ended) return
      }
    } catch (error) {
      this.free()
      throw error
    }
  }

  #checkLevel(level: Level): void {
    if (level === this.#level) return
    // RFC 9001 §4.1.3: a level whose successor has keys brings nothing new any more.
    if (level < this.#level) {
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, CRYPTO_FRAME, 'CRYPTO data at an old encryption level')
    }
    throw fatal(Alert.UNEXPECTED_MESSAGE, 'CRYPTO data at an encryption level that is not in use')
  }

  /** The peer's messages come from this level from now on. RFC 9001 §4.1.3: no bytes of the old one may be left. */
  enter(level: Level): void {
    if (this.#buffer.length > 0) {
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, CRYPTO_FRAME, 'CRYPTO data goes on after a key change')
    }
    this.#level = level
  }

  /** Adds a message of ours to the transcript and the flight. */
  write(message: Uint8Array): void {
    this.transcript.add(message)
    this.#flight.push(message)
  }

  /** Hands the flight over, in one piece. */
  flush(level: Level): void {
    const length = this.#flight.reduce((sum, message) => sum + message.length, 0)
    const bytes = new Uint8Array(length)
    let at = 0
    for (const message of this.#flight) {
      bytes.set(message, at)
      at += message.length
    }
    this.#flight = []
    this.host.sendCrypto(level, bytes)
  }

  /** Our ephemeral key. An earlier one is dropped. */
  newKeyExchange(group: GroupName): KeyExchange {
    this.#exchange?.free()
    this.#exchange = this.crypto.keyExchange(group)
    return this.#exchange
  }

  get keyExchange(): KeyExchange | undefined {
    return this.#exchange
  }

  chooseSuite(suite: CipherSuite): void {
    this.suite = suite
    this.transcript.chooseHash(suite.hash)
  }

  /** Runs the key exchange and drops our ephemeral key. */
  agree(peerShare: Uint8Array): void {
    const exchange = this.#exchange!
    try {
      this.#shared = exchange.agree(peerShare)
    } catch (error) {
      // RFC 8446 §4.2.8: a share that is no point of the group, or gives nothing but zeros.
      if (error instanceof CryptoError) throw fatal(Alert.ILLEGAL_PARAMETER, `bad ${exchange.group} key share`)
      throw error
    } finally {
      exchange.free()
      this.#exchange = undefined
    }
  }

  /** Installs the handshake keys. The transcript ends with the ServerHello. */
  startHandshakeKeys(): void {
    const suite = this.suite!
    const schedule = new KeySchedule(this.crypto, suite)
    this.#schedule = schedule
    const secrets = schedule.handshakeSecrets(this.#shared!, this.transcript.digest())
    this.#shared!.fill(0)
    this.#shared = undefined
    logSecret(this.host, 'CLIENT_HANDSHAKE_TRAFFIC_SECRET', this.clientRandom, secrets.client)
    logSecret(this.host, 'SERVER_HANDSHAKE_TRAFFIC_SECRET', this.clientRandom, secrets.server)
    const send = secrets[this.role]
    const receive = secrets[this.#peerRole]
    this.#sendFinishedKey = schedule.finishedKey(send)
    this.#receiveFinishedKey = schedule.finishedKey(receive)
    this.host.installSecret(Level.Handshake, 'send', suite, send)
    this.host.installSecret(Level.Handshake, 'receive', suite, receive)
  }

  /** The transcript ends with the server's Finished. Nothing is installed yet. */
  deriveApplicationSecrets(): void {
    const schedule = this.#schedule!
    const secrets = schedule.applicationSecrets(this.transcript.digest())
    this.#applicationSend = secrets[this.role]
    this.#applicationReceive = secrets[this.#peerRole]
    logSecret(this.host, 'CLIENT_TRAFFIC_SECRET_0', this.clientRandom, secrets.client)
    logSecret(this.host, 'SERVER_TRAFFIC_SECRET_0', this.clientRandom, secrets.server)
    logSecret(this.host, 'EXPORTER_SECRET', this.clientRandom, schedule.exporterSecret!)
    schedule.dropHandshake()
  }

  installApplicationSend(): void {
    const secret = this.#applicationSend!
    this.#applicationSend = undefined
    this.host.installSecret(Level.OneRtt, 'send', this.suite!, secret)
  }

  installApplicationReceive(): void {
    const secret = this.#applicationReceive!
    this.#applicationReceive = undefined
    this.host.installSecret(Level.OneRtt, 'receive', this.suite!, secret)
  }

  /** Our Certificate and CertificateVerify. */
  writeCertificate(credential: Credential, scheme: number): void {
    this.write(credential.message)
    const signature = credential.sign(scheme, signedContent(this.role, this.transcript.digest()))
    this.write(encodeCertificateVerify(signature, scheme))
  }

  writeFinished(): void {
    const key = this.#sendFinishedKey!
    this.write(encodeFinished(this.#schedule!.verifyData(key, this.transcript.digest())))
    key.fill(0)
  }

  /** The certificates of the peer's message, after the checks of RFC 8446 §4.4.2 that hold for all kinds. */
  readCertificates(certificate: CertificateMessage): Uint8Array[] {
    if (certificate.context.length > 0) {
      throw fatal(Alert.ILLEGAL_PARAMETER, 'the Certificate has a request context')
    }
    // RFC 8446 §4.4.2: neither side asked for extensions of an entry.
    if (certificate.entries.some(({ extensions }) => extensions.size > 0)) {
      throw fatal(Alert.UNSUPPORTED_EXTENSION, 'the certificate entry has an extension')
    }
    return certificate.entries.map(({ data }) => data)
  }

  /** The one raw public key of a message that is not empty, RFC 7250 §3. It is not proven yet. */
  claimRawPublicKey(certificate: CertificateMessage): Uint8Array {
    const [spki, ...more] = this.readCertificates(certificate)
    if (more.length > 0) throw fatal(Alert.BAD_CERTIFICATE, 'more than one raw public key')
    const claimed = claimRawPublicKey(this.crypto, spki!)
    this.claim(claimed)
    return claimed.publicKey
  }

  /** What the peer's CertificateVerify must prove. */
  claim(claimed: ClaimedKey): void {
    this.#claimed = claimed
  }

  /** RFC 8446 §4.4.3: the peer owns the key of its Certificate. */
  receiveCertificateVerify(message: Uint8Array): void {
    const { scheme, signature } = decodeCertificateVerify(message)
    const claimed = this.#claimed!
    if (!claimed.verify(scheme, signedContent(this.#peerRole, this.transcript.digest()), signature)) {
      throw fatal(Alert.DECRYPT_ERROR, 'the signature of the CertificateVerify is wrong')
    }
    this.transcript.add(message)
    this.peerKey = claimed.publicKey
    this.peerCertificates = claimed.certificates
  }

  /** RFC 8446 §4.4.4. */
  receiveFinished(message: Uint8Array): void {
    const received = decodeFinished(message, this.suite!.hashLength)
    const key = this.#receiveFinishedKey!
    const expected = this.#schedule!.verifyData(key, this.transcript.digest())
    if (!this.crypto.equal(received, expected)) throw fatal(Alert.DECRYPT_ERROR, 'the Finished is wrong')
    key.fill(0)
    this.transcript.add(message)
  }

  completeHandshake(): void {
    this.complete = true
    // what is left to do, taking tickets and exporting keying material, needs none of it
    this.transcript.release()
    this.#dropFinishedKeys()
    this.#claimed = undefined
    this.clientRandom = EMPTY
    this.host.handshakeComplete()
  }

  #dropFinishedKeys(): void {
    this.#sendFinishedKey?.fill(0)
    this.#receiveFinishedKey?.fill(0)
    this.#sendFinishedKey = undefined
    this.#receiveFinishedKey = undefined
  }

  exportKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array {
    if (!this.complete || this.#schedule === undefined) {
      throw new Error('keying material can be exported after the handshake and before free()')
    }
    return this.#schedule.exportKeyingMaterial(label, context, length)
  }

  free(): void {
    this.#ended = true
    this.#exchange?.free()
    this.#exchange = undefined
    this.#shared?.fill(0)
    this.#schedule?.clear()
    this.#schedule = undefined
    this.#dropFinishedKeys()
    this.#applicationSend?.fill(0)
    this.#applicationReceive?.fill(0)
    this.#applicationSend = undefined
    this.#applicationReceive = undefined
    this.#flight = []
  }
}
