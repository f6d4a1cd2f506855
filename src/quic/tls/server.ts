/**
 * The answering side of the TLS 1.3 handshake: it chooses suite, group and protocol by its own order, asks again when the key share is
 * missing, and insists on a raw public key from clients that offer them. Others get our X.509 certificate, if we have one, and stay
 * anonymous. No tickets, no early data. RFC 8446 §2, §4; RFC 9001 §4, §8; spec/quic.md §1.
 */
import { sameBytes } from '../../bytes/index.ts'
import type { GroupName } from '../../crypto/index.ts'
import { Level } from '../level.ts'
import { Alert, fatal } from './alerts.ts'
import type { CipherSuite } from './cipher-suites.ts'
import { HandshakeType } from './codec.ts'
import type { Credential } from './credentials.ts'
import {
  type ExtensionList,
  ExtensionType,
  encodeKeyShare,
  encodeProtocols,
  encodeU16,
  groupId,
  type KeyShare,
  TLS_1_3,
} from './extensions.ts'
import { HandshakeCore, type HandshakeMachine } from './handshake-core.ts'
import { type ClientHello, decodeClientHello, encodeServerHello, RANDOM_LENGTH, RETRY_RANDOM } from './hello.ts'
import { decodeCertificate, encodeCertificateRequest, encodeEncryptedExtensions } from './messages.ts'
import { RAW_PUBLIC_KEY } from './raw-public-key.ts'
import type { ServerAuthentication, TlsHost, TlsServerConfig, TlsSession } from './session.ts'
import { schemeName } from './signature-schemes.ts'
import { readSniName } from './x509-names.ts'

type State = 'client-hello' | 'second-client-hello' | 'certificate' | 'certificate-verify' | 'finished' | 'complete'

/** RFC 8446 §A.2: what may come in each state. */
const EXPECTED: Readonly<Record<State, readonly number[]>> = {
  'client-hello': [HandshakeType.CLIENT_HELLO],
  'second-client-hello': [HandshakeType.CLIENT_HELLO],
  certificate: [HandshakeType.CERTIFICATE],
  'certificate-verify': [HandshakeType.CERTIFICATE_VERIFY],
  finished: [HandshakeType.FINISHED],
  // RFC 9001 §6: no KeyUpdate in QUIC; and a client has nothing else to say.
  complete: [],
}

/** Which of ours the client gets, and how we sign. */
interface Identity {
  readonly kind: 'raw-public-key' | 'x509'
  readonly credential: Credential
  readonly scheme: number
}

/** The certificate type of RFC 7250 §3 that is meant where no extension says anything. */
const X509 = 0

/** A ClientHello that has all we need. */
interface Offer {
  readonly suite: CipherSuite
  readonly identity: Identity
  readonly alpn: Uint8Array
  readonly groups: readonly number[]
  readonly shares: readonly KeyShare[]
  readonly transportParameters: Uint8Array
}

export class TlsServer implements TlsSession {
  readonly #core: HandshakeCore
  readonly #authentication: ServerAuthentication
  readonly #machine: HandshakeMachine
  #state: State
  /** Kept while a second one is awaited. */
  #firstHello: ClientHello | undefined
  #wantedGroup: GroupName | undefined

  /** Throws RangeError when the configuration makes no sense. Without any ALPN every client is refused. */
  constructor(config: TlsServerConfig, host: TlsHost) {
    const { authentication } = config
    if (authentication.rawPublicKey === undefined && authentication.x509 === undefined) {
      throw new RangeError('a server needs a raw public key or a certificate')
    }
    this.#authentication = authentication
    this.#core = new HandshakeCore('server', config, host)
    this.#machine = {
      expects: (type) => EXPECTED[this.#state].includes(type),
      handle: (type, message) => this.#handle(type, message),
    }
    this.#state = 'client-hello'
    this.#firstHello = undefined
    this.#wantedGroup = undefined
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

  /** Clients show no certificates. */
  get peerCertificates(): undefined {
    return undefined
  }

  get serverName(): string | undefined {
    return this.#core.serverName
  }

  get suite(): CipherSuite | undefined {
    return this.#core.suite
  }

  start(): void {}

  receive(level: Level, data: Uint8Array): void {
    this.#core.receive(level, data, this.#machine)
  }

  exportKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array {
    return this.#core.exportKeyingMaterial(label, context, length)
  }

  free(): void {
    this.#core.free()
  }

  #handle(type: number, message: Uint8Array): void {
    switch (type) {
      case HandshakeType.CLIENT_HELLO:
        this.#receiveClientHello(message)
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
    }
  }

