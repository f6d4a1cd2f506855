/**
 * The seams between this project and the world: sockets, timers, clock, randomness, network interfaces. Types only; `node/`
 * and `browser/` implement them, the simulator brings its own.
 */

/** Cryptographic randomness in production, a seeded generator in the simulator. */
export interface RandomSource {
  /** Fills all of `out`. */
  fill(out: Uint8Array): void
}

/** One timer that is re-armed, never re-created. */
export interface Timer {
  /** Fires once at `at` (ms on the platform's monotonic clock), replacing an earlier arming. A time in the past fires as soon as it can. */
  arm(at: number): void
  cancel(): void
}

/** IP address bytes (4 or 16) and a port in host order. */
export interface AddressBytes {
  readonly ip: Uint8Array
  readonly port: number
}

export interface UdpSocketOptions {
  /** Numeric address, for example `0.0.0.0`, `127.0.0.1`, `::`. */
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** Only for IPv6: do not take IPv4 traffic as well. Default true. */
  readonly ipv6Only?: boolean
  /** Bytes to ask the system for; what was granted is read back. */
  readonly receiveBufferSize?: number
  readonly sendBufferSize?: number
}

export interface UdpSocket {
  readonly family: 4 | 6
  readonly host: string
  readonly port: number
  /** Bytes the system really granted. */
  readonly receiveBufferSize: number
  /** Set by the owner. `data` is only valid during the call. `host` is numeric. */
  onMessage: (data: Uint8Array, host: string, port: number) => void
  /** Set by the owner: the socket broke and will deliver nothing more. */
  onError: (error: Error) => void
  /**
   * Sends `length` bytes of `data` from `start` to a numeric address. `done` is called when the system no longer reads `data`:
   * at once (synchronously) when the datagram went straight out, later when it was queued. Send errors are swallowed: to QUIC they are loss.
   */
  send(data: Uint8Array, start: number, length: number, host: string, port: number, done: () => void): void
  /** Datagrams handed to `send` that the system has not taken yet. */
  readonly queued: number
  close(): Promise<void>
}

export interface InterfaceAddress {
  readonly name: string
  readonly host: string
  readonly family: 4 | 6
  readonly internal: boolean
}

/** Names of the interfaces that carry what goes nowhere in particular; a family without a default route is absent. */
export interface DefaultRoutes {
  readonly v4?: string
  readonly v6?: string
}

/** The way out of the local IPv4 network; numeric addresses. */
export interface Gateway {
  /** Of the default router. */
  readonly address: string
  /** Of our interface towards it. */
  readonly local: string
}

export interface TimerOptions {
  /** While nothing else is left to do the process may end, though the timer is armed. Default false. */
  readonly isBackground?: boolean
}

/** Bytes that both ends of a TLS session can compute and nobody else (RFC 5705, RFC 8446 §7.5). */
export type ExportKeyingMaterial = (label: string, context: Uint8Array, length: number) => Uint8Array

export interface WebSocketOptions {
  /** `ws:` or `wss:`. */
  readonly url: string
  /** Subprotocols, the most wanted first. */
  readonly protocols: readonly string[]
  /**
   * Header lines of the upgrade request, asked for when the TLS session stands. `exporter` is undefined without TLS of our own. Never called
   * where `canSetHeaders` is false.
   */
  readonly headers?: (exporter: ExportKeyingMaterial | undefined) => Readonly<Record<string, string>>
  /** Try IPv6 addresses first. Default false. */
  readonly preferIpv6?: boolean
  /** Largest message taken, bytes; a larger one ends the connection. */
  readonly maxMessageSize: number
  readonly signal?: AbortSignal
}

