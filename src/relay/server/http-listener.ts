/**
 * One listener over node:http or node:https, with the bounds that keep strangers cheap: connections in all, how fast they come, the size
 * and time of headers, and an end for every connection that was not upgraded in time (spec/relay.md §1.2, §4.8).
 */

import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import { canonicalIpText } from '../../bytes/index.ts'
import type { Platform, Timer } from '../../platform/index.ts'
import { AcceptRate, type Rate, sourceKey } from './accept-rate.ts'
import { type BindAddress, listenTcp } from './bind-address.ts'
import type { PemPair } from './certificate.ts'
import type { Answer } from './routes.ts'

export interface ListenerLimits {
  /** Connections at once; more are closed as they come. */
  readonly maxConnections: number
  /** Bytes of a request's head; a larger one is answered 431. */
  readonly maxHeaderBytes: number
  /** For the head of a request, and for the TLS handshake, ms. */
  readonly headerTimeoutMs: number
  /** From accept to the end of a connection that was not upgraded, ms. */
  readonly establishTimeoutMs: number
  /** From one address. */
  readonly acceptsPerIp: Rate
  /** From all. */
  readonly accepts: Rate
}

export interface ListenerCounters {
  onAccept(): void
  /** A connection was upgraded, or ended without being upgraded. */
  onEnd(end: 'upgraded' | 'closed' | 'errored'): void
  /** Closed as it came: too many, or too fast. */
  onRefused(): void
}

export interface ListenerOptions {
  readonly platform: Pick<Platform, 'now' | 'createTimer'>
  readonly limits: ListenerLimits
  readonly counters: ListenerCounters
  /** PEM; absent for plain HTTP. */
  readonly tls?: PemPair
  answer(method: string, target: string, request: IncomingMessage): Answer
  /**
   * A request that wants an upgrade. Undefined: the socket was taken, and belongs to whoever took it. Absent: upgrades are ignored and the
   * request is answered like any other.
   */
  readonly upgrade?: (request: IncomingMessage, socket: Socket, head: Uint8Array) => Answer | undefined
}

/** Header lines of a request that are looked at; more are dropped. */
const MAX_HEADER_LINES = 100
/** How often node:http looks for requests whose time is up, ms. */
const CHECK_INTERVAL_MS = 1000
/** Waiting for sockets to be gone when the listener closes, ms. */
const CLOSE_TIMEOUT_MS = 1000

interface Waiting {
  readonly key: string
  readonly deadline: number
  isErrored: boolean
}

export class HttpListener {
  readonly #options: ListenerOptions
  readonly #server: HttpServer | HttpsServer
  readonly #perIp: AcceptRate
  readonly #all: AcceptRate
  /** TCP sockets that were not upgraded yet, the oldest first; an upgraded one leaves nothing behind here. */
  readonly #waiting: Map<Socket, Waiting>
  /** The same by their two addresses, which the TLS socket over one tells as well. */
  readonly #byKey: Map<string, Socket>
  readonly #timer: Timer
  #isClosing: boolean

