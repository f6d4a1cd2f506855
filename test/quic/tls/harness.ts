/** A client and a server joined in memory, hosts that write down what they are told, and scripted peers that break one rule at a time. */
import { expect } from 'vitest'
import type { CryptoProvider, GroupName } from '../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import type { RandomSource } from '../../../src/platform/platform.ts'
import { TransportError } from '../../../src/quic/errors.ts'
import { Level, type Role } from '../../../src/quic/level.ts'
import { type CipherSuite, TLS_AES_128_GCM_SHA256 } from '../../../src/quic/tls/cipher-suites.ts'
import { TlsClient } from '../../../src/quic/tls/client.ts'
import { decodeAll, encodeMessage, HandshakeType, messageBody, readVector } from '../../../src/quic/tls/codec.ts'
import { rawPublicKeyCredential } from '../../../src/quic/tls/credentials.ts'
import {
  ED25519,
  ExtensionType,
  encodeKeyShare,
  encodeProtocols,
  encodeU16,
  groupId,
  readExtensions,
  readKeyShare,
  TLS_1_3,
  writeExtensions,
} from '../../../src/quic/tls/extensions.ts'
import {
  decodeClientHello,
  decodeServerHello,
  encodeClientHello,
  encodeServerHello,
} from '../../../src/quic/tls/hello.ts'
import { KeySchedule, type TrafficSecrets } from '../../../src/quic/tls/key-schedule.ts'
import {
  encodeCertificate,
  encodeCertificateRequest,
  encodeCertificateVerify,
  encodeEncryptedExtensions,
  encodeFinished,
  signedContent,
} from '../../../src/quic/tls/messages.ts'
import { encodeRawPublicKey } from '../../../src/quic/tls/raw-public-key.ts'
import { TlsServer } from '../../../src/quic/tls/server.ts'
import type {
  RawPublicKeyAuthentication,
  TlsClientConfig,
  TlsHost,
  TlsServerConfig,
} from '../../../src/quic/tls/session.ts'
import { Transcript } from '../../../src/quic/tls/transcript.ts'

export const nodeCrypto = createNodeCrypto()
export const CLIENT_SEED = new Uint8Array(32).fill(7)
export const SERVER_SEED = new Uint8Array(32).fill(9)
export const text = (value: string) => new TextEncoder().encode(value)
export const CLIENT_PARAMETERS = text('parameters of the client')
export const SERVER_PARAMETERS = text('parameters of the server')

/** Not for keys: only the randoms of the hellos come from here. */
export function seededRandom(seed: number): RandomSource {
  let state = seed >>> 0
  return {
    fill(out) {
      for (let index = 0; index < out.length; index++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        out[index] = state >>> 24
      }
    },
  }
}

export class RecordingHost implements TlsHost {
  /** In order: `crypto <level>`, `secret <level> <direction>`, `parameters`, `complete`. */
  readonly events: string[] = []
  readonly outbox: { level: Level; data: Uint8Array }[] = []
  readonly secrets = new Map<string, Uint8Array>()
  readonly suites = new Set<number>()
  parameters: Uint8Array | undefined
  readonly lines: string[] = []
  readonly keyLog = (line: string) => {
    this.lines.push(line)
  }

  sendCrypto(level: Level, data: Uint8Array): void {
    this.events.push(`crypto ${level}`)
    this.outbox.push({ level, data })
  }

  installSecret(level: Level, direction: 'send' | 'receive', suite: CipherSuite, secret: Uint8Array): void {
    this.events.push(`secret ${level} ${direction}`)
    this.secrets.set(`${level} ${direction}`, secret.slice())
    this.suites.add(suite.id)
  }

  receivedTransportParameters(data: Uint8Array): void {
    this.events.push('parameters')
    this.parameters = data
  }

  handshakeComplete(): void {
    this.events.push('complete')
  }
}

export function clientConfig(change: Partial<TlsClientConfig> = {}): TlsClientConfig {
  const crypto = change.crypto ?? nodeCrypto
  return {
    crypto,
    random: seededRandom(1),
    authentication: change.authentication ?? rawPublicKey(crypto, publicKeyOf(SERVER_SEED)),
    alpns: [text('echo')],
    transportParameters: CLIENT_PARAMETERS,
    ...change,
  }
}

