/**
 * `Endpoint`: one identity on the network. Binds sockets, dials, accepts, knows its own addresses, closes. It joins the driver with the
 * application; QUIC, relays and paths have rooms of their own.
 */
import { formatHostPort, formatSocketAddress, sameBytes } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/index.ts'
import { type AddressLookup, AddressLookups } from '../discovery/index.ts'
import { Driver } from '../driver/index.ts'
import { type NetReport, type NetworkChange, NO_WISHES, type OwnCandidate, Peers } from '../holepunch/index.ts'
import {
  addrOf,
  EndpointAddr,
  type EndpointId,
  EndpointTicket,
  ipAddr,
  relayAddr,
  SecretKey,
} from '../identity/index.ts'
import type { Platform } from '../platform/index.ts'
import { Engine, type Incoming as QuicIncoming, type QuicSettings, TomCapability } from '../quic/index.ts'
import { type Alpn, alpnBytes } from './alpn.ts'
import { Connection } from './connection.ts'
import { dialRoutes } from './dial-routes.ts'
import { ConnectError, EndpointError } from './errors.ts'
import { Extras } from './extras.ts'
import { Incoming } from './incoming.ts'
import type { ConnectOptions, ConnectTarget, EndpointOptions, OnlineOptions } from './options.ts'
import { Reachability } from './reachability.ts'
import { type RelayList, relayConfigs } from './relay-options.ts'
import { EndpointRelays, type HomeRelay } from './relays.ts'
import { Router } from './router.ts'
import { EndpointSockets } from './sockets.ts'
import { TargetCache } from './target-cache.ts'
import { Settled, type WaitOptions, WaitQueue, withSignal } from './wait.ts'

/** Incoming connections that nobody decided about: more are refused. A guess. */
const MAX_UNDECIDED = 1024
/** After this the dialling side has given up, ms. */
const UNDECIDED_MS = 30_000
/** `close` waits so long for its CONNECTION_CLOSE to be delivered, ms (iroh). */
const CLOSE_TIMEOUT_MS = 3_000
/** As a dial. A guess: iroh waits for ever. */
const ONLINE_TIMEOUT_MS = 30_000

interface Undecided {
  readonly incoming: Incoming
  readonly since: number
}

export class Endpoint {
  readonly secretKey: SecretKey
  /** The world this endpoint runs in, for what is built on it: its clock, timers and randomness. */
  readonly platform: Platform
  /** What it signs and encrypts with, likewise. */
  readonly crypto: CryptoProvider
  readonly #driver: Driver
  readonly #relays: EndpointRelays
  readonly #sockets: EndpointSockets
  readonly #reachability: Reachability
  readonly #extras: Extras
  readonly #peers: Peers
  readonly #onError: (error: unknown) => void
  #alpns: readonly Uint8Array[]
  #routerAlpns: readonly Uint8Array[] = []
  readonly #targets = new TargetCache()
  readonly #lookups = new AddressLookups()
  readonly #connections = new Set<Connection>()
  readonly #undecided: Undecided[] = []
  /** For those who call `accept`: connections whose handshake is complete. */
  readonly #accepted: Connection[] = []
  readonly #newcomer = new WaitQueue()
  readonly #acceptedNews = new WaitQueue()
  readonly #drained = new WaitQueue()
  readonly #addrNews = new WaitQueue()
  #router: Router | undefined = undefined
  #closing: Promise<void> | undefined = undefined
  readonly #closedSettled = new Settled<void>()

  /**
   * Opens the sockets. Rejects with EndpointError BIND_FAILED (address in use, or not one of ours) or INVALID_OPTION. Relays are looked for meanwhile:
   * `online` waits for them.
   */
  static async bind(options: EndpointOptions): Promise<Endpoint> {
    return Endpoint.open(new Endpoint(options))
  }

  /** For the classes that fill in a runtime: binds what was made. */
  protected static async open<T extends Endpoint>(endpoint: T): Promise<T> {
    try {
      await endpoint.#sockets.bind(endpoint.#driver)
      endpoint.#reachability.start(endpoint.#driver)
      endpoint.#relays.start(endpoint.#driver)
    } catch (error) {
      await endpoint.#driver.close()
      throw error
    }
    return endpoint
  }

