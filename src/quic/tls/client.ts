/**
 * The dialling side of the TLS 1.3 handshake: one ClientHello (two after a HelloRetryRequest), the checks of what the server answers, our
 * raw public key when it asks for one. Dialling by X.509 we have no certificate. No resumption, no early data.
 * RFC 8446 §2, §4; RFC 9001 §4, §8; spec/quic.md §1.
 */
import { encodeUtf8, sameBytes } from '../../bytes/index.ts'
import { ErrorCode, TransportError } from '../errors.ts'
import { Level } from '../level.ts'
import { Alert, fatal } from './alerts.ts'
import type { CipherSuite } from './cipher-suites.ts'
import { HandshakeType } from './codec.ts'
import { type Credential, claimCertificate, rawPublicKeyCredential } from './credentials.ts'
import {
  checkAnswer,
  checkEmpty,
  decodeExtension,
  ED25519,
  type Extensions,
  ExtensionType,
  groupId,
  readCookie,
  readKeyShare,
  readProtocols,
  readU16Values,
  TLS_1_3,
} from './extensions.ts'
import { HandshakeCore, type HandshakeMachine } from './handshake-core.ts'
import {
  type ClientHello,
  decodeServerHello,
  encodeClientHello,
  isRetryRequest,
  offeredExtensions,
  RANDOM_LENGTH,
  type ServerHello,
} from './hello.ts'
import {
  type CertificateMessage,
  decodeCertificate,
  decodeCertificateRequest,
  decodeEncryptedExtensions,
  decodeNewSessionTicket,
  encodeCertificate,
} from './messages.ts'
import { RAW_PUBLIC_KEY } from './raw-public-key.ts'
import {
  type ClientAuthentication,
  checkAuthentication,
  type RawPublicKeyAuthentication,
  type TlsClientConfig,
  type TlsHost,
  type TlsSession,
  type X509Authentication,
} from './session.ts'
import { certificateSchemes, handshakeSchemes } from './signature-schemes.ts'
import type { ServerName } from './x509-names.ts'
import { verifyServerChain } from './x509-verify.ts'

type State =
  | 'idle'
  | 'server-hello'
  | 'encrypted-extensions'
  | 'certificate-request'
  | 'certificate'
  | 'certificate-verify'
  | 'finished'
  | 'complete'

/** RFC 8446 §A.1: what may come in each state. */
const EXPECTED: Readonly<Record<State, readonly number[]>> = {
  idle: [],
  'server-hello': [HandshakeType.SERVER_HELLO],
  'encrypted-extensions': [HandshakeType.ENCRYPTED_EXTENSIONS],
  'certificate-request': [HandshakeType.CERTIFICATE_REQUEST, HandshakeType.CERTIFICATE],
  certificate: [HandshakeType.CERTIFICATE],
  'certificate-verify': [HandshakeType.CERTIFICATE_VERIFY],
  finished: [HandshakeType.FINISHED],
  // RFC 9001 §6: no KeyUpdate in QUIC. We offered no post-handshake authentication either.
  complete: [HandshakeType.NEW_SESSION_TICKET],
}

/** RFC 8446 §4.2: where they may stand, of those that we offer. */
const ENCRYPTED_EXTENSIONS: readonly number[] = [
  ExtensionType.SERVER_NAME,
  ExtensionType.ALPN,
  ExtensionType.SUPPORTED_GROUPS,
  ExtensionType.CLIENT_CERTIFICATE_TYPE,
  ExtensionType.SERVER_CERTIFICATE_TYPE,
  ExtensionType.QUIC_TRANSPORT_PARAMETERS,
]
const CERTIFICATE_REQUEST: readonly number[] = [
  ExtensionType.SIGNATURE_ALGORITHMS,
  ExtensionType.SIGNATURE_ALGORITHMS_CERT,
]

