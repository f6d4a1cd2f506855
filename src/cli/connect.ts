/** `tom connect`: dials a peer and pings it over streams, as PoC-4's connecting side does (spec/envelope.md §8.2). */
import { messageOf } from '../bytes/index.ts'
import { ConnectError, type Connection } from '../endpoint/index.ts'
import { Endpoint } from '../endpoint/node.ts'
import type { EndpointAddr } from '../identity/index.ts'
import { type EndpointFlags, endpointOptions } from './endpoint-flags.ts'
import { PathMonitor } from './path-monitor.ts'
import { PingLog } from './ping-log.ts'
import { pocTimestamp } from './poc-events.ts'
import type { Run } from './run.ts'

export interface ConnectCommandOptions extends EndpointFlags {
  readonly target: EndpointAddr
  readonly name: string
  readonly alpn: string
  readonly pings: number
  readonly delayMs: number
  readonly continuous: boolean
  /** Rolling summary every so many pings in continuous mode; 0 = none. */
  readonly summaryInterval: number
  /** Attempts in continuous mode; 0 = no limit. */
  readonly maxReconnects: number
  /** Of the first dial with all its attempts, and of each attempt of a reconnection. Default: 30 s an attempt. */
  readonly timeoutMs?: number
}

/** Both sides read at most this much of a ping, bytes. */
const PING_LIMIT = 1024
/** Attempts of the first dial, and of a reconnection outside continuous mode. */
const ATTEMPTS = 3
/** An attempt may take this, ms (iroh). */
const ATTEMPT_MS = 30_000
/** Back-off before attempt 2, 3, …: it doubles up to this, s. */
const MAX_BACKOFF_S = 32
/** Trying the first dial again cannot help. */
const FINAL: readonly string[] = [
  'SELF_DIAL',
  'INVALID_ALPN',
  'NO_ADDRESS',
  'ALPN_MISMATCH',
  'WRONG_PEER',
  'ENDPOINT_CLOSED',
]

/** Resolves with whether the run succeeded: answered pings, none lost (in continuous mode: connected to the end). Throws when the peer is never reached. */
export async function connect(options: ConnectCommandOptions, run: Run): Promise<boolean> {
  const endpoint = await Endpoint.bind(endpointOptions(options, run))
  try {
    return await new PingRun(endpoint, options, run).run()
  } finally {
    await endpoint.close()
  }
}

class PingRun {
  readonly #endpoint: Endpoint
  readonly #options: ConnectCommandOptions
  readonly #run: Run
  readonly #log = new PingLog()
  #connection: Connection | undefined = undefined
  #monitor: PathMonitor | undefined = undefined
  #directSince: number | undefined = undefined

  constructor(endpoint: Endpoint, options: ConnectCommandOptions, run: Run) {
    this.#endpoint = endpoint
    this.#options = options
    this.#run = run
  }