export function publicKeyOf(seed: Uint8Array): Uint8Array {
  const signer = nodeCrypto.signer(seed)
  signer.free()
  return signer.publicKey
}

/** The client's identity, and whom it dials. */
export function rawPublicKey(crypto: CryptoProvider, expectedPeer?: Uint8Array): RawPublicKeyAuthentication {
  return { kind: 'raw-public-key', signer: crypto.signer(CLIENT_SEED), expectedPeer }
}

export function serverConfig(change: Partial<TlsServerConfig> = {}): TlsServerConfig {
  const crypto = change.crypto ?? nodeCrypto
  return {
    crypto,
    random: seededRandom(2),
    authentication: change.authentication ?? { rawPublicKey: rawPublicKeyCredential(crypto.signer(SERVER_SEED)) },
    alpns: [text('echo')],
    transportParameters: SERVER_PARAMETERS,
    ...change,
  }
}

/** Changes, or drops (undefined), what is sent. */
export type Middle = (from: Role, level: Level, data: Uint8Array) => Uint8Array | undefined

export class Pair {
  readonly clientHost = new RecordingHost()
  readonly serverHost = new RecordingHost()
  readonly client: TlsClient
  readonly server: TlsServer

  constructor(client: Partial<TlsClientConfig> = {}, server: Partial<TlsServerConfig> = {}) {
    this.client = new TlsClient(clientConfig(client), this.clientHost)
    this.server = new TlsServer(serverConfig(server), this.serverHost)
  }

  /** Carries everything to and fro until both are silent; pieces of at most `piece` bytes. */
  run(piece = Number.MAX_SAFE_INTEGER, middle: Middle = (_from, _level, data) => data): this {
    this.client.start()
    this.server.start()
    for (;;) {
      const fromClient = this.clientHost.outbox.shift()
      if (fromClient !== undefined) {
        this.#deliver('client', fromClient.level, fromClient.data, piece, middle)
        continue
      }
      const fromServer = this.serverHost.outbox.shift()
      if (fromServer === undefined) return this
      this.#deliver('server', fromServer.level, fromServer.data, piece, middle)
    }
  }

  #deliver(from: Role, level: Level, data: Uint8Array, piece: number, middle: Middle): void {
    const changed = middle(from, level, data)
    if (changed === undefined) return
    const to = from === 'client' ? this.server : this.client
    for (let at = 0; at < changed.length; at += piece) to.receive(level, changed.subarray(at, at + piece))
  }

  free(): void {
    this.client.free()
    this.server.free()
  }
}

export function caught(run: () => void): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}

