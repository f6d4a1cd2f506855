/**
 * Net reports for the life of an endpoint: when they are made, what they say about the home relay, and the two connections over which relays tell
 * of a new address in between. spec/relay.md §5.7, spec/endpoint.md §6.
 */
import { type SocketAddress, sameSocketAddress } from '../../bytes/index.ts'
import type { Driver } from '../../driver/index.ts'
import { type Platform, uniform } from '../../platform/index.ts'
import type { TrustedRoots } from '../../quic/index.ts'
import type { RelayConfig } from '../../relay/index.ts'
import type { StunProber } from '../stun/stun-prober.ts'
import { Alarms, type CancelAlarm } from './alarms.ts'
import type { Family } from './families.ts'
import { chooseHome, RelayMemory } from './home-choice.ts'
import type { QadConnection, QadListener } from './qad-probe.ts'
import type { NetReport } from './report.ts'
import { ReportRun } from './report-run.ts'

/** From the end of a report to the next, ms, drawn anew each time. */
const LEAST_PAUSE_MS = 20_000
const MOST_PAUSE_MS = 26_000
/** After the first report that found no relay at all, ms; each further pause is twice as long. A guess: iroh waits for the regular one. */
const FIRST_VAIN_PAUSE_MS = 1_000
/** An incremental report becomes a full one when the last of those is older, ms. */
const FULL_EVERY_MS = 5 * 60_000

export type ReportKind = 'full' | 'incremental'

export interface NetReporterOptions {
  readonly platform: Platform
  /** Whose sockets are asked about; undefined: no UDP, relays are measured over HTTPS alone. */
  readonly driver: Driver | undefined
  /** For the certificates of relays, asked for in each report; undefined: no address discovery. */
  readonly trustedRoots: () => TrustedRoots | undefined
  /** The relay map, asked for at the start and at the end of each report. Ask for a full report when it has changed. */
  readonly relays: () => readonly RelayConfig[]
  /** Asks STUN servers; the reporter does not close it. Default: none is asked. */
  readonly stun?: StunProber | undefined
  /** `host:port` of the STUN servers, asked for in each report. Default: none. */
  readonly stunServers?: () => readonly string[]
  /**
   * At the end of each report. Also at once when an address is news: with what was known before, and that address. What it calls back (`request`,
   * `close`) is allowed.
   */
  readonly onReport: (report: NetReport) => void
  /**
   * The home relay is another one (`RelayUrl.href`), or there is none any more. Before `onReport`. A first home comes with the first answer of any
   * relay, and long before the end of that report where UDP is blocked.
   */
  readonly onHome: (url: string | undefined) => void
  /** One of these callbacks, or the platform, threw. Relays that do not answer are no errors. */
  readonly onError?: (error: unknown) => void
}

export class NetReporter {
  readonly #options: NetReporterOptions
  readonly #platform: Platform
  readonly #alarms: Alarms
  readonly #memory: RelayMemory
  readonly #kept: Map<Family, QadConnection>
  #isStarted: boolean
  #closing: Promise<void> | undefined
  #run: ReportRun | undefined
  /** Asked for while a report was made. */
  #again: ReportKind | undefined
  #cancelPause: CancelAlarm | undefined
  #home: string | undefined
  /** The home comes from an answer in the report that is made now. */
  #isProvisional: boolean
  #last: NetReport | undefined
  #lastFullAt: number
  /** Reports in a row that found no relay, or none that sees us. */
  #vain: number
  #isUnseen: boolean

  constructor(options: NetReporterOptions) {
    this.#options = options
    this.#platform = options.platform
    this.#alarms = new Alarms(options.platform)
    this.#memory = new RelayMemory()
    this.#kept = new Map()
    this.#isStarted = false
    this.#closing = undefined
    this.#run = undefined
    this.#again = undefined
    this.#cancelPause = undefined
    this.#home = undefined
    this.#isProvisional = false
    this.#last = undefined
    this.#lastFullAt = Number.NEGATIVE_INFINITY
    this.#vain = 0
    this.#isUnseen = false
  }

