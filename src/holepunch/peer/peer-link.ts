/**
 * One connection as hole punching sees it: which paths it has and which it would like to have. It opens and abandons them in QUIC; what is best among several connections to a peer
 * is peer.ts's business (spec/endpoint.md §2.6, §4).
 */
import type { SocketAddress } from '../../bytes/index.ts'
import type { Driver, RouteEntry } from '../../driver/index.ts'
import type { PathStats, Connection as QuicConnection, Route } from '../../quic/index.ts'
import { type PathCandidate, selectPath } from '../selection/select-path.ts'
import type { PeerContext } from './peer-context.ts'

/** spec/endpoint.md §4.3: a relay path may be silent for longer, ms. */
const RELAY_IDLE_MS = 30_000
const KEEP_ALIVE_MS = 5_000
/** spec/endpoint.md §11.2: APPLICATION_ABANDON_PATH. */
const ABANDON_REDUNDANT = 0x3e
/** spec/quic.md §4.1: PATH_UNSTABLE_OR_POOR. */
const ABANDON_DEAD = 0x3e76
/** Direct paths that are opened at the same time: there are eight path ids, and relays need some. A guess. */
const MAX_DIRECT_TRIES = 4
/** A way that was lost is tried again after this, and then after twice as long each time, ms. Guesses. */
const FIRST_RETRY_MS = 2_000
const LAST_RETRY_MS = 60_000
/** Before the first sample: what QUIC begins with (RFC 9002 §6.2.2). */
const UNKNOWN_RTT_MS = 333
/** spec/endpoint.md §3.3: a direct path this fast is not worth looking for a better one, ms. */
const GOOD_ENOUGH_MS = 10
const NEVER = Number.POSITIVE_INFINITY

export interface PathWishes {
  /** Ways to the peer through relays, the client's only. */
  readonly relays: readonly Route[]
  /** Its direct addresses as far as we were told, the client's only. */
  readonly direct: readonly Route[]
}

/** Of an incoming connection: only the client opens paths. */
export const NO_WISHES: PathWishes = { relays: [], direct: [] }

export class PeerLink {
  readonly quic: QuicConnection
  readonly wishes: PathWishes
  readonly #context: PeerContext
  readonly #driver: Driver
  /** Direct routes on which paths are still to be opened, the most wanted first. */
  #untried: Route[] = []
  #retryMs = FIRST_RETRY_MS
  /** When ways that were lost are tried again, ms; Infinity when nothing is missing. */
  retryAt = NEVER
  /** Addresses of ours that the peer was told before the handshake was confirmed. */
  greeting: readonly SocketAddress[] = []
  /** Since when no direct path works, ms; Infinity while one does. */
  relayOnlySince = NEVER

  constructor(quic: QuicConnection, context: PeerContext, wishes: PathWishes) {
    this.quic = quic
    this.wishes = wishes
    this.#context = context
    this.#driver = context.driver
  }

  // what birthday probing asks

  /** The peer's id, 32 bytes. Known once the handshake is complete. */
  get peerId(): Uint8Array {
    return this.quic.peerKey!
  }

  send(payload: Uint8Array): void {
    if (this.quic.isClosed) return
    this.quic.sendMessage(payload)
    this.#driver.touch(this.quic)
  }

  ownPublicV4(): SocketAddress | undefined {
    return this.#context.publicV4()
  }

  /** Where the peer says it is. */
  peerCandidates(): readonly SocketAddress[] {
    return this.quic.role === 'client' ? this.quic.remoteCandidates() : this.quic.reachOuts()
  }

