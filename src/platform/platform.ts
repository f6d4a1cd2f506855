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

export interface Platform {
  /** Largest UDP payload that this system sends without ever fragmenting it, bytes. Default 1,200: what QUIC may assume of any path. */
  readonly maxDatagramSize?: number
  /** The same to addresses of the host itself (127.0.0.0/8, ::1), bytes. Default: `maxDatagramSize`. */
  readonly maxLoopbackDatagramSize?: number
  /** Monotonic, fractional milliseconds. */
  now(): number
  /** Milliseconds since 1970. */
  wallClock(): number
  readonly random: RandomSource
  createTimer(callback: () => void): Timer
  /** Runs `callback` after what is in the event loop's current turn, one macrotask later (setImmediate). */
  defer(callback: () => void): void
  /**
   * Runs `callback` when no promise reaction waits any more: what awaits something that settled just now has had its say, and the turn of the event
   * loop is still the same. Absent where a runtime cannot promise that.
   */
  readonly afterReactions?: ((callback: () => void) => void) | undefined
  bindUdp(options: UdpSocketOptions): Promise<UdpSocket>
  interfaces(): InterfaceAddress[]
}