  #receiveClientHello(message: Uint8Array): void {
    const core = this.#core
    const hello = decodeClientHello(message)
    const offer = this.#readOffer(hello)
    const group = this.#chooseGroup(hello, offer)
    core.transcript.add(message)
    if (this.#firstHello === undefined) {
      core.clientRandom = hello.random.slice()
      core.chooseSuite(offer.suite)
      core.alpn = offer.alpn
      if (hello.hostName !== undefined) core.serverName = readSniName(hello.hostName)
      // Before we answer, so that QUIC can still refuse.
      core.host.receivedTransportParameters(offer.transportParameters)
    }
    const share = offer.shares.find((entry) => entry.group === groupId(group))
    if (share === undefined) this.#requestRetry(hello, offer.suite, group)
    else this.#answer(hello, offer, group, share)
  }

  /** The checks of RFC 8446 §9.2 and our choices. The extensions' bodies were decoded before. */
  #readOffer(hello: ClientHello): Offer {
    const core = this.#core
    // RFC 8446 §4.2.1.
    if (hello.versions === undefined || !hello.versions.includes(TLS_1_3)) {
      throw fatal(Alert.PROTOCOL_VERSION, 'the client does not offer TLS 1.3')
    }
    const { groups, shares, signatureSchemes, protocols, transportParameters } = hello
    if (groups === undefined || shares === undefined || signatureSchemes === undefined) {
      throw fatal(Alert.MISSING_EXTENSION, 'supported_groups, key_share or signature_algorithms is missing')
    }
    const suite = core.suites.find((ours) => hello.suites.includes(ours.id))
    if (suite === undefined) throw fatal(Alert.HANDSHAKE_FAILURE, 'no cipher suite in common')
    const identity = this.#chooseIdentity(hello, signatureSchemes)
    // RFC 7301 §3.2 and RFC 9001 §8.1; our order decides.
    const alpn = core.config.alpns.find((ours) => protocols?.some((name) => sameBytes(name, ours)))
    if (alpn === undefined) throw fatal(Alert.NO_APPLICATION_PROTOCOL, 'no application protocol in common')
    // RFC 9001 §8.2.
    if (transportParameters === undefined) {
      throw fatal(Alert.MISSING_EXTENSION, 'the client sends no transport parameters')
    }
    // RFC 8446 §4.2.8: at most one share for a group, and only for a group of the list.
    const known = new Set(groups)
    const shared = new Set(shares.map((share) => share.group))
    if (shared.size !== shares.length || ![...shared].every((group) => known.has(group))) {
      throw fatal(Alert.ILLEGAL_PARAMETER, 'key shares and supported groups do not fit')
    }
    return { suite, identity, alpn, groups, shares, transportParameters }
  }

  #chooseIdentity(hello: ClientHello, signatureSchemes: readonly number[]): Identity {
    const { rawPublicKey, x509 } = this.#authentication
    const { clientCertificateTypes: client, serverCertificateTypes: server } = hello
    if (rawPublicKey !== undefined && client?.includes(RAW_PUBLIC_KEY) && server?.includes(RAW_PUBLIC_KEY)) {
      return { kind: 'raw-public-key', credential: rawPublicKey, scheme: chooseScheme(rawPublicKey, signatureSchemes) }
    }
    if (x509 !== undefined && (server === undefined || server.includes(X509))) {
      return { kind: 'x509', credential: x509, scheme: chooseScheme(x509, signatureSchemes) }
    }
    // spec/quic.md §1.3: so iroh answers a client without raw public keys, where RFC 7250 §4.2 has unsupported_certificate.
    const wanted = rawPublicKey === undefined ? 'X.509 certificates' : 'raw public keys'
    throw fatal(Alert.HANDSHAKE_FAILURE, `the client does not offer ${wanted}`)
  }

  /** The first of ours that came with a share; else the first that the client has at all, for a retry. RFC 8446 §4.1.1. */
  #chooseGroup(hello: ClientHello, offer: Offer): GroupName {
    if (this.#firstHello !== undefined) {
      checkSecondHello(this.#firstHello, hello, this.#wantedGroup!)
      return this.#wantedGroup!
    }
    const ours = this.#core.groups
    const group =
      ours.find((name) => offer.shares.some((share) => share.group === groupId(name))) ??
      ours.find((name) => offer.groups.includes(groupId(name)))
    if (group === undefined) throw fatal(Alert.HANDSHAKE_FAILURE, 'no group in common')
    return group
  }

  #requestRetry(hello: ClientHello, suite: CipherSuite, group: GroupName): void {
    const core = this.#core
    core.transcript.replaceByMessageHash()
    core.write(
      encodeServerHello(RETRY_RANDOM, hello.sessionId, suite.id, [
        [ExtensionType.SUPPORTED_VERSIONS, encodeU16(TLS_1_3)],
        [ExtensionType.KEY_SHARE, encodeU16(groupId(group))],
      ]),
    )
    this.#firstHello = hello
    this.#wantedGroup = group
    this.#state = 'second-client-hello'
    core.flush(Level.Initial)
  }

  #answer(hello: ClientHello, offer: Offer, group: GroupName, share: KeyShare): void {
    const core = this.#core
    const random = new Uint8Array(RANDOM_LENGTH)
    core.config.random.fill(random)
    const publicKey = core.newKeyExchange(group).publicKey
    core.agree(share.key)
    core.enter(Level.Handshake)
    core.write(
      encodeServerHello(random, hello.sessionId, offer.suite.id, [
        [ExtensionType.KEY_SHARE, encodeKeyShare({ group: groupId(group), key: publicKey })],
        [ExtensionType.SUPPORTED_VERSIONS, encodeU16(TLS_1_3)],
      ]),
    )
    core.flush(Level.Initial)
    core.startHandshakeKeys()
    const { kind, credential, scheme } = offer.identity
    core.write(
      encodeEncryptedExtensions([
        [ExtensionType.ALPN, encodeProtocols([offer.alpn])],
        ...certificateTypes(kind, hello),
        [ExtensionType.QUIC_TRANSPORT_PARAMETERS, core.config.transportParameters],
      ]),
    )
    if (kind === 'raw-public-key') core.write(encodeCertificateRequest())
    core.writeCertificate(credential, scheme)
    core.writeFinished()
    core.deriveApplicationSecrets()
    this.#firstHello = undefined
    this.#state = kind === 'raw-public-key' ? 'certificate' : 'finished'
    core.flush(Level.Handshake)
    core.installApplicationSend()
  }

  #receiveCertificate(message: Uint8Array): void {
    const certificate = decodeCertificate(message)
    // RFC 8446 §4.4.2.4; a peer without a key is nobody.
    if (certificate.entries.length === 0) throw fatal(Alert.CERTIFICATE_REQUIRED, 'the client sends no certificate')
    this.#core.claimRawPublicKey(certificate)
    this.#core.transcript.add(message)
    this.#state = 'certificate-verify'
  }

  #receiveFinished(message: Uint8Array): void {
    const core = this.#core
    core.receiveFinished(message)
    core.enter(Level.OneRtt)
    this.#state = 'complete'
    core.installApplicationReceive()
    core.completeHandshake()
  }
}

