/**
 * Which paths a connection has, and which of them is used (spec/endpoint.md §2.6, §4): relays of the peer as backups, direct addresses when it began on a
 * relay, clocks by kind, one selection rule. QUIC does what it is told here; hole punching will add routes of its own.
 */
import type { Driver, RouteEntry } from '../driver/index.ts'
import { selectPath } from '../holepunch/index.ts'
import type { ConnectionEvent, PathStats, Connection as QuicConnection, Route } from '../quic/index.ts'

/** spec/endpoint.md §4.3: a relay path may be silent for longer, ms. */
const RELAY_IDLE_MS = 30_000
const KEEP_ALIVE_MS = 5_000
/** spec/endpoint.md §11.2: APPLICATION_ABANDON_PATH. */
const ABANDON_REDUNDANT = 0x3e
/** Direct addresses that are tried at once while a relay carries the connection: there are eight path ids. A guess. */
const MAX_DIRECT_TRIES = 3
/** A way that was lost is tried again after this, and then after twice as long each time, ms. Guesses. */
const FIRST_RETRY_MS = 2_000
const LAST_RETRY_MS = 60_000

/** Before the first sample: what QUIC begins with (RFC 9002 §6.2.2). */
const UNKNOWN_RTT_MS = 333

export interface PathWishes {
  /** Ways to the peer through relays, the client's only. */
  readonly relays: readonly Route[]
  /** Its direct addresses, the client's only. */
  readonly direct: readonly Route[]
}

/** What all connections of an endpoint share here. */
export interface PathContext {
  readonly driver: Driver
  readonly now: () => number
  /** What goes through this relay is not answered. */
  readonly onRelaySuspect: (url: string) => void
  /** `retryAt` was set. */
  readonly onPlan: (paths: ConnectionPaths) => void
}

/** Of an incoming connection: only the client opens paths. */
export const NO_WISHES: PathWishes = { relays: [], direct: [] }

export class ConnectionPaths {
  readonly #context: PathContext
  readonly #quic: QuicConnection
  readonly #wishes: PathWishes
  /** Direct routes still to be tried in this turn. */
  #untried: readonly Route[] = []
  #retryMs = FIRST_RETRY_MS
  /** When ways that were lost are tried again, ms; Infinity when nothing is missing. */
  retryAt = Number.POSITIVE_INFINITY
  #isReady = false

  constructor(context: PathContext, quic: QuicConnection, wishes: PathWishes) {
    this.#context = context
    this.#quic = quic
    this.#wishes = wishes
  }

  get isClosed(): boolean {
    return this.#quic.isClosed
  }

