/**
 * QUIC address discovery: a small QUIC server that tells each client the address its packets come from, and carries nothing else
 * (spec/relay.md §6.1). Runs on our own driver and engine; certificate and key are those of the relay.
 */
import type { CryptoProvider } from '../../crypto/index.ts'
import { type ConnectionHandler, Driver } from '../../driver/index.ts'
import type { Platform, UdpSocket } from '../../platform/index.ts'
import {
  type Connection,
  type ConnectionEvent,
  Engine,
  type Incoming,
  type QuicSettings,
  type ServerCertificate,
} from '../../quic/index.ts'
import { type BindAddress, bindFailure, lacksIpv6 } from './bind-address.ts'

/** ASCII. */
export const QAD_ALPN = '/iroh-qad/0'
/** RFC 9000 application error code and reason of both sides when they are done. */
const FINISHED_CODE = 1
const FINISHED_REASON = 'finished'
/** Nobody may open a stream or send a datagram, and there is one path; silence ends it after 30 s, which is what iroh's client expects. */
const SETTINGS: Partial<QuicSettings> = {
  observedAddressRole: 0,
  maxStreamsBidi: 0,
  maxStreamsUni: 0,
  maxDatagramFrameSize: 0,
  maxPathId: undefined,
  maxIdleTimeoutMs: 30_000,
  // The client keeps the connection alive when it wants to (25 s in iroh).
  keepAliveMs: 0,
  handshakeTimeoutMs: 10_000,
  connectionReceiveWindow: 0,
  streamReceiveWindow: 0,
  // No data, so nothing to gain from larger datagrams.
  maxMtu: 1200,
}
/** No datagram of such a connection is larger. */
const SLOT_BYTES = 2048
const SLOTS = 256
/** Tries to get the same free port for both families, where the system chooses. */
const PORT_TRIES = 8
/** For clients to hear of the end, ms. */
const CLOSE_TIMEOUT_MS = 500

/** The part of the relay's counters that is address discovery's (spec/relay.md §4.6). */
export interface QadCounters {
  qad_incoming: number
  qad_incoming_error: number
  qad_connections: number
  qad_connections_closed: number
  qad_connections_errored: number
}

export interface QadOptions {
  readonly platform: Platform
  readonly crypto: CryptoProvider
  readonly certificate: ServerCertificate
  /** At once; from half of it on, clients must prove their address first. */
  readonly maxConnections: number
  readonly counters: QadCounters
  /** A socket broke, or a defect of ours. The server goes on without it. */
  readonly onFault: (error: unknown) => void
}

export class QadServer {
  readonly #options: QadOptions
  readonly #driver: Driver
  readonly #connections: Set<QadConnection>
  #onEmpty: () => void

  private constructor(options: QadOptions) {
    const { platform, crypto, certificate } = options
    const secretKey = new Uint8Array(32)
    platform.random.fill(secretKey)
    const alpn = Uint8Array.from(QAD_ALPN, (character) => character.charCodeAt(0))
    this.#options = options
    this.#connections = new Set()
    this.#onEmpty = () => {}
    this.#driver = new Driver({
      platform,
      slots: { count: SLOTS, size: SLOT_BYTES, allocate: (length) => crypto.packetMemory(length) },
      createEngine: (slots, routes) =>
        new Engine({
          crypto,
          random: platform.random,
          slots,
          routes,
          secretKey,
          settings: SETTINGS,
          server: { alpns: () => [alpn], certificate },
        }),
      onIncoming: (incoming) => this.#onIncoming(incoming),
      onSocketError: (_socket, error) => options.onFault(error),
      onFault: options.onFault,
    })
  }

  /**
   * Binds; `[::]` gives a socket for each family, on the same port. Rejects with RelayServerError BIND_FAILED, and with RangeError or CryptoError
   * for a certificate that QUIC does not take.
   */
  static async open(options: QadOptions, address: BindAddress, option: string): Promise<QadServer> {
    const server = new QadServer(options)
    try {
      for (const socket of await bindSockets(options.platform, address)) server.#driver.addSocket(socket)
    } catch (error) {
      await server.#driver.close()
      throw bindFailure(address, option, error)
    }
    return server
  }

  /** One for each socket. */
  get addresses(): BindAddress[] {
    return this.#driver.sockets.map(({ host, port }) => ({ host, port }))
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** For connections from now on. Throws for one that QUIC does not take, and keeps the old one then. */
  setCertificate(certificate: ServerCertificate): void {
    this.#driver.engine.setCertificate(certificate)
  }

  /** Closes all connections with code 1 `finished`, and waits for the answers, at most half a second. */
  async close(): Promise<void> {
    const { platform } = this.#options
    for (const { connection } of this.#connections)
      if (connection !== undefined) this.#driver.closeConnection(connection, FINISHED_CODE, FINISHED_REASON)
    await new Promise<void>((resolve) => {
      const timer = platform.createTimer(resolve)
      this.#onEmpty = () => {
        timer.cancel()
        resolve()
      }
      timer.arm(platform.now() + CLOSE_TIMEOUT_MS)
      if (this.#connections.size === 0) this.#onEmpty()
    })
    await this.#driver.close()
  }

  #onIncoming(incoming: Incoming): void {
    const { counters, maxConnections } = this.#options
    const { size } = this.#connections
    if (2 * size >= maxConnections && size < maxConnections && !incoming.validated) {
      // It comes back, and counts then.
      this.#driver.retry(incoming)
      return
    }
    counters.qad_incoming++
    if (size >= maxConnections) {
      counters.qad_incoming_error++
      this.#driver.refuse(incoming)
      return
    }
    const connection = new QadConnection(counters, () => this.#forget(connection))
    this.#connections.add(connection)
    connection.connection = this.#driver.accept(incoming, connection)
  }

  #forget(connection: QadConnection): void {
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#onEmpty()
  }
}

class QadConnection implements ConnectionHandler {
  connection: Connection | undefined
  readonly #counters: QadCounters
  readonly #onEnd: () => void
  #isConnected: boolean

  constructor(counters: QadCounters, onEnd: () => void) {
    this.connection = undefined
    this.#counters = counters
    this.#onEnd = onEnd
    this.#isConnected = false
  }

  onEvent(event: ConnectionEvent): void {
    const counters = this.#counters
    switch (event.type) {
      case 'connected':
        this.#isConnected = true
        counters.qad_connections++
        break
      case 'closed': {
        const { kind } = event.reason
        if (!this.#isConnected) counters.qad_incoming_error++
        else if (kind === 'peer-application' || kind === 'local-application') counters.qad_connections_closed++
        else counters.qad_connections_errored++
        // Only of a close of ours is anything heard later.
        if (kind !== 'local-application') this.#onEnd()
        break
      }
      case 'close-answered':
      case 'drained':
        this.#onEnd()
        break
    }
  }
}

async function bindSockets(platform: Platform, { host, port }: BindAddress): Promise<UdpSocket[]> {
  if (host !== '::') return [await platform.bindUdp({ host, port })]
  for (let attempt = 1; ; attempt++) {
    const ipv4 = await platform.bindUdp({ host: '0.0.0.0', port })
    try {
      return [ipv4, await platform.bindUdp({ host: '::', port: ipv4.port, ipv6Only: true })]
    } catch (error) {
      if (lacksIpv6(error)) return [ipv4]
      await ipv4.close()
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      if (port !== 0 || !isTaken || attempt === PORT_TRIES) throw error
    }
  }
}