  /** Use `Endpoint.bind`. */
  protected constructor(options: EndpointOptions) {
    const { platform, crypto, trustedRoots } = options.runtime
    this.platform = platform
    this.crypto = crypto
    this.secretKey = options.secretKey ?? SecretKey.generate(platform.random)
    const signer = crypto.signer(this.secretKey.toBytes())
    this.secretKey.adoptPublicKey(signer.publicKey)
    signer.free()
    this.#onError = options.onError ?? ((error) => console.error('tom-transport:', error))
    this.#alpns = checkAlpns(options.alpns ?? [])
    const { settings, keyLog, trace, birthday = true } = options
    this.#sockets = new EndpointSockets(platform, options.bind)
    const onError = (error: unknown): void => this.#reportError(error)
    this.#extras = new Extras({
      platform,
      secretKey: this.secretKey,
      driver: () => this.#driver,
      stunServers: options.stunServers ?? [],
      birthday,
      disco: options.disco ?? false,
      ownAddresses: () => this.#reachability.candidates.map(({ address }) => address),
      isHard: () => this.#relays.report?.mappingVariesByDestV4,
    })
    this.#relays = new EndpointRelays({
      platform,
      crypto,
      secretKey: this.secretKey,
      relays: relayConfigs(options.relays ?? []),
      policy: options.relayPolicy ?? (() => true),
      trustedRoots: trustedRoots ?? (() => undefined),
      stun: this.#extras.stun,
      onChange: (url) => this.#peers.relayChanged(url),
      onHome: () => this.#addrNews.wake(),
      onReport: () => this.#reachability.reported(),
      onError,
    })
    this.#driver = new Driver({
      platform,
      relays: this.#relays.carrier,
      slots: { allocate: (length) => crypto.packetMemory(length) },
      createEngine: (slots, routes) =>
        new Engine({
          crypto,
          random: platform.random,
          slots,
          routes,
          secretKey: this.secretKey.toBytes(),
          server: { alpns: () => [...this.#routerAlpns, ...this.#alpns] },
          settings: { tomCapabilities: TomCapability.Failover | (birthday ? TomCapability.Birthday : 0), ...settings },
          ...(keyLog === undefined ? {} : { keyLog }),
          ...(trace === undefined ? {} : { trace }),
        }),
      onIncoming: (incoming) => this.#onIncoming(incoming),
      onForeign: (packet) => this.#extras.onForeign(packet),
      onSocketError: (socket, error) => {
        this.#sockets.lost(socket)
        onError(error)
      },
      onFault: onError,
    })
    this.#reachability = new Reachability({
      platform,
      report: () => this.#relays.report,
      configuredPortV4: () => this.#sockets.configuredPortV4,
      external: options.externalAddresses ?? [],
      portMapping: options.portMapping ?? false,
      monitor: options.networkMonitor ?? true,
      onCandidates: () => {
        this.#peers.candidatesChanged()
        this.#addrNews.wake()
      },
      onNetworkChange: (change, isMoved) => this.#onNetworkChange(change, isMoved),
      onError,
    })
    this.#peers = new Peers({
      platform,
      driver: this.#driver,
      localCandidates: () => this.#reachability.candidates.map(({ address }) => address),
      ownAddresses: () => this.#reachability.own,
      allowLoopback: () => this.#sockets.isLoopbackOnly,
      publicV4: () => this.#reachability.publicV4,
      onRelaySuspect: (url) => this.#relays.check(url),
      birthday: this.#extras.birthday,
    })
  }

  get id(): EndpointId {
    return this.secretKey.id
  }

  /** `ip:port` of each socket. */
  boundAddresses(): string[] {
    return this.#driver.sockets.map(({ host, port }) => formatHostPort(host, port))
  }

  /** Our id, our home relay, and the direct addresses that are known now: those of our interfaces, and what relays see of us. */
  addr(): EndpointAddr {
    const { home } = this.#relays
    return new EndpointAddr(this.id, [
      ...(home === undefined ? [] : [relayAddr(home.url)]),
      ...this.#candidates.map(({ address }) => ipAddr(address)),
    ])
  }

  /** `addr()` each time it has become another one since this call; ends with the endpoint. Who reads too slowly gets the newest. */
  addrChanges({ signal }: WaitOptions = {}): AsyncIterableIterator<EndpointAddr> {
    return this.#readAddrChanges(this.addr(), signal)
  }

  async *#readAddrChanges(
    known: EndpointAddr,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<EndpointAddr, void, undefined> {
    let told = known
    while (!this.isClosed) {
      const addr = this.addr()
      if (addr.equals(told)) await this.#addrNews.wait(signal)
      else {
        told = addr
        yield addr
      }
    }
  }

  /** What is asked for addresses of the peers that are dialled, besides the target itself. */
  addAddressLookup(lookup: AddressLookup): void {
    this.#lookups.add(lookup)
  }

  removeAddressLookup(lookup: AddressLookup): void {
    this.#lookups.remove(lookup)
  }

  /** What peers are told; looked at anew, for interfaces may have changed a moment ago. */
  get #candidates(): readonly OwnCandidate[] {
    this.#reachability.refresh()
    return this.#reachability.candidates
  }

  /** `addr()` as one word to hand to a peer. */
  ticket(): EndpointTicket {
    return new EndpointTicket(this.addr())
  }

  /**
   * Resolves when a home relay is connected, from where on peers that know only our id and relay reach us; at once where no relays are configured. Throws
   * EndpointError OFFLINE after `timeoutMs` (default 30 s), with the reason. The relays are tried on all the same.
   */
  async online({ signal, timeoutMs = ONLINE_TIMEOUT_MS }: OnlineOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    this.#mustBeOpen()
    if (this.#relays.hasRelays) await this.#relays.online(signal, timeoutMs)
  }

  /** The relay where peers find us; undefined before the first answered, and where none is configured. */
  get homeRelay(): HomeRelay | undefined {
    return this.#relays.home
  }

  /** What the last probing of the network found: addresses of ours, latencies of relays. Undefined before the first, and without relays. */
  get netReport(): NetReport | undefined {
    return this.#relays.report
  }

  /** Replaces the relays of `relays`. Connections keep the relays they use. Throws EndpointError INVALID_OPTION. */
  setRelays(relays: RelayList): void {
    this.#mustBeOpen()
    this.#relays.configure(relayConfigs(relays))
  }

  /**
   * A hint that the network is another one now, for systems where that cannot be seen: relays are checked, everything is measured anew, and peers are asked whether they still hear us.
   */
  networkChange(): void {
    if (!this.isClosed)
      this.#reachability.networkChanged({ isMajor: true, isUsable: true, reason: 'the application said so' })
  }

  /** Tells peers `address`, `ip:port`, as one of ours. Throws EndpointError INVALID_OPTION. */
  addExternalAddress(address: string): void {
    this.#mustBeOpen()
    this.#reachability.addExternal(address)
  }

  /** Takes back what `externalAddresses` or `addExternalAddress` said. Throws EndpointError INVALID_OPTION. */
  removeExternalAddress(address: string): void {
    this.#mustBeOpen()
    this.#reachability.removeExternal(address)
  }

  /** Replaces the protocols of `alpns`, for connections that come from now on; the router's handlers keep theirs. */
  setAlpns(alpns: readonly Alpn[]): void {
    this.#alpns = checkAlpns(alpns)
  }

  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  /** Resolves once the endpoint is closed; never rejects. */
  get closed(): Promise<void> {
    return this.#closedSettled.promise
  }

  /**
   * Dials a peer: all its addresses and relays at once, the first that answers with its key wins. Resolves when the handshake is complete on this side; a peer that then
   * refuses our key closes the connection a round trip later. Where `additionalAlpns` are offered too, the peer chooses (`connection.alpn`). Throws ConnectError; its CONNECT_TIMEOUT comes after `timeoutMs` (default 30 s) and names
   * every address. When the signal is aborted, rejects with its reason.
   */
  async connect(target: ConnectTarget, alpn: Alpn, options: ConnectOptions = {}): Promise<Connection> {
    const { signal, timeoutMs, settings, additionalAlpns = [] } = options
    signal?.throwIfAborted()
    this.#mustBeOpen()
    if (timeoutMs !== undefined && !(timeoutMs > 0)) {
      throw new EndpointError('INVALID_OPTION', 'timeoutMs is a number of milliseconds above 0')
    }
    const asked = this.#toAddr(target)
    const peer = asked.id
    if (peer.equals(this.id)) {
      throw new ConnectError('SELF_DIAL', 'this is our own id; dial another endpoint', peer)
    }
    const alpns = [alpn, ...additionalAlpns].map(alpnBytes)
    if (!alpns.every((name) => name !== undefined)) {
      throw new ConnectError(
        'INVALID_ALPN',
        'an ALPN has 1 to 255 bytes; pass the protocol that the peer accepts',
        peer,
      )
    }
    const known = this.#lookups.resolve(asked, signal)
    const addr = known instanceof Promise ? await withSignal(known, signal) : known
    this.#mustBeOpen()
    const { direct, relays, tried } = dialRoutes(addr, {
      driver: this.#driver,
      relays: this.#relays,
      isOwn: (text) => this.#reachability.local.some((own) => formatSocketAddress(own) === text),
      known: this.#peers.selectedRoute(peer.toBytes()),
    })
    const release = this.#extras.hold(peer.toBytes(), addr.ipAddrs)
    const connection = this.#add(
      new Connection({
        driver: this.#driver,
        dialled: peer,
        tried,
        watch: (quic) => this.#peers.watch(quic, { direct, relays }),
        start: (handler) =>
          this.#driver.connect(
            {
              peer: peer.toBytes(),
              alpns,
              routes: [...direct, ...relays],
              ...dialSettings(timeoutMs, settings),
            },
            handler,
          ),
        onDrained: this.#onDrained,
      }),
    )
    if (release !== undefined) connection.closed.then(release)
    try {
      await withSignal(connection.established, signal)
    } catch (error) {
      connection.close(0, '')
      throw error
    }
    return connection
  }

  /** The next connection whose handshake is complete; failed handshakes are skipped. Undefined once the endpoint is closed. Not with a router. */
  async accept({ signal }: WaitOptions = {}): Promise<Connection | undefined> {
    for (;;) {
      signal?.throwIfAborted()
      const connection = this.#accepted.shift()
      if (connection !== undefined) return connection
      if (this.isClosed) return undefined
      for (const { incoming } of this.#undecided.splice(0)) this.#handshake(incoming)
      await this.#acceptedNews.wait(signal)
    }
  }

  /** Those who dial us, to decide about each; ends when the endpoint is closed. Undecided ones are dropped after 30 s. Not with a router. */
  async *incoming({ signal }: WaitOptions = {}): AsyncGenerator<Incoming, void, undefined> {
    for (;;) {
      signal?.throwIfAborted()
      if (this.isClosed) return
      const next = this.#undecided.shift()
      if (next === undefined) await this.#newcomer.wait(signal)
      else if (next.incoming.isPending) yield next.incoming
    }
  }

  /** The router of this endpoint, which from the first call on gets all incoming connections. */
  router(): Router {
    if (this.#router === undefined) {
      this.#mustBeOpen()
      this.#router = new Router({
        setRouterAlpns: (alpns) => {
          this.#routerAlpns = alpns
        },
        reportError: (error) => this.#reportError(error),
        close: () => this.close(),
      })
      for (const { incoming } of this.#undecided.splice(0)) this.#router.onIncoming(incoming)
    }
    return this.#router
  }

  /**
   * Closes every connection with code 0, waits until the peers should have heard of it (at most 3 s), and closes the sockets. What was not
   * delivered is lost. Never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Counters of datagrams over all connections. */
  stats(): Driver['stats'] {
    return { ...this.#driver.stats }
  }

  async #close(): Promise<void> {
    this.#router?.stop()
    this.#sockets.close()
    await Promise.all([this.#relays.closeReporter(), this.#reachability.close()])
    for (const { incoming } of this.#undecided.splice(0)) if (incoming.isPending) incoming.refuse()
    for (const connection of [...this.#connections]) {
      // Those that ended already have nothing to tell, and half-open ones hardly anybody to tell it to: no need to wait for them.
      const isWorthWaiting = connection.isEstablished && connection.closeReason === undefined
      connection.close(0, '')
      if (!isWorthWaiting) this.#connections.delete(connection)
    }
    this.#newcomer.wake()
    this.#acceptedNews.wake()
    this.#addrNews.wake()
    const timeout = new AbortController()
    const timer = this.platform.createTimer(() => timeout.abort())
    timer.arm(this.platform.now() + CLOSE_TIMEOUT_MS)
    try {
      // The coming round sends what was said just now.
      await new Promise<void>((resolve) => this.platform.defer(resolve))
      while (this.#connections.size > 0) await this.#drained.wait(timeout.signal)
    } catch {
      // Time is up: the peers learn it from their idle timeouts.
    }
    timer.cancel()
    this.#peers.close()
    await this.#extras.close()
    await this.#relays.close()
    await this.#driver.close()
    this.#connections.clear()
    this.#closedSettled.resolve()
  }

  #toAddr(target: ConnectTarget): EndpointAddr {
    return typeof target === 'string' ? this.#targets.parse(target) : addrOf(target)
  }

  #add(connection: Connection): Connection {
    this.#connections.add(connection)
    return connection
  }

  readonly #onDrained = (connection: Connection): void => {
    this.#connections.delete(connection)
    this.#drained.wake()
  }

  #onNetworkChange(change: NetworkChange, isMoved: boolean): void {
    if (this.isClosed) return
    if (change.isMajor) {
      this.#relays.networkChange(isMoved)
      this.#extras.networkChanged()
    }
    this.#peers.networkChanged(isMoved)
    this.#sockets.rebind().then((isNew) => {
      if (isNew) this.#reachability.refresh()
    })
  }

  #onIncoming(quic: QuicIncoming): void {
    if (this.isClosed) {
      this.#driver.refuse(quic)
      return
    }
    const incoming = new Incoming(this.#driver, quic, (accepted) => this.#acceptQuic(accepted))
    if (this.#router !== undefined) this.#router.onIncoming(incoming)
    else if (this.#acceptedNews.size > 0) this.#handshake(incoming)
    else this.#keep(incoming)
  }

  #keep(incoming: Incoming): void {
    const now = this.platform.now()
    while (this.#undecided.length > 0) {
      const oldest = this.#undecided[0]!
      if (oldest.incoming.isPending && now - oldest.since < UNDECIDED_MS) break
      if (oldest.incoming.isPending) oldest.incoming.ignore()
      this.#undecided.shift()
    }
    if (this.#undecided.length >= MAX_UNDECIDED) incoming.refuse()
    else this.#undecided.push({ incoming, since: now })
    this.#newcomer.wake()
  }

  #acceptQuic(quic: QuicIncoming): Connection {
    this.#mustBeOpen()
    const connection = this.#add(
      new Connection({
        driver: this.#driver,
        tried: [],
        watch: (accepted) => this.#peers.watch(accepted, NO_WISHES),
        start: (handler) => this.#driver.accept(quic, handler),
        onDrained: this.#onDrained,
      }),
    )
    if (this.#extras.holdsPeers) this.#holdPeer(connection)
    return connection
  }

  #holdPeer(connection: Connection): void {
    connection.established.then(
      () => {
        const release = this.#extras.hold(connection.remoteId.toBytes(), [])
        if (release !== undefined) connection.closed.then(release)
      },
      () => {
        // it never was a connection
      },
    )
  }

  #handshake(incoming: Incoming): void {
    incoming.accept().then(
      (connection) => {
        this.#accepted.push(connection)
        this.#acceptedNews.wake()
      },
      () => {
        // Whoever it was did not finish the handshake: nobody's fault here.
      },
    )
  }

  #mustBeOpen(): void {
    if (this.isClosed) throw new EndpointError('ENDPOINT_CLOSED', 'the endpoint is closed; bind a new one')
  }

  /** For protocols on this endpoint: tells `onError` what nobody else would hear. */
  reportError(error: unknown): void {
    this.#reportError(error)
  }

  #reportError(error: unknown): void {
    try {
      this.#onError(error)
    } catch {
      // An error of the error handler has nowhere to go.
    }
  }
}

/** Settings of one dial, absent where it has none of its own. The idle timeout must not cut a longer wait short. */
function dialSettings(
  timeoutMs: number | undefined,
  settings: Partial<QuicSettings> | undefined,
): { settings?: Partial<QuicSettings> } {
  if (timeoutMs === undefined) return settings === undefined ? {} : { settings }
  const idle = settings?.maxIdleTimeoutMs
  return {
    settings: {
      ...settings,
      handshakeTimeoutMs: timeoutMs,
      ...(idle === undefined && timeoutMs > 30_000 ? { maxIdleTimeoutMs: timeoutMs } : {}),
    },
  }
}

function checkAlpns(alpns: readonly Alpn[]): Uint8Array[] {
  const checked: Uint8Array[] = []
  for (const alpn of alpns) {
    const bytes = alpnBytes(alpn)
    if (bytes === undefined) throw new EndpointError('INVALID_OPTION', 'an ALPN has 1 to 255 bytes')
    if (!checked.some((known) => sameBytes(known, bytes))) checked.push(bytes)
  }
  return checked
}