  /** The newest report, undefined before the first and while there are neither relays nor STUN servers. */
  get last(): NetReport | undefined {
    return this.#last
  }

  /** The home relay (`RelayUrl.href`), provisional or not. */
  get home(): string | undefined {
    return this.#home
  }

  /** Begins the first report at once, and goes on for ever. Once; later calls do nothing. */
  start(): void {
    if (this.#isStarted || this.#closing !== undefined) return
    this.#isStarted = true
    this.#begin('full')
  }

  /**
   * A report now, or right after the one that is made: of several requests that wait one is left, full if any was. Full after a major change of the
   * network or the relay map, incremental after others. Nothing before `start` and after `close`.
   */
  request(kind: ReportKind): void {
    if (!this.#isStarted || this.#closing !== undefined) return
    if (this.#run === undefined) this.#begin(kind)
    else if (this.#again !== 'full') this.#again = kind
  }

  /**
   * Ends all reports. Resolves two turns of the event loop later, when the last words to the relays went out; the driver forgets their connections
   * when it has drained them. Never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#alarms.clear()
    this.#run?.stop()
    this.#run = undefined
    this.#dropKept()
    for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => this.#platform.defer(resolve))
  }

  #begin(wanted: ReportKind): void {
    this.#cancelPause?.()
    const relays = this.#relays()
    const stunServers = this.#stunServers()
    if (relays.length === 0 && stunServers.length === 0) {
      this.#dropKept()
      this.#last = undefined
      this.#setHome(undefined)
      if (this.#run === undefined) this.#pause()
      return
    }
    const isFull = wanted === 'full' || this.#mustBeFull()
    if (isFull) this.#dropKept()
    const urls = relays.map(({ url }) => url.href)
    const isHomeGone = this.#home !== undefined && !urls.includes(this.#home)
    const home = isHomeGone ? this.#memory.best(urls, this.#platform.now()) : this.#home
    this.#isProvisional = false
    const run: ReportRun = new ReportRun({
      platform: this.#platform,
      alarms: this.#alarms,
      driver: this.#options.driver,
      roots: this.#guard(this.#options.trustedRoots),
      interfaces: this.#guard(() => this.#platform.interfaces()) ?? [],
      relays,
      stun: this.#options.stun,
      stunServers,
      home,
      isFull,
      withHttps: isFull || this.#last === undefined || this.#last.relayLatencies.size === 0,
      onAnswer: (url, ms) => this.#onAnswer(url, ms),
      onAddress: (family, address, isStun) => this.#onAddress(family, address, isStun),
      onDone: () => this.#onDone(run),
    })
    this.#run = run
    this.#setHome(home)
    if (this.#run === run) run.start()
  }

  /** First one, too long ago, or a portal that may have let us through by now. */
  #mustBeFull(): boolean {
    const last = this.#last
    if (this.#platform.now() - this.#lastFullAt > FULL_EVERY_MS) return true
    return last?.captivePortal === true && !last.udpV4 && !last.udpV6
  }

  #onAnswer(url: string, ms: number): void {
    this.#memory.record(url, ms, this.#platform.now())
    if (this.#home !== undefined) return
    this.#isProvisional = true
    this.#setHome(url)
  }

  #onDone(run: ReportRun): void {
    const now = this.#platform.now()
    this.#run = undefined
    if (run.isFull) this.#lastFullAt = now
    this.#keepConnections(run)
    this.#memory.prune(now)
    const home = this.#chooseHome(run, now)
    const report = run.report(this.#last, home)
    this.#last = report
    this.#isUnseen = run.isUnseen || (run.isUnsure && report.mappingVariesByDestV4 === undefined)
    this.#setHome(home)
    if (this.#closing === undefined) this.#guard(() => this.#options.onReport(report))
    // A callback may have asked for the next one, or closed.
    if (this.#closing !== undefined || this.#run !== undefined) return
    const again = this.#again
    this.#again = undefined
    if (again === undefined) this.#pause()
    else this.#begin(again)
  }

  #chooseHome(run: ReportRun, now: number): string | undefined {
    // The map may have changed since the start.
    const urls = new Set(this.#relays().map(({ url }) => url.href))
    const latencies = new Map([...run.latencies].filter(([url]) => urls.has(url)))
    const home = this.#home !== undefined && urls.has(this.#home) ? this.#home : undefined
    const wasHomeAsked = home !== undefined && run.asked.has(home)
    // A first home was the first to answer; that it is given up again an instant later must be worth it, too.
    const isSticky = !run.isFull || this.#isProvisional
    return chooseHome({ latencies, memory: this.#memory, home, wasHomeAsked, isSticky, now })
  }

  /** Where no relay answered we are not to be found, and where none sees us, or too few to tell the kind of NAT, punching lacks what it needs: then soon again, and ever less soon. */
  #pause(): void {
    if (this.#closing !== undefined) return
    const regularMs = LEAST_PAUSE_MS + uniform(this.#platform.random) * (MOST_PAUSE_MS - LEAST_PAUSE_MS)
    const isInVain =
      this.#last !== undefined && this.#relays().length > 0 && (this.#home === undefined || this.#isUnseen)
    this.#vain = isInVain ? this.#vain + 1 : 0
    const pauseMs = isInVain ? Math.min(regularMs, FIRST_VAIN_PAUSE_MS * 2 ** (this.#vain - 1)) : regularMs
    this.#cancelPause?.()
    this.#cancelPause = this.#alarms.after(pauseMs, () => this.#begin('incremental'))
  }

  // addresses

  #keepConnections(run: ReportRun): void {
    for (const family of [4, 6] as const) {
      const connection = run.takeKept(family)
      if (connection === undefined) continue
      this.#kept.get(family)?.close()
      connection.listener = this.#keptListener
      this.#kept.set(family, connection)
    }
  }

  #dropKept(): void {
    for (const connection of this.#kept.values()) connection.close()
    this.#kept.clear()
  }

  readonly #keptListener: QadListener = {
    onObserved: (connection) => this.#onAddress(connection.family, connection.address!, false),
    onEnded: (connection) => {
      if (this.#kept.get(connection.family) === connection) this.#kept.delete(connection.family)
    },
  }

  /** Peers should hear of a new address at once, and not after the probes that are still under way. */
  #onAddress(family: Family, address: SocketAddress, isStun: boolean): void {
    const base = this.#last ?? this.#run?.report(undefined, this.#home)
    if (base === undefined || this.#closing !== undefined) return
    const known = this.#last === undefined ? undefined : family === 4 ? base.globalV4 : base.globalV6
    // What a relay sees comes before what a STUN server sees, and is still to come: where they differ, peers would hear both by turns.
    if (known !== undefined && (isStun || sameSocketAddress(known, address))) return
    const news = family === 4 ? { udpV4: true, globalV4: address } : { udpV6: true, globalV6: address }
    const report = { ...base, ...news, preferredRelay: this.#home }
    this.#last = report
    this.#guard(() => this.#options.onReport(report))
  }

  // the owner

  #relays(): readonly RelayConfig[] {
    const relays = this.#guard(this.#options.relays) ?? []
    return [...new Map(relays.map((relay) => [relay.url.href, relay])).values()]
  }

  #stunServers(): readonly string[] {
    if (this.#options.stun === undefined) return []
    return this.#guard(() => this.#options.stunServers?.()) ?? []
  }

  #setHome(url: string | undefined): void {
    if (url === this.#home || this.#closing !== undefined) return
    this.#home = url
    this.#guard(() => this.#options.onHome(url))
  }

  /** Calls what is not ours. */
  #guard<T>(call: () => T): T | undefined {
    try {
      return call()
    } catch (error) {
      this.#options.onError?.(error)
      return undefined
    }
  }
}
