/**
 * HTTP and WebSockets as a client of Node: dial, proxy, TLS, upgrade or GET (spec/relay.md §1.3, §1.6, §1.8, §5.2, §6.2; RFC 6455 §4.1). One
 * connection per request, nothing is pooled; headers can carry what only the TLS session knows.
 */

import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { parseUrl } from '../../bytes/index.ts'
import type {
  HttpAnswer,
  HttpGetOptions,
  HttpRequestOptions,
  HttpResponse,
  WebClient,
  WebSocketLink,
  WebSocketOptions,
} from '../platform.ts'
import { WebError } from '../web-error.ts'
import { dialTcp, type LookupFamily, lookupSystem, resolveHost, sharedLookup } from './dial-tcp.ts'
import { exchange } from './http-exchange.ts'
import { type ResponseHead, readResponseHead, requestHead } from './http-head.ts'
import { NodeWebSocket, webSocketAccept } from './node-websocket.ts'
import { bareHost, type ChooseProxy, openTunnel, parseProxy, proxyFromEnvironment } from './proxy.ts'
import { exporterOf, secureContextOf, startTls } from './start-tls.ts'
import { WebSocketMemory } from './websocket-memory.ts'

/** From the start to the response's head, ms, when the caller's signal does not end it sooner: a silent server must not hold a socket for ever. */
const TIMEOUT_MS = 30_000

/** Of a body, bytes and ms (spec/relay.md §6.2). */
const MAX_BODY_BYTES = 8 * 1024
const BODY_TIMEOUT_MS = 1000

/** Outgoing buffers that all links of a client share; a client has a few links. */
const SHARED_BUFFERS = 4

export interface NodeWebClientOptions {
  /** PEM certificates trusted for https and wss instead of Node's list. */
  readonly ca?: readonly string[]
  /** Proxy for https and wss (HTTP CONNECT), as a URL; null: none. Default: from the environment. */
  readonly proxy?: string | null
  /** Default: the process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Default: the system's. */
  readonly lookup?: LookupFamily
}

/** What a URL says about where to go. */
interface Target {
  readonly usesTls: boolean
  /** Without brackets; a trailing dot is kept. */
  readonly host: string
  readonly port: number
  /** For `Host`: with the port if the URL has one that is not its scheme's. */
  readonly authority: string
  readonly path: string
}

export class NodeWebClient implements WebClient {
  readonly canSetHeaders = true
  readonly #environment: Readonly<Record<string, string | undefined>>
  /** From the environment, it is chosen when it is first needed: a wrong variable is no affair of those who dial nobody. */
  #chooseProxy: ChooseProxy | undefined
  readonly #lookup: LookupFamily
  readonly #memory = new WebSocketMemory(SHARED_BUFFERS)
  #secureContext: SecureContext | undefined

  /** Throws WebError: WEB_PROXY for a proxy that is no URL of an HTTP proxy, WEB_TLS for certificates that cannot be read. */
  constructor(options: NodeWebClientOptions = {}) {
    this.#secureContext = options.ca === undefined ? undefined : secureContextOf(options.ca)
    this.#lookup = sharedLookup(options.lookup ?? lookupSystem)
    this.#environment = options.environment ?? process.env
    const { proxy } = options
    const fixed = typeof proxy === 'string' ? parseProxy(proxy) : undefined
    this.#chooseProxy = proxy === undefined ? undefined : () => fixed
  }

  async openWebSocket(options: WebSocketOptions): Promise<WebSocketLink> {
    const target = targetOf(options.url, 'ws:', 'wss:')
    return bounded(target, options.signal, async (signal) => {
      const socket = await this.#connect(target, options.preferIpv6 ?? false, signal)
      const key = randomBytes(16).toString('base64')
      try {
        const headers = options.headers?.(exporterOf(socket)) ?? {}
        socket.write(upgradeRequest(target, key, options.protocols, headers), 'latin1')
      } catch (error) {
        socket.destroy()
        throw error
      }
      const { head, rest } = await readResponseHead(socket, signal, (reason, cause) =>
        failedWith(target, reason, cause),
      )
      const problem = checkUpgrade(target, head, key, options.protocols)
      if (problem !== undefined) {
        socket.destroy()
        throw problem
      }
      return new NodeWebSocket(socket, {
        role: 'client',
        protocol: head.headers.get('sec-websocket-protocol') ?? '',
        head: rest,
        maxMessageSize: options.maxMessageSize,
        memory: this.#memory,
      })
    })
  }

  async get(options: HttpGetOptions): Promise<HttpAnswer> {
    const target = targetOf(options.url, 'http:', 'https:')
    return bounded(target, options.signal, async (signal) => {
      const headers = Object.entries(options.headers ?? {})
      const accepts = headers.some(([name]) => name.toLowerCase() === 'accept')
      const request = requestHead(`GET ${target.path}`, [
        ['Host', target.authority],
        ...(accepts ? [] : [['Accept', '*/*'] as const]),
        ['Connection', 'close'],
        ...headers,
      ])
      const socket = await this.#connect(target, false, signal)
      socket.write(request, 'latin1')
      const { head, rest } = await readResponseHead(socket, signal, (reason, cause) =>
        failedWith(target, reason, cause),
      )
      dropBody(socket, head, rest.length)
      return { status: head.status, header: (name) => head.headers.get(name.toLowerCase()) }
    })
  }