type IdentityOffer = Pick<
  ClientHello,
  'hostName' | 'signatureSchemes' | 'certificateSchemes' | 'clientCertificateTypes' | 'serverCertificateTypes'
>

/** RFC 9001 §4.6.1. */
const QUIC_MAX_EARLY_DATA = 0xffffffff

export class TlsClient implements TlsSession {
  readonly #core: HandshakeCore
  readonly #authentication: ClientAuthentication
  /** Dialling by X.509: whom. */
  readonly #server: ServerName | undefined
  readonly #machine: HandshakeMachine
  #state: State
  #hello: ClientHello | undefined
  #offered: readonly number[]
  /** Fixed by a HelloRetryRequest. */
  #retrySuite: number | undefined
  /** What the server's CertificateRequest wants of us; 'nothing' when none came. */
  #asked: 'nothing' | 'certificate' | 'empty certificate'

  /** Throws RangeError when the configuration makes no sense. */
  constructor(config: TlsClientConfig, host: TlsHost) {
    if (config.alpns.length === 0) throw new RangeError('a client needs at least one ALPN protocol id')
    const { authentication } = config
    this.#server = checkAuthentication(authentication)
    this.#authentication = authentication
    this.#core = new HandshakeCore('client', config, host)
    this.#core.serverName = this.#server?.name
    this.#machine = {
      expects: (type) => EXPECTED[this.#state].includes(type),
      handle: (type, message) => this.#handle(type, message),
    }
    this.#state = 'idle'
    this.#hello = undefined
    this.#offered = []
    this.#retrySuite = undefined
    this.#asked = 'nothing'
  }

  get complete(): boolean {
    return this.#core.complete
  }

  get alpn(): Uint8Array | undefined {
    return this.#core.alpn
  }

  get peerKey(): Uint8Array | undefined {
    return this.#core.peerKey
  }

  get peerCertificates(): readonly Uint8Array[] | undefined {
    return this.#core.peerCertificates
  }

  get serverName(): string | undefined {
    return this.#core.serverName
  }

  get suite(): CipherSuite | undefined {
    return this.#core.suite
  }

  /** Sends the ClientHello. */
  start(): void {
    if (this.#state !== 'idle') throw new Error('the handshake was started before')
    const core = this.#core
    const random = new Uint8Array(RANDOM_LENGTH)
    core.config.random.fill(random)
    core.clientRandom = random
    const exchange = core.newKeyExchange(core.groups[0]!)
    const hello: ClientHello = {
      random,
      sessionId: new Uint8Array(0), // RFC 9001 §8.4: no middlebox compatibility mode
      suites: core.suites.map((suite) => suite.id),
      versions: [TLS_1_3],
      groups: core.groups.map(groupId),
      protocols: core.config.alpns,
      shares: [{ group: groupId(exchange.group), key: exchange.publicKey }],
      cookie: undefined,
      transportParameters: core.config.transportParameters,
      offersEarlyData: false,
      ...this.#identityOffer(),
    }
    this.#offered = offeredExtensions(hello)
    this.#sendHello(hello)
  }

  /** What the hello says of whom we expect, and how it is to prove that. */
  #identityOffer(): IdentityOffer {
    if (this.#server === undefined) {
      return {
        hostName: undefined,
        signatureSchemes: [ED25519],
        certificateSchemes: undefined,
        clientCertificateTypes: [RAW_PUBLIC_KEY],
        serverCertificateTypes: [RAW_PUBLIC_KEY],
      }
    }
    const { signatureAlgorithms } = this.#core.crypto
    const signatureSchemes = handshakeSchemes(signatureAlgorithms)
    const forCertificates = certificateSchemes(signatureAlgorithms)
    return {
      // RFC 6066 §3: addresses are not sent.
      hostName: this.#server.kind === 'dns' ? encodeUtf8(this.#server.name) : undefined,
      signatureSchemes,
      certificateSchemes: forCertificates.length > signatureSchemes.length ? forCertificates : undefined,
      // RFC 7250 §4.1: X.509 alone is what no extension says.
      clientCertificateTypes: undefined,
      serverCertificateTypes: undefined,
    }
  }

