/**
 * All QUIC connections of a node, sans-I/O: finds the connection of a datagram, creates and retires connections, and answers what belongs to
 * none: version negotiation, Retry, refusal, stateless reset (RFC 9000 §5.2, §6, §8.1, §10.3). The only holder of engine-wide state.
 */
import { encodeHex, Writer } from '../bytes/index.ts'
import type { CryptoProvider, Signer } from '../crypto/index.ts'
import type { RandomSource } from '../platform/index.ts'
import { AddressTokens } from './address-token.ts'
import { LOCAL_ID_LENGTH, MIN_DATAGRAM, type QuicSettings, resolveSettings } from './config.ts'
import { Connection, type ConnectionHost } from './connection/connection.ts'
import type { ConnectionOptions } from './connection/connection-options.ts'
import { ConnectionIds, ConnectionIdTable, keyOf } from './connection-id-table.ts'
import { ErrorCode } from './errors.ts'
import { beginsHandshake } from './first-flight.ts'
import { type FirstPacket, Incoming, type IncomingHost } from './incoming.ts'
import type { Role } from './level.ts'
import type { Route, RouteInfo } from './path/route.ts'
import { freeKeys, initialKeys } from './protection/packet-keys.ts'
import { PacketProtection } from './protection/packet-protection.ts'
import type { Resources } from './resources.ts'
import { Scratch } from './scratch.ts'
import type { DatagramSlots, Transmit } from './slots.ts'
import { StatelessReset } from './stateless-reset.ts'
import { type ServerCertificate, X509Credential } from './tls/credentials.ts'
import { checkAuthentication, type X509Authentication } from './tls/session.ts'
import type { TraceSink } from './trace.ts'
import { writeConnectionClose } from './wire/control-frames.ts'
import {
  FIXED_BIT,
  PacketHeader,
  PacketKind,
  parseHeader,
  patchLength,
  QUIC_V1,
  writeLongHeader,
} from './wire/header.ts'
import { writeRetry } from './wire/retry-packet.ts'
import { writeVersionNegotiation } from './wire/version-negotiation.ts'

export interface EngineConfig {
  readonly crypto: CryptoProvider
  readonly random: RandomSource
  readonly slots: DatagramSlots
  readonly routes: RouteInfo
  /** Ed25519 seed, 32 bytes: our identity. */
  readonly secretKey: Uint8Array
  readonly settings?: Partial<QuicSettings>
  /** Absent: nobody may connect to us. */
  readonly server?: {
    /** Read for each connection that is accepted. */
    readonly alpns: () => readonly Uint8Array[]
    /** For clients that do not offer raw public keys, such as those that dial a host name. They stay anonymous: `peerKey` is undefined then. */
    readonly certificate?: ServerCertificate
  }
  /** Half-open connections and undecided ones, together, beyond which newcomers must prove their address first. Default 256. */
  readonly retryThreshold?: number
  /** Beyond so many, newcomers are ignored. Default 4,096. */
  readonly maxIncoming?: number
  /**
   * 32 secret bytes from which stateless reset tokens are made, so that a node that was restarted can still reset its former connections
   * (RFC 9000 §10.3.2); never the same for two nodes that run at once. Default: fresh, as iroh has it.
   */
  readonly resetKey?: Uint8Array
  /** SSLKEYLOGFILE lines. */
  readonly keyLog?: (line: string) => void
  /** Called for each new connection; undefined = no trace. */
  readonly trace?: (role: Role, originalDestinationId: string) => TraceSink | undefined
}

/** Whom to dial: somebody by key, or a host by name. */
export type DialledPeer =
  | {
      /** The dialled EndpointId, 32 bytes. */
      readonly peer: Uint8Array
      readonly authentication?: undefined
    }
  | {
      readonly peer?: undefined
      /** Name, trusted roots and the time: the server proves its name by an X.509 certificate, and we stay anonymous. */
      readonly authentication: X509Authentication
    }