  async request(options: HttpRequestOptions): Promise<HttpResponse> {
    const target = targetOf(options.url, 'http:', 'https:')
    if (target.usesTls) throw new WebError('WEB_URL', `${options.url} is not a URL that begins with http://`)
    return bounded(target, options.signal, async (signal) => {
      const socket = await this.#connect(target, false, signal)
      return exchange(socket, target, options, signal, (reason, cause) => failedWith(target, reason, cause))
    })
  }

  resolve(host: string, signal?: AbortSignal): Promise<readonly string[]> {
    return resolveHost(bareHost(host), this.#lookup, signal)
  }

  /** A connection to the target: direct or through a proxy, with TLS if it uses that. */
  async #connect(target: Target, preferIpv6: boolean, signal: AbortSignal): Promise<Socket> {
    const { host, port } = target
    const lookup = this.#lookup
    if (!target.usesTls) return dialTcp({ host, port, preferIpv6, signal, lookup })
    this.#secureContext ??= secureContextOf(undefined)
    this.#chooseProxy ??= proxyFromEnvironment(this.#environment)
    const context = this.#secureContext
    const proxy = this.#chooseProxy(host, port)
    if (proxy === undefined) {
      return startTls(await dialTcp({ host, port, preferIpv6, signal, lookup }), host, context, signal)
    }
    let socket = await dialTcp({ host: proxy.host, port: proxy.port, preferIpv6, signal, lookup })
    if (proxy.usesTls) socket = await startTls(socket, proxy.host, context, signal)
    await openTunnel(socket, proxy, host, port, signal)
    return startTls(socket, host, context, signal)
  }
}

/** Runs `work` with a signal that aborts when the caller's does, or after 30 s. */
async function bounded<T>(
  target: Target,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted()
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort)
  const timer = setTimeout(() => {
    controller.abort(new WebError('WEB_TIMEOUT', `${target.authority} did not answer within ${TIMEOUT_MS / 1000} s`))
  }, TIMEOUT_MS)
  try {
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

function targetOf(href: string, plain: string, secure: string): Target {
  const url = parseUrl(href)
  if (url === undefined || (url.protocol !== plain && url.protocol !== secure)) {
    throw new WebError('WEB_URL', `${JSON.stringify(href)} is not a URL that begins with ${plain}// or ${secure}//`)
  }
  const usesTls = url.protocol === secure
  const port = url.port === '' ? (usesTls ? 443 : 80) : Number(url.port)
  return { usesTls, host: bareHost(url.hostname), port, authority: url.host, path: `${url.pathname}${url.search}` }
}

/** In the order of a native client's, the protocols in one line with a blank behind each comma (spec/relay.md §1.3, §1.4). */
function upgradeRequest(
  target: Target,
  key: string,
  protocols: readonly string[],
  headers: Readonly<Record<string, string>>,
): string {
  const lines: [string, string][] = [
    ['Host', target.authority],
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade'],
    ['Sec-WebSocket-Key', key],
    ['Sec-WebSocket-Version', '13'],
  ]
  if (protocols.length > 0) lines.push(['Sec-WebSocket-Protocol', protocols.join(', ')])
  return requestHead(`GET ${target.path}`, [...lines, ...Object.entries(headers)])
}

/** RFC 6455 §4.1: what makes the answer a WebSocket that we asked for. */
function checkUpgrade(
  target: Target,
  head: ResponseHead,
  key: string,
  protocols: readonly string[],
): WebError | undefined {
  const { status, statusText, headers } = head
  if (status !== 101) {
    return new WebError(
      'WEB_REFUSED',
      `${target.authority} refused the WebSocket: ${status} ${statusText}`.trim(),
      status,
    )
  }
  const wrong = (what: string): WebError => failedWith(target, `its answer to the upgrade ${what}`)
  if (headers.get('upgrade')?.toLowerCase() !== 'websocket') return wrong('does not upgrade to websocket')
  const connection =
    headers
      .get('connection')
      ?.toLowerCase()
      .split(/[\t ]*,[\t ]*/) ?? []
  if (!connection.includes('upgrade')) return wrong('has no Connection: Upgrade')
  if (headers.get('sec-websocket-accept') !== webSocketAccept(key)) return wrong('has a wrong Sec-WebSocket-Accept')
  if (headers.has('sec-websocket-extensions')) return wrong('names an extension that nobody asked for')
  const protocol = headers.get('sec-websocket-protocol')
  if (protocol !== undefined && !protocols.includes(protocol)) return wrong('names a protocol that nobody offered')
  return undefined
}

function failedWith(target: Target, reason: string, cause?: unknown): WebError {
  return new WebError('WEB_HTTP', `cannot talk to ${target.authority}: ${reason}`, undefined, cause)
}

/** Reads what a body has, within bounds, and destroys the socket; when the other side ends it, it closes by itself. */
function dropBody(socket: Socket, head: ResponseHead, received: number): void {
  const { status, headers } = head
  const length = status === 204 || status === 304 ? 0 : Number(headers.get('content-length') ?? MAX_BODY_BYTES)
  let left = Math.min(Number.isNaN(length) ? 0 : length, MAX_BODY_BYTES) - received
  if (left <= 0 || socket.destroyed) {
    socket.destroy()
    return
  }
  const timer = setTimeout(() => socket.destroy(), BODY_TIMEOUT_MS)
  socket.on('close', () => clearTimeout(timer))
  socket.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left <= 0) socket.destroy()
  })
  socket.resume()
}
