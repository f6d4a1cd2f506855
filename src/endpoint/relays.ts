/**
 * The relays of an endpoint: which one is home, whether we are online, and what others may be dialled. Joins the relay client with the driver and the net
 * report (spec/endpoint.md §6.4); the wire is `relay/`'s, measuring is `holepunch/`'s.
 */
import type { SocketAddress } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/index.ts'
import type { Driver, RelayCarrier } from '../driver/index.ts'
import { type NetReport, NetReporter } from '../holepunch/index.ts'
import { RelayUrl, type SecretKey } from '../identity/index.ts'
import type { InterfaceAddress, Platform, Timer } from '../platform/index.ts'
import type { TrustedRoots } from '../quic/index.ts'
import { type RelayConfig, type RelayStatus, RelayTransport } from '../relay/index.ts'
import { EndpointError } from './errors.ts'
import type { StunServers } from './extras.ts'
import { isRelayScheme } from './relay-options.ts'
import { WaitQueue } from './wait.ts'

/** Relays of one peer that are dialled at most: whoever writes a ticket must not make us dial the world. A guess; iroh publishes one. */
const MAX_RELAYS_PER_PEER = 4

/** A home relay that is not connected for so long is replaced if another answers, and then asked for again as often, ms. Guesses. */
const AWAY_MS = 2_000
const STILL_AWAY_MS = 10_000
/** A relay that was away is not chosen again for so long while another is there, ms. As long as latencies are remembered (spec/endpoint.md §6.4). */
const SHUNNED_MS = 300_000

/** Decides whether a relay that an address names, and the application did not configure, may be dialled. */
export type RelayPolicy = (url: RelayUrl) => boolean

export interface RelaysSetup {
  readonly platform: Platform
  readonly crypto: CryptoProvider
  readonly secretKey: SecretKey
  readonly relays: readonly RelayConfig[]
  readonly policy: RelayPolicy
  /** Certificate authorities for address discovery; undefined where there are none. */
  readonly trustedRoots: () => TrustedRoots | undefined
  /** Asked for our address besides relays. */
  readonly stun: StunServers | undefined
  /** A relay can be used (again), or no longer. */
  readonly onChange: (url: string) => void
  /** Home is another relay. */
  readonly onHome: () => void
  /** There is a new net report. */
  readonly onReport: () => void
  readonly onError: (error: unknown) => void
}

export interface HomeRelay {
  readonly url: RelayUrl
  readonly isConnected: boolean
  /** Why the last attempt failed, while it is not connected. */
  readonly error: Error | undefined
}

export class EndpointRelays {
  readonly #setup: RelaysSetup
  readonly #transport: RelayTransport
  #relays: readonly RelayConfig[]
  #driver: Driver | undefined = undefined
  #reporter: NetReporter | undefined = undefined
  #home: string | undefined = undefined
  readonly #news = new WaitQueue()
  readonly #awayTimer: Timer
  #isAway = false
  #shunned: string | undefined = undefined
  #shunnedUntil = 0
  /** Of the last attempt that failed, until one succeeds. */
  #homeError: Error | undefined = undefined