  onRoute(route: Route): void {
    this.reached(route, this.#context.platform.now())
    this.#driver.touch(this.quic)
  }

  /** Can paths be opened from here? */
  get canOpen(): boolean {
    return this.quic.role === 'client' && this.quic.isMultipath && !this.quic.isClosed
  }

  /** Can this connection start punching rounds? */
  get canPunch(): boolean {
    return this.canOpen && this.quic.canTraverse
  }

  get openPaths(): PathStats[] {
    return this.quic.paths().filter(({ state }) => state === 'open')
  }

  get usablePaths(): PathStats[] {
    return this.openPaths.filter(({ validated }) => validated)
  }

  get directPaths(): PathStats[] {
    return this.usablePaths.filter(({ route }) => !this.isRelay(route))
  }

  get isGoodEnough(): boolean {
    return this.directPaths.some(({ rttMs }) => rttMs > 0 && rttMs <= GOOD_ENOUGH_MS)
  }

  isRelay(route: Route): boolean {
    return this.#driver.routes.entry(route)?.kind === 'relay'
  }

  relayUrl(route: Route): string | undefined {
    return relayOf(this.#driver.routes.entry(route))
  }

  /** Whether a relay of this URL is one of the wishes. */
  wants(url: string): boolean {
    return this.wishes.relays.some((route) => this.relayUrl(route) === url)
  }

  /** The handshake is confirmed: paths may be opened from now on. */
  begin(now: number): void {
    if (!this.quic.isMultipath) return
    const [first] = this.quic.paths()
    if (first !== undefined) this.setClocks(first.id, first.route, now)
    this.noteDirect(now)
    // without punching the addresses that we know are all there is
    if (!this.quic.canTraverse) this.#untried = [...this.wishes.direct]
    this.open(now)
    this.#plan(now)
  }

  setClocks(path: number, route: Route, now: number): void {
    if (this.isRelay(route)) this.quic.setPathClocks(path, KEEP_ALIVE_MS, RELAY_IDLE_MS, now)
  }

  /** A path was established or lost: since when is there no direct one? */
  noteDirect(now: number): void {
    if (this.directPaths.length > 0) this.relayOnlySince = NEVER
    else if (this.relayOnlySince === NEVER) this.relayOnlySince = now
  }

  established(path: number, route: Route, now: number): void {
    this.setClocks(path, route, now)
    this.noteDirect(now)
    this.#retryMs = FIRST_RETRY_MS
    if (!this.isRelay(route)) this.#untried = []
  }

  /** What was abandoned is not opened again at once, for that may be why; unless nothing is left: then there are three seconds (spec/quic.md §5.5). */
  lost(now: number): void {
    this.noteDirect(now)
    if (this.openPaths.length === 0) this.open(now)
    else this.openDirect(now)
    this.#plan(now)
  }

  /** The peer was reached on `route`: a path there is opened, now or when there is room for one. */
  reached(route: Route, now: number): void {
    if (!this.canOpen || this.#untried.includes(route) || this.openPaths.some((path) => path.route === route)) return
    this.#untried.push(route)
    this.openDirect(now)
  }

  /** What is missing is opened: `retryAt` has come, or something has changed (`isNews`) and the intervals begin anew. */
  retry(isNews: boolean, now: number): void {
    this.retryAt = NEVER
    if (isNews) this.#retryMs = FIRST_RETRY_MS
    if (this.quic.isClosed) return
    if (!this.quic.canTraverse) this.#untried = [...this.wishes.direct]
    this.open(now)
    this.#plan(now)
  }

  /** Something is missing: look again later, ever more rarely. */
  #plan(now: number): void {
    if (!this.canOpen || this.retryAt !== NEVER || !this.#isIncomplete()) return
    this.retryAt = now + this.#retryMs
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS)
  }

  #isIncomplete(): boolean {
    const open = new Set(this.openPaths.map(({ route }) => route))
    if (this.wishes.relays.some((route) => !open.has(route))) return true
    if (this.quic.canTraverse || this.wishes.direct.length === 0) return false
    return ![...open].some((route) => !this.isRelay(route))
  }

  /** Relay paths that are missing, and direct ones that wait. */
  open(now: number): void {
    if (!this.canOpen) return
    const open = new Set(this.openPaths.map(({ route }) => route))
    for (const route of this.wishes.relays) {
      // while the relay itself is out of reach there is nobody to ask
      if (open.has(route) || this.#driver.routes.entry(route)?.hasRoom === false) continue
      if (this.quic.openPath(route, 'backup', now) === undefined) return
    }
    this.openDirect(now)
  }

  openDirect(now: number): void {
    if (!this.canOpen || this.#untried.length === 0) return
    const direct = this.openPaths.filter(({ route }) => !this.isRelay(route))
    if (!this.quic.canTraverse && direct.some(({ validated }) => validated)) return
    const open = new Set(direct.map(({ route }) => route))
    while (open.size < MAX_DIRECT_TRIES) {
      const [route] = this.#untried
      if (route === undefined) return
      if (!open.has(route)) {
        if (this.quic.openPath(route, 'backup', now) === undefined) return
        open.add(route)
      }
      this.#untried.shift()
    }
  }

  /** Opens a path on a route that another connection to the peer found good. */
  adopt(route: Route, now: number): void {
    if (this.canOpen && !this.openPaths.some((path) => path.route === route)) this.quic.openPath(route, 'backup', now)
  }

  /** What may be selected of this connection. */
  candidates(current: Route | undefined): PathCandidate<Route>[] {
    return this.usablePaths.map(({ route, rttMs, status }) => ({
      key: route,
      kind: this.#kindOf(route),
      rttMs: rttMs > 0 ? rttMs : UNKNOWN_RTT_MS,
      isCurrent: current === undefined ? status === 'available' : route === current,
    }))
  }

  /** Uses the path on `wanted`, or the best there is; tells QUIC and the peer, and lets go of direct paths that are not needed. */
  use(wanted: Route | undefined, now: number): void {
    if (this.quic.isClosed || !this.quic.isMultipath) return
    const usable = this.usablePaths
    const own = usable.find(({ route }) => route === wanted)
    const route = own?.route ?? selectPath(this.candidates(undefined))
    const selected = usable.find((path) => path.route === route)
    if (selected === undefined) return
    // the new one first: in between there must be one that is available
    this.quic.setPathStatus(selected.id, 'available')
    for (const { id } of usable) if (id !== selected.id) this.quic.setPathStatus(id, 'backup')
    if (this.quic.role !== 'client' || this.isRelay(selected.route)) return
    for (const path of usable)
      if (path.id !== selected.id && !this.isRelay(path.route)) this.quic.abandonPath(path.id, ABANDON_REDUNDANT, now)
  }

  /** The path is given up, unless it is the last: whatever is left must do. */
  abandonDead(id: number, now: number): void {
    if (this.openPaths.some((path) => path.id !== id && path.validated)) this.quic.abandonPath(id, ABANDON_DEAD, now)
  }

  /**
   * The network is another one (spec/endpoint.md §5.3). `isMoved`: what the peer sends to direct paths may reach nobody, so they are left where there is a relay. A client then
   * asks whether the same way works from where we are now: on a new path, for an old one may be proved already, though not from here.
   */
  networkChanged(isMoved: boolean, now: number): void {
    if (this.quic.isClosed) return
    for (const { id, route } of isMoved ? this.directPaths : []) {
      this.abandonDead(id, now)
      if (this.openPaths.every((path) => path.id !== id)) this.reached(route, now)
    }
    this.quic.networkChanged(now)
  }

  #kindOf(route: Route): 'ipv4' | 'ipv6' | 'relay' {
    const address = this.#driver.routes.entry(route)?.address
    if (address === undefined) return 'relay'
    return address.ip.length === 4 ? 'ipv4' : 'ipv6'
  }
}

function relayOf(entry: RouteEntry | undefined): string | undefined {
  return entry?.kind === 'relay' ? entry.remote : undefined
}