/** A WebSocket that is open: messages both ways (RFC 6455), binary or text. Pings are answered inside. */
export interface WebSocketLink {
  /** The subprotocol the server chose; empty when it named none. */
  readonly protocol: string
  /** Numeric IP of our end, where it is known. */
  readonly localAddress: string | undefined
  /** Set by the owner. `message` may be changed during the call, and is only valid then. */
  onMessage: (message: Uint8Array) => void
  /** Set by the owner before the first message comes, or text is skipped: a whole text message. Text that is no UTF-8 ends the link with 1007. */
  onText: (text: string) => void
  /** Set by the owner. Called once, last, whoever ended the link, also after `close` and `terminate`. */
  onClose: (end: WebSocketEnd) => void
  /** Set by the owner. What was queued fell below a low mark (a quarter of a MiB or less). */
  onDrain: () => void
  /** Set by the owner. Raw bytes that were just read from the stream, after their messages were delivered. Not called in browsers. */
  onRead: (bytes: number) => void
  /** Sends `message[start, end)` as one binary message: copied before this returns. Nothing happens when the link is closed. */
  send(message: Uint8Array, start?: number, end?: number): void
  /** Sends one text message; halves of surrogate pairs that stand alone become U+FFFD. Nothing happens when the link is closed. */
  sendText(text: string): void
  /** Hands what was sent to the system now; else that happens before the event loop turns. */
  flush(): void
  /** Bytes of messages that the system has not taken yet. */
  readonly queuedBytes: number
  /** Stops reading, until `resume`: the other end feels it. No effect in browsers. */
  pause(): void
  resume(): void
  /** Says Close with `code`, and ends when the other side has answered or after 2 s. */
  close(code: number, reason: string): void
  /** Ends at once, without a word. */
  terminate(): void
}

export interface WebSocketEnd {
  /** Of the Close frame that came; 1006 when none came. */
  readonly code: number
  /** Why, for people. */
  readonly reason: string
}

export interface HttpGetOptions {
  /** `http:` or `https:`. Redirects are not followed. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  /** Value of a response header, by its name in any case. */
  header(name: string): string | undefined
}

export interface HttpRequestOptions {
  /** For example `GET`, `POST`. */
  readonly method: string
  /** `http:`. Redirects are not followed, proxies are not used. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Largest body of the answer that is taken, bytes; a larger one is a failure. */
  readonly maxBody: number
  readonly signal?: AbortSignal
}

export interface HttpResponse extends HttpAnswer {
  readonly body: Uint8Array
}

/** HTTP and WebSockets as a client. Failures reject with an Error whose message says what could not be reached, and why. */
export interface WebClient {
  /** False in browsers: no headers on a WebSocket, so tokens go into the query. */
  readonly canSetHeaders: boolean
  /** Rejects when the server does not answer 101; the error then has `status`, the HTTP status, where it is known. */
  openWebSocket(options: WebSocketOptions): Promise<WebSocketLink>
  /** Resolves with the response's head; at most 8 KiB of the body are read and dropped. */
  get(options: HttpGetOptions): Promise<HttpAnswer>
  /** A whole exchange over plain HTTP, at most 30 s long. Absent where headers and hosts are not ours to choose. */
  request?(options: HttpRequestOptions): Promise<HttpResponse>
  /** Numeric addresses of a host name, of both families. Absent where there is no UDP anyway. */
  resolve?(host: string, signal?: AbortSignal): Promise<readonly string[]>
}

export interface Platform {
  /** Absent where nothing needs it: relays are then out of reach. */
  readonly web?: WebClient | undefined
  /** Largest UDP payload that this system sends without ever fragmenting it, bytes. Default 1,200: what QUIC may assume of any path. */
  readonly maxDatagramSize?: number
  /** The same to addresses of the host itself (127.0.0.0/8, ::1), bytes. Default: `maxDatagramSize`. */
  readonly maxLoopbackDatagramSize?: number
  /** Monotonic, fractional milliseconds. */
  now(): number
  /** Milliseconds since 1970. */
  wallClock(): number
  readonly random: RandomSource
  createTimer(callback: () => void, options?: TimerOptions): Timer
  /** Runs `callback` after what is in the event loop's current turn, one macrotask later (setImmediate). */
  defer(callback: () => void): void
  /**
   * Runs `callback` when no promise reaction waits any more: what awaits something that settled just now has had its say, and the turn of the event
   * loop is still the same. Absent where a runtime cannot promise that.
   */
  readonly afterReactions?: ((callback: () => void) => void) | undefined
  bindUdp(options: UdpSocketOptions): Promise<UdpSocket>
  interfaces(): InterfaceAddress[]
  /** The default routes as they are now, without waiting. Absent, or undefined: the system does not say. */
  defaultRoutes?(): DefaultRoutes | undefined
  /** The default IPv4 router as it is now. Undefined when there is none or the system does not say; never rejects, takes at most 2 s. */
  gateway?(): Promise<Gateway | undefined>
}
