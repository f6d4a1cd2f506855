/**
 * A relay as one object: the hub behind WebSockets, its HTTP and HTTPS listeners, address discovery, metrics, and the certificate they share
 * (spec/relay.md §0, §1.2, §1.6, §4.7). Puts the parts of this folder together and ends them in order.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { CryptoProvider } from '../../crypto/index.ts'
import { createNodeCrypto } from '../../crypto/node/index.ts'
import { type EndpointId, RelayUrl } from '../../identity/index.ts'
import type { Platform } from '../../platform/index.ts'
import { NodePlatform, WebSocketMemory } from '../../platform/node/index.ts'
import { RELAY_PATH } from '../protocol/index.ts'
import { type BindAddress, isUnspecified, parseBindAddress } from './bind-address.ts'
import { type CertificatePair, CertificateWatch, checkPair, type PemPair, readPair } from './certificate.ts'
import { lineOf, RelayServerError } from './errors.ts'
import { HttpListener, type ListenerCounters } from './http-listener.ts'
import {
  createRelayCounters,
  type RelayCloseOptions,
  type RelayCounters,
  RelayHub,
  type RelayRateLimit,
} from './hub/index.ts'
import { type Metric, metricsAnswer, metricsText } from './metrics.ts'
import {
  type CertificateSource,
  type RelayQuicOptions,
  type RelayServerLogEntry,
  type RelayServerOptions,
  type SplitLimits,
  splitLimits,
} from './options.ts'
import { QadServer } from './qad.ts'
import { pathOf, refusal, route } from './routes.ts'
import { refuseUpgrade, upgrade } from './upgrade.ts'

const DEV_BIND = '[::]:3340'
const PLAIN_BIND = '[::]:80'
/** How messages call a pair that is no files. */
const GIVEN = { cert: '`cert`', key: '`key`' }
const HTTPS_PORT = 443
const HOST_NAME = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$/
const QUIC_PORT = 7842
/** Of the listeners for `/generate_204` and for metrics. */
const SIDE_CONNECTIONS = 256
/** Certificate files are looked at so often, whatever the file system tells, ms. */
const CERTIFICATE_POLL_MS = 60_000
/** Quiet after a change before they are read, ms. */
const CERTIFICATE_SETTLE_MS = 500
/** A certificate that ends sooner is told of, ms. */
const EXPIRY_NOTICE_MS = 14 * 86_400_000

export class RelayServer {
  readonly counters: RelayCounters
  readonly #options: RelayServerOptions
  readonly #platform: Platform
  readonly #crypto: CryptoProvider
  readonly #hub: RelayHub
  readonly #memory: WebSocketMemory
  readonly #limits: SplitLimits['listener']
  readonly #startedAt: number
  readonly #watches: CertificateWatch[]
  #main: HttpListener | undefined
  #probe: HttpListener | undefined
  #metrics: HttpListener | undefined
  #qad: QadServer | undefined
  #certificate: CertificatePair | undefined
  #url: RelayUrl | undefined
  #refused: number
  #certificatesReplaced: number
  #closing: Promise<void> | undefined

  /** Rejects with RelayServerError: INVALID_OPTION, BAD_CERTIFICATE or BIND_FAILED; everything is closed again then. */
  static async start(options: RelayServerOptions = {}): Promise<RelayServer> {
    const server = new RelayServer(options)
    try {
      await server.#open()
    } catch (error) {
      await server.close()
      throw error
    }
    return server
  }