export type ConnectOptions = DialledPeer & {
  readonly alpns: readonly Uint8Array[]
  readonly route: Route
  /** All known ways to the peer; each datagram goes to all until the first answer. */
  readonly routes?: readonly Route[]
  readonly settings?: Partial<QuicSettings>
  /** From an earlier connection's `token` event. */
  readonly token?: Uint8Array
  readonly now: number
}

/** Datagrams kept for an undecided connection. */
const MAX_INCOMING_DATAGRAMS = 8
/** Stateless answers waiting to be polled; more are dropped. */
const MAX_ANSWERS = 256
/** RFC 9000 §7.2: shorter first destination ids are not acceptable. */
const MIN_FIRST_ID = 8

interface Answer {
  readonly bytes: Uint8Array
  readonly route: Route
}

export class Engine implements IncomingHost, ConnectionHost {
  readonly #config: EngineConfig
  readonly #settings: QuicSettings
  readonly #signer: Signer
  #certificate: X509Credential | undefined
  /** Replaced, but perhaps still in use by a handshake. */
  #retiredCertificates: X509Credential[] = []
  readonly #ids: ConnectionIdTable
  readonly #tokens: AddressTokens
  readonly #resets: StatelessReset
  readonly #protection = new PacketProtection()
  readonly #scratch = new Scratch()
  readonly #header = new PacketHeader()
  readonly #connections = new Set<Connection>()
  /** Keys in `#ids` of the ids a client chose, per connection. */
  readonly #chosenKeys = new Map<Connection, string>()
  readonly #halfOpen = new Set<Connection>()
  /** Undecided, by the id the client chose. */
  readonly #pending = new Map<string, Incoming>()
  #announced: Incoming[] = []
  #answers: Answer[] = []
  #nextHandle = 1
  #closed = false

  constructor(config: EngineConfig) {
    this.#config = config
    this.#settings = this.#fitting(resolveSettings(config.settings))
    const certificate = config.server?.certificate
    this.#certificate = certificate === undefined ? undefined : new X509Credential(config.crypto, certificate)
    this.#signer = config.crypto.signer(config.secretKey)
    this.#ids = new ConnectionIdTable(config.random)
    this.#tokens = new AddressTokens(config.crypto, config.random)
    this.#resets = new StatelessReset(config.crypto, config.random, config.resetKey)
  }

  /** Until they are drained. */
  get connections(): ReadonlySet<Connection> {
    return this.#connections
  }

  /** Entries that must be zero when every connection is gone and nothing is undecided. */
  get leftovers(): number {
    return this.#ids.size + this.#pending.size + this.#halfOpen.size + this.#chosenKeys.size
  }

  /** Our 32-byte public key. */
  get publicKey(): Uint8Array {
    return this.#signer.publicKey
  }

