/**
 * One net report while it is made: starts the probes, collects what they find, and ends as soon as that is enough. What follows from it (home,
 * schedule) is the reporter's. spec/relay.md §5.7 and §6, spec/endpoint.md §6.2 and §6.3.
 */
import { parseIp, type SocketAddress, sameSocketAddress } from '../../bytes/index.ts'
import type { Driver } from '../../driver/index.ts'
import type { InterfaceAddress, Platform } from '../../platform/index.ts'
import type { TrustedRoots } from '../../quic/index.ts'
import type { RelayConfig } from '../../relay/index.ts'
import { type MappingSample, variesByDestination } from '../stun/classify.ts'
import type { StunProber, StunSample } from '../stun/stun-prober.ts'
import type { Alarms, CancelAlarm } from './alarms.ts'
import { portalWitness, probeCaptivePortal } from './captive-portal.ts'
import { availableFamilies, type Family } from './families.ts'
import { probeHttps } from './https-probe.ts'
import { lookUp } from './look-up.ts'
import { QAD_LIMIT_MS, QadConnection, type QadListener, type QadTarget, qadTarget } from './qad-probe.ts'
import type { LatencyKind, NetReport, RelayLatency } from './report.ts'

/** Relays that are asked over UDP. */
const MAX_QAD_RELAYS = 5
/** More answers over UDP than this are not waited for. */
const SUFFICIENT_QAD = 3
/** When each relay is asked over HTTPS, ms after the start: answers over UDP may make it needless. */
const HTTPS_DELAYS_MS: readonly number[] = [200, 300, 400]
/** Without a home relay nobody can reach us, so the first question goes out at once; the others follow as they do else. */
const HOMELESS_HTTPS_DELAYS_MS: readonly number[] = [0, 100, 200]
/** Of one question. With that of QAD it bounds the report, at 3.4 s: the 5 s and 10 s of the specification need no watch of their own. */
const HTTPS_LIMIT_MS = 3_000
const PORTAL_DELAY_MS = 200
const PORTAL_LIMIT_MS = 2_000

export interface RunOptions {
  readonly platform: Platform
  readonly alarms: Alarms
  readonly driver: Driver | undefined
  readonly roots: TrustedRoots | undefined
  readonly interfaces: readonly InterfaceAddress[]
  /** Each URL once. */
  readonly relays: readonly RelayConfig[]
  readonly stun: StunProber | undefined
  /** `host:port` of servers to ask with it. */
  readonly stunServers: readonly string[]
  readonly home: string | undefined
  readonly isFull: boolean
  /** Also ask over HTTPS. */
  readonly withHttps: boolean
  /** A relay answered after `ms`. */
  readonly onAnswer: (url: string, ms: number) => void
  /**
   * The first relay to answer over this family sees us there, or (later) the same relay somewhere else. It may be the answer that ended the report. Also, with `isStun`, the first STUN
   * server while no relay has answered.
   */
  readonly onAddress: (family: Family, address: SocketAddress, isStun: boolean) => void
  /** Once, last; not after `stop`. */
  readonly onDone: () => void
}

/** One question to one relay that has no answer yet. */
interface Probe {
  readonly url: string
  readonly kind: LatencyKind
}

/** A relay that is asked where our packets come from. */
interface Dialling {
  readonly probe: Probe
  readonly server: SocketAddress
}

interface FamilyState {
  readonly kind: LatencyKind
  /** Probes begun, and those that brought an address. */
  started: number
  observed: number
  /** As the first relay sees us. */
  global: SocketAddress | undefined
  varies: boolean | undefined
  /** As STUN servers see us. */
  readonly stun: StunSample[]
  /** What relays and STUN servers saw, as long as it can be compared. */
  seen: MappingSample[]
  /** The first connection to have answered. */
  kept: QadConnection | undefined
}

export class ReportRun {
  readonly isFull: boolean
  /** Of this report, the least of each kind. */
  readonly latencies: Map<string, RelayLatency>
  /** Relays that were asked in any way. */
  readonly asked: Set<string>
  readonly #options: RunOptions
  readonly #startedAt: number
  readonly #families: Readonly<Record<Family, FamilyState>>
  /** Also those that are still to be sent. */
  readonly #open: Set<Probe>
  readonly #dialling: Map<QadConnection, Dialling>
  /** Those over which STUN servers are asked and may still answer. */
  #stunFamilies: ReadonlySet<Family>
  readonly #answeredHttps: Set<string>
  readonly #cancels: CancelAlarm[]
  /** Aborted when the report ends: name look-ups and HTTP requests. */
  readonly #aborts: AbortController[]
  readonly #portalAbort: AbortController
  #isPortalOpen: boolean
  #captivePortal: boolean | undefined
  #isStarting: boolean
  #isOver: boolean