  private constructor(options: ListenerOptions) {
    const { limits, tls, platform } = options
    this.#options = options
    this.#perIp = new AcceptRate(limits.acceptsPerIp)
    this.#all = new AcceptRate(limits.accepts)
    this.#waiting = new Map()
    this.#byKey = new Map()
    this.#isClosing = false
    this.#timer = platform.createTimer(() => this.#cutLate())
    const http = {
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headerTimeoutMs,
      requestTimeout: Math.max(limits.headerTimeoutMs, limits.establishTimeoutMs),
      connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, limits.headerTimeoutMs),
      noDelay: true,
    }
    this.#server =
      tls === undefined
        ? createHttpServer(http)
        : createHttpsServer({ ...http, ...secureContext(tls), handshakeTimeout: limits.headerTimeoutMs })
    this.#server.maxHeadersCount = MAX_HEADER_LINES
    this.#server.maxConnections = limits.maxConnections
    this.#listen()
  }

  /** Rejects with RelayServerError BIND_FAILED; `option` is what set the address. */
  static async open(options: ListenerOptions, address: BindAddress, option: string): Promise<HttpListener> {
    const listener = new HttpListener(options)
    listener.address = await listenTcp(listener.#server, address, option)
    return listener
  }

  /** What was bound. */
  address!: BindAddress

  /** Sockets that were not upgraded. */
  get waitingCount(): number {
    return this.#waiting.size
  }

  /** For the handshakes that begin from now on. */
  setCertificate(pair: PemPair): void {
    ;(this.#server as HttpsServer).setSecureContext(secureContext(pair))
  }

  /** Takes nobody in any more; those who are there stay. */
  stopAccepting(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#server.close()
  }

  /** Ends what was not upgraded, and resolves when all sockets are gone; upgraded ones are their owner's to end before. */
  async close(): Promise<void> {
    this.stopAccepting()
    this.#timer.cancel()
    for (const socket of [...this.#waiting.keys()]) socket.destroy()
    if (await this.#isEmpty()) return
    await new Promise<void>((resolve) => {
      const timeout = setTimeout(resolve, CLOSE_TIMEOUT_MS)
      this.#server.once('close', () => {
        clearTimeout(timeout)
        resolve()
      })
    })
  }

  #isEmpty(): Promise<boolean> {
    return new Promise((resolve) => this.#server.getConnections((_error, count) => resolve(count === 0)))
  }

  #listen(): void {
    const server = this.#server
    server.on('connection', (socket: Socket) => this.#onConnection(socket))
    server.on('drop', () => this.#options.counters.onRefused())
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#onRequest(request, response))
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#onClientError(error, socket as Socket))
    server.on('tlsClientError', (_error, socket) => this.#markErrored(socket))
    server.on('upgrade', (request: IncomingMessage, socket, head: Buffer) =>
      this.#onUpgrade(request, socket as Socket, head),
    )
    // After it listens, node:net reports here what it could not accept; it goes on.
    server.on('error', () => this.#options.counters.onRefused())
  }

  #onConnection(socket: Socket): void {
    const { limits, counters, platform } = this.#options
    const { remoteAddress } = socket
    const now = platform.now()
    if (remoteAddress === undefined || !this.#mayCome(canonicalIpText(remoteAddress), now)) {
      counters.onRefused()
      socket.destroy()
      return
    }
    counters.onAccept()
    const key = keyOf(socket)
    this.#waiting.set(socket, { key, deadline: now + limits.establishTimeoutMs, isErrored: false })
    this.#byKey.set(key, socket)
    socket.once('close', this.#onSocketClose)
    if (this.#waiting.size === 1) this.#timer.arm(now + limits.establishTimeoutMs)
  }

  #mayCome(host: string, now: number): boolean {
    const key = sourceKey(host)
    return (key === undefined || this.#perIp.take(key, now)) && this.#all.take('', now)
  }

  /** One function for all sockets: it is told which one by its event. */
  readonly #onSocketClose = ((listener) =>
    function (this: Socket, hadError: boolean): void {
      const waiting = listener.#forget(this)
      if (waiting !== undefined) listener.#options.counters.onEnd(hadError || waiting.isErrored ? 'errored' : 'closed')
    })(this)

  #forget(socket: Socket): Waiting | undefined {
    const waiting = this.#waiting.get(socket)
    if (waiting === undefined) return undefined
    this.#waiting.delete(socket)
    if (this.#byKey.get(waiting.key) === socket) this.#byKey.delete(waiting.key)
    return waiting
  }

  /** All have the same time, so the oldest is due first. */
  #cutLate(): void {
    const now = this.#options.platform.now()
    for (const [socket, { deadline }] of this.#waiting) {
      if (deadline > now) {
        this.#timer.arm(deadline)
        return
      }
      this.#end(socket, 'closed')
    }
  }

  #end(socket: Socket, end: 'closed' | 'errored'): void {
    if (this.#forget(socket) !== undefined) this.#options.counters.onEnd(end)
    socket.destroy()
  }

  #markErrored(socket: Socket): void {
    const waiting = this.#waiting.get(this.#byKey.get(keyOf(socket)) ?? socket)
    if (waiting !== undefined) waiting.isErrored = true
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { status, headers, body } = this.#options.answer(request.method ?? '', request.url ?? '', request)
    // Nobody has anything to say to us in a body.
    request.resume()
    response.writeHead(status, contentHeaders(status, headers, body))
    response.end(request.method === 'HEAD' ? '' : body)
  }

  #onUpgrade(request: IncomingMessage, socket: Socket, head: Uint8Array): void {
    // Nobody else listens on it from here on.
    socket.on('error', ignore)
    const { upgrade, answer, counters } = this.#options
    const refusal =
      upgrade === undefined ? answer(request.method ?? '', request.url ?? '', request) : upgrade(request, socket, head)
    if (refusal === undefined) {
      const raw = this.#byKey.get(keyOf(socket)) ?? socket
      if (this.#forget(raw) !== undefined) counters.onEnd('upgraded')
      return
    }
    // An upgrade that is not wanted is ignored, RFC 9110 §7.8; what follows on the connection would not be HTTP, so it ends.
    socket.end(rawAnswer(refusal, request.method === 'HEAD'))
    socket.resume()
  }

  /** What node:http would answer if nobody listened, and a mark for the counters. */
  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    this.#markErrored(socket)
    if (!socket.writable || socket.bytesWritten > 0) {
      socket.destroy()
      return
    }
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
    socket.on('error', ignore)
    socket.end(rawAnswer({ status, headers: {}, body: '' }, false))
    socket.resume()
  }
}

/** Both ends of a TCP connection. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}

function secureContext({ cert, key }: PemPair): { cert: string; key: string; minVersion: 'TLSv1.2' } {
  return { cert, key, minVersion: 'TLSv1.2' }
}

function contentHeaders(status: number, headers: Answer['headers'], body: string): Record<string, string> {
  return status === 204 ? { ...headers } : { ...headers, 'Content-Length': String(Buffer.byteLength(body)) }
}

function rawAnswer({ status, headers, body }: Answer, isHead: boolean): string {
  const lines = Object.entries({ ...contentHeaders(status, headers, body), Connection: 'close' })
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...lines.map(([name, value]) => `${name}: ${value}`),
  ]
  return `${head.join('\r\n')}\r\n\r\n${isHead ? '' : body}`
}

function ignore(): void {}
