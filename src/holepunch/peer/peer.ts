/**
 * Everything about reaching one other endpoint, over all connections to it: punching rounds, the path that is used, what happens when it dies (spec/endpoint.md §3, §4). QUIC does what it is
 * told here, and tells what it sees.
 */
import { formatIp, formatSocketAddress, type SocketAddress } from '../../bytes/index.ts'
import { type ConnectionEvent, type Route, TomCapability } from '../../quic/index.ts'
import { isProbeable } from '../candidates/interface-addresses.ts'
import { selectPath } from '../selection/select-path.ts'
import type { PeerContext } from './peer-context.ts'
import type { PeerLink } from './peer-link.ts'
import { RoundGate } from './round-gate.ts'

/** So often everything is looked at again: a better path, another choice after RTTs have drifted, ms (spec/endpoint.md §3.3). */
const UPGRADE_MS = 60_000
/** A direct path with traffic is dead after this much silence, or three PTOs, ms: with a packet every 100 ms it is left within 1.5 s. */
const DEAD_AFTER_MS = 1_400
/** After so long without a direct path more is tried than iroh would, ms: most pairs of NATs need two round trips. */
const BIRTHDAY_AFTER_MS = 1_500
/** Asked again so often, ms, and after half a minute so often: what kind of NAT we have may not be known yet. Attempts have pauses of their own. */
const BIRTHDAY_AGAIN_MS = 500
const BIRTHDAY_EARLY_MS = 30_000
const BIRTHDAY_LATE_MS = 10_000
const NEVER = Number.POSITIVE_INFINITY

export class Peer {
  /** Confirmed connections, the oldest first. */
  readonly links: PeerLink[] = []
  /** When `tick` has something to do, ms. */
  nextAt = NEVER
  /** Since when there is no connection, ms; Infinity while there is one. */
  idleSince = NEVER
  readonly id: Uint8Array
  readonly #context: PeerContext
  readonly #gate = new RoundGate()
  #selected: Route | undefined = undefined
  #roundAt = NEVER
  #upgradeAt = NEVER
  #birthdayAt = NEVER

  constructor(id: Uint8Array, context: PeerContext) {
    this.id = id
    this.#context = context
  }

  /** Where a path to the peer works now. */
  get selected(): Route | undefined {
    return this.#selected
  }

  /** The handshake of a connection to the peer is confirmed. */
  add(link: PeerLink, now: number): void {
    this.links.push(link)
    this.idleSince = NEVER
    const { quic } = link
    if ((quic.peerCapabilities & TomCapability.Failover) !== 0) quic.watchPaths(DEAD_AFTER_MS)
    link.begin(now)
    if (quic.canTraverse && quic.role === 'server') this.#advertise(link)
    this.#upgradeAt = now + UPGRADE_MS
    this.#select(now)
    // it was a round already, unless there is somewhere to ask
    if (link.greeting.length > 0 && link.wishes.direct.length === 0)
      this.#gate.begin(now, link.greeting.map(formatSocketAddress))
    this.#consider(now)
  }

  remove(link: PeerLink, now: number): void {
    const index = this.links.indexOf(link)
    if (index < 0) return
    this.links.splice(index, 1)
    this.#context.birthday?.stop(link)
    if (this.links.length === 0) {
      this.#selected = undefined
      this.idleSince = now
      this.nextAt = NEVER
      return
    }
    this.#select(now)
    this.#consider(now)
  }

  onEvent(link: PeerLink, event: ConnectionEvent, now: number): void {
    switch (event.type) {
      case 'path-validated':
      case 'path-migrated':
        link.established(event.path, event.route, now)
        if (!link.isRelay(event.route)) this.#context.birthday?.stop(link)
        this.#select(now)
        break
      case 'path-abandoned':
        this.#onLost(link, event.route, now)
        break
      case 'path-dead':
      case 'path-suspect': {
        const url = link.relayUrl(event.route)
        // a relay says of itself whether it is there
        if (url !== undefined) this.#context.onRelaySuspect(url)
        else if (event.type === 'path-dead') link.abandonDead(event.path, now)
        return
      }
      case 'paths-available':
        link.open(now)
        break
      case 'remote-candidates':
        break
      case 'probe-answered':
        link.reached(event.route, now)
        break
      case 'reach-out':
        this.#probeBack(link, now)
        return
      case 'message':
        this.#context.birthday?.onMessage(link, event.payload)
        return
      default:
        return
    }
    this.#consider(now)
  }

  /** Our own addresses are other ones. */
  candidatesChanged(now: number): void {
    for (const link of this.links) if (link.quic.canTraverse && link.quic.role === 'server') this.#advertise(link)
    this.#consider(now)
  }

  /** As `PeerLink.networkChanged`, and all that is known about punching may be wrong now. */
  networkChanged(isMoved: boolean, now: number): void {
    this.#gate.reset()
    for (const link of [...this.links]) {
      link.networkChanged(isMoved, now)
      this.#context.driver.touch(link.quic)
    }
    this.#select(now)
    this.#consider(now)
  }

  /** A relay is connected (again), or was lost: who wants a path there looks at once at what there is. */
  relayChanged(url: string, now: number): void {
    for (const link of this.links) if (link.wants(url)) this.#retry(link, true, now)
    this.#consider(now)
  }