/** That `run` fails with exactly this TLS alert. */
export function expectAlert(alert: number, run: () => void): void {
  const error = caught(run)
  expect(error, 'nothing was thrown').toBeDefined()
  if (!(error instanceof TransportError)) throw error
  expect(`0x${error.code.toString(16)}`, error.message).toBe(`0x${(0x100 | alert).toString(16)}`)
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Cuts a flight into its messages. */
export function messagesOf(flight: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = []
  for (let at = 0; at < flight.length; ) {
    const end = at + 4 + ((flight[at + 1]! << 16) | (flight[at + 2]! << 8) | flight[at + 3]!)
    messages.push(flight.slice(at, end))
    at = end
  }
  return messages
}

export type Edit = (extensions: [number, Uint8Array][]) => readonly (readonly [number, Uint8Array])[]
export const keep: Edit = (extensions) => extensions
export const without =
  (...types: number[]): Edit =>
  (extensions) =>
    extensions.filter(([type]) => !types.includes(type))
export const replaced =
  (type: number, body: Uint8Array): Edit =>
  (extensions) =>
    extensions.map((extension): [number, Uint8Array] => (extension[0] === type ? [type, body] : extension))
export const added =
  (...more: [number, Uint8Array][]): Edit =>
  (extensions) => [...extensions, ...more]

/** A ClientHello with its extensions edited, and the fixed fields if wanted. */
export function editClientHello(
  message: Uint8Array,
  edit: Edit,
  fields: { sessionId?: Uint8Array; suites?: readonly number[]; compressions?: Uint8Array; random?: Uint8Array } = {},
): Uint8Array {
  return decodeAll('the hello', messageBody(message), (reader) => {
    const version = reader.u16()
    const random = fields.random ?? reader.view(32)
    if (fields.random !== undefined) reader.skip(32)
    const sessionId = readVector(reader, 1)
    const suites = readVector(reader, 2)
    const compressions = readVector(reader, 1)
    const extensions = [...readExtensions(reader)]
    return encodeMessage(HandshakeType.CLIENT_HELLO, (writer) => {
      writer.u16(version)
      writer.raw(random)
      writer.vector(1, () => writer.raw(fields.sessionId ?? sessionId))
      writer.vector(2, () => {
        if (fields.suites === undefined) writer.raw(suites)
        else for (const suite of fields.suites) writer.u16(suite)
      })
      writer.vector(1, () => writer.raw(fields.compressions ?? compressions))
      writeExtensions(writer, edit(extensions))
    })
  })
}

/** What a scripted server says instead of the right thing. */
export interface ServerScript {
  readonly suite?: CipherSuite
  readonly hello?: Edit
  readonly encryptedExtensions?: Edit
  /** null: none. */
  readonly certificateRequest?: Uint8Array | null
  readonly certificate?: Uint8Array
  readonly certificateVerify?: (transcriptHash: Uint8Array) => Uint8Array
  readonly finished?: (verifyData: Uint8Array) => Uint8Array
}

/** A server made of the codecs alone: its transcript holds what it really sent. X25519 only. */
export class ScriptedServer {
  readonly script: ServerScript
  readonly crypto: CryptoProvider = nodeCrypto
  readonly transcript = new Transcript(nodeCrypto)
  readonly suite: CipherSuite
  #schedule: KeySchedule | undefined
  #secrets: TrafficSecrets | undefined

  constructor(script: ServerScript = {}) {
    this.script = script
    this.suite = script.suite ?? TLS_AES_128_GCM_SHA256
  }

  /** The ServerHello. */
  hello(clientHello: Uint8Array): Uint8Array {
    const hello = decodeClientHello(clientHello)
    const exchange = this.crypto.keyExchange('x25519')
    const message = encodeServerHello(
      new Uint8Array(32).fill(5),
      hello.sessionId,
      this.suite.id,
      (this.script.hello ?? keep)([
        [ExtensionType.KEY_SHARE, encodeKeyShare({ group: groupId('x25519'), key: exchange.publicKey })],
        [ExtensionType.SUPPORTED_VERSIONS, encodeU16(TLS_1_3)],
      ]),
    )
    this.transcript.add(clientHello)
    this.transcript.chooseHash(this.suite.hash)
    this.transcript.add(message)
    const share = hello.shares!.find((entry) => entry.group === groupId('x25519'))!
    this.#schedule = new KeySchedule(this.crypto, this.suite)
    this.#secrets = this.#schedule.handshakeSecrets(exchange.agree(share.key), this.transcript.digest())
    exchange.free()
    return message
  }

  /** EncryptedExtensions to Finished. */
  flight(): Uint8Array[] {
    const { script, crypto } = this
    const messages: Uint8Array[] = []
    const write = (message: Uint8Array) => {
      this.transcript.add(message)
      messages.push(message)
    }
    const signer = crypto.signer(SERVER_SEED)
    write(encodeEncryptedExtensions((script.encryptedExtensions ?? keep)(serverExtensions())))
    if (script.certificateRequest !== null) write(script.certificateRequest ?? encodeCertificateRequest())
    write(script.certificate ?? encodeCertificate(encodeRawPublicKey(signer.publicKey)))
    const hash = this.transcript.digest()
    const verify =
      script.certificateVerify ?? ((h: Uint8Array) => encodeCertificateVerify(signer.sign(signedContent('server', h))))
    write(verify(hash))
    const schedule = this.#schedule!
    const data = schedule.verifyData(schedule.finishedKey(this.#secrets!.server), this.transcript.digest())
    write((script.finished ?? encodeFinished)(data))
    signer.free()
    return messages
  }
}

export function serverExtensions(): [number, Uint8Array][] {
  return [
    [ExtensionType.ALPN, encodeProtocols([text('echo')])],
    [ExtensionType.CLIENT_CERTIFICATE_TYPE, Uint8Array.of(2)],
    [ExtensionType.SERVER_CERTIFICATE_TYPE, Uint8Array.of(2)],
    [ExtensionType.QUIC_TRANSPORT_PARAMETERS, SERVER_PARAMETERS],
  ]
}

/** Runs a client against the script. */
export function dial(
  script: ServerScript,
  client: Partial<TlsClientConfig> = {},
): { client: TlsClient; host: RecordingHost } {
  const host = new RecordingHost()
  const session = new TlsClient(clientConfig(client), host)
  session.start()
  const server = new ScriptedServer(script)
  session.receive(Level.Initial, server.hello(host.outbox.shift()!.data))
  session.receive(Level.Handshake, concat(...server.flight()))
  return { client: session, host }
}

/** What a scripted client says instead of the right thing. */
export interface ClientScript {
  readonly edit?: Edit
  readonly fields?: Parameters<typeof editClientHello>[2]
  readonly certificate?: Uint8Array
  /** null: none. */
  readonly certificateVerify?: ((transcriptHash: Uint8Array) => Uint8Array) | null
  readonly finished?: (verifyData: Uint8Array) => Uint8Array
}

/** A client made of the codecs alone: X25519 and SHA-256. */
export class ScriptedClient {
  readonly script: ClientScript
  readonly crypto: CryptoProvider = nodeCrypto
  readonly transcript = new Transcript(nodeCrypto)
  readonly #exchange = nodeCrypto.keyExchange('x25519')

  constructor(script: ClientScript = {}) {
    this.script = script
  }

  hello(): Uint8Array {
    const message = editClientHello(plainHello(this.#exchange.publicKey), this.script.edit ?? keep, this.script.fields)
    this.transcript.add(message)
    return message
  }

  /** Certificate to Finished. */
  flight(serverHello: Uint8Array, serverFlight: Uint8Array): Uint8Array[] {
    const { script, crypto } = this
    const messages: Uint8Array[] = []
    const write = (message: Uint8Array) => {
      this.transcript.add(message)
      messages.push(message)
    }
    this.transcript.chooseHash('sha256')
    this.transcript.add(serverHello)
    const share = decodeAll(
      'share',
      decodeServerHello(serverHello).extensions.get(ExtensionType.KEY_SHARE)!,
      readKeyShare,
    )
    const schedule = new KeySchedule(crypto, TLS_AES_128_GCM_SHA256)
    const secrets = schedule.handshakeSecrets(this.#exchange.agree(share.key), this.transcript.digest())
    this.#exchange.free()
    this.transcript.add(serverFlight)
    const signer = crypto.signer(CLIENT_SEED)
    write(script.certificate ?? encodeCertificate(encodeRawPublicKey(signer.publicKey)))
    if (script.certificateVerify !== null) {
      const verify =
        script.certificateVerify ??
        ((h: Uint8Array) => encodeCertificateVerify(signer.sign(signedContent('client', h))))
      write(verify(this.transcript.digest()))
    }
    const data = schedule.verifyData(schedule.finishedKey(secrets.client), this.transcript.digest())
    write((script.finished ?? encodeFinished)(data))
    signer.free()
    return messages
  }
}

export function plainHello(key: Uint8Array, group: GroupName = 'x25519'): Uint8Array {
  return encodeClientHello({
    random: new Uint8Array(32).fill(3),
    sessionId: new Uint8Array(0),
    suites: [0x1301],
    versions: [TLS_1_3],
    groups: [groupId('x25519'), groupId('p256')],
    hostName: undefined,
    signatureSchemes: [ED25519],
    certificateSchemes: undefined,
    protocols: [text('echo')],
    clientCertificateTypes: [2],
    serverCertificateTypes: [2],
    shares: [{ group: groupId(group), key }],
    cookie: undefined,
    transportParameters: CLIENT_PARAMETERS,
    offersEarlyData: false,
  })
}

/** Runs a server against the script. */
export function answer(
  script: ClientScript,
  server: Partial<TlsServerConfig> = {},
): { server: TlsServer; host: RecordingHost } {
  const host = new RecordingHost()
  const session = new TlsServer(serverConfig(server), host)
  const client = new ScriptedClient(script)
  session.receive(Level.Initial, client.hello())
  const flight = client.flight(host.outbox.shift()!.data, host.outbox.shift()!.data)
  session.receive(Level.Handshake, concat(...flight))
  return { server: session, host }
}