  private constructor(options: RelayServerOptions) {
    const { platform = new NodePlatform(), crypto = createNodeCrypto(), access } = options
    const { hub, listener } = splitLimits(options.limits ?? {})
    this.counters = createRelayCounters()
    this.#options = options
    this.#platform = platform
    this.#crypto = crypto
    this.#limits = listener
    this.#hub = createHub({
      platform,
      crypto,
      limits: hub,
      counters: this.counters,
      log: (entry) => options.onLog?.(entry),
      ...(access === undefined ? {} : { access }),
    })
    this.#memory = new WebSocketMemory()
    this.#startedAt = platform.now()
    this.#watches = []
    this.#main = undefined
    this.#probe = undefined
    this.#metrics = undefined
    this.#qad = undefined
    this.#certificate = undefined
    this.#url = undefined
    this.#refused = 0
    this.#certificatesReplaced = 0
    this.#closing = undefined
  }

  /** What endpoints are configured with. */
  get url(): RelayUrl {
    return this.#url!
  }

  /** Of plain HTTP: all routes without TLS, `/generate_204` alone with it. */
  get httpAddress(): BindAddress | undefined {
    return (this.#options.tls === undefined ? this.#main : this.#probe)?.address
  }

  get httpsAddress(): BindAddress | undefined {
    return this.#options.tls === undefined ? undefined : this.#main?.address
  }

  /** Of address discovery: the port is the same for both families. */
  get quicAddress(): BindAddress | undefined {
    return this.#qad?.addresses[0]
  }

  get metricsAddress(): BindAddress | undefined {
    return this.#metrics?.address
  }

  /** Endpoint ids connected now. */
  get clientCount(): number {
    return this.#hub.clientCount
  }

  /** Connections that were let in: those of `clientCount`, and inactive ones of the same ids. */
  get connectionCount(): number {
    return this.#hub.connectionCount
  }

  /** The metrics as OpenMetrics text. */
  metrics(): string {
    return metricsText(this.counters, this.#otherMetrics())
  }

  /** Ends all connections of an endpoint; returns how many there were. It may come back. */
  disconnect(id: EndpointId): number {
    return this.#hub.disconnect(id)
  }

  /**
   * Shows another certificate from now on, where the application has its own way to one; connections that are there stay. Throws RelayServerError:
   * BAD_CERTIFICATE, or INVALID_OPTION without `tls`; then nothing has changed.
   */
  setCertificate(pair: PemPair): void {
    if (this.#options.tls === undefined)
      throw new RelayServerError('INVALID_OPTION', 'there is no TLS to show a certificate')
    this.#replace(checkPair(pair, GIVEN))
  }

  /** For all clients, from now on; undefined = none. */
  setRateLimit(limit: RelayRateLimit | undefined): void {
    this.#hub.setRateLimit(limit)
  }

  /**
   * Takes nobody in any more, tells the clients to come back, and resolves when all sockets are closed: a second or two where clients answer, at most
   * a few. Calls after the first wait for the same.
   */
  close(options: RelayCloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close(options: RelayCloseOptions): Promise<void> {
    const listeners = [this.#main, this.#probe, this.#metrics].filter((listener) => listener !== undefined)
    for (const watch of this.#watches) watch.close()
    for (const listener of listeners) listener.stopAccepting()
    await Promise.all([this.#hub.close(options), this.#qad?.close()])
    await Promise.all(listeners.map((listener) => listener.close()))
  }

  async #open(): Promise<void> {
    const { tls, quic, metricsBind, hostname, httpBind = tls === undefined ? DEV_BIND : PLAIN_BIND } = this.#options
    if (hostname !== undefined && !HOST_NAME.test(hostname)) {
      const got = JSON.stringify(hostname)
      throw new RelayServerError('INVALID_OPTION', `hostname: expected a host name without a port, got ${got}`)
    }
    const http = parseBindAddress(httpBind, 'httpBind')
    if (tls === undefined) {
      this.#main = await this.#listen(http, 'http', undefined)
    } else {
      const https = parseBind(tls.bind, 'tls.bind', { host: http.host, port: HTTPS_PORT })
      const pair = await this.#load(tls.certificate)
      this.#certificate = pair
      this.#main = await this.#listen(https, 'https', pair)
      this.#watch(tls.certificate, pair, (next) => this.#replace(next))
      this.#probe = await this.#listenBeside(http, 'http', (method, target, { headers }) =>
        route(method, target, headers, { kind: 'probe', isTls: false, version: '' }),
      )
    }
    if (quic !== undefined && quic !== false) await this.#openQad(quic, this.#main.address.host)
    if (metricsBind !== undefined) {
      this.#metrics = await this.#listenBeside(
        parseBindAddress(metricsBind, 'metricsBind'),
        'metrics',
        (method, _target, { headers }) => metricsAnswer(method, headers, () => this.metrics()),
      )
    }
    this.#url = this.#ownUrl()
  }

  // Listeners

  #listen(address: BindAddress, what: string, tls: CertificatePair | undefined): Promise<HttpListener> {
    const { version = 'unknown', relay = true } = this.#options
    const context = { kind: 'relay', isTls: tls !== undefined, version } as const
    const options = {
      platform: this.#platform,
      limits: this.#limits,
      counters: this.#listenerCounters(),
      ...(tls === undefined ? {} : { tls }),
      answer: (method: string, target: string, request: IncomingMessage) =>
        relay && method === 'GET' && pathOf(target) === RELAY_PATH
          ? refuseUpgrade(request)
          : route(method, target, request.headers, context),
      upgrade: (request: IncomingMessage, socket: Socket, head: Uint8Array) => {
        const { method = '', url = '' } = request
        if (!relay || method !== 'GET' || pathOf(url) !== RELAY_PATH) return options.answer(method, url, request)
        if (this.#closing !== undefined) return refusal(503, 'the relay is going away')
        return upgrade(request, socket, head, this.#hub, this.#memory)
      },
    }
    return HttpListener.open(options, address, what)
  }

  /** Beside the main listener: for few, and nobody is counted. */
  #listenBeside(address: BindAddress, what: string, answer: HttpListenerAnswer): Promise<HttpListener> {
    const counters = { onAccept: () => {}, onEnd: () => {}, onRefused: () => this.#refused++ }
    const limits = { ...this.#limits, maxConnections: SIDE_CONNECTIONS }
    return HttpListener.open({ platform: this.#platform, limits, counters, answer }, address, what)
  }

  #listenerCounters(): ListenerCounters {
    const { counters } = this
    return {
      onAccept: () => counters.http_connections++,
      onEnd: (end) => {
        if (end === 'errored') counters.http_connections_errored++
        else counters.http_connections_closed++
      },
      onRefused: () => this.#refused++,
    }
  }

  // Certificates

  async #load(source: CertificateSource): Promise<CertificatePair> {
    const pair = 'certPath' in source ? await readPair(source) : checkPair(source, GIVEN)
    this.#tellExpiry(pair)
    return pair
  }

  async #openQad(options: RelayQuicOptions, host: string): Promise<void> {
    const address = parseBind(options.bind, 'quic.bind', { host, port: QUIC_PORT })
    const pair = options.certificate === undefined ? this.#certificate : await this.#load(options.certificate)
    if (pair === undefined) {
      const advice = 'address discovery needs a certificate; give tls or quic.certificate'
      throw new RelayServerError('INVALID_OPTION', `quic: ${advice}`)
    }
    this.#certificate ??= pair
    const qad = await QadServer.open(
      {
        platform: this.#platform,
        crypto: this.#crypto,
        certificate: pair.der,
        maxConnections: this.#limits.maxQadConnections,
        counters: this.counters,
        onFault: (error) => this.#log('error', 'fault', `address discovery: ${lineOf(error)}`),
      },
      address,
      'quic',
    )
    this.#qad = qad
    if (options.certificate !== undefined) this.#watch(options.certificate, pair, ({ der }) => qad.setCertificate(der))
  }

  /** The pair of `tls` has changed. */
  #replace(pair: CertificatePair): void {
    const { quic } = this.#options
    // First where it could still be refused.
    if (quic === undefined || quic === false || quic.certificate === undefined) this.#qad?.setCertificate(pair.der)
    this.#main?.setCertificate(pair)
    this.#certificate = pair
  }

  #watch(source: CertificateSource, current: CertificatePair, use: (pair: CertificatePair) => void): void {
    if (!('certPath' in source) || source.reload === false) return
    this.#watches.push(
      new CertificateWatch({
        files: source,
        current,
        platform: this.#platform,
        pollMs: CERTIFICATE_POLL_MS,
        settleMs: CERTIFICATE_SETTLE_MS,
        onChange: (pair) => {
          use(pair)
          this.#certificatesReplaced++
          this.#log('info', 'certificate-replaced', `${source.certPath}: new connections get the new certificate`)
          this.#tellExpiry(pair)
        },
        onBad: (error) => this.#log('error', 'certificate-bad', `${lineOf(error)}; the old certificate stays in use`),
      }),
    )
  }

  #tellExpiry({ notAfterMs }: CertificatePair): void {
    const leftMs = notAfterMs - this.#platform.wallClock()
    if (leftMs > EXPIRY_NOTICE_MS) return
    const when = new Date(notAfterMs).toISOString()
    if (leftMs > 0) this.#log('warn', 'certificate-expires', `the certificate is valid until ${when}`)
    else this.#log('error', 'certificate-expires', `the certificate was valid until ${when}; clients will refuse it`)
  }

  #log(level: RelayServerLogEntry['level'], event: RelayServerLogEntry['event'], message: string): void {
    this.#options.onLog?.({ level, event, message, endpoint: undefined, remoteAddress: undefined })
  }

  #ownUrl(): RelayUrl {
    const { hostname, tls } = this.#options
    const { host, port } = this.#main!.address
    const name = hostname ?? (tls === undefined ? undefined : this.#certificate?.hostNames[0]) ?? hostOf(host)
    return RelayUrl.parse(`${tls === undefined ? 'http' : 'https'}://${name}:${port}/`)
  }

  #otherMetrics(): Metric[] {
    const gauge = (name: string, help: string, value: number): Metric => ({ name, type: 'gauge', help, value })
    const counter = (name: string, help: string, value: number): Metric => ({ name, type: 'counter', help, value })
    const { rss } = process.memoryUsage()
    const metrics = [
      counter('tom_relay_http_refused', 'TCP connections closed at once: too many or too fast', this.#refused),
      counter('tom_relay_certificates_replaced', 'Certificates read while running', this.#certificatesReplaced),
      gauge('tom_relay_http_waiting', 'HTTP connections now that are not upgraded', this.#main?.waitingCount ?? 0),
      gauge('tom_relay_qad_open', 'Address discovery connections now', this.#qad?.connectionCount ?? 0),
      gauge('tom_relay_resident_bytes', 'Memory of the process', rss),
      gauge(
        'tom_relay_uptime_seconds',
        'Time since the start',
        Math.round((this.#platform.now() - this.#startedAt) / 1000),
      ),
    ]
    if (this.#certificate !== undefined) {
      const seconds = Math.round(this.#certificate.notAfterMs / 1000)
      metrics.push(
        gauge('tom_relay_certificate_not_after_seconds', 'End of the certificate, seconds since 1970', seconds),
      )
    }
    return metrics
  }
}

type HttpListenerAnswer = Parameters<typeof HttpListener.open>[0]['answer']

/** Throws RelayServerError INVALID_OPTION where the hub does not like its limits. */
function createHub(options: ConstructorParameters<typeof RelayHub>[0]): RelayHub {
  try {
    return new RelayHub(options)
  } catch (error) {
    if (error instanceof RangeError)
      throw new RelayServerError('INVALID_OPTION', `limits: ${error.message}`, { cause: error })
    throw error
  }
}

function parseBind(text: string | undefined, option: string, fallback: BindAddress): BindAddress {
  return text === undefined ? fallback : parseBindAddress(text, option)
}

/** How this host reaches an address of its own. */
function hostOf(host: string): string {
  if (isUnspecified(host)) return host === '::' ? 'localhost' : '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}