  receive(level: Level, data: Uint8Array): void {
    this.#core.receive(level, data, this.#machine)
  }

  exportKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array {
    return this.#core.exportKeyingMaterial(label, context, length)
  }

  free(): void {
    this.#core.free()
  }

  #sendHello(hello: ClientHello): void {
    this.#hello = hello
    this.#state = 'server-hello'
    this.#core.write(encodeClientHello(hello))
    this.#core.flush(Level.Initial)
  }

  #handle(type: number, message: Uint8Array): void {
    switch (type) {
      case HandshakeType.SERVER_HELLO:
        this.#receiveServerHello(message)
        return
      case HandshakeType.ENCRYPTED_EXTENSIONS:
        this.#receiveEncryptedExtensions(message)
        return
      case HandshakeType.CERTIFICATE_REQUEST:
        this.#receiveCertificateRequest(message)
        return
      case HandshakeType.CERTIFICATE:
        this.#receiveCertificate(message)
        return
      case HandshakeType.CERTIFICATE_VERIFY:
        this.#core.receiveCertificateVerify(message)
        this.#state = 'finished'
        return
      case HandshakeType.FINISHED:
        this.#receiveFinished(message)
        return
      case HandshakeType.NEW_SESSION_TICKET:
        this.#receiveTicket(message)
        return
    }
  }

  /** RFC 8446 §4.1.3; the same message may be a HelloRetryRequest, §4.1.4. */
  #receiveServerHello(message: Uint8Array): void {
    const core = this.#core
    const hello = decodeServerHello(message)
    const version = decodeExtension(hello.extensions, ExtensionType.SUPPORTED_VERSIONS, (body) => body.u16())
    if (version === undefined) throw fatal(Alert.PROTOCOL_VERSION, 'the server does not speak TLS 1.3')
    // RFC 8446 §4.2.1: an answer that names any other version is wrong, even an old one.
    if (version !== TLS_1_3) throw fatal(Alert.ILLEGAL_PARAMETER, `the server chose version 0x${version.toString(16)}`)
    if (hello.sessionId.length > 0) throw fatal(Alert.ILLEGAL_PARAMETER, 'the server echoes a session id of its own')
    const suite = core.suites.find((offered) => offered.id === hello.suite)
    if (suite === undefined) {
      throw fatal(Alert.ILLEGAL_PARAMETER, `cipher suite 0x${hello.suite.toString(16)} was not offered`)
    }
    if (isRetryRequest(hello)) {
      this.#receiveRetryRequest(message, hello, suite)
      return
    }
    checkAnswer(hello.extensions, this.#offered, [ExtensionType.SUPPORTED_VERSIONS, ExtensionType.KEY_SHARE])
    const share = decodeExtension(hello.extensions, ExtensionType.KEY_SHARE, readKeyShare)
    if (share === undefined) throw fatal(Alert.MISSING_EXTENSION, 'the ServerHello has no key share')
    if (share.group !== groupId(core.keyExchange!.group)) {
      throw fatal(Alert.ILLEGAL_PARAMETER, 'the server chose a group that we sent no share for')
    }
    if (this.#retrySuite === undefined) core.chooseSuite(suite)
    // RFC 8446 §4.1.4: what the retry request said stands.
    else if (suite.id !== this.#retrySuite) throw fatal(Alert.ILLEGAL_PARAMETER, 'the server changed the cipher suite')
    core.agree(share.key)
    core.transcript.add(message)
    core.enter(Level.Handshake)
    core.startHandshakeKeys()
    this.#state = 'encrypted-extensions'
  }

  #receiveRetryRequest(message: Uint8Array, retry: ServerHello, suite: CipherSuite): void {
    const core = this.#core
    // RFC 8446 §4.1.4: a second request is an unexpected message.
    if (this.#retrySuite !== undefined) throw fatal(Alert.UNEXPECTED_MESSAGE, 'a second HelloRetryRequest')
    checkAnswer(retry.extensions, this.#offered, [
      ExtensionType.SUPPORTED_VERSIONS,
      ExtensionType.KEY_SHARE,
      ExtensionType.COOKIE, // the one extension a server may bring up by itself
    ])
    const cookie = decodeExtension(retry.extensions, ExtensionType.COOKIE, readCookie)
    const wanted = decodeExtension(retry.extensions, ExtensionType.KEY_SHARE, (body) => body.u16())
    if (cookie === undefined && wanted === undefined) {
      throw fatal(Alert.ILLEGAL_PARAMETER, 'a HelloRetryRequest that changes nothing')
    }
    this.#retrySuite = suite.id
    core.chooseSuite(suite)
    core.transcript.replaceByMessageHash()
    core.transcript.add(message)
    let shares = this.#hello!.shares
    if (wanted !== undefined) {
      const group = core.groups.find((name) => groupId(name) === wanted)
      // RFC 8446 §4.2.8: it must be one that we support and sent no share for.
      if (group === undefined || group === core.keyExchange!.group) {
        throw fatal(Alert.ILLEGAL_PARAMETER, `a HelloRetryRequest for group 0x${wanted.toString(16)}`)
      }
      shares = [{ group: wanted, key: core.newKeyExchange(group).publicKey }]
    }
    // RFC 8446 §4.1.2: else the same hello again.
    this.#sendHello({ ...this.#hello!, shares, cookie })
  }

  #receiveEncryptedExtensions(message: Uint8Array): void {
    const core = this.#core
    const extensions = decodeEncryptedExtensions(message)
    checkAnswer(
      extensions,
      this.#offered,
      ENCRYPTED_EXTENSIONS.filter((type) => this.#offered.includes(type)),
    )
    decodeExtension(extensions, ExtensionType.SERVER_NAME, checkEmpty) // RFC 6066 §3: the name was of use
    decodeExtension(extensions, ExtensionType.SUPPORTED_GROUPS, readU16Values) // a hint for later connections
    const alpn = this.#chosenProtocol(extensions)
    if (this.#server === undefined) {
      checkCertificateType(extensions, ExtensionType.SERVER_CERTIFICATE_TYPE)
      checkCertificateType(extensions, ExtensionType.CLIENT_CERTIFICATE_TYPE)
    }
    const parameters = extensions.get(ExtensionType.QUIC_TRANSPORT_PARAMETERS)
    // RFC 9001 §8.2.
    if (parameters === undefined) throw fatal(Alert.MISSING_EXTENSION, 'the server sends no transport parameters')
    core.transcript.add(message)
    core.alpn = alpn
    this.#state = 'certificate-request'
    core.host.receivedTransportParameters(parameters)
  }

  /** RFC 9001 §8.1: without an agreed protocol there is no connection. RFC 7301 §3.1: exactly one, and one of ours. */
  #chosenProtocol(extensions: Extensions): Uint8Array {
    const names = decodeExtension(extensions, ExtensionType.ALPN, readProtocols)
    if (names === undefined) throw fatal(Alert.NO_APPLICATION_PROTOCOL, 'the server chose no application protocol')
    const [name] = names
    const chosen = this.#core.config.alpns.find((ours) => sameBytes(ours, name!))
    if (names.length > 1 || chosen === undefined) {
      throw fatal(Alert.ILLEGAL_PARAMETER, 'the server chose an application protocol that was not offered')
    }
    return chosen
  }

  #receiveCertificateRequest(message: Uint8Array): void {
    const request = decodeCertificateRequest(message)
    // RFC 8446 §4.3.2.
    if (request.context.length > 0) throw fatal(Alert.ILLEGAL_PARAMETER, 'the CertificateRequest has a context')
    if (request.signatureSchemes === undefined) {
      throw fatal(Alert.MISSING_EXTENSION, 'the CertificateRequest has no signature algorithms')
    }
    for (const type of this.#offered) {
      // RFC 8446 §4.2: known to us and not specified for this message. Unknown ones are ignored.
      if (!CERTIFICATE_REQUEST.includes(type) && request.extensions.has(type)) {
        throw fatal(Alert.ILLEGAL_PARAMETER, `extension ${type} in the CertificateRequest`)
      }
    }
    const hasCertificate = this.#server === undefined && request.signatureSchemes.includes(ED25519)
    // RFC 8446 §4.4.2: a client without a fitting certificate says so.
    this.#asked = hasCertificate ? 'certificate' : 'empty certificate'
    this.#core.transcript.add(message)
    this.#state = 'certificate'
  }

  #receiveCertificate(message: Uint8Array): void {
    const certificate = decodeCertificate(message)
    // RFC 8446 §4.4.2.4.
    if (certificate.entries.length === 0) throw fatal(Alert.DECODE_ERROR, 'the server has no certificate')
    if (this.#authentication.kind === 'x509') this.#verifyChain(certificate, this.#authentication)
    else this.#checkKey(certificate, this.#authentication)
    this.#core.transcript.add(message)
    this.#state = 'certificate-verify'
  }

  #checkKey(certificate: CertificateMessage, { expectedPeer }: RawPublicKeyAuthentication): void {
    const key = this.#core.claimRawPublicKey(certificate)
    if (expectedPeer !== undefined && !sameBytes(key, expectedPeer)) {
      throw fatal(Alert.UNKNOWN_CA, 'the server has another key than the one that was dialled')
    }
  }

  #verifyChain(certificate: CertificateMessage, { roots, nowUnixSeconds }: X509Authentication): void {
    const core = this.#core
    const { crypto } = core
    const chain = core.readCertificates(certificate)
    const leaf = verifyServerChain(chain, { crypto, roots, server: this.#server!, nowUnixSeconds })
    core.claim(claimCertificate(crypto, leaf, chain))
  }

  #receiveFinished(message: Uint8Array): void {
    const core = this.#core
    core.receiveFinished(message)
    core.enter(Level.OneRtt)
    core.deriveApplicationSecrets()
    // Unasked, we stay anonymous (RFC 8446 §4.3.2 leaves it to the server); iroh and our own server always ask.
    if (this.#asked === 'certificate') core.writeCertificate(this.#ownCredential(), ED25519)
    else if (this.#asked === 'empty certificate') core.write(encodeCertificate())
    core.writeFinished()
    core.flush(Level.Handshake)
    core.installApplicationSend()
    core.installApplicationReceive()
    this.#state = 'complete'
    this.#hello = undefined
    this.#offered = []
    core.completeHandshake()
  }

  #ownCredential(): Credential {
    return rawPublicKeyCredential((this.#authentication as RawPublicKeyAuthentication).signer)
  }

  /** Checked and dropped: we resume nothing. */
  #receiveTicket(message: Uint8Array): void {
    const { maxEarlyData } = decodeNewSessionTicket(message)
    if (maxEarlyData !== undefined && maxEarlyData !== QUIC_MAX_EARLY_DATA) {
      throw new TransportError(ErrorCode.PROTOCOL_VIOLATION, 0, `a ticket for ${maxEarlyData} bytes of early data`)
    }
  }
}

/** RFC 7250 §4.2: a single byte. Like iroh, we want both types agreed in any case (spec/quic.md §1.4). */
function checkCertificateType(extensions: Extensions, type: number): void {
  const value = decodeExtension(extensions, type, (body) => body.u8())
  if (value !== RAW_PUBLIC_KEY) throw fatal(Alert.HANDSHAKE_FAILURE, 'the server does not agree on raw public keys')
}