  constructor(options: RunOptions) {
    this.isFull = options.isFull
    this.latencies = new Map()
    this.asked = new Set()
    this.#options = options
    this.#startedAt = options.platform.now()
    this.#families = { 4: newFamily('qadV4Ms'), 6: newFamily('qadV6Ms') }
    this.#open = new Set()
    this.#dialling = new Map()
    this.#stunFamilies = new Set()
    this.#answeredHttps = new Set()
    this.#cancels = []
    this.#portalAbort = new AbortController()
    this.#aborts = [this.#portalAbort]
    this.#isPortalOpen = false
    this.#captivePortal = undefined
    this.#isStarting = false
    this.#isOver = false
  }

  /** May call `onDone` before it returns: when there is nothing that can be asked. */
  start(): void {
    const { home, withHttps } = this.#options
    this.#isStarting = true
    this.#startQad()
    this.#startStun()
    if (withHttps) {
      const delays = home === undefined ? HOMELESS_HTTPS_DELAYS_MS : HTTPS_DELAYS_MS
      for (const delayMs of delays) this.#scheduleHttps(delayMs)
    }
    if (this.isFull) this.#schedulePortal()
    this.#isStarting = false
    this.#check()
  }

  /** Relays were asked over UDP how they see us, and none has answered. */
  get isUnseen(): boolean {
    const families = [this.#families[4], this.#families[6]]
    return families.some(({ started }) => started > 0) && families.every((state) => globalOf(state) === undefined)
  }

  /** Several relays were asked over IPv4 how they see us, and what one of them said cannot be compared with anything. */
  get isUnsure(): boolean {
    const v4 = this.#families[4]
    return v4.started > 1 && v4.observed === 1 && variesOf(v4) === undefined
  }

  /** Ends it without a result, and closes all connections. */
  stop(): void {
    this.#end()
    for (const family of [4, 6] as const) this.takeKept(family)?.close()
  }

  /** The connection to keep until a later report has a new one: its taker closes it. */
  takeKept(family: Family): QadConnection | undefined {
    const state = this.#families[family]
    const { kept } = state
    state.kept = undefined
    return kept
  }

  /** What is known until now. `previous` is the report before: one relay alone cannot tell whether the mapping varies. */
  report(previous: NetReport | undefined, preferredRelay: string | undefined): NetReport {
    const v4 = this.#families[4]
    const v6 = this.#families[6]
    const globalV4 = globalOf(v4)
    const globalV6 = globalOf(v6)
    const variesV4 = globalV4 === undefined ? undefined : (variesOf(v4) ?? previous?.mappingVariesByDestV4)
    const variesV6 = globalV6 === undefined ? undefined : (variesOf(v6) ?? previous?.mappingVariesByDestV6)
    const stun = [...v4.stun, ...v6.stun]
    return {
      udpV4: globalV4 !== undefined,
      udpV6: globalV6 !== undefined,
      ...(globalV4 === undefined ? {} : { globalV4 }),
      ...(globalV6 === undefined ? {} : { globalV6 }),
      ...(variesV4 === undefined ? {} : { mappingVariesByDestV4: variesV4 }),
      ...(variesV6 === undefined ? {} : { mappingVariesByDestV6: variesV6 }),
      ...(stun.length === 0 ? {} : { stun }),
      relayLatencies: new Map(this.latencies),
      preferredRelay,
      ...(this.#captivePortal === undefined ? {} : { captivePortal: this.#captivePortal }),
      isFull: this.isFull && this.#isOver,
      durationMs: this.#options.platform.now() - this.#startedAt,
    }
  }

  // UDP

  #startQad(): void {
    const { driver, roots, interfaces, relays, home } = this.#options
    if (driver === undefined || roots === undefined) return
    const families = availableFamilies(driver.sockets, interfaces)
    const { signal } = this.#abortable()
    for (const target of qadTargets(relays, home)) {
      const probes = new Map<Family, Probe>()
      for (const family of families) {
        probes.set(family, this.#begin(target.url, this.#families[family].kind))
        this.#families[family].started++
      }
      if (probes.size > 0) void this.#lookUpAndDial(target, probes, driver, roots, signal)
    }
    this.#after(QAD_LIMIT_MS, () => this.#giveUpQad())
  }

  async #lookUpAndDial(
    target: QadTarget,
    probes: ReadonlyMap<Family, Probe>,
    driver: Driver,
    roots: TrustedRoots,
    signal: AbortSignal,
  ): Promise<void> {
    const { platform } = this.#options
    const addresses = await lookUp(platform.web, target.host, signal)
    for (const [family, probe] of probes) {
      // In the meantime the report may have ended, or its patience.
      if (!this.#open.has(probe)) continue
      const address = addresses.get(family)
      const nowUnixSeconds = platform.wallClock() / 1000
      const connection =
        address === undefined
          ? undefined
          : QadConnection.dial({ driver, target, family, address, roots, nowUnixSeconds, listener: this.#listener })
      if (connection === undefined || address === undefined) this.#settle(probe, undefined)
      else this.#dialling.set(connection, { probe, server: { ip: parseIp(address), port: target.port } })
    }
  }

  readonly #listener: QadListener = {
    onObserved: (connection) => this.#onObserved(connection),
    onEnded: (connection) => this.#onEnded(connection),
  }

  #onObserved(connection: QadConnection): void {
    const { family } = connection
    const address = connection.address!
    const state = this.#families[family]
    const dialling = this.#dialling.get(connection)
    if (dialling === undefined) {
      // The one that is kept, again: our address has just changed.
      state.global = address
      state.seen = []
      this.#options.onAddress(family, address, false)
      return
    }
    const { probe, server } = dialling
    this.#dialling.delete(connection)
    state.seen.push({ server, mapped: address })
    state.observed++
    const isFirst = state.global === undefined
    if (isFirst) state.global = address
    else state.varies = state.varies === true || !sameSocketAddress(state.global!, address)
    const { rttMs } = connection
    if (state.kept === undefined) state.kept = connection
    else connection.close()
    // Whoever gets through over UDP is behind no portal.
    this.#closePortal()
    this.#settle(probe, rttMs)
    if (isFirst) this.#options.onAddress(family, address, false)
  }

  #onEnded(connection: QadConnection): void {
    const state = this.#families[connection.family]
    if (state.kept === connection) state.kept = undefined
    const dialling = this.#dialling.get(connection)
    if (dialling === undefined) return
    this.#dialling.delete(connection)
    this.#settle(dialling.probe, undefined)
  }

  #giveUpQad(): void {
    for (const connection of this.#dialling.keys()) connection.close()
    this.#dialling.clear()
    for (const probe of this.#open) if (probe.kind !== 'httpsMs') this.#open.delete(probe)
    this.#check()
  }

  // STUN

  #startStun(): void {
    const { driver, stun, stunServers, interfaces } = this.#options
    if (driver === undefined || stun === undefined || stunServers.length === 0) return
    const families = availableFamilies(driver.sockets, interfaces)
    const { signal } = this.#abortable()
    this.#stunFamilies = families
    const finish = (): void => {
      this.#stunFamilies = new Set()
      this.#check()
    }
    stun.probe(stunServers, signal, { families, onSample: (sample) => this.#onSample(sample) }).then(finish, finish)
    this.#after(QAD_LIMIT_MS, finish)
  }

  #onSample(sample: StunSample): void {
    if (this.#isOver) return
    const state = this.#families[sample.family]
    state.stun.push(sample)
    state.seen.push(sample)
    this.#closePortal()
    if (state.global === undefined && state.stun.length === 1)
      this.#options.onAddress(sample.family, sample.mapped, true)
    this.#check()
  }

  /** Whether more answers of STUN servers would add to what is known. */
  #isStunSettled(): boolean {
    const families = [...this.#stunFamilies].map((family) => this.#families[family])
    if (families.some((state) => globalOf(state) === undefined)) return false
    return families.length === 0 || !this.isFull || families.some((state) => variesOf(state) !== undefined)
  }

  // HTTPS

  /** Asks every relay once, `delayMs` from now. */
  #scheduleHttps(delayMs: number): void {
    const { platform, relays } = this.#options
    const { web } = platform
    if (web === undefined) return
    const probes = relays.map(({ url }) => ({ url, probe: this.#begin(url.href, 'httpsMs') }))
    const ask = (): void => {
      const limit = this.#abortable()
      for (const { url, probe } of probes) {
        probeHttps(platform, web, url, limit.signal, (latencyMs) => {
          if (latencyMs !== undefined) this.#answeredHttps.add(probe.url)
          this.#settle(probe, latencyMs)
        })
      }
      this.#after(HTTPS_LIMIT_MS, () => {
        limit.abort()
        for (const { probe } of probes) this.#open.delete(probe)
        this.#check()
      })
    }
    if (delayMs === 0) ask()
    else this.#after(delayMs, ask)
  }

  // captive portal

  #schedulePortal(): void {
    const { platform, relays } = this.#options
    const { web } = platform
    const host = portalWitness(platform.random, relays)
    if (web === undefined || !web.canSetHeaders || host === undefined) return
    this.#isPortalOpen = true
    this.#after(PORTAL_DELAY_MS, () => {
      if (!this.#isPortalOpen) return
      probeCaptivePortal(web, host, this.#portalAbort.signal, (isCaptive) => {
        this.#captivePortal = isCaptive
        this.#closePortal()
      })
      this.#after(PORTAL_LIMIT_MS, () => this.#closePortal())
    })
  }