  constructor(setup: RelaysSetup) {
    const { platform, crypto, secretKey, relays } = setup
    this.#setup = setup
    this.#relays = relays
    this.#awayTimer = platform.createTimer(() => this.#onAway())
    this.#transport = new RelayTransport({
      platform,
      crypto,
      secretKey,
      relays,
      handler: {
        onDatagram: (url, peer, datagram) => this.#driver?.receiveRelayed(url, peer, datagram),
        onPeerGone: (url, peer) => this.#driver?.relayPeerGone(url, peer),
        onBlockedChange: (url) => this.#tellDriver(url),
        onStatus: (url, status) => this.#onStatus(url, status),
        onNotice: (url, notice) => setup.onError(relayNotice(url, notice)),
      },
      preferIpv6: () => this.report?.udpV6 === true,
    })
  }

  /** What the driver sends through. */
  get carrier(): RelayCarrier {
    return this.#transport
  }

  /** Begins to look for a home relay. */
  start(driver: Driver): void {
    this.#driver = driver
    if (this.#relays.length > 0 || this.#hasStun) this.#report()
  }

  get #hasStun(): boolean {
    return (this.#setup.stun?.servers.length ?? 0) > 0
  }

  #report(): void {
    const { platform, trustedRoots, stun, onError } = this.#setup
    this.#reporter = new NetReporter({
      platform,
      driver: this.#driver,
      trustedRoots,
      relays: () => this.#eligible,
      stun: stun?.prober,
      stunServers: () => stun?.servers ?? [],
      onReport: () => {
        this.#news.wake()
        this.#setup.onReport()
      },
      onHome: (url) => this.#setHome(url),
      onError,
    })
    this.#reporter.start()
  }

  /** Other relays from now on; a home that is no longer among them is left when another one is found. */
  configure(relays: readonly RelayConfig[]): void {
    this.#relays = relays
    this.#transport.configure(relays)
    this.#shunned = undefined
    if (relays.length === 0) this.#setHome(undefined)
    if (this.#reporter !== undefined) this.#reporter.request('full')
    else if (relays.length > 0) this.#report()
  }

  /** Relays that may become home: all but one that failed us of late, if there are others. */
  get #eligible(): readonly RelayConfig[] {
    if (this.#shunned === undefined || this.#setup.platform.now() >= this.#shunnedUntil) return this.#relays
    const others = this.#relays.filter(({ url }) => url.href !== this.#shunned)
    return others.length > 0 ? others : this.#relays
  }

  get hasRelays(): boolean {
    return this.#relays.length > 0
  }

  get home(): HomeRelay | undefined {
    if (this.#home === undefined) return undefined
    return {
      url: RelayUrl.parse(this.#home),
      isConnected: this.#transport.status(this.#home)?.state === 'connected',
      error: this.#homeError,
    }
  }

  /** What the last probing of the network found. */
  get report(): NetReport | undefined {
    return this.#reporter?.last
  }

  /** Our addresses as relays see them. */
  get observedAddresses(): SocketAddress[] {
    const { globalV4, globalV6 } = this.report ?? {}
    return [globalV4, globalV6].filter((address) => address !== undefined)
  }

  /** Resolves when the home relay is connected. Rejects with the signal's reason, or EndpointError OFFLINE after `timeoutMs`. */
  async online(signal: AbortSignal | undefined, timeoutMs: number): Promise<void> {
    const { platform } = this.#setup
    const end = platform.now() + timeoutMs
    const timer = platform.createTimer(() => this.#news.wake())
    timer.arm(end)
    try {
      for (;;) {
        signal?.throwIfAborted()
        if (this.#driver === undefined)
          throw new EndpointError('ENDPOINT_CLOSED', 'the endpoint is closed; bind a new one')
        if (this.home?.isConnected === true) return
        if (platform.now() >= end) throw this.#offline(timeoutMs)
        await this.#news.wait(signal)
      }
    } finally {
      timer.cancel()
    }
  }

  #offline(timeoutMs: number): EndpointError {
    const { home } = this
    const urls = this.#relays.map(({ url }) => url.href).join(', ')
    const why =
      home === undefined
        ? `none of the relays answered (${urls})`
        : `the relay ${home.url} is not connected${home.error === undefined ? '' : `: ${home.error.message}`}`
    return new EndpointError(
      'OFFLINE',
      `not online after ${timeoutMs} ms: ${why}; check the network and the relay's URL`,
    )
  }

  /** Those of a peer's relays that we dial: configured ones first, others as the policy says, four at most. */
  dialable(urls: readonly RelayUrl[]): RelayUrl[] {
    if (this.#setup.platform.web === undefined) return []
    const isKnown = (url: RelayUrl): boolean => this.#relays.some((relay) => relay.url.equals(url))
    const allowed = urls.filter((url) => isKnown(url) || (isRelayScheme(url) && this.#setup.policy(url)))
    return [...allowed.filter(isKnown), ...allowed.filter((url) => !isKnown(url))].slice(0, MAX_RELAYS_PER_PEER)
  }

  /**
   * The network has changed: connections to relays are checked, and everything is measured anew. `isMoved`: those from interfaces that are no way out any more are made anew at
   * once, for their packets leave by another with a sender that nobody can answer.
   */
  networkChange(isMoved: boolean): void {
    const { platform } = this.#setup
    const routes = isMoved ? platform.defaultRoutes?.() : undefined
    const isWayOut = ({ name, internal }: InterfaceAddress): boolean =>
      routes === undefined || internal || name === routes.v4 || name === routes.v6
    this.#transport.networkChanged(
      platform
        .interfaces()
        .filter(isWayOut)
        .map(({ host }) => host),
    )
    this.#reporter?.request('full')
  }

  /** What goes through a relay is not answered any more: the relay may be gone without a word. */
  check(url: string): void {
    this.#transport.check(url)
  }

  /** Before the driver's sockets are closed. */
  async closeReporter(): Promise<void> {
    await this.#reporter?.close()
  }

  async close(): Promise<void> {
    this.#driver = undefined
    this.#awayTimer.cancel()
    this.#news.wake()
    await this.#transport.close()
  }

  #setHome(url: string | undefined): void {
    if (url === this.#home) return
    this.#home = url
    this.#isAway = false
    this.#homeError = undefined
    this.#awayTimer.cancel()
    this.#transport.setHome(url)
    this.#news.wake()
    this.#setup.onHome()
  }

  /**
   * A home that stays away is replaced before the next regular report, which comes after 20 s and may not even ask (spec/endpoint.md §6.2): peers that look for us there
   * find nobody.
   */
  #watchHome(isConnected: boolean): void {
    if (isConnected) this.#awayTimer.cancel()
    else if (!this.#isAway) this.#awayTimer.arm(this.#setup.platform.now() + AWAY_MS)
    this.#isAway = !isConnected
  }

  /** It may well answer probes and still let nobody in: for a while it is none of those to choose from. */
  #onAway(): void {
    this.#shunned = this.#home
    this.#shunnedUntil = this.#setup.platform.now() + SHUNNED_MS
    this.#reporter?.request('full')
    this.#awayTimer.arm(this.#setup.platform.now() + STILL_AWAY_MS)
  }

  /** What is closed for want of use is not lost: the next datagram dials it. */
  #tellDriver(url: string): void {
    this.#driver?.relayChanged(url, this.#transport.status(url)?.state === 'disconnected')
  }

  #onStatus(url: string, status: RelayStatus): void {
    this.#tellDriver(url)
    this.#news.wake()
    if (status.state !== 'connecting') this.#setup.onChange(url)
    if (url !== this.#home) return
    if (status.state === 'connected') this.#homeError = undefined
    else if (status.state === 'disconnected') this.#homeError = status.error ?? this.#homeError
    this.#watchHome(status.state === 'connected')
  }
}

/** A query may hold a token. */
function relayNotice(url: string, notice: string): EndpointError {
  const { origin, pathname } = new URL(url)
  return new EndpointError('RELAY_NOTICE', `the relay ${origin}${pathname} says: ${notice}`)
}