  /**
   * Shows another certificate from now on; handshakes under way go on with the one they began with. Throws as the constructor does for one that is
   * unusable (RangeError, CryptoError), and then nothing has changed.
   */
  setCertificate(certificate: ServerCertificate): void {
    if (this.#closed) throw new Error('the engine is closed')
    const credential = new X509Credential(this.#config.crypto, certificate)
    if (this.#certificate !== undefined) this.#retiredCertificates.push(this.#certificate)
    this.#certificate = credential
    this.#freeRetiredCertificates()
  }

  /** No handshake is under way that could still want to sign with one. */
  #freeRetiredCertificates(): void {
    if (this.#retiredCertificates.length === 0 || this.#halfOpen.size > 0) return
    for (const credential of this.#retiredCertificates.splice(0)) credential.free()
  }

  /** A datagram of `length` bytes in `slot`, which stays the caller's. Returns the connection that must be serviced, if any. */
  receive(slot: number, length: number, route: Route, now: number): Connection | undefined {
    const { slots } = this.#config
    return this.#receive(slots.bytes, slots.offset(slot), length, route, now)
  }

  #receive(bytes: Uint8Array, start: number, length: number, route: Route, now: number): Connection | undefined {
    const header = this.#header
    if (this.#closed || !parseHeader(bytes, start, start + length, LOCAL_ID_LENGTH, header)) return undefined
    // RFC 9000 §17.2: we never offered to do without the fixed bit; version negotiation may lack it (RFC 8999)
    if ((header.firstByte & FIXED_BIT) === 0 && header.kind <= PacketKind.Retry) return undefined
    if (header.destinationLength === LOCAL_ID_LENGTH) {
      const entry = this.#ids.find(bytes, header.destinationStart)
      if (entry !== undefined) {
        const connection = entry.owner.connection!
        if (
          !connection.receive(bytes, start, length, route, entry.pathId, entry.sequence, now) &&
          header.kind === PacketKind.OneRtt
        )
          this.#tryReset(bytes, start, length)
        return connection
      }
    }
    if (header.kind === PacketKind.OneRtt) {
      const reset = this.#tryReset(bytes, start, length)
      if (reset === undefined) this.#sendReset(bytes, length, route, now)
      return reset
    }
    const key = keyOf(bytes, header.destinationStart, header.destinationLength)
    const chosen = this.#ids.findChosen(key)
    if (chosen !== undefined) {
      chosen.receive(bytes, start, length, route, 0, -1, now)
      return chosen
    }
    this.#newcomer(bytes, start, length, route, key, now)
    return undefined
  }

  #tryReset(bytes: Uint8Array, start: number, length: number): Connection | undefined {
    const connection = this.#ids.findReset(bytes, start, start + length)
    connection?.reset()
    return connection
  }

  /** RFC 9000 §10.3: for an id we do not know, perhaps from before a restart. */
  #sendReset(bytes: Uint8Array, length: number, route: Route, now: number): void {
    const id = bytes.slice(this.#header.destinationStart, this.#header.destinationStart + LOCAL_ID_LENGTH)
    const packet = this.#resets.answer(id, length, now)
    if (packet !== undefined) this.#answer(packet, route)
  }

  // newcomers

  #newcomer(bytes: Uint8Array, start: number, length: number, route: Route, key: string, now: number): void {
    const { server, random } = this.#config
    const header = this.#header
    if (server === undefined) return
    const copy = (from: number, count: number) => bytes.slice(from, from + count)
    const destinationId = copy(header.destinationStart, header.destinationLength)
    const sourceId = copy(header.sourceStart, header.sourceLength)
    if (header.kind === PacketKind.UnknownVersion) {
      // RFC 9000 §6.1: never in answer to something too small
      if (length < MIN_DATAGRAM) return
      const writer = new Writer(new Uint8Array(15 + destinationId.length + sourceId.length))
      const byte = new Uint8Array(1)
      random.fill(byte)
      writeVersionNegotiation(writer, sourceId, destinationId, byte[0]!, header.version)
      this.#answer(writer.bytes.subarray(0, writer.position), route)
      return
    }
    // RFC 9000 §14.1: an Initial in a small datagram is not answered at all
    if (header.kind !== PacketKind.Initial || length < MIN_DATAGRAM) return
    const pending = this.#pending.get(key)
    if (pending !== undefined) {
      this.#buffer(pending, bytes, start, length, route)
      return
    }
    if (destinationId.length < MIN_FIRST_ID) return
    const token = copy(header.tokenStart, header.tokenLength)
    const crowd = this.#halfOpen.size + this.#pending.size
    if (crowd >= (this.#config.maxIncoming ?? 4096)) return
    let originalDestinationId: Uint8Array = destinationId
    let validated = false
    let retried = false
    if (token.length > 0) {
      const verdict = this.#tokens.check(token, this.#config.routes.address(route), now)
      if (verdict.kind === 'retry') {
        originalDestinationId = verdict.originalDestinationId
        retried = true
        validated = true
      } else if (verdict.kind === 'new-token') validated = true
      else if (verdict.kind === 'invalid') {
        this.#refusal(destinationId, sourceId, route, ErrorCode.INVALID_TOKEN)
        return
      }
    }
    if (!validated && crowd >= (this.#config.retryThreshold ?? 256)) {
      this.#sendRetry(destinationId, sourceId, route, now)
      return
    }
    const keys = initialKeys(this.#config.crypto, destinationId, 'server')
    if (!beginsHandshake(this.#protection, bytes, start, header, keys.receive)) {
      freeKeys(keys.send)
      freeKeys(keys.receive)
      return
    }
    const first: FirstPacket = {
      route,
      destinationId,
      sourceId,
      originalDestinationId,
      retried,
      validated,
      keys,
    }
    const incoming = new Incoming(this, first)
    this.#buffer(incoming, bytes, start, length, route)
    this.#pending.set(key, incoming)
    this.#announced.push(incoming)
  }

  #buffer(incoming: Incoming, bytes: Uint8Array, start: number, length: number, route: Route): void {
    if (incoming.datagrams.length >= MAX_INCOMING_DATAGRAMS) return
    incoming.datagrams.push({ bytes: bytes.slice(start, start + length), route })
    incoming.bufferedBytes += length
  }

  nextIncoming(): Incoming | undefined {
    for (;;) {
      const incoming = this.#announced.shift()
      if (incoming === undefined || incoming.isPending) return incoming
    }
  }

  // IncomingHost

  accept(incoming: Incoming, now: number, settings?: Partial<QuicSettings>): Connection {
    const { server } = this.#config
    const { first } = incoming
    const key = keyOf(first.destinationId)
    this.#pending.delete(key)
    const connection = this.#create('server', settings, first.originalDestinationId, {
      alpns: server!.alpns(),
      certificate: this.#certificate,
      originalDestinationId: first.originalDestinationId,
      retrySourceId: first.retried ? first.destinationId : undefined,
      keys: first.keys,
      route: first.route,
      validated: first.validated,
      peerSourceId: first.sourceId,
      now,
    })
    this.#ids.addChosen(key, connection)
    this.#chosenKeys.set(connection, key)
    this.#halfOpen.add(connection)
    if (settings?.issueTokens ?? this.#settings.issueTokens)
      connection.offerToken(this.#tokens.forLater(this.#config.routes.address(first.route), now))
    for (const datagram of incoming.datagrams)
      connection.receive(datagram.bytes, 0, datagram.bytes.length, datagram.route, 0, -1, now)
    return connection
  }

  refuse(incoming: Incoming, _now: number): void {
    const { first } = incoming
    this.#forget(incoming)
    this.#refusal(first.destinationId, first.sourceId, first.route, ErrorCode.CONNECTION_REFUSED)
  }

  retry(incoming: Incoming, now: number): void {
    const { first } = incoming
    this.#forget(incoming)
    this.#sendRetry(first.destinationId, first.sourceId, first.route, now)
  }

  ignore(incoming: Incoming): void {
    this.#forget(incoming)
  }

  #forget(incoming: Incoming): void {
    this.#pending.delete(keyOf(incoming.first.destinationId))
    freeKeys(incoming.first.keys.send)
    freeKeys(incoming.first.keys.receive)
  }

  #sendRetry(destinationId: Uint8Array, sourceId: Uint8Array, route: Route, now: number): void {
    const { crypto, random, routes } = this.#config
    const retryId = new Uint8Array(LOCAL_ID_LENGTH)
    random.fill(retryId)
    const token = this.#tokens.forRetry(routes.address(route), destinationId, now)
    const writer = new Writer(new Uint8Array(64 + sourceId.length + token.length))
    writeRetry(crypto, writer, sourceId, retryId, destinationId, token)
    this.#answer(writer.bytes.subarray(0, writer.position), route)
  }

  /** CONNECTION_CLOSE in an Initial, without any state. */
  #refusal(destinationId: Uint8Array, sourceId: Uint8Array, route: Route, code: number): void {
    const { crypto } = this.#config
    const keys = initialKeys(crypto, destinationId, 'server')
    const writer = new Writer(new Uint8Array(MIN_DATAGRAM))
    const none = new Uint8Array(0)
    const lengthAt = writeLongHeader(writer, PacketKind.Initial, QUIC_V1, sourceId, destinationId, none, 0, 1)
    const payloadStart = writer.position
    writeConnectionClose(writer, false, code, 0, none)
    const end = writer.position
    patchLength(writer.bytes, lengthAt, end + 16 - (payloadStart - 1))
    const { aead, header } = keys.send
    const length = this.#protection.protect(aead, header, writer.bytes, 0, payloadStart - 1, payloadStart, end, 0, 0)
    freeKeys(keys.send)
    freeKeys(keys.receive)
    this.#answer(writer.bytes.subarray(0, length), route)
  }

  #answer(bytes: Uint8Array, route: Route): void {
    if (this.#answers.length < MAX_ANSWERS) this.#answers.push({ bytes, route })
  }

  /** Answers that belong to no connection. False when there is none, or no free slot. */
  poll(_now: number, out: Transmit): boolean {
    const answer = this.#answers[0]
    if (answer === undefined) return false
    const { slots } = this.#config
    const slot = slots.acquire()
    if (slot === -1) return false
    this.#answers.shift()
    slots.bytes.set(answer.bytes, slots.offset(slot))
    out.slot = slot
    out.length = answer.bytes.length
    out.route = answer.route
    out.path = 0
    out.kind = 'data'
    return true
  }

  // connections

  /** Throws RangeError for a peer that cannot be dialled, such as a server name that is none. */
  connect(options: ConnectOptions): Connection {
    if (this.#closed) throw new Error('the engine is closed')
    if (options.authentication !== undefined) checkAuthentication(options.authentication)
    const originalDestinationId = new Uint8Array(20)
    this.#config.random.fill(originalDestinationId)
    return this.#create('client', options.settings, originalDestinationId, {
      alpns: options.alpns,
      originalDestinationId,
      expectedPeer: options.peer,
      authentication: options.authentication,
      token: options.token,
      route: options.route,
      routes: options.routes,
      now: options.now,
    })
  }

  /** What we announce to take must fit a slot. */
  #fitting(settings: QuicSettings): QuicSettings {
    const { slotSize } = this.#config.slots
    if (slotSize < MIN_DATAGRAM) throw new RangeError('a datagram slot must hold 1200 bytes or more')
    return settings.maxUdpPayloadSize <= slotSize ? settings : { ...settings, maxUdpPayloadSize: slotSize }
  }

  #create(
    role: Role,
    settings: Partial<QuicSettings> | undefined,
    originalDestinationId: Uint8Array,
    options: ConnectionOptions,
  ): Connection {
    const config = this.#config
    const ids = new ConnectionIds(this.#ids, this.#resets)
    const resources: Resources = {
      role,
      settings: settings === undefined ? this.#settings : this.#fitting(resolveSettings(this.#settings, settings)),
      crypto: config.crypto,
      random: config.random,
      slots: config.slots,
      routes: config.routes,
      protection: this.#protection,
      scratch: this.#scratch,
      trace: config.trace?.(role, encodeHex(originalDestinationId)),
      keyLog: config.keyLog,
      registry: ids,
    }
    const connection = new Connection(resources, this, options, this.#nextHandle++, this.#signer)
    ids.connection = connection
    this.#connections.add(connection)
    return connection
  }

  // ConnectionHost

  drained(connection: Connection): void {
    this.#connections.delete(connection)
    this.#halfOpen.delete(connection)
    this.#freeRetiredCertificates()
    const key = this.#chosenKeys.get(connection)
    if (key === undefined) return
    this.#chosenKeys.delete(connection)
    this.#ids.removeChosen(key)
  }

  handshakeSettled(connection: Connection): void {
    // the id the client chose stays known: late copies of its first packet must not look like another newcomer
    this.#halfOpen.delete(connection)
    this.#freeRetiredCertificates()
  }

  /** Everything goes, without a word to anybody: close connections first where the peers should hear of it. */
  close(): void {
    if (this.#closed) return
    for (const incoming of [...this.#pending.values()]) incoming.ignore()
    for (const connection of [...this.#connections]) connection.abandon()
    this.#closed = true
    this.#announced = []
    this.#answers = []
    this.#tokens.free()
    this.#signer.free()
    this.#certificate?.free()
    for (const credential of this.#retiredCertificates.splice(0)) credential.free()
  }
}
