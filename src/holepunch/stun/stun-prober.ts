/**
 * Our addresses as STUN servers see them, asked from the endpoint's own sockets, so that the answer is the mapping that peers will meet. Looks names up, asks each family,
 * and, where it is wanted, a server's other address too. What follows from the answers is the net report's and the doctor's.
 */
import {
  canonicalSocketAddress,
  EncodingError,
  formatSocketAddress,
  parseIp,
  type SocketAddress,
  sameBytes,
  sameSocketAddress,
} from '../../bytes/index.ts'
import type { ForeignPacket } from '../../driver/index.ts'
import type { Platform, UdpSocket } from '../../platform/index.ts'
import { isDialable, isLoopback } from '../candidates/interface-addresses.ts'
import { Alarms } from '../net-report/alarms.ts'
import type { Family } from '../net-report/families.ts'
import { lookUp } from '../net-report/look-up.ts'
import type { MappingSample } from './classify.ts'
import { parseStunServer } from './server-name.ts'
import { StunAsker, type StunSockets } from './stun-asker.ts'
import { GIVE_UP_MS, type StunAnswer, type StunOutcome } from './stun-client.ts'

/** Servers that are asked in one go; more tell nothing new. */
const MAX_SERVERS = 8

export interface StunSample extends MappingSample {
  /** As it was named. */
  readonly name: string
  readonly family: Family
  /** As it was asked, canonical. */
  readonly server: SocketAddress
  /** The server's other address and port, where it has them (RFC 5780 §7.4). */
  readonly otherAddress?: SocketAddress
}

/** A server that said nothing of use. */
export interface StunFailure {
  /** As it was named. */
  readonly name: string
  /** Absent: its name could not be read or looked up. */
  readonly family?: Family
  /** For people. */
  readonly reason: string
}

export interface StunReport {
  /** In the order in which they came. */
  readonly samples: readonly StunSample[]
  readonly failures: readonly StunFailure[]
}

export interface StunProbeOptions {
  /** Ask over these alone. Default: over both, where there is a socket. */
  readonly families?: ReadonlySet<Family>
  /** Also ask the other addresses that servers tell of: so one server does for the classification. Default false. */
  readonly withOtherAddress?: boolean
  /** Hears of each answer when it comes. */
  readonly onSample?: (sample: StunSample) => void
}

export interface StunProberOptions {
  readonly platform: Platform
  /** Whose sockets are asked from, read at each use; undefined: there are none, now. */
  readonly driver: () => StunSockets | undefined
}

export class StunProber {
  readonly #platform: Platform
  readonly #driver: () => StunSockets | undefined
  readonly #asker: StunAsker
  readonly #alarms: Alarms
  /** Of the probes under way: `close` aborts them. */
  readonly #running: Set<AbortController>
  #isClosed: boolean

  constructor({ platform, driver }: StunProberOptions) {
    this.#platform = platform
    this.#driver = driver
    this.#asker = new StunAsker(platform, driver)
    this.#alarms = new Alarms(platform)
    this.#running = new Set()
    this.#isClosed = false
  }