  /** Called with the events of the connection that concern paths. */
  onEvent(event: ConnectionEvent): void {
    const now = this.#context.now()
    switch (event.type) {
      case 'confirmed':
        this.#begin(now)
        break
      case 'path-validated':
      case 'path-migrated':
        if (this.#isReady) this.#established(event.path, event.route, now)
        break
      case 'path-abandoned':
        if (this.#isReady) this.#lost(now)
        break
      case 'path-suspect': {
        const url = relayOf(this.#context.driver.routes.entry(event.route))
        if (url !== undefined) this.#context.onRelaySuspect(url)
        break
      }
      case 'paths-available':
        if (this.#isReady) this.#open(now)
        break
      default:
    }
  }

  /** What is missing is opened: `retryAt` has come, or something has changed (`isNews`) and the intervals begin anew. */
  retry(isNews: boolean): void {
    const now = this.#context.now()
    this.retryAt = Number.POSITIVE_INFINITY
    if (isNews) this.#retryMs = FIRST_RETRY_MS
    if (!this.#isReady || this.#quic.isClosed) return
    this.#untried = this.#wishes.direct
    this.#open(now)
    this.#plan(now)
    this.#context.driver.touch(this.#quic)
  }

  /** Whether a relay of this URL is one of the wishes. */
  wants(url: string): boolean {
    return this.#wishes.relays.some((route) => relayOf(this.#context.driver.routes.entry(route)) === url)
  }

  get #canOpen(): boolean {
    return this.#quic.role === 'client' && this.#quic.isMultipath && !this.#quic.isClosed
  }

  #begin(now: number): void {
    this.#isReady = true
    if (!this.#quic.isMultipath) return
    const [first] = this.#quic.paths()
    if (first !== undefined) this.#setClocks(first.id, first.route, now)
    this.#untried = this.#wishes.direct
    this.#open(now)
    this.#select(now)
    this.#plan(now)
  }

  #established(path: number, route: Route, now: number): void {
    if (!this.#quic.isMultipath) return
    this.#setClocks(path, route, now)
    if (!this.#isRelay(route)) {
      this.#untried = []
      this.#retryMs = FIRST_RETRY_MS
    }
    this.#select(now)
  }

  /** What was abandoned is not opened again at once: that may be why. */
  #lost(now: number): void {
    this.#select(now)
    this.#openDirect(now)
    this.#plan(now)
  }

  /** Something is missing: look again later, ever more rarely. */
  #plan(now: number): void {
    if (!this.#canOpen || this.retryAt !== Number.POSITIVE_INFINITY || !this.#isIncomplete()) return
    this.retryAt = now + this.#retryMs
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS)
    this.#context.onPlan(this)
  }

  #isIncomplete(): boolean {
    const open = this.#openRoutes()
    if (this.#wishes.relays.some((route) => !open.has(route))) return true
    return this.#wishes.direct.length > 0 && ![...open].some((route) => !this.#isRelay(route))
  }

  #openRoutes(): Set<Route> {
    return new Set(openPaths(this.#quic).map(({ route }) => route))
  }

  #open(now: number): void {
    if (!this.#canOpen) return
    const open = this.#openRoutes()
    for (const route of this.#wishes.relays) {
      // while the relay itself is out of reach there is nobody to ask
      if (open.has(route) || this.#context.driver.routes.entry(route)?.hasRoom === false) continue
      if (this.#quic.openPath(route, 'backup', now) === undefined) return
    }
    this.#openDirect(now)
  }

  #openDirect(now: number): void {
    if (!this.#canOpen) return
    const open = this.#openRoutes()
    let tries = 0
    for (const route of open) if (!this.#isRelay(route)) tries++
    if (openPaths(this.#quic).some(({ route, validated }) => validated && !this.#isRelay(route))) return
    while (tries < MAX_DIRECT_TRIES) {
      const [route, ...rest] = this.#untried
      if (route === undefined) return
      if (!open.has(route)) {
        if (this.#quic.openPath(route, 'backup', now) === undefined) return
        tries++
      }
      this.#untried = rest
    }
  }

  /** Selects among the validated paths, tells QUIC and the peer, and lets go of direct ones that are not needed. */
  #select(now: number): void {
    if (this.#quic.isClosed) return
    const usable = openPaths(this.#quic).filter(({ validated }) => validated)
    const [first] = usable
    if (first === undefined) return
    const current = usable.find(({ status }) => status === 'available') ?? first
    const selected =
      selectPath(
        usable.map((path) => ({
          key: path.id,
          kind: this.#kindOf(path.route),
          rttMs: path.rttMs > 0 ? path.rttMs : UNKNOWN_RTT_MS,
          isCurrent: path === current,
        })),
      ) ?? current.id
    // the new one first: in between there must be one that is available
    this.#quic.setPathStatus(selected, 'available')
    for (const { id } of usable) if (id !== selected) this.#quic.setPathStatus(id, 'backup')
    if (this.#quic.role !== 'client') return
    const isDirect = usable.some(({ id, route }) => id === selected && !this.#isRelay(route))
    if (!isDirect) return
    for (const { id, route } of usable)
      if (id !== selected && !this.#isRelay(route)) this.#quic.abandonPath(id, ABANDON_REDUNDANT, now)
  }

  #setClocks(path: number, route: Route, now: number): void {
    if (this.#isRelay(route)) this.#quic.setPathClocks(path, KEEP_ALIVE_MS, RELAY_IDLE_MS, now)
  }

  #isRelay(route: Route): boolean {
    return this.#context.driver.routes.entry(route)?.kind === 'relay'
  }

  #kindOf(route: Route): 'ipv4' | 'ipv6' | 'relay' {
    const address = this.#context.driver.routes.entry(route)?.address
    if (address === undefined) return 'relay'
    return address.ip.length === 4 ? 'ipv4' : 'ipv6'
  }
}

function openPaths(quic: QuicConnection): PathStats[] {
  return quic.paths().filter(({ state }) => state === 'open')
}

function relayOf(entry: RouteEntry | undefined): string | undefined {
  return entry?.kind === 'relay' ? entry.remote : undefined
}