  async run(): Promise<boolean> {
    const { reporter, interrupted } = this.#run
    const { name, continuous, pings, target } = this.#options
    reporter.event('started', {
      name,
      id: this.#endpoint.id.toString(),
      mode: continuous ? 'connect-continuous' : 'connect',
      timestamp: this.#timestamp(),
    })
    const start = this.#run.now()
    this.#established(await this.#dialFirst())
    reporter.note(`connected to ${target.id} in ${(this.#run.now() - start).toFixed(1)} ms`)
    let isConnected = true
    while (isConnected && !interrupted.aborted && (continuous || this.#log.total < pings)) {
      isConnected = await this.#ping()
      const isLast = !continuous && this.#log.total >= pings
      if (isConnected && !isLast) await this.#run.sleep(this.#options.delayMs)
    }
    this.#connection?.close(0, 'done')
    const missed = this.#log.missedHolePunch
    if (missed !== undefined) reporter.event('hole_punch', missed)
    this.#summary()
    return isConnected && this.#log.successful > 0 && (continuous || this.#log.failed === 0)
  }

  /** One ping. False when the connection was lost for good. */
  async #ping(): Promise<boolean> {
    const { reporter, interrupted } = this.#run
    const { name, continuous, summaryInterval } = this.#options
    const log = this.#log
    const seq = ++log.total
    const start = this.#run.now()
    try {
      await this.#echo(`PING|${seq}|${name}`)
    } catch (error) {
      if (interrupted.aborted) {
        // Cut short by us: neither answered nor lost.
        log.total--
        return true
      }
      log.failed++
      reporter.note(`ping ${seq} failed: ${messageOf(error)}`)
      if (this.#connection?.closeReason === undefined) return true
      return this.#reconnect(messageOf(error))
    }
    const rttMs = this.#run.now() - start
    const via = this.#monitor?.selected ?? 'UNKNOWN'
    const elapsed = this.#run.elapsed()
    this.#directSince ??= this.#monitor?.directSince
    const holePunch = log.answered(rttMs, via, elapsed, this.#directSince)
    reporter.event('ping', { seq, rtt_ms: rttMs, via, elapsed_s: elapsed })
    if (holePunch !== undefined) reporter.event('hole_punch', holePunch)
    if (continuous && summaryInterval > 0 && seq % summaryInterval === 0) this.#summary()
    return true
  }

  async #echo(text: string): Promise<void> {
    const options = { signal: this.#run.interrupted }
    const { send, recv } = await this.#connection!.openBi(options)
    const body = new TextEncoder().encode(text)
    await send.write(body, options)
    await send.finish()
    const echo = new TextDecoder().decode(await recv.readToEnd(PING_LIMIT, options))
    if (echo !== text) throw new Error(`the peer answered ${JSON.stringify(echo)}, not what was sent`)
  }

  /** Rejects with the error of the last attempt. */
  #dialFirst(): Promise<Connection> {
    const { timeoutMs } = this.#options
    const end = timeoutMs === undefined ? Number.POSITIVE_INFINITY : this.#run.now() + timeoutMs
    return this.#dial(ATTEMPTS, (error) => !(error instanceof ConnectError) || FINAL.includes(error.code), end)
  }

  /**
   * Dials up to `limit` times (0: for ever), and not again after an error that is final, after `end` or an interruption. `reconnecting` is printed when
   * the back-off begins, at the first dial too (as PoC-4 does).
   */
  async #dial(limit: number, isFinal: (error: unknown) => boolean, end: number): Promise<Connection> {
    const { now, reporter, interrupted } = this.#run
    const { target, alpn, timeoutMs = ATTEMPT_MS } = this.#options
    for (let attempt = 1; ; attempt++) {
      try {
        const remaining = Math.max(1, Math.min(timeoutMs, end - now()))
        return await this.#endpoint.connect(target, alpn, { signal: interrupted, timeoutMs: remaining })
      } catch (error) {
        const backoff = backoffMs(attempt + 1)
        const isLast = attempt === limit || now() + backoff >= end
        if (isLast || interrupted.aborted || isFinal(error)) throw error
        reporter.note(`${messageOf(error)}; trying again`)
        const timestamp = this.#timestamp()
        reporter.event('reconnecting', { attempt: attempt + 1, elapsed_s: this.#run.elapsed(), timestamp })
        await this.#run.sleep(backoff)
      }
    }
  }

  #established(connection: Connection): void {
    this.#connection = connection
    this.#monitor = new PathMonitor(connection, this.#run)
  }

  /** False when every attempt failed. */
  async #reconnect(reason: string): Promise<boolean> {
    const { reporter, interrupted } = this.#run
    const { continuous, maxReconnects } = this.#options
    const log = this.#log
    reporter.event('disconnected', {
      reason,
      session_pings: log.successful,
      elapsed_s: this.#run.elapsed(),
      timestamp: this.#timestamp(),
    })
    const lostAt = this.#run.now()
    try {
      const limit = continuous ? maxReconnects : ATTEMPTS
      // Whoever answers with another key or protocol may be followed by the peer.
      const connection = await this.#dial(limit, () => false, Number.POSITIVE_INFINITY)
      const reconnectTimeMs = this.#run.now() - lostAt
      log.disconnectedMs += reconnectTimeMs
      log.reconnections++
      reporter.event('reconnected', {
        attempt: log.reconnections,
        reconnect_time_ms: reconnectTimeMs,
        elapsed_s: this.#run.elapsed(),
        timestamp: this.#timestamp(),
      })
      this.#established(connection)
      return true
    } catch (error) {
      if (!interrupted.aborted) reporter.note(messageOf(error))
      log.disconnectedMs += this.#run.now() - lostAt
      return false
    }
  }

  #summary(): void {
    this.#run.reporter.event('summary', this.#log.summary(this.#options.name, this.#run.elapsed()))
  }

  #timestamp(): string {
    return pocTimestamp(this.#run.wallClock())
  }
}

/** Before attempt 2, 3, …: 1, 2, 4, 8, 16, 32, 32 … s. */
function backoffMs(attempt: number): number {
  return Math.min(2 ** (attempt - 2), MAX_BACKOFF_S) * 1000
}