  tick(now: number): void {
    for (const link of [...this.links]) if (link.retryAt <= now) this.#retry(link, false, now)
    if (this.#upgradeAt <= now) {
      this.#upgradeAt = now + UPGRADE_MS
      this.#select(now)
    }
    this.#consider(now)
  }

  #retry(link: PeerLink, isNews: boolean, now: number): void {
    link.retry(isNews, now)
    this.#context.driver.touch(link.quic)
  }

  #onLost(link: PeerLink, route: Route, now: number): void {
    const wasDirect = !link.isRelay(route) && link.directPaths.length === 0
    link.lost(now)
    if (route === this.#selected) this.#selected = undefined
    this.#select(now)
    // what was open a moment ago may open again at once: iroh waits for its next tick
    if (!wasDirect) return
    this.#gate.reset()
    // an iroh client looks again when it hears of an address, and else within a minute; ours looks anyway
    const { quic } = link
    if (quic.role === 'client' || !quic.canTraverse || (quic.peerCapabilities & TomCapability.Failover) !== 0) return
    quic.setLocalCandidates([])
    this.#advertise(link)
  }

  // rounds

  /** Everything that may be due is looked at, and the next time to look is set. */
  #consider(now: number): void {
    const link = this.links.find(({ canPunch }) => canPunch)
    this.#roundAt = link === undefined ? NEVER : this.#considerRound(link, now)
    this.#considerBirthday(now)
    let next = Math.min(this.#roundAt, this.#birthdayAt, this.links.length > 0 ? this.#upgradeAt : NEVER)
    for (const { retryAt } of this.links) next = Math.min(next, retryAt)
    this.nextAt = next
    if (next !== NEVER) this.#context.plan(this)
  }

  /** Begins a round if one is due. When the next may be. */
  #considerRound(link: PeerLink, now: number): number {
    const isDirect = this.links.every(({ directPaths }) => directPaths.length > 0)
    const local = this.#context.localCandidates()
    const remote = link.quic.remoteCandidates()
    const addresses = [
      ...local.map(formatSocketAddress),
      ...remote.map((address) => `r${formatSocketAddress(address)}`),
    ]
    // a fast path may become slow: then it is worth another look, when the time for that comes
    const isEnough = isDirect && this.links.every(({ isGoodEnough }) => isGoodEnough)
    if (isEnough && !this.#gate.hasNews(addresses)) return this.#upgradeAt
    const at = this.#gate.next(now, addresses, isDirect)
    if (at > now) return at
    const told = this.links.flatMap(({ wishes }) => wishes.direct)
    const targets = this.#targets(link, remote, told)
    // nothing to tell and nowhere to ask: the first address, theirs or ours, comes as an event
    if (local.length === 0 && targets.length === 0) return NEVER
    this.#gate.begin(now, addresses)
    link.quic.startRound(local, now)
    for (const route of targets) link.quic.probe(route, now)
    this.#context.driver.touch(link.quic)
    return this.#gate.next(now, addresses, isDirect)
  }

  /** Server: the client says where it is, and has begun to probe us. */
  #probeBack(link: PeerLink, now: number): void {
    for (const route of this.#targets(link, link.quic.reachOuts(), [])) link.quic.probe(route, now)
  }

  /** Where the peer may be: what it has `named`, as far as that may be probed, and what we were `told` when it was dialled. Not where a path works already. */
  #targets(link: PeerLink, named: readonly SocketAddress[], told: readonly Route[]): Route[] {
    const { driver } = this.#context
    const own = this.#context.ownAddresses()
    const allowLoopback = this.#context.allowLoopback()
    const routes = new Set<Route>()
    for (const address of named) {
      const route = isProbeable(address, own, allowLoopback)
        ? driver.route(formatIp(address.ip), address.port)
        : undefined
      if (route !== undefined) routes.add(route)
    }
    for (const route of told) routes.add(route)
    for (const { route } of link.usablePaths) routes.delete(route)
    return [...routes]
  }

  #advertise(link: PeerLink): void {
    link.quic.setLocalCandidates(this.#context.localCandidates())
    this.#context.driver.touch(link.quic)
  }

  // selection

  /** One path for all connections to the peer, where they have it (spec/endpoint.md §4.2). */
  #select(now: number): void {
    const chosen = selectPath(this.links.flatMap((link) => link.candidates(this.#selected)))
    this.#selected = chosen
    for (const link of [...this.links]) {
      if (chosen !== undefined && !link.isRelay(chosen)) link.adopt(chosen, now)
      link.use(chosen, now)
      link.noteDirect(now)
      this.#context.driver.touch(link.quic)
    }
  }

  // what iroh does not try

  #considerBirthday(now: number): void {
    const { birthday } = this.#context
    this.#birthdayAt = NEVER
    if (birthday === undefined) return
    for (const link of this.links) {
      const { quic, relayOnlySince } = link
      if (relayOnlySince === NEVER || quic.isClosed || !quic.canTraverse) continue
      if ((quic.peerCapabilities & TomCapability.Birthday) === 0) continue
      if (now >= relayOnlySince + BIRTHDAY_AFTER_MS) {
        birthday.begin(link)
        const pauseMs = now < relayOnlySince + BIRTHDAY_EARLY_MS ? BIRTHDAY_AGAIN_MS : BIRTHDAY_LATE_MS
        this.#birthdayAt = Math.min(this.#birthdayAt, now + pauseMs)
      } else this.#birthdayAt = Math.min(this.#birthdayAt, relayOnlySince + BIRTHDAY_AFTER_MS)
    }
  }
}