  /**
   * Asks the first eight of `servers` (`host:port`, see `parseStunServer`), all at once. Resolves when each has answered or had its time, 3 s for a name and 3 s for an answer, and
   * with what is known when the prober is closed. Rejects with the signal's reason only.
   */
  async probe(servers: readonly string[], signal?: AbortSignal, options: StunProbeOptions = {}): Promise<StunReport> {
    signal?.throwIfAborted()
    const stop = new AbortController()
    // A signal of the application lives longer than a probe: nothing of ours may stay on it.
    const onAbort = (): void => stop.abort()
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#running.add(stop)
    if (this.#isClosed) stop.abort()
    const probing = new Probing(this.#asker, stop.signal, options)
    const names = [...new Set(servers)].slice(0, MAX_SERVERS)
    await Promise.all(names.map((name) => this.#probeOne(name, probing)))
    this.#running.delete(stop)
    signal?.removeEventListener('abort', onAbort)
    signal?.throwIfAborted()
    return probing.report
  }

  async #probeOne(name: string, probing: Probing): Promise<void> {
    let addresses: ReadonlyMap<Family, SocketAddress>
    try {
      addresses = await this.#lookUp(name, probing.stop)
    } catch (error) {
      if (!(error instanceof EncodingError)) throw error
      probing.fail(name, undefined, error.message)
      return
    }
    const asked = [...addresses].flatMap(([family, server]) => {
      const socket = probing.isWanted(family) ? this.#driver()?.socketOf(family) : undefined
      return socket === undefined ? [] : [probing.ask({ name, family, socket, server })]
    })
    if (asked.length === 0) probing.fail(name, undefined, addresses.size === 0 ? 'no such name' : 'no socket for it')
    await Promise.all(asked)
  }

  /** The first address of each family. Throws EncodingError. */
  async #lookUp(name: string, stop: AbortSignal): Promise<ReadonlyMap<Family, SocketAddress>> {
    const { host, port } = parseStunServer(name)
    const limit = new AbortController()
    const onStop = (): void => limit.abort()
    const cancel = this.#alarms.after(GIVE_UP_MS, onStop)
    stop.addEventListener('abort', onStop)
    if (stop.aborted) onStop()
    const found = await lookUp(this.#platform.web, host, limit.signal)
    cancel()
    return new Map([...found].map(([family, ip]) => [family, canonicalSocketAddress({ ip: parseIp(ip), port })]))
  }

  /** The driver's, for packets of the kind `stun`. Whatever is not an answer that is waited for changes nothing. */
  onForeign({ data, host, port, socket }: Pick<ForeignPacket, 'data' | 'host' | 'port' | 'socket'>): void {
    this.#asker.receive(data, host, port, socket)
  }

  /** Ends what is under way; nothing is sent from now on. */
  close(): void {
    this.#isClosed = true
    for (const stop of this.#running) stop.abort()
    this.#asker.close()
    this.#alarms.clear()
  }
}

interface ServerToAsk {
  readonly name: string
  readonly family: Family
  readonly socket: UdpSocket
  readonly server: SocketAddress
}

/** One call of `probe` while it runs. */
class Probing {
  readonly stop: AbortSignal
  readonly #asker: StunAsker
  readonly #options: StunProbeOptions
  readonly #samples: StunSample[]
  readonly #failures: StunFailure[]
  /** `host:port`: two names may be one server, and two servers may tell of the same other one. */
  readonly #asked: Set<string>

  constructor(asker: StunAsker, stop: AbortSignal, options: StunProbeOptions) {
    this.stop = stop
    this.#asker = asker
    this.#options = options
    this.#samples = []
    this.#failures = []
    this.#asked = new Set()
  }

  get report(): StunReport {
    return { samples: this.#samples, failures: this.#failures }
  }

  isWanted(family: Family): boolean {
    return this.#options.families?.has(family) ?? true
  }

  fail(name: string, family: Family | undefined, reason: string): void {
    if (!this.stop.aborted) this.#failures.push({ name, ...(family === undefined ? {} : { family }), reason })
  }

  async ask(asked: ServerToAsk): Promise<void> {
    const { name, family } = asked
    const outcome = await this.#ask(asked)
    if (outcome === undefined) return
    if (outcome.kind !== 'answered') {
      this.fail(name, family, outcome.kind === 'silent' ? 'no answer' : outcome.reason)
      return
    }
    const others = otherServers(asked.server, outcome)
    this.#take(asked, outcome, others?.[1])
    if (this.#options.withOtherAddress !== true || others === undefined) return
    await Promise.all(others.map((server) => this.#askOther({ ...asked, server })))
  }

  /** What the other address tells of further ones is not followed: a chain would have no end. */
  async #askOther(asked: ServerToAsk): Promise<void> {
    const outcome = await this.#ask(asked)
    if (outcome?.kind === 'answered') this.#take(asked, outcome, undefined)
  }

  #ask({ socket, server }: ServerToAsk): Promise<StunOutcome | undefined> {
    const key = formatSocketAddress(server)
    if (this.#asked.has(key)) return Promise.resolve(undefined)
    this.#asked.add(key)
    return this.#asker.ask({ socket, server }, this.stop)
  }

  #take({ name, family, server }: ServerToAsk, { mapped }: StunAnswer, otherAddress: SocketAddress | undefined): void {
    const sample = { name, family, server, mapped, ...(otherAddress === undefined ? {} : { otherAddress }) }
    this.#samples.push(sample)
    this.#options.onSample?.(sample)
  }
}

/**
 * The server's other address, with the port that was asked and with its other port: what RFC 5780 §4.3 asks next. Undefined where it has none, or none that we would send to.
 */
function otherServers(
  server: SocketAddress,
  { otherAddress }: StunAnswer,
): readonly [SocketAddress, SocketAddress] | undefined {
  if (otherAddress === undefined) return undefined
  const { ip } = otherAddress
  if (ip.length !== server.ip.length || sameBytes(ip, server.ip) || !isDialable(otherAddress)) return undefined
  // Whoever answers must not make us knock at ourselves.
  if (isLoopback(ip) && !isLoopback(server.ip)) return undefined
  const samePort = { ip, port: server.port }
  return sameSocketAddress(samePort, otherAddress) ? undefined : [samePort, otherAddress]
}