/** RFC 8446 §4.4.3: the first of ours that the client can verify. */
function chooseScheme(credential: Credential, offered: readonly number[]): number {
  const scheme = credential.schemes.find((ours) => offered.includes(ours))
  if (scheme === undefined) {
    throw fatal(Alert.HANDSHAKE_FAILURE, `the client cannot verify ${credential.schemes.map(schemeName).join(' or ')}`)
  }
  return scheme
}

/** RFC 7250 §4.2: an answer to what was offered, and of the client's type only where its certificate is asked for. */
function certificateTypes(kind: Identity['kind'], hello: ClientHello): ExtensionList {
  if (kind === 'raw-public-key') {
    return [
      [ExtensionType.CLIENT_CERTIFICATE_TYPE, Uint8Array.of(RAW_PUBLIC_KEY)],
      [ExtensionType.SERVER_CERTIFICATE_TYPE, Uint8Array.of(RAW_PUBLIC_KEY)],
    ]
  }
  if (hello.serverCertificateTypes === undefined) return []
  return [[ExtensionType.SERVER_CERTIFICATE_TYPE, Uint8Array.of(X509)]]
}

/** RFC 8446 §4.1.2: nothing may change but the key share (one, for the wanted group), early data and the like. */
function checkSecondHello(first: ClientHello, second: ClientHello, wanted: GroupName): void {
  const { shares } = second
  if (shares?.length !== 1 || shares[0]?.group !== groupId(wanted)) {
    throw fatal(Alert.ILLEGAL_PARAMETER, 'the second ClientHello does not have the key share we asked for')
  }
  if (second.offersEarlyData) throw fatal(Alert.ILLEGAL_PARAMETER, 'early data in the second ClientHello')
  // What we chose by must be the same. Other extensions may differ: newer ones (RFC 9849) have to.
  const sameNumbers = (a: readonly number[] | undefined, b: readonly number[] | undefined) => String(a) === String(b)
  const sameName = (a: Uint8Array | undefined, b: Uint8Array | undefined) =>
    a === undefined || b === undefined ? a === b : sameBytes(a, b)
  const same =
    sameBytes(first.random, second.random) &&
    sameName(first.hostName, second.hostName) &&
    sameBytes(first.sessionId, second.sessionId) &&
    sameNumbers(first.suites, second.suites) &&
    sameNumbers(first.versions, second.versions) &&
    sameNumbers(first.groups, second.groups) &&
    sameNumbers(first.signatureSchemes, second.signatureSchemes) &&
    sameNumbers(first.clientCertificateTypes, second.clientCertificateTypes) &&
    sameNumbers(first.serverCertificateTypes, second.serverCertificateTypes) &&
    first.protocols?.length === second.protocols?.length &&
    first.protocols!.every((name, index) => sameBytes(name, second.protocols![index]!)) &&
    sameBytes(first.transportParameters!, second.transportParameters!)
  if (!same) throw fatal(Alert.ILLEGAL_PARAMETER, 'the second ClientHello differs from the first')
}