  #closePortal(): void {
    if (!this.#isPortalOpen) return
    this.#isPortalOpen = false
    this.#portalAbort.abort()
    this.#check()
  }

  // when it ends

  #begin(url: string, kind: LatencyKind): Probe {
    const probe = { url, kind }
    this.#open.add(probe)
    this.asked.add(url)
    return probe
  }

  #settle(probe: Probe, latencyMs: number | undefined): void {
    if (this.#isOver || !this.#open.delete(probe)) return
    if (latencyMs !== undefined) {
      const known = this.latencies.get(probe.url)
      const least = Math.min(latencyMs, known?.[probe.kind] ?? latencyMs)
      this.latencies.set(probe.url, { ...known, [probe.kind]: least })
      this.#options.onAnswer(probe.url, latencyMs)
    }
    this.#check()
  }

  #check(): void {
    if (this.#isOver || this.#isStarting || !this.#isStunSettled()) return
    if (this.#open.size === 0) {
      // With not a single answer the last word is whether there is a portal.
      if (this.latencies.size > 0 || !this.#isPortalOpen) this.#finish()
    } else if (this.#isQadSettled() && this.#isEnough() && !this.#isHomeOpen()) this.#finish()
  }

  /** Answers over UDP are looked at first: HTTPS does not end the report while they may still come. */
  #isQadSettled(): boolean {
    const families = this.#startedFamilies()
    const open = families.map(({ kind }) => this.#countOpen(kind))
    if (open.every((count) => count === 0)) return true
    const observed = families.reduce((sum, state) => sum + state.observed, 0)
    if (observed < Math.min(SUFFICIENT_QAD, this.#options.relays.length)) return false
    return families.every(({ started }, index) => open[index]! < started)
  }

  #isEnough(): boolean {
    if (this.#answeredHttps.size >= this.#options.relays.length) return true
    // Where all probes have ended without an answer, such as IPv6 among relays that have none, there is nothing to wait for.
    const alive = this.#startedFamilies().filter(({ kind, observed }) => observed > 0 || this.#countOpen(kind) > 0)
    const counts = alive.map(({ observed }) => observed)
    if (counts.length === 0) return false
    const least = Math.min(...counts)
    // A second relay tells whether the mapping varies.
    return this.isFull ? least >= 1 && Math.max(...counts) >= 2 : least >= 1
  }

  /**
   * Incremental reports only: the present home may still answer. It keeps its place against relays that are a little faster only if it does, so
   * they do not end the report before.
   */
  #isHomeOpen(): boolean {
    const { home } = this.#options
    if (this.isFull || home === undefined || this.latencies.has(home)) return false
    for (const { url } of this.#open) if (url === home) return true
    return false
  }

  #startedFamilies(): FamilyState[] {
    return [this.#families[4], this.#families[6]].filter(({ started }) => started > 0)
  }

  #countOpen(kind: LatencyKind): number {
    let count = 0
    for (const probe of this.#open) if (probe.kind === kind) count++
    return count
  }

  #abortable(): AbortController {
    const controller = new AbortController()
    this.#aborts.push(controller)
    return controller
  }

  #after(delayMs: number, callback: () => void): void {
    this.#cancels.push(this.#options.alarms.after(delayMs, callback))
  }

  #finish(): void {
    if (this.#isOver) return
    this.#end()
    this.#options.onDone()
  }

  #end(): void {
    this.#isOver = true
    for (const cancel of this.#cancels) cancel()
    for (const connection of this.#dialling.keys()) connection.close()
    this.#dialling.clear()
    this.#open.clear()
    this.#isPortalOpen = false
    for (const controller of this.#aborts) controller.abort()
  }
}

function newFamily(kind: LatencyKind): FamilyState {
  return { kind, started: 0, observed: 0, global: undefined, varies: undefined, stun: [], seen: [], kept: undefined }
}

function globalOf({ global, stun }: FamilyState): SocketAddress | undefined {
  return global ?? stun[0]?.mapped
}

/** Relays are taken for different whatever their addresses are; of anybody else that must be known. */
function variesOf({ varies, seen }: FamilyState): boolean | undefined {
  return varies === true ? true : (variesByDestination(seen) ?? varies)
}

/** The first relays in URL order that offer it, and the present home: what it takes now decides whether it stays. */
function qadTargets(relays: readonly RelayConfig[], home: string | undefined): QadTarget[] {
  const targets: QadTarget[] = []
  for (const relay of relays) {
    const target = qadTarget(relay)
    if (target !== undefined) targets.push(target)
  }
  const rank = ({ url }: QadTarget): number => (url === home ? 0 : 1)
  targets.sort((left, right) => rank(left) - rank(right) || (left.url < right.url ? -1 : 1))
  return targets.slice(0, MAX_QAD_RELAYS)
}
